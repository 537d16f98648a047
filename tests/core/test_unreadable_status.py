"""A stored status that cannot be read as a whole: each block that cannot be read is lost alone, and nothing else is.

The rollout of an earlier form is the first example; the kind is any block, in any state that a ModelDeployment is in.
"""

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from slipway.api.v1alpha1 import ModelDeploymentStatus
from slipway.core.names import REVISION
from slipway.core.shares import Traffic
from tests.core.cluster.kubelet import says
from tests.core.cluster.scenario import canary, carried, pods_come, shares
from tests.core.cluster.simulator import Simulator, simulator

EARLIER: Final = Path(__file__).parent / "status_in_an_earlier_form.yaml"
UNREADABLE: Final = [["another version's"]]
"""Fits no field of status."""
ROLLING: Final = {"replicas": 3, "rollout": {"rollingUpdate": {"maxUnavailable": 0}}}
BLOCKS: Final = [field.alias or name for name, field in ModelDeploymentStatus.model_fields.items()]


def serving(**spec: Any) -> Simulator:
    cluster = simulator(**{**ROLLING, **spec})
    cluster.becomes_ready()
    return cluster


def resolving() -> Simulator:
    cluster = serving()
    cluster.edit(version="4")
    cluster.settle()
    cluster.resolve_job_ends(says("SourceUnavailable", "no route"), exit_code=1)
    cluster.settle()
    return cluster


def first_starts() -> Simulator:
    cluster = simulator(**ROLLING)
    cluster.settle()
    cluster.resolve_job_ends()
    cluster.settle()
    return cluster


def starting(**spec: Any) -> Simulator:
    cluster = serving(**spec)
    cluster.starts("4")
    return cluster


def shifting() -> Simulator:
    cluster = starting()
    cluster.kubelet(cluster.revision_named("4"))
    cluster.settle()
    assert cluster.status["rollout"]["phase"] == "Shifting"
    return cluster


def in_a_canary() -> Simulator:
    steps = [{"weight": 25}, {"pause": {}}, {"weight": 50}]
    cluster = starting(replicas=4, rollout={"type": "Canary", "canary": {"steps": steps}})
    cluster.kubelet(cluster.revision_named("4"))
    cluster.settle()
    assert cluster.status["rollout"]["canary"]["step"]
    return cluster


def asked(cluster: Simulator, verb: str, of: str) -> Simulator:
    cluster.request = f"{verb}/{cluster.status[of]['revision']}"
    cluster.settle()
    return cluster


def paused() -> Simulator:
    return asked(shifting(), "pause", "candidate")


def rolling_back() -> Simulator:
    cluster = asked(shifting(), "abort", "candidate")
    assert cluster.status["rollout"]["phase"] == "RollingBack"
    return cluster


def refused() -> Simulator:
    cluster = starting()
    wrong = says("WrongAnswer", "y[0] is 5, expected 7")
    cluster.kubelet(cluster.revision_named("4"), status=cluster.server_ended(wrong, restarts=1))
    cluster.settle()
    assert cluster.status["phase"] == "Refused"
    return cluster


def soaking() -> Simulator:
    cluster = starting(rollout={"type": "BlueGreen"})
    cluster.rolls_on()
    assert cluster.status["phase"] == "Soaking"
    return cluster


def going_to_the_one_before() -> Simulator:
    cluster = starting()
    cluster.rolls_on()
    asked(cluster, "rollback", "stable")
    assert cluster.status["rollout"]["command"] == {"rollback": True}
    return cluster


def restarting() -> Simulator:
    cluster = serving()
    cluster.platform_version = "0.2.0"
    asked(cluster, "restart", "stable")
    assert cluster.status["rollout"]["command"]["restart"]
    return cluster


STATES: Final[dict[str, Callable[[], Simulator]]] = {
    made.__name__: made
    for made in (
        serving,
        first_starts,
        resolving,
        starting,
        shifting,
        in_a_canary,
        paused,
        rolling_back,
        refused,
        soaking,
        going_to_the_one_before,
        restarting,
    )
}


@cache
def _made(state: str) -> Simulator:
    return STATES[state]()


def at(state: str) -> Simulator:
    return copy.deepcopy(_made(state))


def read(status: dict[str, Any]) -> dict[str, Any]:
    return ModelDeploymentStatus.of_readable(status).to_dict()


def lives_on(cluster: Simulator, least: int) -> None:
    """Pass after pass until nothing moves any more, and never with less than was carried before."""
    calm = 0
    for _ in range(60):
        plan = cluster.reconcile()
        assert carried(cluster) >= least
        waiting = any(kind == "Job" and not job["status"] for (kind, _), job in cluster.objects.items())
        if plan.actions or (plan.wake_at and plan.wake_at <= cluster.now):
            continue
        if cluster.status["phase"] in ("Paused", "Ready", "Refused") and len(cluster.status["revisions"]) < 3:
            calm += 1
        if calm > 4:
            break
        if waiting:
            cluster.resolve_job_ends()
        for name in cluster.deployments():
            cluster.kubelet(name)
        cluster.pass_time(seconds=31)
    assert cluster.plan().actions == ()


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("state", STATES)
def test_a_block_that_cannot_be_read_is_lost_alone(state: str, block: str) -> None:
    before = at(state).status
    rest = {name: value for name, value in before.items() if name != block}
    assert read({**before, block: UNREADABLE}) == {**read({}), **rest}


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("state", STATES)
def test_without_it_what_serves_goes_on_serving_and_what_moves_comes_to_an_end(state: str, block: str) -> None:
    cluster = at(state)
    least = min(carried(cluster), cluster.spec["replicas"])
    cluster.status[block] = copy.deepcopy(UNREADABLE)
    lives_on(cluster, least)
    assert cluster.status["stable"]["version"] in ("3", "4")
    assert "candidate" not in cluster.status or cluster.status["phase"] == "Paused"
    assert carried(cluster) >= cluster.spec["replicas"]


@pytest.mark.parametrize("block", [block for block in BLOCKS if block != "refused"])
@pytest.mark.parametrize("state", ["refused", "rolling_back"])
def test_what_was_refused_stays_refused(state: str, block: str) -> None:
    cluster = at(state)
    ask = cluster.status["refused"]["ask"]
    cluster.status[block] = copy.deepcopy(UNREADABLE)
    lives_on(cluster, 0)
    assert cluster.status["refused"]["ask"] == ask
    assert (cluster.status["phase"], cluster.status["stable"]["version"]) == ("Refused", "3")
    assert len(cluster.deployments()) == 1


@pytest.mark.parametrize(("state", "stable"), [("going_to_the_one_before", ("3", 3)), ("restarting", ("3", 2))])
def test_a_command_is_carried_out_although_its_rollout_was_lost(state: str, stable: tuple[str, int]) -> None:
    cluster = at(state)
    cluster.status["rollout"] = copy.deepcopy(UNREADABLE)
    lives_on(cluster, 3)
    assert (cluster.status["stable"]["version"], cluster.status["stable"]["number"]) == stable
    assert "rollout" not in cluster.status


def test_a_pause_holds_although_its_rollout_was_lost() -> None:
    cluster = at("paused")
    cluster.status["rollout"] = copy.deepcopy(UNREADABLE)
    lives_on(cluster, 3)
    assert (cluster.status["phase"], cluster.status["stable"]["version"]) == ("Paused", "3")


COUNTERS: Final = {"lastNumber", "number", "attempts", "runs", "failures", "inconclusives", "changes", "refusals"}


def edited(status: Any, of: Callable[[str, Any], Any], name: str = "") -> Any:
    """The status, in which somebody has changed each value by its field's name."""
    match status:
        case dict():
            return {name: edited(value, of, name) for name, value in status.items()}
        case list():
            return [edited(value, of, name) for value in status]
    return of(name, status)


def numbers(status: Any) -> list[int]:
    found: list[int] = []
    edited(status, lambda _, value: found.append(value) if isinstance(value, int) else None)
    return found


@pytest.mark.parametrize("state", STATES)
def test_counters_that_an_edit_has_made_the_largest_there_is_never_outgrow_what_is_stored(state: str) -> None:
    cluster = at(state)
    least = min(carried(cluster), cluster.spec["replicas"])
    before = cluster.status
    cluster.status = edited(before, lambda name, value: 2**63 - 1 if name in COUNTERS else value)
    assert cluster.status != before
    lives_on(cluster, least)
    cluster.edit(version="5")
    cluster.settle()
    cluster.resolve_job_ends(says("SourceUnavailable", "no route"), exit_code=1)
    lives_on(cluster, least)
    assert cluster.status["stable"]["version"] == "5" or cluster.status["phase"] == "Paused"
    assert max(numbers(cluster.status)) == 2**63 - 1


@pytest.mark.parametrize("number", [0, -1, 2**63 - 1])
@pytest.mark.parametrize("state", STATES)
def test_a_number_that_somebody_gives_a_stored_revision_stops_nothing(state: str, number: int) -> None:
    cluster = at(state)
    least = min(carried(cluster), cluster.spec["replicas"])
    for (kind, _), manifest in cluster.objects.items():
        if kind == "ControllerRevision":
            manifest["revision"] = number
    lives_on(cluster, least)
    asked(cluster, "rollback", "stable")
    lives_on(cluster, least)
    assert max(numbers(cluster.status)) < 2**63


@pytest.mark.parametrize("state", STATES)
def test_times_without_a_zone_are_no_times(state: str) -> None:
    cluster = at(state)
    least = min(carried(cluster), cluster.spec["replicas"])
    before = cluster.status
    cluster.status = edited(before, lambda _, value: value[:-1] if str(value).endswith("0Z") else value)
    assert cluster.status != before
    lives_on(cluster, least)


def test_of_the_form_before_blocks_had_owners_all_but_the_rollout_is_kept() -> None:
    stored = yaml.safe_load(EARLIER.read_text())["status"]
    kept = ModelDeploymentStatus.of_readable(stored).to_dict()
    assert kept == {name: value for name, value in stored.items() if name != "rollout"} | {"traffic": []}
    assert kept.keys() >= {"stable", "candidate", "refused", "lastNumber", "revisions", "requests"}


def test_a_candidate_of_that_form_goes_on_without_a_new_number() -> None:
    cluster = at("shifting")
    since = cluster.status["rollout"]["startedAt"]
    cluster.status["rollout"] = {"step": "Shifting", "startedAt": since, "stepStartedAt": since, "told": []}
    candidate = copy.deepcopy(cluster.status["candidate"])
    cluster.reconcile()
    assert cluster.status["candidate"] == candidate
    lives_on(cluster, 3)
    assert cluster.status["stable"] == candidate


# -- what says who gets traffic is lost together with other blocks


def canary_behind_a_gateway() -> Simulator:
    cluster = canary({"weight": 25}, {"pause": {}}, replicas=8)
    for _ in range(4):
        pods_come(cluster)
    assert shares(cluster) == {"3": 75, "4": 25}
    return cluster


def canary_at_its_end() -> Simulator:
    """The gateway's clients are all with the new version, those of the Service with the old one."""
    cluster = canary({"weight": 25}, {"pause": {}}, replicas=8)
    for _ in range(4):
        pods_come(cluster)
    asked(cluster, "promote", "candidate")
    for _ in range(2):
        cluster.gateway_answers()
        pods = {name: m["spec"]["replicas"] for name, m in cluster.deployments().items()}
        for name in pods:
            cluster.kubelet(name)
        cluster.reconcile()
    return cluster


SHARED: Final = {
    made.__name__: made
    for made in (shifting, in_a_canary, paused, rolling_back, canary_behind_a_gateway, canary_at_its_end)
}


def reach(cluster: Simulator) -> tuple[dict[str, str], dict[str, int]]:
    """Whom clients reach: the root Service's selector, and the route's weights."""
    route = cluster.objects.get(("HTTPRoute", "churn"))
    refs = route["spec"]["rules"][0]["backendRefs"] if route else ()
    return cluster.objects["Service", "churn"]["spec"]["selector"], {
        r["name"]: r["weight"] for r in refs if r["weight"]
    }


@pytest.mark.parametrize("beside", [[], ["rollout"], ["rollout", "stable"], ["rollout", "revisions"], BLOCKS])
@pytest.mark.parametrize("state", SHARED)
def test_where_nothing_says_who_has_the_traffic_whom_clients_reach_goes_on_to_be_reached(
    state: str, beside: list[str]
) -> None:
    cluster = copy.deepcopy(SHARED[state]())
    before = reach(cluster)
    for block in ("traffic", *beside):
        cluster.status.pop(block, None)
    cluster.reconcile()
    assert reach(cluster) == before


@pytest.mark.parametrize("beside", ["rollout", "stable", "candidate", "revisions", "refused", "requests"])
@pytest.mark.parametrize("state", STATES)
def test_without_what_says_who_has_the_traffic_and_another_block_nothing_is_lost_on_the_way(
    state: str, beside: str
) -> None:
    cluster = at(state)
    least = min(carried(cluster), cluster.spec["replicas"])
    for block in ("traffic", beside):
        cluster.status[block] = copy.deepcopy(UNREADABLE)
    lives_on(cluster, least)
    assert cluster.status["stable"]["version"] in ("3", "4")
    assert carried(cluster) >= cluster.spec["replicas"]


# -- what says who gets traffic was edited

STRANGER: Final = "deadbeef"


def target(revision: str, *, selected: bool = False, share: int | None = None) -> dict[str, Any]:
    return {"revision": revision, "selected": selected} | ({} if share is None else {"share": share})


EDITS: Final[dict[str, Callable[[list[dict[str, Any]], str, str], list[dict[str, Any]]]]] = {
    "nobody": lambda was, old, new: [],
    "nobody is selected": lambda was, old, new: [target(old)],
    "a stranger alone": lambda was, old, new: [target(STRANGER, selected=True)],
    "a stranger beside": lambda was, old, new: [*was, target(STRANGER, selected=True)],
    "a stranger's share": lambda was, old, new: [target(old, selected=True, share=50), target(STRANGER, share=50)],
    "many strangers": lambda was, old, new: [target(f"{n:08x}", selected=True) for n in range(31)],
    "too many": lambda was, old, new: [target(f"{n:08x}", selected=True) for n in range(40)],
    "too little": lambda was, old, new: [target(old, selected=True, share=10)],
    "nothing": lambda was, old, new: [target(old, selected=True, share=0), target(new, share=0)],
    "too much": lambda was, old, new: [target(old, selected=True, share=90), target(new, share=90)],
    "more than all": lambda was, old, new: [target(old, selected=True, share=900), target(new, share=-800)],
    "what a part cannot carry": lambda was, old, new: [target(new, selected=True)],
    "shares that the pods do not have": lambda was, old, new: [target(new, selected=True, share=100), target(old)],
}


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("state", SHARED)
def test_an_edit_of_who_has_the_traffic_takes_it_from_nobody(state: str, edit: str) -> None:
    cluster = copy.deepcopy(SHARED[state]())
    before, was = reach(cluster), cluster.status["traffic"]
    old, new = (cluster.revision_named(version).removeprefix("churn-") for version in ("3", "4"))
    if state == "canary_at_its_end":
        old, new = new, old
    cluster.status["traffic"] = EDITS[edit](was, old, new)
    cluster.reconcile()
    assert reach(cluster) == before
    assert {each["revision"] for each in cluster.status["traffic"]} <= {old, new}
    lives_on_at_once(cluster)


def lives_on_at_once(cluster: Simulator) -> None:
    """It comes to rest, and every pod that clients reach is one of a version that status lists."""
    cluster.settle()
    selector, weights = reach(cluster)
    listed = {entry["revision"] for entry in cluster.status["revisions"]}
    assert {name.removeprefix("churn-") for name in weights} <= listed
    assert selector.get(REVISION, cluster.status["stable"]["revision"]) in listed


def test_an_edit_that_selects_a_version_that_retires_gives_it_no_request() -> None:
    cluster = starting()
    cluster.rolls_on()
    old = next(entry["revision"] for entry in cluster.status["revisions"] if entry["state"] == "Retiring")
    before = reach(cluster)
    cluster.status["traffic"] = [target(old, selected=True)]
    cluster.settle()
    assert reach(cluster) == before


def test_the_share_of_a_version_that_is_gone_goes_to_those_that_are_left() -> None:
    traffic = Traffic(service=frozenset("a"), shares={"a": 60, "b": 20, "c": 20})
    assert traffic.without("b") == Traffic(service=frozenset("a"), shares={"a": 75, "c": 25})
    assert traffic.without("ac").shares == {"b": 100}
    assert traffic.without("abc") == Traffic()


# -- what cannot be decided from


def _too_deep(cluster: Simulator) -> None:
    nested: Any = 1
    for _ in range(101):
        nested = {"x": nested}
    cluster.spec["scheduling"] = {"affinity": nested}


def _too_much(cluster: Simulator) -> None:
    there = cluster.observed()
    cluster.observed = lambda: replace(there, children={}, pods=(), too_much="the objects here take more")  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("breaks", "reason", "message"),
    [
        (_too_deep, "SpecInvalid", "spec.scheduling.affinity.x.x"),
        (_too_much, "TooMuchStored", "the objects here take more: nothing is done here"),
    ],
)
@pytest.mark.parametrize("state", [serving, starting, shifting])
def test_what_cannot_be_read_whole_is_nothing_to_decide_from(
    state: Callable[[], Simulator], breaks: Callable[[Simulator], None], reason: str, message: str
) -> None:
    cluster = state()
    before, objects = cluster.status, dict(cluster.objects)
    breaks(cluster)
    plan = cluster.plan()
    cluster.reconcile()

    assert plan.actions == ()
    assert cluster.objects == objects
    kept = ("stable", "candidate", "revisions", "rollout", "lastNumber")
    assert {name: cluster.status.get(name) for name in kept} == {name: before.get(name) for name in kept}
    ready = cluster.condition("Ready")
    assert message in ready["message"]
    assert reason in {ready["reason"], cluster.condition("Stalled")["reason"]}
