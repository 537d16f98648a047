"""Uses: which ModelDeployments have a digest, by what their status says. Nobody refers to a version.

Of another namespace no name, message or reason is told: counts alone, and these only where the model is shared with it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from slipway.api.v1alpha1 import ModelVersionStatus
from slipway.api.v1alpha1.catalogue import LastRefusal, UsedBy, Uses
from slipway.api.v1alpha1.status import RevisionState
from slipway.core.body import instant, mapping, mappings
from slipway.core.reasons import fit

EVERYWHERE: Final = "*"
_LISTED: Final = 32
_MESSAGE: Final = 512


class UseState(StrEnum):
    """What a digest is to a ModelDeployment."""

    SERVING = "Serving"
    CANDIDATE = "Candidate"
    STANDBY = "Standby"
    REFUSED = "Refused"


_BY_REVISION: Final[Mapping[str, UseState]] = {
    RevisionState.STABLE: UseState.SERVING,
    RevisionState.SUPERSEDED: UseState.SERVING,  # it has traffic until another can take it
    RevisionState.CANDIDATE: UseState.CANDIDATE,
    RevisionState.STANDBY: UseState.STANDBY,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Use:
    """A ModelDeployment that has a digest."""

    digest: str
    namespace: str
    name: str
    state: UseState
    refused_at: datetime | None = None
    reason: str = ""
    message: str = ""


def uses_of(namespace: str, name: str, status: Mapping[str, Any] | None) -> Iterator[Use]:
    """What a ModelDeployment's status says of digests, each once in each state. What it has now is not refused."""
    stored = mapping(status)
    has = {
        (str(each["digest"]), _BY_REVISION[str(each.get("state"))])
        for each in mappings(stored.get("revisions"))
        if str(each.get("state")) in _BY_REVISION and each.get("digest")
    }
    for digest, state in sorted(has):
        yield Use(digest=digest, namespace=namespace, name=name, state=state)
    yield from _refusals(namespace, name, stored, {digest for digest, _ in has})


def _refusals(namespace: str, name: str, stored: Mapping[str, Any], has: set[str]) -> Iterator[Use]:
    latest: dict[str, Use] = {}
    for each in mappings([*mappings(stored.get("alsoRefused")), stored.get("refused")]):
        digest, at = each.get("digest"), instant(each.get("at"))
        if not isinstance(digest, str) or digest in has or at is None:
            continue
        use = Use(
            digest=digest,
            namespace=namespace,
            name=name,
            state=UseState.REFUSED,
            refused_at=at,
            reason=fit(str(each.get("reason", "")), 64),
            message=fit(str(each.get("message", "")), _MESSAGE),
        )
        if digest not in latest or at >= (latest[digest].refused_at or at):
            latest[digest] = use
    yield from latest.values()


def version_status(namespace: str, shared_with: frozenset[str], uses: Iterable[Use]) -> ModelVersionStatus:
    """The status of a version in `namespace`, from all uses of its digest wherever they are."""
    own: list[Use] = []
    counts = dict.fromkeys(UseState, 0)
    for use in uses:
        if use.namespace == namespace:
            own.append(use)
        elif use.namespace not in shared_with and EVERYWHERE not in shared_with:
            continue
        counts[use.state] += 1
    named = sorted((use.name, use.state) for use in own)
    return ModelVersionStatus(
        uses=Uses(
            serving=counts[UseState.SERVING],
            candidate=counts[UseState.CANDIDATE],
            standby=counts[UseState.STANDBY],
            refused=counts[UseState.REFUSED],
        ),
        used_by=[UsedBy(name=name, state=state) for name, state in named[:_LISTED]],
        last_refusal=_last_refusal(own),
    )


def _last_refusal(own: list[Use]) -> LastRefusal | None:
    refusals = [(use.refused_at, use.name, use) for use in own if use.refused_at]
    if not refusals:
        return None
    at, name, use = max(refusals, key=lambda each: each[:2])
    return LastRefusal(name=name, reason=use.reason, message=use.message, at=at)
