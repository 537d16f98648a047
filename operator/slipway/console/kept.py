"""The three kinds that pages are made of, as whoever looks may see them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from aiohttp import web

from slipway.api.v1alpha1 import KIND, MODEL_VERSION, PLURAL, REGISTERED_MODEL, Named
from slipway.console.api_server import ApiServer, Object
from slipway.console.following import Changes
from slipway.console.keeping import MOST_BYTES
from slipway.console.several import Several
from slipway.console.watched import Watched

DEPLOYMENTS: Final = Named(KIND, PLURAL, "md")
_NAMED: Final = 5
KINDS: Final = (DEPLOYMENTS, REGISTERED_MODEL, MODEL_VERSION)


class Objects(Protocol):
    """Objects of one kind."""

    kind: Named

    @property
    def problem(self) -> str | None:
        """Why what is here may be old or missing, in a sentence."""

    @property
    def version(self) -> int:
        """Grows with each change."""

    @property
    def is_read(self) -> bool:
        """Whether all have been read once."""

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Those that are looked at; none: all."""

    @property
    def left_out(self) -> Mapping[str, int]:
        """How many there is no room for, by namespace."""

    def __iter__(self) -> Iterator[Object]:
        """All of them, by namespace and name."""

    def get(self, namespace: str, name: str) -> Object | None:
        """One of them."""


@dataclass(frozen=True)
class Kept:
    """What is kept in memory; `changes` wakes pages."""

    deployments: Objects
    models: Objects
    versions: Objects
    changes: Changes

    @property
    def kinds(self) -> tuple[Objects, Objects, Objects]:
        """All three."""
        return self.deployments, self.models, self.versions


def watched(api: ApiServer, namespace: str, *also_in: str) -> tuple[Kept, list[Watched]]:
    """What one person may see, by list and watch; and what has to be run for it. Where they may not list all
    namespaces: of theirs, and of further ones that they name."""
    changes, further = Changes(), [each for each in dict.fromkeys(also_in) if each != namespace]
    by_kind = [
        [
            Watched(api, kind, namespace, changes, by_name=True),
            *(Watched(api, kind, each, changes, everywhere=False, by_name=True) for each in further),
        ]
        for kind in KINDS
    ]
    deployments, models, versions = map(Several, by_kind)
    return Kept(deployments, models, versions, changes), [each for several in by_kind for each in several]


def problems(kinds: Sequence[Objects]) -> list[str]:
    """What keeps pages from being whole and new, a sentence for each kind, and for a few namespaces without room."""
    without_room = [(each.kind.plural, *left) for each in kinds for left in sorted(each.left_out.items())]
    return [f"{each.kind.plural}: {each.problem}" for each in kinds if each.problem] + [
        f"{plural}: {count} of namespace {namespace} are not shown: it has more than {MOST_BYTES >> 20} MiB of them"
        for plural, namespace, count in without_room[:_NAMED]
    ]


def running(watches: Sequence[Watched]) -> Callable[[web.Application], AsyncIterator[None]]:
    """For `cleanup_ctx`: they are followed for as long as the pages are served."""

    async def run(_: web.Application) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(each.run()) for each in watches]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    return run
