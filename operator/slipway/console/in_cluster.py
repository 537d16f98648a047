"""The console in the cluster: for many, read-only, with an account that may list three kinds and write nothing.

Without a proxy in front whoever reaches it is anybody, and sees what is shared with all. Behind one each person sees
what the API server says that they may list, and what is shared with their namespaces.
"""

from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from slipway.console import following
from slipway.console.api_server import ApiError, ApiServer, Object
from slipway.console.following import Change
from slipway.console.guarding import answered, with_headers
from slipway.console.identity import ANYBODY, NobodyError, Proxy, Reader
from slipway.console.kept import Kept
from slipway.console.pages import Console, Reading, static
from slipway.console.rights import DEPLOYMENTS, Resource, Rights
from slipway.console.sight import Sight, Sights, seen

_READERS: Final = 32
"""Whose pages are made of what is kept for them."""
_STREAMS: Final = 500
"""Of pages that are open and follow what happens, all together."""
_STREAMS_OF_ONE: Final = 100
"""Of a person; where nobody is known by name, of an address."""
PAGES: Final = {
    "/": "overview",
    "/models/{namespace}/{name}": "model",
    "/market": "search",
    "/market.yaml": "for_hub",
    "/market/{namespace}/{model}": "published",
    "/market/{namespace}/{model}/{version}": "version",
}


class _Nothing(ApiServer):
    """What pages may ask the API server beyond what is kept: nothing."""

    def __init__(self) -> None:
        pass

    async def get(self, path: str, **query: str) -> Object:
        raise ApiError(
            403, "the console in the cluster shows models that you may list, and reads no Pods and no Events"
        )


class _NoRights(Rights):
    """Nobody does anything here."""

    async def may(self, verb: str, namespace: str, resource: Resource = DEPLOYMENTS, name: str = "") -> bool:
        return False


class SharedConsole:
    """Pages for many, each as its reader may see it. `proxy`: None where there is none."""

    def __init__(self, api: ApiServer, kept: Kept, proxy: Proxy | None) -> None:
        self._kept, self._proxy, self._sights = kept, proxy, Sights(api, kept)
        self._reading = Reading(kept)
        self._consoles: OrderedDict[Reader, tuple[Sight, Console]] = OrderedDict()
        self._streams = Counter[Reader | str]()

    def application(self) -> web.Application:
        """To be served. There is no address that writes."""
        application = web.Application(middlewares=[self._middleware(), following.timed(self._kept.changes)])
        application.on_response_prepare.append(with_headers)
        application.add_routes([web.get(path, self._page(name)) for path, name in PAGES.items()])
        application.add_routes(
            [
                web.get("/changes", self.changes),
                web.get("/static/{name}", static),
                web.get("/healthz", self.healthy),
                web.get("/readyz", self.ready),
            ]
        )
        return application

    async def healthy(self, _: web.Request) -> web.Response:
        """For the kubelet."""
        return web.Response(text="ok\n")

    async def ready(self, _: web.Request) -> web.Response:
        """Whether everything has been read once."""
        problems = [f"{each.kind.plural}: {each.problem}\n" for each in self._kept.kinds if not each.is_read]
        return web.Response(status=503 if problems else 200, text="".join(problems) or "ok\n")

    async def changes(self, request: web.Request) -> web.StreamResponse:
        """As `Console.changes`; a page that finds no room is told so, and is as good as new when it is loaded again."""
        reader = self._reader(request)
        of = (request.remote or "") if reader == ANYBODY else reader
        if self._streams.total() >= _STREAMS or self._streams[of] >= _STREAMS_OF_ONE:
            raise web.HTTPServiceUnavailable(text="Too many pages are open; load this one again to see what is new.")
        self._streams[of] += 1
        try:
            return await following.changes(request, self._kept.changes, partial(self._concerns, reader))
        finally:
            self._streams -= Counter([of])

    async def _concerns(self, reader: Reader, changes: Iterable[Change]) -> bool:
        """Whether they may see any of it, as it was or as it is. Where nobody says what they may see, nothing."""
        try:
            sight = await self._sights.of(reader)
        except ApiError:
            return False
        return any(sight.shows_change(each, self._kept.models) for each in changes)

    def _page(self, name: str) -> Handler:
        async def page(request: web.Request) -> web.StreamResponse:
            console = await self._console(self._reader(request))
            handler: Callable[[web.Request], Awaitable[web.StreamResponse]] = getattr(console, name)
            return await handler(request)

        return page

    async def _console(self, reader: Reader) -> Console:
        """The pages of a person, whose tables are made once for each change of what they may see."""
        try:
            sight = await self._sights.of(reader)
        except ApiError as error:
            raise web.HTTPServiceUnavailable(text=f"The API server does not say what you may see: {error}") from None
        before, console = self._consoles.get(reader, (None, None))
        if console is None or before != sight:
            console = Console(
                _Nothing(),
                seen(self._kept, sight),
                namespace="",
                rights=_NoRights(_Nothing()),
                reading=self._reading,
            )
            self._consoles[reader] = (sight, console)
        self._consoles.move_to_end(reader)
        while len(self._consoles) > _READERS:
            self._consoles.popitem(last=False)
        return console

    def _reader(self, request: web.Request) -> Reader:
        return self._proxy.reader(request.headers) if self._proxy else ANYBODY

    def _middleware(self) -> Middleware:
        @web.middleware
        async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
            try:
                if request.path not in ("/healthz", "/readyz"):
                    self._reader(request)
            except NobodyError as error:
                return web.Response(status=error.status, text=str(error))
            return await answered(request, handler)

        return guarded
