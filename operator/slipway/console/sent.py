"""What a browser sends, or whatever says that it is one: read by what pages of the console send, and refused in words
where it is anything else."""

from collections.abc import Iterable
from typing import Final
from urllib.parse import parse_qsl

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from multidict import MultiDict

_FORM: Final = "application/x-www-form-urlencoded"
_UTF_8: Final = (None, "utf-8", "utf8")


def is_text(words: Iterable[str]) -> bool:
    """Whether all of it was UTF-8. Bytes that were not are halves of letters by now, which no page can have."""
    return not any("\ud800" <= letter <= "\udfff" for each in words for letter in each)


def check_address(request: web.Request) -> None:
    """HTTPBadRequest for an address that is no text."""
    address = request.rel_url
    if not is_text((address.path, *address.query, *address.query.values())):
        raise web.HTTPBadRequest(text="This address is not UTF-8.")


async def form_of(request: web.Request) -> MultiDict[str]:
    """The fields of a form that was posted. HTTPBadRequest for what no page of the console would post."""
    if request.method != "POST":
        return MultiDict()
    try:
        body = await request.read()
    except (HttpProcessingError, web.RequestPayloadError):
        raise web.HTTPBadRequest(text="The form is not encoded as it says.") from None
    if body and (request.content_type != _FORM or _charset(request) not in _UTF_8):
        raise web.HTTPBadRequest(text=f"Send a form as {_FORM}, in UTF-8.")
    return MultiDict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))


def _charset(request: web.Request) -> str | None:
    return (request.charset or "").lower() or None
