"""A withdrawal bars what somebody begins, and takes nothing away that answers."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.api.v1alpha1.catalogue import WithdrawalAction
from slipway.core.catalogue.facts import Withdrawal
from tests.core.cluster.kubelet import RESOLVED
from tests.core.cluster.scenario import carried, counts, fails, told
from tests.core.cluster.simulator import Simulator, simulator

DIGESTS: Final = {version: "sha256:" + version * 64 for version in "3456"}
WORDS: Final = "churn 4 of namespace shop is withdrawn: leaks names; use version 5"


def withdrawal(action: str = "Block", version: str = "4") -> Withdrawal:
    return Withdrawal(
        namespace="shop",
        model="churn",
        version=version,
        action=WithdrawalAction(action),
        reason="leaks names",
        instead="5",
    )


def withdraws(cluster: Simulator, version: str, action: str = "Block") -> None:
    cluster.withdrawals = {**cluster.withdrawals, DIGESTS[version]: withdrawal(action, version)}
    cluster.settle()


def resolves(cluster: Simulator, version: str) -> None:
    """The bundle of a version is looked at, where nobody has yet: each has its own digest."""
    found = json.loads(RESOLVED)
    found["resolved"]["digest"] = DIGESTS[version]
    if any(kind == "Job" and not m["status"] for (kind, _), m in cluster.objects.items()):
        cluster.resolve_job_ends(json.dumps(found))
    cluster.settle()


def asks_for(cluster: Simulator, version: str) -> None:
    cluster.edit(version=version)
    cluster.settle()
    resolves(cluster, version)


def serving(*versions: str, **spec: Any) -> Simulator:
    """The last of some versions serves; the others did before."""
    cluster = simulator(**{"replicas": 2, **spec})
    cluster.edit(version=versions[0])
    cluster.settle()
    resolves(cluster, versions[0])
    cluster.rolls_on()
    for version in versions[1:]:
        asks_for(cluster, version)
        cluster.rolls_on()
        cluster.pass_time(minutes=30)
        cluster.settle()
    return cluster


def asks(cluster: Simulator, verb: str, revision: str) -> str:
    cluster.request = f"{verb}/{revision}"
    cluster.settle()
    return str(cluster.status["requests"][-1]["outcome"])


def condition(cluster: Simulator) -> str | None:
    there = {each["type"]: each["message"] for each in cluster.status["conditions"]}
    return there.get("Withdrawn")


def test_a_new_ask_for_withdrawn_bytes_is_refused_once_its_digest_is_known_and_starts_no_pod() -> None:
    cluster = serving("3")
    withdraws(cluster, "4")
    asks_for(cluster, "4")
    assert cluster.status["phase"] == "Refused"
    assert cluster.status["refused"]["reason"] == "Withdrawn"
    assert cluster.status["refused"]["message"] == f"4: {WORDS}"
    assert cluster.status["refused"]["digest"] == DIGESTS["4"]
    assert counts(cluster) == {"3": 2}
    assert told(cluster)[-1] == "Withdrawn"
    asks_for(cluster, "5")
    cluster.rolls_on()
    assert cluster.status["stable"]["version"] == "5"


def test_bytes_that_the_manifest_pins_are_refused_before_anything_is_looked_at() -> None:
    cluster = serving("3")
    withdraws(cluster, "4")
    cluster.edit(version="4", source={"uri": "s3://models/churn/4", "digest": DIGESTS["4"]})
    cluster.settle()
    assert cluster.status["refused"]["reason"] == "Withdrawn"
    assert "Job" not in {kind for kind, _ in cluster.objects}
    assert counts(cluster) == {"3": 2}


def test_a_warning_stops_nothing_and_is_told_once_for_as_long_as_it_holds() -> None:
    cluster = serving("3")
    withdraws(cluster, "4", "Warn")
    asks_for(cluster, "4")
    assert condition(cluster) == f"4 is on its way: {WORDS}"
    cluster.rolls_on()
    assert cluster.status["stable"]["version"] == "4"
    assert cluster.status["phase"] == "Ready"
    assert condition(cluster) == f"4 serves on: {WORDS}"
    cluster.pass_time(hours=1)
    cluster.settle()
    assert told(cluster).count("Withdrawn") == 2  # on its way, and when it serves
    cluster.withdrawals = {}
    cluster.settle()
    assert condition(cluster) is None


@pytest.mark.parametrize("pods", ["none", "some"])
def test_a_candidate_that_is_withdrawn_on_its_way_gives_its_share_back(pods: str) -> None:
    cluster = serving("3", replicas=4)
    asks_for(cluster, "4")
    if pods == "some":
        for _ in range(2):
            cluster.kubelet(cluster.revision_named("4"))
            cluster.settle()
    withdraws(cluster, "4")
    assert cluster.status["refused"]["reason"] == "Withdrawn"
    for _ in range(20):
        assert carried(cluster) >= 3
        for name in cluster.deployments():
            cluster.kubelet(name)
        cluster.settle()
    assert cluster.status["phase"] == "Refused"
    assert cluster.status["stable"]["version"] == "3"
    assert counts(cluster)["3"] == 4


def test_what_serves_heals_scales_and_restarts_on_and_is_told() -> None:
    cluster = serving("3", "4")
    withdraws(cluster, "4")
    assert cluster.status["phase"] == "Ready"
    assert condition(cluster) == f"4 serves on: {WORDS}"
    cluster.spec["replicas"] = 5
    cluster.generation += 1
    cluster.settle()
    cluster.rolls_on()
    assert counts(cluster)["4"] == 5
    assert asks(cluster, "restart", cluster.status["stable"]["revision"]).startswith("restarting")
    cluster.rolls_on()
    assert (cluster.status["phase"], cluster.status["stable"]["version"]) == ("Ready", "4")
    assert "refused" not in cluster.status


def test_a_rollback_passes_over_what_is_withdrawn_and_where_nothing_else_is_left_says_so_beforehand() -> None:
    cluster = serving("3", "4", "5")
    withdraws(cluster, "4")
    assert condition(cluster) is None  # 3 is left
    outcome = asks(cluster, "rollback", cluster.status["stable"]["revision"])
    assert outcome.startswith("going back to 3")

    cluster = serving("4", "5")
    withdraws(cluster, "4")
    assert condition(cluster) == f"every version before is barred from a rollback: {WORDS}"
    assert asks(cluster, "rollback", cluster.status["stable"]["revision"]) == f"nothing done: {WORDS}"
    assert cluster.status["stable"]["version"] == "5"
    assert cluster.status["phase"] == "Ready"


def test_a_manifest_that_goes_back_to_what_is_withdrawn_is_refused() -> None:
    cluster = serving("4", "5")
    withdraws(cluster, "4")
    asks_for(cluster, "4")
    assert cluster.status["refused"]["reason"] == "Withdrawn"
    assert cluster.status["stable"]["version"] == "5"


def test_a_version_that_fails_goes_back_to_withdrawn_pods_for_nothing_else_would_answer() -> None:
    cluster = simulator(replicas=2, rollout={"type": "BlueGreen"})
    cluster.edit(version="4")
    cluster.settle()
    resolves(cluster, "4")
    cluster.rolls_on()
    asks_for(cluster, "5")
    cluster.rolls_on()
    assert cluster.status["phase"] == "Soaking"
    withdraws(cluster, "4")
    fails(cluster, "5")
    assert cluster.status["stable"]["version"] == "4"
    assert carried(cluster) == 2


def test_a_first_version_that_answers_already_stays_and_one_that_does_not_is_refused() -> None:
    cluster = simulator(replicas=2)
    cluster.edit(version="4")
    cluster.settle()
    resolves(cluster, "4")
    withdraws(cluster, "4")
    assert cluster.status["refused"]["reason"] == "Withdrawn"

    cluster = serving("4")
    withdraws(cluster, "4")
    assert cluster.status["phase"] == "Ready"


def test_a_refusal_stays_when_the_withdrawal_is_taken_back_until_somebody_has_it_tried_again() -> None:
    cluster = serving("3")
    withdraws(cluster, "4")
    asks_for(cluster, "4")
    cluster.withdrawals = {}
    cluster.settle()
    assert cluster.status["phase"] == "Refused"
    name = cluster.status["refused"].get("revision") or cluster.status["refused"]["ask"][:8]
    assert asks(cluster, "retry", name) == "tried again"
    resolves(cluster, "4")
    cluster.rolls_on()
    assert cluster.status["stable"]["version"] == "4"


def reinstates(cluster: Simulator, version: str) -> None:
    cluster.withdrawals = {d: found for d, found in cluster.withdrawals.items() if d != DIGESTS[version]}
    cluster.settle()


def pods_come(cluster: Simulator, version: str = "") -> None:
    for name in cluster.deployments():
        cluster.kubelet(name)
    cluster.settle()


def time_passes(cluster: Simulator, version: str) -> None:
    cluster.pass_time(minutes=3)
    cluster.settle()


STEPS: Final[Mapping[str, Callable[[Simulator, str], None]]] = {
    "ask": asks_for,
    "block": withdraws,
    "warn": lambda cluster, version: withdraws(cluster, version, "Warn"),
    "reinstate": reinstates,
    "pods": pods_come,
    "time": time_passes,
    "rollback": lambda cluster, _: _asked(cluster, "rollback"),
    "restart": lambda cluster, _: _asked(cluster, "restart"),
}


def _asked(cluster: Simulator, verb: str) -> None:
    if stable := cluster.status.get("stable"):
        cluster.request = f"{verb}/{stable['revision']}@{len(cluster.events)}"
        cluster.settle()


@settings(max_examples=8)
@given(st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.sampled_from("3456")), max_size=8))
def test_whatever_is_withdrawn_whenever_what_answers_goes_on_and_nothing_barred_begins(
    steps: list[tuple[str, str]],
) -> None:
    cluster = serving("3", replicas=3)
    for step, version in steps:
        serves = cluster.status["stable"]["version"]
        before = carried(cluster)
        STEPS[step](cluster, version)
        if step in ("block", "warn", "reinstate"):
            assert carried(cluster) >= min(before, 2)
            assert cluster.status["stable"]["version"] == serves
        barred = {v for v, digest in DIGESTS.items() if _blocks(cluster, digest)}
        candidate = cluster.status.get("candidate")
        rollout = cluster.status.get("rollout") or {}
        restarts = bool((rollout.get("command") or {}).get("restart"))
        if candidate and candidate["version"] in barred and rollout["phase"] != "RollingBack" and not restarts:
            assert candidate.get("revision") is None  # its digest is not known yet
        pods_come(cluster)


def _blocks(cluster: Simulator, digest: str) -> bool:
    found = cluster.withdrawals.get(digest)
    return found is not None and found.action is WithdrawalAction.BLOCK
