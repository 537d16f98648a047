"""Who may open a page: whoever has the address that the console printed, and was sent there by nobody else.

A page on loopback is reached by every page that a browser has open. So its host must be ours (a name that leads to
loopback is somebody else's: DNS rebinding), a cookie of one start must come along, and what writes must come from our
own pages. A browser sends a host's cookies to all of its ports: this one is for a path that nobody else knows, and all
pages are under it.
"""

import hmac
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from slipway.console.invitation import leading_to
from slipway.console.sent import check_address
from slipway.guard.printable import printable_lines

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Door:
    """What a request to the console at a port of loopback must have. `root`: a slash and a word that nobody guesses, in
    front of each page's address. `entered`: is called when the key was shown."""

    port: int
    token: str
    root: str
    entered: Callable[[], None] = lambda: None

    @property
    def hosts(self) -> frozenset[str]:
        """With their port, as a Host header has them."""
        return frozenset({f"127.0.0.1:{self.port}", f"localhost:{self.port}"})

    @property
    def cookie(self) -> str:
        """Its name, which nobody else can guess: what another port gives a cookie of the same name takes its place."""
        return f"slipway-console-{self.root.removeprefix('/')}"

    def middleware(self) -> Middleware:
        """For aiohttp."""

        @web.middleware
        async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
            return self._refused(request) or self._entered(request) or await answered(request, handler)

        return guarded

    def _refused(self, request: web.Request) -> web.Response | None:
        if request.host not in self.hosts:
            return web.Response(status=421, text=f"This is not {request.host!r}.\n")
        if request.method not in ("GET", "HEAD") and request.headers.get("Origin") not in self._origins:
            return web.Response(status=403, text="This was sent by a page of somebody else.\n")
        return None

    def _entered(self, request: web.Request) -> web.Response | None:
        """The cookie for the token in the address, or why there is no page."""
        if request.path == "/" and self._is(request.query.get("token", "")):
            # No redirect: the cookie would not come along from a page of somebody else, or from a file.
            response = web.Response(text=leading_to(f"{self.root}/"), content_type="text/html")
            response.set_cookie(self.cookie, self.token, httponly=True, samesite="Strict", path=self.root)
            self.entered()
            return response
        if self._is(request.cookies.get(self.cookie, "")):
            return None
        return web.Response(status=401, text="Open the address that `slipway console` has printed: it has the key.\n")

    def _is(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(errors="replace"), self.token.encode())

    @property
    def _origins(self) -> set[str]:
        return {f"http://{host}" for host in self.hosts}


async def with_headers(_: web.Request, answer: web.StreamResponse) -> None:
    """For `on_response_prepare`: each answer has them, whoever made it."""
    answer.headers.update(HEADERS)


async def answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    """What a page's handler makes; where it makes none, why."""
    try:
        check_address(request)
        return await handler(request)
    except web.HTTPException as error:
        return web.Response(status=error.status, text=f"{error.text}\n", headers=_kept(error))
    # The boundary to whoever looks: a page that cannot be made is said, on it and where the console runs.
    except Exception as error:  # noqa: BLE001
        sys.stderr.write(f"{printable_lines(traceback.format_exc())}\n")
        return web.Response(status=500, text=f"This page cannot be made: {type(error).__name__}: {error}\n")


def _kept(error: web.HTTPException) -> dict[str, str]:
    location = error.headers.get("Location")
    return {"Location": location} if location else {}
