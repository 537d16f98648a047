"""kopf brings raw watch events and does nothing else. Only this file and `handlers` know it.

By kopf's own settings the process ends after an outage of 54 s, each object is kept in memory, and half of the time
goes into what only change handlers need.
"""

import asyncio
import logging
import random
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import aiohttp
import kopf
from kopf._cogs.clients import api, fetching
from kopf._cogs.clients.errors import APINotFoundError
from kopf._core.reactor.inventory import ResourceMemories, ResourceMemory

from slipway.controller import parsing
from slipway.controller.kinds import Kind
from slipway.controller.kube import Kube, KubeError, NotFoundError
from slipway.controller.resync import KindsChangedError
from slipway.controller.store import versions
from slipway.core.names import Manifest

# The standard library's takes a fifth of the operator's work in a burst, and ends the process where somebody nests
# lists a thousand deep. `loads` is all that this module of kopf's asks of it.
api.json = parsing  # type: ignore[attr-defined]

log = logging.getLogger(__name__)

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
    for kind in kinds:
        if kind.selector:
            settings.watching.label_selectors[kind.group, kind.version, kind.plural] = kind.selector
    return settings


OnListing = Callable[[Kind, str | None, Mapping[str, int], int], None]
"""Called with each list with which a watch begins: kind, namespace, version by uid, and the list's own version."""
OnListed = Callable[[Kind, Manifest], None]
"""Called with each object of such a list."""

_fetch_objs = fetching.fetch_objs


def take_over_lists(kinds: Sequence[Kind], kube: Kube, on_listed: OnListed, on_listing: OnListing) -> None:
    """Have kopf's watches begin with lists of ours, whenever they begin: at the start or after the API server's 410.

    kopf reads a hundred objects at a time, however large, keeps each until a task of its own has taken it, and reports
    what came and changed since the last event, and not what went. Of ours it gets nothing but the version."""
    by_address = {(kind.group, kind.version, kind.plural): kind for kind in kinds}

    async def fetch_objs(*, resource: Any, namespace: Any, **more: Any) -> AsyncIterator[tuple[Any, str]]:
        kind = by_address.get((resource.group, resource.version, resource.plural))
        if kind is None:
            async for chunk, version in _fetch_objs(resource=resource, namespace=namespace, **more):
                yield chunk, version
            return
        yield (), await _list(kube, kind, namespace, on_listed, on_listing)

    fetching.fetch_objs = fetch_objs


async def _list(kube: Kube, kind: Kind, namespace: str | None, on_listed: OnListed, on_listing: OnListing) -> str:
    """List until it succeeds. Answers the list's version."""
    for delay in EndlessBackoffs():
        listed: dict[str, int] = {}
        version = "0"
        try:
            async for page in kube.list(kind, namespace):
                version = page.resource_version
                listed |= versions(page.items)
                for manifest in page.items:
                    on_listed(kind, manifest)
                del page
        except NotFoundError as error:
            raise KindsChangedError(f"The cluster knows no {kind.plural} any more") from error
        except KubeError as error:
            log.log(logging.INFO if delay > 1 else logging.WARNING, "A watch waits for its list: %s", error)
            await asyncio.sleep(delay)
        else:
            on_listing(kind, namespace, listed, int(version))
            return version
    raise AssertionError("backoffs have no end")


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
    *,
    kube: Kube,
    on_listed: OnListed,
    on_listing: OnListing,
    stop: asyncio.Event,
) -> None:
    """Run kopf until it is cancelled. Raises KindsChangedError when the cluster has forgotten one of the kinds."""
    if registry._changing.get_all_handlers() or registry._spawning.get_all_handlers():  # noqa: SLF001
        raise RuntimeError("Without storages kopf can serve event handlers only")
    for name in TELL_OF_TASKS:
        logging.getLogger(name).addFilter(_tells_more_than_a_lost_kind)
    logging.getLogger(TELLS_OF_TRIES).addFilter(is_first_try)
    take_over_lists(kinds, kube, on_listed, on_listing)
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
    lost = record.exc_info and isinstance(record.exc_info[1], APINotFoundError | KindsChangedError)
    return not (lost or CANCELLING in record.getMessage())


def is_first_try(record: logging.LogRecord) -> bool:
    """A watch that may not be had, or whose API server is away, is tried again for ever, and says so once."""
    message = record.getMessage()
    return not message.startswith("Request attempt") or message.startswith("Request attempt #1 ")
