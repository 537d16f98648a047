"""What `slipway list` shows: every ModelDeployment in a line."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from slipway.core.body import instant, mapping, mappings, within
from slipway.core.catalogue.alias import asked_version


@dataclass(frozen=True, kw_only=True)
class Row:
    """One ModelDeployment. Read as it is: a thousand are shown within a second."""

    namespace: str
    name: str
    version: str
    serves: str
    phase: str
    ready: str
    reason: str
    created: datetime | None


def rows(bodies: Iterable[Mapping[str, Any]]) -> list[Row]:
    """By namespace and name."""
    return sorted(map(_row, bodies), key=lambda row: (row.namespace, row.name))


def _row(body: Mapping[str, Any]) -> Row:
    meta, status = within(body, "metadata"), within(body, "status")
    conditions = {str(each.get("type")): each for each in mappings(status.get("conditions"))}
    stalled = mapping(conditions.get("Stalled"))
    telling = stalled if stalled.get("status") == "True" else mapping(conditions.get("Ready"))
    return Row(
        namespace=str(meta.get("namespace", "")),
        name=str(meta.get("name", "")),
        version=asked_version(body) or "-",
        serves=str(within(status, "stable").get("version", "-")),
        phase=str(status.get("phase") or "Pending"),
        ready=str(status.get("ready") or "-"),
        reason=str(telling.get("reason") or "-"),
        created=instant(meta.get("creationTimestamp")),
    )
