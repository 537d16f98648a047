"""What `slipway history NAME` shows: the revisions that a model had, newest first, and what became of each."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from slipway.api.v1alpha1.status import RevisionState
from slipway.cli.model import Model
from slipway.core.body import instant, integer, mappings, within


@dataclass(frozen=True, kw_only=True)
class Past:
    """One revision."""

    number: int
    version: str
    revision: str
    state: str
    """Stable, Candidate, …; Refused with the reason; Kept: rollback may bring it back."""
    digest: str
    source: str
    platform: str
    """The operator's version that rendered it."""
    made: datetime | None


def history(model: Model, stored: Iterable[Mapping[str, Any]]) -> list[Past]:
    """From the ControllerRevisions of a model."""
    own = [each for each in stored if _owner(each) in (model.name, None)]
    return sorted((_past(model, each) for each in own), key=lambda past: past.number, reverse=True)


def _owner(body: Mapping[str, Any]) -> str | None:
    owners = mappings(within(body, "metadata").get("ownerReferences"))
    return next((str(each.get("name")) for each in owners if each.get("controller")), None)


def _past(model: Model, body: Mapping[str, Any]) -> Past:
    meta, data = within(body, "metadata"), within(body, "data")
    revision = str(meta.get("name", "")).rpartition("-")[2]
    return Past(
        number=integer(body.get("revision"), 0),
        version=str(data.get("version", "-")),
        revision=revision,
        state=_state(model, revision),
        digest=str(within(data, "resolved").get("digest", "-")),
        source=str(within(data, "asked", "model", "source").get("uri", "-")),
        platform=str(data.get("platform", "-")),
        made=instant(meta.get("creationTimestamp")),
    )


def _state(model: Model, revision: str) -> str:
    status = model.status
    if shown := model.revision(revision):
        return str(shown.state)
    if status.candidate and status.candidate.revision == revision:
        return str(RevisionState.CANDIDATE)
    refused = [*([status.refused] if status.refused else ()), *status.also_refused]
    sent_home = next((each for each in refused if each.revision == revision), None)
    return f"Refused: {sent_home.reason}" if sent_home else "Kept"
