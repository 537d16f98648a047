"""Slipway's own scaler as stories on the simulator: what pods say of their load, and what becomes of their number."""

from datetime import timedelta
from math import ceil
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.core.load import LOAD_TOPIC, LOOK_EVERY, LoadSample, RevisionLoad
from slipway.core.observed.evidence import Evidence, PodStart, Scrape
from slipway.core.observed.nodes import NodeFacts
from slipway.core.plan import Delete, Scale
from slipway.triton.load import StartFacts
from tests.core.cluster.scenario import GATEWAY, counts, goes_on, pods_come, shares, starts, waits
from tests.core.cluster.simulator import Simulator, simulator

LOAD: Final[dict[str, Any]] = {"minReplicas": 2, "maxReplicas": 8, "load": {}}
METRICS: Final[dict[str, Any]] = {"minReplicas": 2, "maxReplicas": 8, "metrics": [{"type": "Resource"}]}
CANARY: Final = {"type": "Canary", "canary": {"steps": [{"weight": 50}, {"pause": {}}]}}


def serving(pods: int = 3, **spec: Any) -> Simulator:
    """Version 3 serves with as many pods."""
    cluster = simulator(**{"replicas": pods, "autoscaling": LOAD, **spec})
    cluster.becomes_ready()
    cluster.pass_time(minutes=1)
    cluster.gateway_answers()
    cluster.settle()
    assert counts(cluster) == {"3": pods}
    return cluster


def looks(cluster: Simulator, load: float, *, silent: int = 0, times: int = 1, due: bool = True) -> None:
    """Every ten seconds the pods that clients reach are asked. `load`: what all of them have to do, in pods."""
    for _ in range(times):
        cluster.pass_time(seconds=LOOK_EVERY.seconds)
        wanted = [each for each in cluster.plan().looks if each.topic == LOAD_TOPIC]
        if not wanted:
            cluster.settle()
            continue
        assert not due or wanted[0].at <= cluster.now
        by_revision = {target.revision for target in wanted[0].targets}
        pods = {name: sum(t.revision == name for t in wanted[0].targets) for name in by_revision}
        quiet = {name: min(count, silent) for name, count in pods.items()}
        whole = sum(pods.values())
        revisions = {
            name: RevisionLoad(
                pods=count,
                answered=count - quiet[name],
                absent=wanted[0].absent[name],
                ratio=min(load / whole, 1) * (count - quiet[name]),
                backlogs={f"{name}-{pod}": max(0.0, load - whole) * 10 / whole for pod in range(count - quiet[name])},
            )
            for name, count in pods.items()
        }
        before = cluster.evidence.get(LOAD_TOPIC)
        sample = LoadSample(at=cluster.now, revisions=revisions, missing="churn-1: silent" if silent else "")
        cluster.evidence[LOAD_TOPIC] = Evidence(
            history=(Scrape(at=cluster.now),), loads=(*(before.loads if before else ()), sample)
        )
        cluster.settle()


def told(cluster: Simulator) -> dict[str, Any]:
    found: dict[str, Any] = cluster.status["autoscaling"]
    return found


def kinds(cluster: Simulator) -> set[str]:
    return {kind for kind, _ in cluster.objects}


def test_more_load_gets_more_pods_at_once_and_status_says_why() -> None:
    cluster = serving(3)
    looks(cluster, 2.1)
    assert counts(cluster) == {"3": 3}
    looks(cluster, 2.52)
    assert counts(cluster) == {"3": 4}
    assert "HorizontalPodAutoscaler" not in kinds(cluster)
    shown = told(cluster)
    assert (shown["by"], shown["wanted"], shown["direction"]) == ("Slipway", 4, "Up")
    assert shown["because"] == "load 84 % of 3 pods, target 70 %"
    assert ("Scaled", "from 3 to 4 pods: load 84 % of 3 pods, target 70 %") in cluster.events
    assert cluster.status["replicas"] == 4


def test_less_load_takes_pods_away_after_five_minutes_of_it() -> None:
    cluster = serving(6)
    looks(cluster, 1.4, times=30)
    assert counts(cluster) == {"3": 6}
    looks(cluster, 1.4)
    assert counts(cluster) == {"3": 2}
    assert told(cluster)["direction"] == "Down"


def test_never_beyond_its_bounds_and_that_is_said() -> None:
    cluster = serving(5)
    looks(cluster, 3)
    looks(cluster, 40)
    assert counts(cluster) == {"3": 8}
    assert told(cluster)["because"].endswith("; maxReplicas is 8")
    cluster.spec["autoscaling"] = {**LOAD, "maxReplicas": 6}
    cluster.generation += 1
    cluster.settle()
    assert counts(cluster) == {"3": 6}
    pods_come(cluster)
    looks(cluster, 0, times=40)
    assert counts(cluster) == {"3": 2}
    assert told(cluster)["because"].endswith("; minReplicas is 2")


def test_on_silence_the_number_stays_and_it_is_told_once_until_the_pods_speak_again() -> None:
    cluster = serving(6)
    looks(cluster, 1, silent=2, times=40)
    assert counts(cluster) == {"3": 6}
    unknown = cluster.condition("LoadUnknown")
    assert (unknown["status"], unknown["reason"]) == ("True", "LoadUnknown")
    assert unknown["message"] == ("stays at 6 pods: 2 of 6 pods do not say how loaded they are (churn-1: silent)")
    assert cluster.condition("Ready")["status"] == "True"
    assert [reason for reason, _ in cluster.events].count("LoadUnknown") == 1
    looks(cluster, 4.2)
    assert not any(c["type"] == "LoadUnknown" for c in cluster.status["conditions"])


def test_where_nobody_looks_any_more_the_number_stays_and_it_is_told() -> None:
    cluster = serving(6)
    looks(cluster, 0.5, times=20)
    cluster.pass_time(seconds=31)
    cluster.settle()
    assert counts(cluster) == {"3": 6}
    assert "older than 30 s" in cluster.condition("LoadUnknown")["message"]


def test_pods_that_are_out_take_none_of_the_others_away() -> None:
    cluster = serving(8)
    waits(cluster, "3", 2)  # six find no node any more
    for _ in range(40):
        looks(cluster, 1.4)
        waits(cluster, "3", 2)
    assert counts(cluster) == {"3": 8}
    assert told(cluster)["because"] == "load 70 % of 2 pods (6 not ready), target 70 %"


def test_an_operator_that_starts_anew_takes_nothing_away_before_it_has_looked_for_long_enough() -> None:
    cluster = serving(6)
    looks(cluster, 0.5, times=25)
    cluster.evidence.clear()
    cluster.settle()
    assert told(cluster)["because"].startswith("load 8 % of 6 pods")  # what was told before
    looks(cluster, 0.5, times=25)
    assert counts(cluster) == {"3": 6}


def test_an_operator_that_starts_anew_while_pods_are_silent_goes_on_saying_so() -> None:
    cluster = serving(6)
    looks(cluster, 1, silent=2, times=5)
    before = cluster.condition("LoadUnknown")
    cluster.evidence.clear()
    cluster.settle()
    looks(cluster, 1, silent=2, times=5)
    assert counts(cluster) == {"3": 6}
    assert cluster.condition("LoadUnknown") == before
    assert [reason for reason, _ in cluster.events].count("LoadUnknown") == 1
    looks(cluster, 4.2)
    assert not any(c["type"] == "LoadUnknown" for c in cluster.status["conditions"])


def test_numbers_that_change_nothing_are_written_once_a_minute() -> None:
    cluster = serving(4)
    looks(cluster, 2.2)
    before = cluster.status_writes
    looks(cluster, 2.3, times=6)
    looks(cluster, 2.4, times=6)
    assert cluster.status_writes - before <= 3


def test_pods_are_asked_every_ten_seconds_once_they_have_been_ready_for_that_long() -> None:
    cluster = serving(3)
    (look,) = [each for each in cluster.plan().looks if each.topic == LOAD_TOPIC]
    assert (look.load, len(look.targets), look.remembers) == (True, 3, timedelta(minutes=5))
    looks(cluster, 3)
    pods_come(cluster)
    (look,) = [each for each in cluster.plan().looks if each.topic == LOAD_TOPIC]
    assert look.at == cluster.now + LOOK_EVERY


def test_the_first_look_waits_for_a_pod_that_can_say_and_what_it_says_is_told_at_once() -> None:
    cluster = simulator(replicas=3, autoscaling=LOAD)
    cluster.settle()
    cluster.resolve_job_ends()
    cluster.settle()
    for ready in (False, True):
        (look,) = [each for each in cluster.plan().looks if each.topic == LOAD_TOPIC]
        assert (bool(look.targets), look.at <= cluster.now) == (ready, ready)
        pods_come(cluster)
        cluster.pass_time(minutes=1)
        cluster.settle()
    looks(cluster, 2.1)
    assert told(cluster)["because"] == "load 70 % of 3 pods, target 70 %"


def test_a_load_that_flaps_with_the_looks_moves_the_number_up_and_leaves_it_there() -> None:
    cluster = serving(4)
    seen = []
    for turn in range(40):
        looks(cluster, 3.5 if turn % 2 else 0.5)
        pods_come(cluster)
        seen.append(counts(cluster)["3"])
    assert sorted(set(seen)) == [4, 5]
    assert seen == sorted(seen)


@pytest.mark.parametrize("hand", [1, 8])
def test_a_hand_that_changes_a_count_is_no_load(hand: int) -> None:
    cluster = serving(3)
    looks(cluster, 2.1, times=2)
    deployment = cluster.objects["Deployment", f"churn-{cluster.status['stable']['revision']}"]
    deployment["spec"]["replicas"] = hand
    cluster.settle()
    assert counts(cluster) == {"3": 3}
    assert told(cluster)["wanted"] == 3


def test_zero_pods_are_no_error_and_a_model_that_is_waked_begins_where_it_may() -> None:
    cluster = serving(4)
    cluster.spec["suspend"] = True
    cluster.generation += 1
    looks(cluster, 0, times=3)
    assert cluster.status["phase"] == "Suspended"
    assert "autoscaling" not in cluster.status
    del cluster.spec["suspend"]
    cluster.generation += 1
    goes_on(cluster)
    assert counts(cluster) == {"3": 4}


def test_an_autoscaler_of_kubernetes_is_gone_before_slipway_sets_a_number() -> None:
    cluster = serving(4, autoscaling=METRICS)
    assert "HorizontalPodAutoscaler" in kinds(cluster)
    assert "autoscaling" not in cluster.status
    cluster.spec["autoscaling"] = LOAD
    cluster.generation += 1
    plan = cluster.plan()
    assert [type(action) for action in plan.actions] == [Delete]
    assert not any(each.topic == LOAD_TOPIC for each in plan.looks)
    cluster.settle()
    looks(cluster, 4.2)
    assert counts(cluster) == {"3": 6}
    cluster.spec["autoscaling"] = METRICS
    cluster.generation += 1
    cluster.settle()
    assert "HorizontalPodAutoscaler" in kinds(cluster)
    assert counts(cluster) == {"3": 6}


def test_an_autoscaler_of_kubernetes_that_a_finalizer_holds_is_named_and_no_count_is_written() -> None:
    cluster = serving(4, autoscaling=METRICS)
    (name,) = [name for kind, name in cluster.objects if kind == "HorizontalPodAutoscaler"]
    held = cluster.objects["HorizontalPodAutoscaler", name]["metadata"]
    held |= {"finalizers": ["audit.example/keeps"], "deletionTimestamp": f"{cluster.now:%Y-%m-%dT%H:%M:%SZ}"}
    cluster.spec["autoscaling"] = LOAD
    cluster.generation += 1
    cluster.settle()
    cluster.pass_time(minutes=1)
    cluster.settle()
    assert counts(cluster) == {"3": 4}
    ready = cluster.condition("Ready")
    assert ready["status"] == "False"
    assert f"HorizontalPodAutoscaler {name} is being deleted since" in ready["message"]
    assert (
        "held by audit.example/keeps (metadata.finalizers): Slipway sets the number of pods once it is gone"
        in (ready["message"])
    )
    del cluster.objects["HorizontalPodAutoscaler", name]
    cluster.settle()
    assert cluster.condition("Ready")["status"] == "True"
    looks(cluster, 4.2)
    assert counts(cluster) == {"3": 6}


# -- canaries


def canary_of(pods: int, load: float) -> Simulator:
    """Version 4 is asked for while version 3 is loaded so far."""
    cluster = serving(pods, rollout=CANARY, traffic=GATEWAY)
    looks(cluster, load)
    starts(cluster, "4")
    return cluster


def test_a_candidate_has_the_pods_for_its_step_before_the_step() -> None:
    cluster = canary_of(4, 2.8)
    assert counts(cluster) == {"3": 4, "4": 2}
    assert shares(cluster) == {"3": 100}
    pods_come(cluster)
    assert shares(cluster) == {"3": 50, "4": 50}


def test_more_load_at_a_step_gives_both_more_pods_and_less_takes_none() -> None:
    cluster = canary_of(4, 2.8)
    pods_come(cluster)
    looks(cluster, 4.9)  # seven pods carry it, and six are asked
    assert counts(cluster) == {"3": 7, "4": 4}
    pods_come(cluster)
    assert shares(cluster) == {"3": 50, "4": 50}
    looks(cluster, 0.5, times=40)
    assert counts(cluster) == {"3": 7, "4": 4}
    assert told(cluster)["wanted"] == 7


def test_a_rollback_gives_the_load_back_to_a_version_that_never_had_fewer() -> None:
    cluster = canary_of(4, 2.8)
    pods_come(cluster)
    looks(cluster, 4.9)
    cluster.request = f"abort/{cluster.status['candidate']['revision']}"
    for _ in range(6):
        looks(cluster, 4.2)
        pods_come(cluster)
        assert counts(cluster)["3"] >= 6
    assert shares(cluster) == {"3": 100}


def test_whoever_takes_over_has_what_carries_the_load_and_may_shrink_from_then_on() -> None:
    cluster = canary_of(4, 2.8)
    pods_come(cluster)
    cluster.request = f"promote/{cluster.status['candidate']['revision']}"
    goes_on(cluster)
    pods_come(cluster)
    assert shares(cluster) == {"4": 100}
    assert counts(cluster)["4"] == 4
    looks(cluster, 0.5, times=35)
    assert counts(cluster)["4"] == 2


def test_of_a_candidate_with_a_share_and_copies_its_share_counts() -> None:
    steps = [{"weight": 25}, {"shadow": 50}, {"pause": {}}]
    cluster = serving(4, rollout={"type": "Canary", "canary": {"steps": steps}}, traffic=GATEWAY)
    stable = cluster.status["stable"]["revision"]
    looks(cluster, 2.8)
    starts(cluster, "4")
    for _ in range(3):
        pods_come(cluster)
    candidate = cluster.status["candidate"]["revision"]
    assert cluster.status["rollout"]["canary"]["shadow"] == 50
    assert cluster.scene().parts_of_clients == {stable: 1, candidate: pytest.approx(25 / 75)}


@pytest.mark.parametrize("verb", ["promote", "abort"])
def test_after_a_long_step_whoever_gets_everything_has_the_pods_for_everything(verb: str) -> None:
    cluster = canary_of(4, 2.8)
    pods_come(cluster)
    looks(cluster, 2.8, times=40)
    cluster.request = f"{verb}/{cluster.status['candidate']['revision']}"
    for _ in range(6):
        looks(cluster, 2.8, due=False)
        pods_come(cluster)
        (everything,) = [
            version for version, share in shares(cluster).items() if share == max(shares(cluster).values())
        ][:1]
        assert counts(cluster)[everything] >= 4
    assert shares(cluster) == {("4" if verb == "promote" else "3"): 100}


@pytest.mark.parametrize("rollout", [{"type": "RollingUpdate"}, {"type": "BlueGreen"}, {"type": "Recreate"}])
def test_a_change_of_version_keeps_the_number_that_the_load_has_come_to(rollout: dict[str, Any]) -> None:
    cluster = serving(3, rollout=rollout)
    looks(cluster, 3)
    pods_come(cluster)
    assert counts(cluster) == {"3": 5}
    starts(cluster, "4")
    cluster.rolls_on()
    assert counts(cluster)["4"] == 5


def test_every_count_is_written_by_the_scale_subresource() -> None:
    cluster = serving(3)
    cluster.pass_time(seconds=10)
    sample = LoadSample(
        at=cluster.now,
        revisions={cluster.status["stable"]["revision"]: RevisionLoad(pods=3, answered=3, ratio=2.8)},
    )
    cluster.evidence[LOAD_TOPIC] = Evidence(history=(Scrape(at=cluster.now),), loads=(sample,))
    (action,) = cluster.plan().actions
    assert isinstance(action, Scale)
    assert action.replicas == 4


@settings(max_examples=15, deadline=None)
@given(weight=st.integers(1, 99), loads=st.lists(st.floats(0, 9), min_size=1, max_size=4), headroom=st.integers(0, 2))
def test_at_each_moment_of_a_canary_the_totals_are_exact(weight: int, loads: list[float], headroom: int) -> None:
    """What serves has all that the load takes, the candidate its share of that, and neither ever fewer."""
    steps = [{"weight": weight}, {"pause": {}}]
    scaling = {**LOAD, "load": {"headroom": headroom}}
    rollout = {"type": "Canary", "canary": {"steps": steps}}
    cluster = serving(3, autoscaling=scaling, rollout=rollout, traffic=GATEWAY)
    starts(cluster, "4")
    pods_come(cluster)
    least = 0
    for load in loads:
        looks(cluster, load, times=2)
        needed = told(cluster)["wanted"]
        assert least <= needed <= 8
        assert counts(cluster) == {"3": needed, "4": ceil(needed * weight / 100)}
        pods_come(cluster)
        assert shares(cluster) == {"3": 100 - weight, "4": weight}
        least = needed


# -- what starts took


def start(pod: str, load: float, memory: int | None = None, *, of: str) -> PodStart:
    facts = StartFacts(load=load, first_answer=load + 1, memory=memory, gpu_memory=None, shared_memory=4096)
    return PodStart(name=pod, revision=of, facts=facts)


def measured(cluster: Simulator, *starts: PodStart) -> list[dict[str, Any]]:
    cluster.pass_time(seconds=LOOK_EVERY.seconds)
    cluster.evidence[LOAD_TOPIC] = Evidence(history=(Scrape(at=cluster.now),), starts=starts)
    cluster.settle()
    (entry,) = cluster.status["revisions"]
    return [dict(each) for each in entry.get("measured", [])]


def test_what_starts_took_is_kept_by_product_as_it_was_first_seen() -> None:
    cluster = serving(3)
    stable = cluster.status["stable"]["revision"]
    pods = [pod.name for pod in cluster.observed().pods if pod.revision == stable]
    # the middle of three: one that lies moves nothing
    said = [start(pods[0], 10, 100, of=stable), start(pods[1], 12, of=stable), start(pods[2], 9_999, 10**12, of=stable)]
    (found,) = measured(cluster, *said)
    at = found.pop("at")
    assert found == {
        "product": "CPU",
        "pods": 3,
        "loadMilliseconds": 12_000,
        "firstAnswerMilliseconds": 13_000,
        "memoryBytes": 10**12,
        "sharedMemoryBytes": 4096,
    }
    assert measured(cluster, start(pods[0], 99, of=stable)) == [found | {"at": at}]
    assert measured(cluster) == [found | {"at": at}]


def test_a_gpu_is_named_by_the_pods_node_and_nobody_elses_pod_is_measured() -> None:
    cluster = serving(2, accelerator={"count": 1})
    stable = cluster.status["stable"]["revision"]
    (one, two) = [pod for pod in cluster.observed().pods if pod.revision == stable]
    assert measured(cluster, start(one.name, 10, of=stable)) == [], "its node does not say what it has"
    labels = {"nvidia.com/gpu.product": "NVIDIA-L4"}
    cluster.nodes = (NodeFacts(name=one.node or "", labels=labels, allocatable={}, schedulable=True),)
    strangers = [start("other", 1, of=stable), start(two.name, 1, of="00000000")]
    (found,) = measured(cluster, start(one.name, 10, of=stable), *strangers)
    assert (found["product"], found["pods"], found["loadMilliseconds"]) == ("NVIDIA-L4", 1, 10_000)
