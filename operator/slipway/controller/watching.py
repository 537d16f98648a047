"""kopf brings raw watch events and does nothing else. Only this file and `handlers` know it.

By kopf's own settings the process ends after an outage of 54 s, each object is kept in memory, and half of the time
goes into what only change handlers need.
"""

import asyncio
import logging
import random
import signal
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final, cast

import aiohttp
import kopf
import orjson
from kopf._cogs.clients import api, fetching
from kopf._cogs.clients.errors import APINotFoundError
from kopf._core.reactor.inventory import ResourceMemories, ResourceMemory

from slipway.controller.kinds import Kind
from slipway.controller.resync import KindsChangedError
from slipway.controller.store import versions
from slipway.core.names import Manifest

# By the standard library reading watch events is a fifth of the operator's work in a burst. `loads` is all that
# this module of kopf's asks of it.
api.json = orjson  # type: ignore[attr-defined]

LONGEST_BACKOFF_SECONDS: Final = 15
TELLS_OF_TRIES: Final = "kopf._cogs.clients.watching"
"""It logs each try of a list or watch that fails."""
TELL_OF_TASKS: Final = ("kopf._core.reactor.orchestration", "kopf._core.reactor.running", "asyncio")
"""They log how each task of kopf failed."""
CANCELLING: Final = "request_cancel_callback"


class EndlessBackoffs:
    """Delays between tries, without end: with a finite list kopf ends the process after an outage of 54 s."""

    def __iter__(self) -> Iterator[float]:
        delay = 0.5
        while True:
            yield delay * random.uniform(0.5, 1)  # noqa: S311
            delay = min(LONGEST_BACKOFF_SECONDS, delay * 2)


class NoDiffBase(kopf.DiffBaseStorage):
    """Keeps no last-seen state: only change handlers need one, and making it takes half of kopf's time."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        """See kopf."""
        return kopf.BodyEssence({})

    def fetch(self, **_: Any) -> None:
        """See kopf."""

    def store(self, **_: Any) -> None:
        """See kopf."""


class NoProgress(kopf.ProgressStorage):
    """Keeps no progress of handlers: only change handlers have any."""

    def fetch(self, **_: Any) -> None:
        """See kopf."""

    def store(self, **_: Any) -> None:
        """See kopf."""

    def purge(self, **_: Any) -> None:
        """See kopf."""

    def touch(self, **_: Any) -> None:
        """See kopf."""

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        """See kopf."""
        return essence


class NoMemories(ResourceMemories):
    """Remembers nothing of any object: only change handlers, daemons and indices do, at nearly a kilobyte each."""

    async def recall(self, *args: Any, **kwargs: Any) -> ResourceMemory:
        """See kopf."""
        return await super().recall(*args, **kwargs | {"ephemeral": True})


def settings_for(kinds: Sequence[Kind]) -> kopf.OperatorSettings:
    """kopf's settings for watching these kinds."""
    settings = kopf.OperatorSettings()
    settings.peering.standalone = True  # a Lease elects, see election.py
    settings.scanning.disabled = True
    settings.posting.enabled = False
    settings.persistence.diffbase_storage = NoDiffBase()
    settings.persistence.progress_storage = NoProgress()
    settings.networking.request_timeout = 30  # by kopf's default one hung list would hold its watch up for 300 s
    settings.networking.error_backoffs = EndlessBackoffs()
    settings.queueing.idle_timeout = 0.05  # a worker keeps its raw event that long: 372 → 64 MB at 8,000 pods
    settings.queueing.worker_limit = None  # a limit's slots are held for the idle timeout
    settings.watching.chunk_size = 100  # eleven kinds are listed at the same time, each chunk as Python objects
    for kind in kinds:
        if kind.selector:
            settings.watching.label_selectors[kind.group, kind.version, kind.plural] = kind.selector
    return settings


OnListing = Callable[[Kind, str | None, Mapping[str, int], int], None]
"""Called with each list with which a watch begins: kind, namespace, version by uid, and the list's own version."""

_fetch_objs = fetching.fetch_objs


def tell_of_lists(kinds: Sequence[Kind], on_listing: OnListing) -> None:
    """Have `on_listing` called with the list whenever a watch begins, at the start or after the API server's 410: kopf
    reports what came and changed since the last event, and not what went."""
    by_address = {(kind.group, kind.version, kind.plural): kind for kind in kinds}

    async def fetch_objs(*, resource: Any, namespace: Any, **more: Any) -> AsyncIterator[tuple[Any, str]]:
        listed: dict[str, int] = {}
        version = "0"
        async for chunk, version in _fetch_objs(resource=resource, namespace=namespace, **more):
            listed |= versions(cast("Collection[Manifest]", chunk))
            yield chunk, version
        kind = by_address.get((resource.group, resource.version, resource.plural))
        if kind:
            on_listing(kind, namespace, listed, int(version))

    fetching.fetch_objs = fetch_objs


class WatchesEndedError(Exception):
    """kopf ended though nobody asked it to."""


def heed_signals(stop: asyncio.Event) -> None:
    """Have `stop` set when the process is asked to end."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)


async def watch(
    registry: kopf.OperatorRegistry,
    kinds: Sequence[Kind],
    namespaces: Sequence[str],
    on_listing: OnListing,
    stop: asyncio.Event,
) -> None:
    """Run kopf until it is cancelled. Raises KindsChangedError when the cluster has forgotten one of the kinds."""
    if registry._changing.get_all_handlers() or registry._spawning.get_all_handlers():  # noqa: SLF001
        raise RuntimeError("Without storages kopf can serve event handlers only")
    for name in TELL_OF_TASKS:
        logging.getLogger(name).addFilter(_tells_more_than_a_lost_kind)
    logging.getLogger(TELLS_OF_TRIES).addFilter(is_first_try)
    tell_of_lists(kinds, on_listing)
    others = asyncio.all_tasks()
    tasks = await kopf.spawn_tasks(
        registry=registry,
        settings=settings_for(kinds),
        standalone=True,
        clusterwide=not namespaces,
        namespaces=list(namespaces),
        memories=NoMemories(),
        memo=(),  # copied for every event; handlers hold what they need
    )
    heed_signals(stop)  # kopf has taken them over, and would end as quietly by a fault of its own as by a signal
    try:
        await kopf.run_tasks(tasks, ignored=others)
    except APINotFoundError as error:
        raise KindsChangedError(f"The cluster knows no {_plural(error)} any more") from error
    raise WatchesEndedError("kopf ended though nobody asked it to")


def _plural(error: APINotFoundError) -> str:
    """The kind that was asked for: lists and watches have it at the end of their address."""
    cause = error.__cause__
    return cause.request_info.real_url.name if isinstance(cause, aiohttp.ClientResponseError) else "such kind"


def _tells_more_than_a_lost_kind(record: logging.LogRecord) -> bool:
    """Each watch of a kind that is gone fails, at some length; that the kind is gone is said once, by `main`. And where
    kopf means to cancel a request that is under way then, it trips over an assertion; the request ends all the same."""
    lost = record.exc_info and isinstance(record.exc_info[1], APINotFoundError)
    return not (lost or CANCELLING in record.getMessage())


def is_first_try(record: logging.LogRecord) -> bool:
    """A watch that may not be had, or whose API server is away, is tried again for ever, and says so once."""
    message = record.getMessage()
    return not message.startswith("Request attempt") or message.startswith("Request attempt #1 ")
