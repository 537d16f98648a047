"""The pages, by their addresses."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from aiohttp import web

from slipway.api.v1alpha1 import KIND, PLURAL
from slipway.console import following, hub, market, serving
from slipway.console.addresses import Addresses, here
from slipway.console.api_server import ApiError, ApiServer, Object, path_of
from slipway.console.guarding import Door, with_headers
from slipway.console.kept import Kept, problems
from slipway.console.latest import Each, Latest
from slipway.console.notes import Notes
from slipway.console.rendering import rendered
from slipway.console.rights import PORTS, Rights
from slipway.console.sent import form_of
from slipway.console.taking import taking
from slipway.console.trying import Trying, versions
from slipway.core.body import mappings
from slipway.core.names import REQUEST, is_name

_MANAGER: Final = "slipway-console"
_STATIC: Final = files("slipway.console") / "static"
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class _Items(NamedTuple):
    """A list, and why it is none: something is in the way, or the reader has no right to it."""

    items: list[Object]
    problem: str = ""
    denied: str = ""


class Reading:
    """What is made of each object that is kept, once for all who look."""

    def __init__(self, kept: Kept) -> None:
        self.rows = Each(serving.row_of, kept.deployments)
        self.uses = Each(market.uses_of, kept.deployments)
        self.models = Each(market.model_of, kept.models)
        self.versions = Each(market.version_of, kept.versions)


class Console:
    """The console of one person and one cluster. `namespace` is theirs, where they may not list all."""

    def __init__(
        self,
        api: ApiServer,
        kept: Kept,
        *,
        namespace: str,
        trying: Trying | None = None,
        rights: Rights | None = None,
        reading: Reading | None = None,
    ) -> None:
        self._api, self._namespace, self._trying = api, namespace, trying
        self._rights, self._kept, self._notes = rights or Rights(api), kept, Notes()
        self._addresses = Addresses()
        read = reading or Reading(kept)
        of_models = (kept.models, kept.versions)
        self._rows = Latest(lambda: read.rows(kept.deployments), kept.deployments)
        self._uses = Latest(lambda: market.uses(read.uses(kept.deployments)), kept.deployments)

        def published() -> list[market.Published]:
            return market.joined(read.models(kept.models), read.versions(kept.versions))

        self._published = Latest(lambda: {(each.namespace, each.name): each for each in published()}, *of_models)
        self._for_hub = Latest(lambda: hub.catalogue(published()), *of_models)

    def application(self, door: Door) -> web.Application:
        """To be served, under the root that the door has."""
        self._addresses = Addresses(door.root)
        pages = web.Application()
        pages.add_routes(
            [
                web.get("/", self.overview),
                web.get("/models", self.by_name),
                web.get("/models/{namespace}/{name}", self.model),
                web.post("/models/{namespace}/{name}/requests", self.request),
                web.get("/models/{namespace}/{name}/try", self.trial),
                web.post("/models/{namespace}/{name}/try", self.trial),
                web.get("/market", self.search),
                web.get("/market.yaml", self.for_hub),
                web.get("/market/{namespace}/{model}", self.published),
                web.get("/market/{namespace}/{model}/{version}", self.version),
                web.post("/market/{namespace}/{model}/{version}/deployments", self.take),
                web.get("/changes", self.changes),
                web.get("/static/{name}", static),
            ]
        )
        application = web.Application(middlewares=[door.middleware(), following.timed(self._kept.changes)])
        application.on_response_prepare.append(with_headers)
        application.add_subapp(door.root, pages)
        return application

    async def overview(self, request: web.Request) -> web.Response:
        """All models at a glance."""
        wanted, rows = serving.Filter.of(request.query), await self._rows()
        may_list = not self._namespace or await self._rights.may("list", self._namespace)
        return await self._page(
            request,
            "overview.html",
            lambda: {"wanted": wanted, "overview": serving.overview(rows, wanted), "may_list": may_list},
        )

    async def by_name(self, request: web.Request) -> web.Response:
        """To the model that a form names."""
        namespace, name = (request.query.get(each, "") for each in ("namespace", "name"))
        raise web.HTTPSeeOther(self._addresses.of("models", namespace, name))

    async def model(self, request: web.Request) -> web.Response:
        """One model."""
        namespace, name, stored = await self._stored(request)
        pods, events, may_patch = await asyncio.gather(
            self._items(path_of("pods", namespace, group="/api/v1"), labelSelector=_label(name)),
            self._items(path_of("events", namespace, group="/api/v1"), fieldSelector=_involved(name)),
            self._rights.may("patch", namespace, name=name),
        )
        return await self._page(
            request,
            "model.html",
            lambda: {
                "name": name,
                "alone": self._kept.deployments.get(namespace, name) is None,
                "model": serving.page(stored, pods.items, events.items),
                "events": serving.events(events.items),
                "denied": {"pods": pods.denied, "events": events.denied},
                "may_patch": may_patch,
                "may_try": self._trying is not None,
                "spec": serving.as_written(stored),
                "read": serving.as_read(stored),
                "said": self._notes.get(request.query.get("said", "")),
            },
            lacking=[each.problem for each in (pods, events) if each.problem],
        )

    async def request(self, request: web.Request) -> web.Response:
        """Ask for something by annotation, as `kubectl annotate` would."""
        namespace, name = request.match_info["namespace"], request.match_info["name"]
        form = await form_of(request)
        asked = str(form.get("request", ""))
        patch = {"metadata": {"annotations": {REQUEST: asked}}}
        try:
            await self._api.merge(path_of(PLURAL, namespace, name), patch, fieldManager=_MANAGER)
            said = f"asked for: {asked}"
        except ApiError as error:
            said = str(error)
        raise self._back("models", namespace, name, said=said)

    async def trial(self, request: web.Request) -> web.Response:
        """Ask a served model, and show what it answers."""
        namespace, name, stored = await self._stored(request)
        if self._trying is None:
            raise web.HTTPNotFound(text="Models are asked from `slipway console` on your own machine.")
        form = await form_of(request)
        may_ask = await self._rights.may("create", namespace, PORTS)
        tried = await self._trying.ask(namespace, name, form) if form and may_ask else None

        def values() -> dict[str, Any]:
            status = serving.status_of(stored)
            return {
                "where": namespace,
                "name": name,
                "versions": versions(status),
                "inputs": status.model.inputs if status.model else [],
                "chosen": form.get("revision") or request.query.get("revision", ""),
                "form": form,
                "tried": tried,
                "may_ask": may_ask,
                "live": False,
            }

        return await self._page(request, "try.html", values)

    async def search(self, request: web.Request) -> web.Response:
        """Search in the catalogue."""
        models = (await self._published()).values()
        return await self._page(
            request, "market.html", lambda: {"search": market.search(models, request.query), "query": request.query}
        )

    async def for_hub(self, _: web.Request) -> web.Response:
        """The catalogue as Kubeflow Hub reads it."""
        return web.Response(text=await self._for_hub(), content_type="application/yaml")

    async def published(self, request: web.Request) -> web.Response:
        """One model of the catalogue."""
        model = await self._model(request)
        page = request.query.get("page", "")
        return await self._page(
            request, "published.html", lambda: {"model": model, "comparison": market.comparison(model, page)}
        )

    async def version(self, request: web.Request) -> web.Response:
        """One version of it."""
        version, uses = await self._version(request), await self._uses()
        may_create = await self._rights.may("create", self._namespace)
        return await self._page(
            request,
            "version.html",
            lambda: {
                "version": version,
                "uses": uses.get(version.spec.digest, []),
                "taking": taking(version, self._namespace, request.query),
                "may_create": may_create,
                "may_try": self._trying is not None,
                "said": self._notes.get(request.query.get("said", "")),
            },
        )

    async def take(self, request: web.Request) -> web.Response:
        """Make a ModelDeployment of a version in the reader's namespace."""
        form = await form_of(request)
        version = await self._version(request)
        taken = await asyncio.to_thread(taking, version, self._namespace, form)
        source = taken.manifest["spec"]["model"]["source"]
        here = ("market", version.namespace, version.spec.model, version.spec.version)
        if (form.get("digest"), form.get("uri")) != (source["digest"], source["uri"]):
            raise self._back(*here, said="the catalogue has changed since that page: look again; nothing was made")
        if taken.wrong:
            raise self._back(*here, said=f"{taken.wrong}; nothing was made", **taken.said)
        try:
            await self._api.post(
                path_of(PLURAL, self._namespace), taken.manifest, fieldManager=_MANAGER, fieldValidation="Strict"
            )
        except ApiError as error:
            raise self._back(*here, said=str(error), **taken.said) from None
        raise web.HTTPSeeOther(self._addresses.of("models", self._namespace, taken.manifest["metadata"]["name"]))

    async def changes(self, request: web.Request) -> web.StreamResponse:
        """What pages listen to."""
        return await following.changes(request, self._kept.changes)

    async def _stored(self, request: web.Request) -> tuple[str, str, Object]:
        """Namespace, name and object of a ModelDeployment that the reader may see: in a list, or by its name alone."""
        namespace, name = request.match_info["namespace"], request.match_info["name"]
        stored = self._kept.deployments.get(namespace, name)
        return namespace, name, stored or await self._named(namespace, name)

    async def _named(self, namespace: str, name: str) -> Object:
        missing = f"There is no ModelDeployment {namespace}/{name}, or you may not see it"
        if not (is_name(namespace) and is_name(name)):
            raise web.HTTPNotFound(text=f"{missing}.")
        try:
            deployment = await self._api.get(path_of(PLURAL, namespace, name))
        except ApiError as error:
            if error.status not in (403, 404):
                raise web.HTTPServiceUnavailable(text=str(error)) from None
            why = f": {error}" if error.status == 403 else ""
            raise web.HTTPNotFound(text=f"{missing}{why}.") from None
        if deployment.get("kind") != KIND:
            raise web.HTTPNotFound(text=f"{missing}.")
        return deployment

    async def _model(self, request: web.Request) -> market.Published:
        where = (request.match_info["namespace"], request.match_info["model"])
        if model := (await self._published()).get(where):
            return model
        raise web.HTTPNotFound(text=f"There is no model {'/'.join(where)} in the catalogue, or you may not see it.")

    async def _version(self, request: web.Request) -> market.Version:
        model, name = await self._model(request), request.match_info["version"]
        if version := await asyncio.to_thread(model.version, name):
            return version
        raise web.HTTPNotFound(text=f"That model has no version {name}.")

    def _back(self, *parts: str, said: str, **query: str) -> web.HTTPSeeOther:
        """To a page that says something."""
        return web.HTTPSeeOther(f"{self._addresses.of(*parts)}?{urlencode({**query, 'said': self._notes.keep(said)})}")

    async def _items(self, path: str, **query: str) -> _Items:
        """A list that a page can do without."""
        try:
            answer = await self._api.get(path, limit="500", **query)
        except ApiError as error:
            if error.status == 403:
                return _Items([], denied=str(error))
            return _Items([], problem=f"{path.rpartition('/')[2]}: {error}")
        return _Items([dict(each) for each in mappings(answer.get("items"))])

    async def _page(
        self,
        request: web.Request,
        template: str,
        values: Callable[[], Mapping[str, Any]],
        *,
        lacking: Sequence[str] = (),
    ) -> web.Response:
        """A page, made with its values in a thread: much of what strangers write takes its time, and nobody else waits
        for it."""
        moment = following.moment_of_page()

        def made() -> str:
            common = {
                "path": request.rel_url.raw_path_qs,
                "live": True,
                "alone": False,
                "moment": moment,
                "problems": [*problems(self._kept.kinds), *lacking],
                "namespace": self._namespace,
                "looked_at": self._kept.deployments.namespaces if self._namespace else (),
                "address": self._addresses.of,
                "here": lambda **changes: here(request, changes),
            }
            return rendered(template, {**common, **values()}, now=datetime.now(UTC))

        return web.Response(text=await asyncio.to_thread(made), content_type="text/html")


def _label(name: str) -> str:
    return f"serving.slipway.dev/model-deployment={name}"


def _involved(name: str) -> str:
    return f"involvedObject.kind={KIND},involvedObject.name={name}"


async def static(request: web.Request) -> web.Response:
    """A file that pages need."""
    names = {each.name for each in _STATIC.iterdir()}
    name = request.match_info["name"]
    if name not in names:
        raise web.HTTPNotFound(text=f"There is no {name}.")
    return web.Response(body=(_STATIC / name).read_bytes(), content_type=_TYPES[Path(name).suffix])
