"""Markdown of strangers as HTML that does nothing."""

from typing import Final

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup

_MARKDOWN: Final = MarkdownIt("commonmark", {"html": False}).disable("image")
_LONGEST: Final = 4096
"""Characters. Hostile Markdown takes a hundred times as long as it is."""
_TAGS: Final = {"p", "em", "strong", "code", "pre", "ul", "ol", "li", "blockquote", "br", "hr", "a", "h3", "h4", "h5"}


def safe(text: str) -> Markup:
    """The text's HTML: no markup of its own, no image, and links that tell nobody whence they were followed."""
    html = nh3.clean(
        _MARKDOWN.render(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"),
        tags=_TAGS,
        attributes={"a": {"href"}},
        url_schemes={"https", "http", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )
    return Markup(html)  # noqa: S704 - nh3 has cleaned it
