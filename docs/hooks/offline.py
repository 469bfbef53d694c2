"""The site asks for nothing from the network: a page that would ends the build.

Called by mkdocs, as ``hooks`` in mkdocs.yml says.
"""

import re

from mkdocs.exceptions import PluginError

FETCHED = re.compile(
    r"<(?:script|img|iframe|audio|video|source|link)\b[^>]*?\b(?:src|href)=[\"']?((?:https?:)?//[^\"'>\s]+)"
)


def on_post_page(output, page, config):
    """Refuse scripts, styles, pictures and sounds of other places; links that a reader clicks are no such thing."""
    found = FETCHED.findall(output)
    if found:
        raise PluginError(f"{page.file.src_uri}: would fetch {', '.join(found)} when it is read.")
    return output
