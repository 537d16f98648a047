"""What a person may see of what the console in the cluster keeps: by the API server's word, and what is shared."""

import asyncio
import time
from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from slipway.api.v1alpha1 import GROUP, REGISTERED_MODEL, Named
from slipway.console.api_server import ApiServer, Object
from slipway.console.following import Change
from slipway.console.identity import ANYBODY, Reader
from slipway.console.kept import DEPLOYMENTS, KINDS, Kept, Objects
from slipway.core.body import within

_REVIEWS: Final = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
_KEPT_SECONDS: Final = 60.0
_AT_ONCE: Final = 16
_READERS: Final = 256
_SHARED: Final = 64
"""Namespaces with which one namespace may share: who shares with thousands keeps nobody else waiting."""
ALL: Final = "*"
_EVERYWHERE: Final = frozenset({""})
"""Of namespaces, as a review has it: all of them."""


@dataclass(frozen=True)
class Sight:
    """Namespaces in which somebody may list a kind, by its plural."""

    namespaces: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def may_list(self, kind: Named, namespace: str) -> bool:
        """Whether they may list it there."""
        able = self.namespaces.get(kind.plural, frozenset())
        return able == _EVERYWHERE or namespace in able

    def is_shared(self, model: Object | None) -> bool:
        """Whether a RegisteredModel is shared with all, or with a namespace whose ModelDeployments they may list."""
        named = _shared_with(model or {})
        return ALL in named or any(self.may_list(DEPLOYMENTS, each) for each in named)

    def shows(self, kind: Named, each: Object, models: Objects) -> bool:
        """Whether they may see an object of a kind. `models`: all of the catalogue's."""
        namespace = _namespace(each)
        if self.may_list(kind, namespace):
            return True
        if kind == DEPLOYMENTS:
            return False
        of = each if kind == REGISTERED_MODEL else models.get(namespace, str(within(each, "spec").get("model") or ""))
        return self.is_shared(of)

    def shows_change(self, change: Change, models: Objects) -> bool:
        """Whether they may see what has changed, as it was or as it is."""
        kind = change.kind
        return kind is None or any(self.shows(kind, each, models) for each in change.objects)


def _shared_with(model: Object) -> list[str]:
    named = within(model, "spec").get("sharedWith")
    return [each for each in named if isinstance(each, str) and each] if isinstance(named, list) else []


def _namespace(each: Object) -> str:
    return str(within(each, "metadata").get("namespace") or "")


class Seen:
    """Those objects of a kind that somebody may see; of the catalogue also what is shared with them."""

    def __init__(self, kept: Kept, of: Objects, sight: Sight) -> None:
        self.kind, self._of, self._models, self._sight = of.kind, of, kept.models, sight

    @property
    def problem(self) -> str | None:
        """As of all of them."""
        return self._of.problem

    @property
    def version(self) -> int:
        """What is shared is said by the models."""
        return self._of.version + self._models.version

    @property
    def is_read(self) -> bool:
        """As of all of them."""
        return self._of.is_read and self._models.is_read

    @property
    def namespaces(self) -> tuple[str, ...]:
        """As of all of them."""
        return self._of.namespaces

    @property
    def left_out(self) -> Mapping[str, int]:
        """Of namespaces in which they may be listed."""
        return {where: count for where, count in self._of.left_out.items() if self._sight.may_list(self.kind, where)}

    def __iter__(self) -> Iterator[Object]:
        """By namespace and name."""
        return filter(self._shows, self._of)

    def get(self, namespace: str, name: str) -> Object | None:
        """One of them, where it may be seen."""
        item = self._of.get(namespace, name)
        return item if item is not None and self._shows(item) else None

    def _shows(self, each: Object) -> bool:
        return self._sight.shows(self.kind, each, self._models)


def seen(kept: Kept, sight: Sight) -> Kept:
    """All that somebody may see."""
    deployments, models, versions = (Seen(kept, each, sight) for each in kept.kinds)
    return Kept(deployments, models, versions, kept.changes)


class Sights:
    """Who may see what. Answers are kept for a minute: so long a right that was taken away is still believed."""

    def __init__(self, api: ApiServer, kept: Kept) -> None:
        self._api, self._kept = api, kept
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._answers: OrderedDict[Reader, tuple[float, Sight]] = OrderedDict()

    async def of(self, reader: Reader) -> Sight:
        """What they may see. ApiError where the API server does not say."""
        if reader == ANYBODY:
            return Sight()
        at, sight = self._answers.get(reader, (float("-inf"), Sight()))
        if time.monotonic() - at > _KEPT_SECONDS:
            sight = Sight({each.plural: await self._namespaces(reader, each) for each in KINDS})
            self._answers[reader] = (time.monotonic(), sight)
            self._answers.move_to_end(reader)
            while len(self._answers) > _READERS:
                self._answers.popitem(last=False)
        return sight

    async def _namespaces(self, reader: Reader, kind: Named) -> frozenset[str]:
        if await self._may_list(reader, kind, ""):
            return _EVERYWHERE
        there = sorted(await asyncio.to_thread(self._there, kind))
        allowed = await asyncio.gather(*(self._may_list(reader, kind, each) for each in there))
        return frozenset(each for each, may in zip(there, allowed, strict=True) if may)

    def _there(self, kind: Named) -> set[str]:
        """Namespaces that are asked about: where there are such objects, and those that models are shared with."""
        (of,) = (each for each in self._kept.kinds if each.kind == kind)
        there = {_namespace(each) for each in of} - {""}
        if kind != DEPLOYMENTS:
            return there
        shared: defaultdict[str, set[str]] = defaultdict(set)
        for model in self._kept.models:
            own = shared[_namespace(model)]
            own.update(each for each in _shared_with(model) if each != ALL and len(own) < _SHARED)
        return there.union(*shared.values())

    async def _may_list(self, reader: Reader, kind: Named, namespace: str) -> bool:
        attributes = {"verb": "list", "group": GROUP, "resource": kind.plural, "namespace": namespace}
        asked = {"user": reader.user, "groups": sorted(reader.groups), "resourceAttributes": attributes}
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": asked}
        async with self._room:
            review = await self._api.post(_REVIEWS, body)
        return within(review, "status").get("allowed") is True
