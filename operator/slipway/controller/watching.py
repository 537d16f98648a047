"""kopf, tamed: it brings raw watch events and does nothing else. This file and `handlers` are all that knows it.

Every setting has its reason in numbers or in an outage: reference/kopf-and-clients.md §3.
"""

import random
from collections.abc import Iterator, Sequence
from typing import Any, Final

import kopf

from slipway.controller.kinds import Kind

LONGEST_BACKOFF_SECONDS: Final = 15


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


def settings_for(kinds: Sequence[Kind]) -> kopf.OperatorSettings:
    """kopf's settings for watching these kinds."""
    settings = kopf.OperatorSettings()
    settings.peering.standalone = True  # a Lease elects, see election.py
    settings.scanning.disabled = True
    settings.posting.enabled = False
    settings.persistence.diffbase_storage = NoDiffBase()
    settings.persistence.progress_storage = NoProgress()
    settings.networking.request_timeout = 30
    settings.networking.error_backoffs = EndlessBackoffs()
    settings.queueing.idle_timeout = 0.05  # a worker keeps its raw event that long: 372 → 64 MB at 8,000 pods
    settings.queueing.worker_limit = None
    settings.watching.chunk_size = 100  # eleven kinds are listed at the same time, each chunk as Python objects
    for kind in kinds:
        if kind.selector:
            settings.watching.label_selectors[kind.group, kind.version, kind.plural] = kind.selector
    return settings


async def watch(registry: kopf.OperatorRegistry, kinds: Sequence[Kind], namespaces: Sequence[str]) -> None:
    """Run kopf until it ends, by a signal to the process or by a fault of its own."""
    if registry._changing.get_all_handlers() or registry._spawning.get_all_handlers():  # noqa: SLF001
        raise RuntimeError("Without storages kopf can serve event handlers only")
    await kopf.operator(
        registry=registry,
        settings=settings_for(kinds),
        standalone=True,
        clusterwide=not namespaces,
        namespaces=list(namespaces),
        memo=(),  # copied for every object; handlers hold what they need
    )
