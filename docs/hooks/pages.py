"""Pages that are made of files outside docs, stars in the navigation, and links that lead out of docs.

Called by mkdocs, as ``hooks`` in mkdocs.yml says.
"""

import posixpath
import re
from fnmatch import fnmatch
from pathlib import Path

MARK = re.compile(r"^<!-- text of (\S+) -->$", flags=re.MULTILINE)
LINK = re.compile(r"(\]\()([^)\s#:]+)((?:#[^)\s]*)?\))")


def on_files(files, config):
    """Put all pages that a star in the navigation stands for in its place."""
    pages = sorted(file.src_uri for file in files.documentation_pages() if not file.inclusion.is_excluded())
    listed = set(_listed(config.nav))
    config.nav = _spread(config.nav, [page for page in pages if page not in listed])
    return files


def on_page_markdown(markdown, page, config, files):
    """Put in the text of files that lie outside docs, and turn links there into links to the pages made of them."""
    root = Path(config.config_file_path).parent
    folder = posixpath.dirname(page.file.src_uri)

    def text_of(mark):
        text = (root / mark[1]).read_text(encoding="utf-8")
        return LINK.sub(lambda link: link[1] + _from(folder, posixpath.join("..", link[2])) + link[3], text)

    def led(link):
        return link[1] + _from(folder, posixpath.join("..", "docs", folder, link[2]), files) + link[3]

    return LINK.sub(led, MARK.sub(text_of, markdown))


def _from(folder, target, files=None):
    """Return the address, from a folder of docs, of what lies at a path that begins with ``../`` (the repository)."""
    path = posixpath.normpath(target.removeprefix("../"))
    if files is None:
        return posixpath.relpath(path, posixpath.join("docs", folder))
    inside = posixpath.relpath(path, "docs")
    for pattern, page in (
        (r"\.\./CHANGELOG\.md", "changelog.md"),
        (r"\.\./CONTRIBUTING\.md", "contributing.md"),
        (r"\.\./README\.md", "index.md"),
        (r"\.\./src/offkey/([a-z]+)(/.*|\.py)", r"reference/\1.md"),
        (r"(tutorial/\d\w*)\.py", r"\1.md"),
        (r"decisions", "decisions/index.md"),
    ):
        inside = re.sub(f"^{pattern}$", page, inside)
    return posixpath.relpath(inside, folder or ".")


def _listed(nav):
    for item in nav:
        if isinstance(item, dict):
            for value in item.values():
                yield from _listed(value if isinstance(value, list) else [value])
        else:
            yield item


def _spread(nav, pages):
    spread = []
    for item in nav:
        if isinstance(item, dict):
            ((name, value),) = item.items()
            if isinstance(value, list):
                spread.append({name: _spread(value, pages)})
            else:
                spread += [{name: page} for page in (_matching(value, pages) if "*" in value else [value])]
        else:
            spread += _matching(item, pages) if "*" in item else [item]
    return spread


def _matching(pattern, pages):
    return [page for page in pages if fnmatch(page, pattern)]
