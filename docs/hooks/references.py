"""Names of classes, wherever they stand as code in a text, become links into the reference.

Called by mkdocs, as ``hooks`` in mkdocs.yml says. A name that the reference lacks ends the build.
"""

import re
from importlib import import_module
from pathlib import Path

REFERENCE = Path(__file__).parents[1] / "reference"
LEFT_ALONE = re.compile(r"(<(a|h[1-6]|pre)\b.*?</\2>)", flags=re.DOTALL)
NAME = re.compile(r"<code>((?:offkey\.(?:[a-z]+\.)?)?([A-Z]\w*[a-z]\w*)(?:\([^<]*\))?)</code>")
TUPLE = re.compile(r"<code>\((array, shape\((?:(?!</code>).)*|(?:(?!</code>).)*, optional)\)</code>")
"""What the reader of docstrings takes for a Python tuple."""


def _names():
    """Return the identifier of each class that a page of the reference describes, by its name."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in sorted(REFERENCE.glob("*.md")))
    rooms = [import_module(name) for name in re.findall(r"^::: (offkey\.[a-z]+)$", text, flags=re.MULTILINE)]
    return {
        name: f"{room.__name__}.{name}"
        for room in rooms
        for name in room.__all__
        if isinstance(getattr(room, name), type)
    }


identifiers = _names()


def on_page_content(text, page, config, files):
    """Put links around names of classes, outside headings, links and blocks of code."""
    pieces = LEFT_ALONE.split(TUPLE.sub(_as_written, text))
    return "".join(NAME.sub(_linked, piece) if i % 3 == 0 else piece for i, piece in enumerate(pieces) if i % 3 != 2)


def _linked(match):
    identifier = identifiers.get(match[2])
    return f'<autoref identifier="{identifier}">{match[0]}</autoref>' if identifier else match[0]


def _as_written(match):
    spaced = match[1].replace("shape(", "shape (")
    return "<code>" + re.sub(r"shape \(([^,()]+)\)", r"shape (\1,)", spaced) + "</code>"
