"""What is awaited, against what the operator really does: at the time that is named, and in the days without one."""

from datetime import timedelta
from typing import Any, Final

import pytest

from slipway.api.v1alpha1.status import Phase
from slipway.cli.awaited import Awaited, awaited
from tests.cli.scenes import CLUSTERS, scene_of
from tests.cli.waiting import OWN
from tests.core.cluster.simulator import Simulator
from tests.gitops.states import STATES

EVERY: Final = {
    **{f"of GitOps: {name}": state.bring_about for name, state in STATES.items()},
    **{f"drawn: {name}": bring_about for name, bring_about in CLUSTERS.items()},
    **{name: waits.bring_about for name, waits in OWN.items()},
}
LOOKED_AT: Final = ("the analysis", "the operator's look")
"""What comes by looks and events, which nobody brings here."""


def awaited_of(cluster: Simulator) -> Awaited | None:
    return awaited(scene_of(cluster).model)


def standing(cluster: Simulator) -> Any:
    """Where it stands, but for whether that is called Stalled."""
    status = cluster.status
    rollout = status.get("rollout") or {}
    step, retry = (rollout.get("canary") or {}).get("step"), (rollout.get("resolve") or {}).get("retryAt")
    places = (rollout.get("phase"), step, retry)
    states = [(each["revision"], each["state"]) for each in status.get("revisions", ()) if each["state"] != "Retiring"]
    refs = [(status.get(name) or {}).get("ask") for name in ("stable", "candidate", "refused")]
    return places, states, refs, (status.get("follow") or {}).get("version")


def told(cluster: Simulator) -> Any:
    return standing(cluster), cluster.status.get("phase"), cluster.status.get("conditions", ())[3:4]


def test_every_phase_is_among_them() -> None:
    """Pending is that of nothing that serves and nothing that is on its way."""
    seen = {made().status.get("phase") for made in EVERY.values()}
    assert set(Phase) - seen == {Phase.PENDING}


@pytest.mark.parametrize("name", OWN)
def test_what_is_awaited(name: str) -> None:
    case = OWN[name]
    cluster = case.bring_about()
    found = awaited_of(cluster)
    assert found is not None
    assert found.what == case.what
    assert case.then.replace("/R ", "/22222222 ") in found.then
    assert (found.until is not None) == (case.ends or found.what.startswith(LOOKED_AT))


@pytest.mark.parametrize("name", EVERY)
def test_what_has_a_time_comes_then_and_not_before_and_nothing_comes_without_one(name: str) -> None:
    cluster = EVERY[name]()
    cluster.settle()
    found = awaited_of(cluster)
    if found and found.what.startswith(LOOKED_AT):
        return
    before, until = told(cluster), found.until if found else None
    if until is None:
        cluster.pass_time(days=2)
        cluster.settle()
        assert standing(cluster) == before[0], f"{found} although nobody has done anything"
        return
    cluster.now = until - timedelta(seconds=1)
    cluster.settle()
    assert told(cluster) == before, f"{found}, and it came before"
    cluster.pass_time(seconds=1)
    cluster.settle()
    assert told(cluster) != before, f"{found}, and nothing came"
