"""Markdown of strangers as HTML that does nothing."""

from collections.abc import Sequence
from typing import Any, Final

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markdown_it.utils import OptionsDict
from markupsafe import Markup, escape

_MARKDOWN: Final = MarkdownIt("commonmark", {"html": False}).disable("image")
_LONGEST: Final = 4096
"""Characters. Hostile Markdown takes a hundred times as long as it is."""
_TAGS: Final = {"p", "em", "strong", "code", "pre", "ul", "ol", "li", "blockquote", "br", "hr", "h3", "h4", "h5"}


def _nothing(*_: Any) -> str:
    return ""


def _address(_: Any, tokens: Sequence[Token], place: int, __: OptionsDict, ___: Any) -> str:
    """Where the link that ends here leads, in words, where its text does not say that."""
    began = next(at for at in range(place - 1, -1, -1) if tokens[at].type == "link_open")
    text, address = "".join(each.content for each in tokens[began:place]), str(tokens[began].attrs.get("href", ""))
    return "" if text == address else f" ({escape(address)})"


_MARKDOWN.add_render_rule("link_open", _nothing)
_MARKDOWN.add_render_rule("link_close", _address)


def safe(text: str) -> Markup:
    """The text's HTML: no markup of its own, no image, and no link: one could lead to whatever else listens on the
    machine of whoever looks. Addresses are text."""
    html = nh3.clean(
        _MARKDOWN.render(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"),
        tags=_TAGS,
        attributes={},
    )
    return Markup(html)  # noqa: S704 - nh3 has cleaned it
