"""History: the revisions that a ModelDeployment had, as ControllerRevisions, and which of them to keep."""

from collections.abc import Set
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from weakref import WeakKeyDictionary

from slipway.core.body import integer, within
from slipway.core.children.record import RECORD, unpacked
from slipway.core.children.revision import RevisionRecord
from slipway.core.names import of_revision
from slipway.core.observed.objects import Child, Observed
from slipway.core.owner import Owner


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One revision in history."""

    number: int
    revision: str
    ask: str


_READ: Final[WeakKeyDictionary[Child, Entry | None]] = WeakKeyDictionary()
"""What each ControllerRevision is, in short. A Child never changes, so it need not be unpacked again for that."""


def entries(observed: Observed, owner: Owner) -> list[Entry]:
    """Every readable revision, newest first. One that cannot be read is left alone."""
    stored = (child for (kind, _), child in observed.children.items() if kind == "ControllerRevision")
    readable = (_entry(child) for child in stored if child.owner_uid == owner.uid and not child.deleting)
    return sorted((entry for entry in readable if entry), key=lambda entry: entry.number, reverse=True)


def _entry(child: Child) -> Entry | None:
    if child not in _READ:
        body = child.body
        _READ[child] = None
        with suppress(ValueError):
            record = RevisionRecord.from_controller_revision(body)
            number = max(1, integer(body.get("revision"), 1))
            _READ[child] = Entry(number=number, revision=record.revision, ask=record.ask)
    return _READ[child]


def record_of(observed: Observed, owner: Owner, revision: str) -> RevisionRecord | None:
    """What a revision is made of: from its ControllerRevision or, when that is lost, from its ConfigMap."""
    name = of_revision(owner.name, revision)
    stored = observed.child("ControllerRevision", name)
    if stored is not None and stored.owner_uid == owner.uid:
        with suppress(ValueError):
            return RevisionRecord.from_controller_revision(stored.body)
    copy = observed.child("ConfigMap", name)
    text = packed_record(observed, name) if copy is not None and copy.owner_uid == owner.uid else ""
    with suppress(ValueError):
        return unpacked(text) if text else None
    return None


_PACKED: Final[WeakKeyDictionary[Child, str]] = WeakKeyDictionary()
"""The record's text on each ConfigMap. A Child never changes, so it need not be unpacked again for that."""


def packed_record(observed: Observed, config_map: str) -> str:
    """The packed record on a revision's ConfigMap; "" where there is none."""
    child = observed.child("ConfigMap", config_map)
    if child is None:
        return ""
    if child not in _PACKED:
        _PACKED[child] = str(within(child.body, "metadata", "annotations").get(RECORD, ""))
    return _PACKED[child]


def is_lost(observed: Observed, owner: Owner, revision: str) -> bool:
    """Nothing says any more what a revision is made of. One that a later operator wrote is unreadable, not lost."""
    stored = observed.child("ControllerRevision", of_revision(owner.name, revision))
    return stored is None and record_of(observed, owner, revision) is None


def why_unreadable(observed: Observed, owner: Owner, revision: str) -> str | None:
    """Why nothing can be made of a revision that is stored; None where it can be, or where it is lost."""
    stored = observed.child("ControllerRevision", of_revision(owner.name, revision))
    if stored is None or record_of(observed, owner, revision) is not None:
        return None
    try:
        RevisionRecord.from_controller_revision(stored.body)
    except ValueError as error:
        return str(error)
    return f"ControllerRevision {stored.name} exists and is not ours: delete it"


def newest_of(past: list[Entry], ask: str) -> Entry | None:
    """The newest revision of an ask."""
    return next((entry for entry in past if entry.ask == ask), None)


def surplus(past: list[Entry], *, in_use: Set[str], aside: Set[str], limit: int) -> list[str]:
    """Retired revisions beyond the limit, oldest last; those in use are never among them. What was sent home is no way
    back: it stands `aside`, and takes no other's place."""
    retired = [entry.revision for entry in past if entry.revision not in in_use | aside]
    return retired[limit:]
