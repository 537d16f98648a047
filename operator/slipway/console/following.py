"""How pages follow what happens: each has the moment as of which it was made, and is told once something that it may
show has changed since. A moment counts nothing: it says nothing of how much happens that its reader may not see."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from slipway.api.v1alpha1 import Named
from slipway.console.api_server import Object
from slipway.core.body import within

_REMEMBERED: Final = 1_000
_BETWEEN_SECONDS: Final = 1.0
"""Pages are told of changes no oftener."""
_SILENT_SECONDS: Final = 15.0
"""Proxies cut a stream that says nothing for long."""
_MOMENT: Final = ContextVar[int]("moment")
"""As of which a page is made."""


@dataclass(frozen=True)
class Change:
    """Of an object, as it was and as it is: as much of it as says who may see it. Without a kind, of what everybody is
    shown, such as what cannot be read."""

    kind: Named | None = None
    objects: tuple[Object, ...] = ()


ANYTHING: Final = (Change(),)
"""More has changed than is remembered."""


def change_of(kind: Named, *objects: Object) -> Change:
    """Of an object as it was, and as it is."""
    return Change(kind, tuple(map(_traced, objects)))


def _traced(each: Object) -> Object:
    spec = within(each, "spec")
    named = {"model": str, "sharedWith": list}
    kept = {name: spec[name] for name, kind in named.items() if isinstance(spec.get(name), kind)}
    return {"metadata": {"namespace": within(each, "metadata").get("namespace")}, "spec": kept}


class Changes:
    """What has changed, and when, in nanoseconds of a clock that never goes back."""

    def __init__(self) -> None:
        self._recent = deque[tuple[int, Change]](maxlen=_REMEMBERED)
        self._forgotten = self._last = time.monotonic_ns()
        self._condition = asyncio.Condition()

    def now(self) -> int:
        """The moment as of which a page is made that is begun now."""
        return max(time.monotonic_ns(), self._last + 1)

    async def tell(self, change: Change = ANYTHING[0]) -> None:
        """Something has changed."""
        async with self._condition:
            if len(self._recent) == _REMEMBERED:
                self._forgotten = self._recent[0][0]
            self._last = self.now()
            self._recent.append((self._last, change))
            self._condition.notify_all()

    async def after(self, moment: int) -> tuple[int, Iterable[Change]]:
        """Wait until something has changed since that moment: what it was, and the moment from which to wait for more.
        A moment that this clock has not had is long ago."""
        async with self._condition:
            if self._forgotten < moment <= self.now():
                await self._condition.wait_for(lambda: self._last >= moment)
            is_remembered = self._forgotten < moment <= self._last
            return self._last + 1, [each for at, each in self._recent if at >= moment] if is_remembered else ANYTHING


Concerns = Callable[[Iterable[Change]], Awaitable[bool]]
"""Whether a page may show something else after these."""


async def all_of_them(_: Iterable[Change]) -> bool:
    """Of a reader who may see all that is kept."""
    return True


async def changes(request: web.Request, of: Changes, concerns: Concerns = all_of_them) -> web.StreamResponse:
    """Server-sent events: `changed`, each time that a page may show something else; at once where it does already,
    since something has changed before the page came to listen."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await response.prepare(request)
    since = request.query.get("since", "")
    moment = int(since) if since.isascii() and since.isdigit() and len(since) < 20 else of.now()
    with contextlib.suppress(ConnectionResetError):
        while True:
            try:
                async with asyncio.timeout(_SILENT_SECONDS):
                    moment, news = await of.after(moment)
            except TimeoutError:
                await response.write(b": still here\n\n")
                continue
            if await concerns(news):
                await response.write(b"event: changed\ndata:\n\n")
                await asyncio.sleep(_BETWEEN_SECONDS)
    return response


def timed(of: Changes) -> Middleware:
    """For pages of what is kept: each has the moment as of which it is made, and misses no change before it listens."""

    @web.middleware
    async def with_moment(request: web.Request, handler: Handler) -> web.StreamResponse:
        _MOMENT.set(of.now())
        return await handler(request)

    return with_moment


def moment_of_page() -> int:
    """That of the page that is being made."""
    return _MOMENT.get()
