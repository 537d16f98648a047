"""Unread: objects of which nothing, or not all, is kept, because they cannot be read or there is no room for them.

Each is logged once, however often somebody writes it.
"""

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from slipway.controller.kinds import Kind
from slipway.core.names import Manifest

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Unread:
    """An object of which nothing, or not all, is kept."""

    kind: Kind
    namespace: str | None
    name: str
    too_much: bool
    """There is no room for it; else it cannot be read."""


class UnreadObjects:
    """Remembers them by their uid."""

    def __init__(self) -> None:
        self._by_uid: dict[str, Unread] = {}
        self._without_room: Counter[str | None] = Counter()

    def all(self) -> Iterable[Unread]:
        """All of them."""
        return self._by_uid.values()

    def lacks_room(self, namespace: str) -> bool:
        """Whether there is no room for some object of a namespace, which is not known whole then."""
        return self._without_room[namespace] > 0

    def add(self, kind: Kind, manifest: Manifest, why: str, *, too_much: bool = False) -> None:
        """Record one that is not kept, or not whole, and log why."""
        meta = manifest["metadata"]
        unread = Unread(kind, meta.get("namespace"), meta["name"], too_much)
        if self._by_uid.get(meta["uid"]) == unread:
            return
        log.warning("%s %s/%s %s", kind.name, unread.namespace, unread.name, why)
        self.drop(meta["uid"])
        self._by_uid[meta["uid"]] = unread
        self._without_room[unread.namespace] += too_much

    def drop(self, uid: str) -> None:
        """It has been read, or is gone."""
        before = self._by_uid.pop(uid, None)
        if before:
            self._without_room[before.namespace] -= before.too_much
