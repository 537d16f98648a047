"""A revision that is made of a source which was just resolved."""

from dataclasses import replace

from slipway.api.v1alpha1 import ModelDeploymentSpec
from slipway.core.children.revision import RevisionRecord, render
from slipway.core.desired.history import spec_of
from slipway.core.reasons import Reason, finding
from slipway.core.rollout.state import Outcome
from slipway.core.snapshot import Snapshot
from slipway.core.wait import Wait


def rendered(snapshot: Snapshot, outcome: Outcome) -> tuple[Outcome, RevisionRecord | None]:
    """The revision made of a source that was just resolved. It is stored first; the next pass finds it in history and
    starts it, so that status never names a revision that a cut between two writes has lost."""
    if outcome.resolved is None:
        return outcome, None
    rollout, candidate = outcome.state.rollout, outcome.state.candidate
    ask = candidate.ask if candidate else snapshot.ask  # of a restart while the manifest is refused: what serves
    try:
        record = render(
            owner=snapshot.owner,
            spec=_spec_of(snapshot, ask),
            ask=ask,
            resolved=outcome.resolved,
            platform=snapshot.platform,
            restart=rollout.command.restart if rollout else None,
        )
    except ValueError as error:
        return replace(outcome, wait=Wait(finding=finding(Reason.SPEC_INVALID, str(error)), stalled=True)), None
    return outcome, record


def _spec_of(snapshot: Snapshot, ask: str) -> ModelDeploymentSpec:
    spec = spec_of(snapshot, ask)
    if spec is None:
        raise ValueError("history does not say any more how this version was asked for: ask for it in the manifest")
    return spec
