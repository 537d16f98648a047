"""Addresses of pages, as links, forms and redirects have them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from aiohttp import web


@dataclass(frozen=True)
class Addresses:
    """`root` is in front of each: nothing, or a slash and a word."""

    root: str = ""

    def of(self, *parts: str) -> str:
        """Of a page by the parts of its path; without any, of the first page."""
        return f"{self.root}/" + "/".join(quote(part, safe="") for part in parts)


def here(request: web.Request, changes: Mapping[str, Any]) -> str:
    """The same address with other values in its query; those that are empty are left out."""
    query = {**request.query, **{key: str(value) for key, value in changes.items()}}
    kept = urlencode({key: value for key, value in query.items() if value})
    return f"{request.path}?{kept}" if kept else request.path
