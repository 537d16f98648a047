"""Scaling by KEDA, as stories on the simulator: one scaler at each moment, and what is said where KEDA cannot."""

from datetime import timedelta
from typing import Any, Final

import pytest

from slipway.core.load import LOAD_TOPIC
from slipway.core.names import Manifest
from slipway.core.plan import Delete
from tests.core.cluster.keda import FINALIZER, Keda
from tests.core.cluster.scenario import GATEWAY, counts, goes_on, pods_come, starts
from tests.core.cluster.simulator import Simulator, simulator

BOUNDS: Final = {"minReplicas": 2, "maxReplicas": 8}
SLIPWAY: Final[dict[str, Any]] = {**BOUNDS, "load": {}}
KEDA: Final[dict[str, Any]] = {**BOUNDS, "load": {}, "scaler": "KEDA"}
HPA: Final[dict[str, Any]] = {**BOUNDS, "metrics": [{"type": "Resource"}]}
BY: Final = {"Slipway": SLIPWAY, "KEDA": KEDA, "HPA": HPA}


def serving(scaling: dict[str, Any] = KEDA, pods: int = 4, **spec: Any) -> tuple[Simulator, Keda]:
    """Version 3 serves with as many pods, and KEDA has taken up what there is for it."""
    cluster = simulator(**{"replicas": pods, "autoscaling": scaling, **spec})
    keda = Keda(cluster)
    cluster.becomes_ready()
    cluster.settle()
    keda.takes_up()
    cluster.pass_time(minutes=1)
    cluster.gateway_answers()
    cluster.settle()
    keda.takes_up()
    cluster.settle()
    assert counts(cluster) == {"3": pods}
    return cluster, keda


def asks(cluster: Simulator, scaling: dict[str, Any] | None) -> None:
    if scaling is None:
        del cluster.spec["autoscaling"]
    else:
        cluster.spec["autoscaling"] = scaling
    cluster.generation += 1


def scalers(cluster: Simulator) -> dict[str, tuple[int, int]]:
    """What could move a count, with its bounds: a ScaledObject, ours, or KEDA's autoscaler."""
    found = {}
    for (kind, name), manifest in cluster.objects.items():
        spec = manifest["spec"] if kind in ("ScaledObject", "HorizontalPodAutoscaler") else None
        if spec and kind == "ScaledObject":
            found["ScaledObject"] = (spec["minReplicaCount"], spec["maxReplicaCount"])
        elif spec:
            found["KEDA's" if name.startswith("keda-hpa-") else "ours"] = (spec["minReplicas"], spec["maxReplicas"])
    return found


def sets_counts(cluster: Simulator) -> bool:
    """Whether Slipway's own scaler is at work."""
    return any(each.topic == LOAD_TOPIC for each in cluster.plan().looks)


def blocked(cluster: Simulator) -> dict[str, Any] | None:
    return next((c for c in cluster.status["conditions"] if c["type"] == "ScalingBlocked"), None)


def test_keda_gets_both_signals_of_the_revisions_own_pods() -> None:
    cluster, _ = serving({**KEDA, "load": {"target": 60, "backlog": "1500ms"}, "behavior": {"scaleUp": {}}})
    scaled = _the_scaled_object(cluster)
    name, spec = scaled["metadata"]["name"], scaled["spec"]
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (2, 8)
    assert spec["fallback"] == {"failureThreshold": 3, "replicas": 2, "behavior": "currentReplicasIfHigher"}
    assert _behavior(spec) == {"scaleUp": {}, "scaleDown": {"stabilizationWindowSeconds": 300}}
    asked = {each["metadata"]["valueLocation"]: each for each in spec["triggers"]}
    targets = {name: each["metadata"]["targetValue"] for name, each in asked.items()}
    assert targets == {"slipway_load_ratio": "0.60", "slipway_backlog_seconds": "1.500"}
    for each in asked.values():
        assert (each["type"], each["metricType"]) == ("metrics-api", "Value")
        meta = each["metadata"]
        assert meta["url"] == f"http://{name}.shop.svc:8004/metrics"
        ways = meta["format"], meta["aggregateFromKubeServiceEndpoints"], meta["aggregationType"]
        assert ways == ("prometheus", "true", "average")
    ports = [port["port"] for port in cluster.objects["Service", name]["spec"]["ports"]]
    assert ports == [8000, 8001, 8002, 8004]
    assert not sets_counts(cluster)


@pytest.mark.parametrize(
    ("stabilization", "scale_down", "expected"),
    [
        pytest.param("90s", None, {"stabilizationWindowSeconds": 90}, id="of load"),
        pytest.param("5h", None, {"stabilizationWindowSeconds": 3600}, id="longer than an autoscaler takes"),
        pytest.param("90s", {"stabilizationWindowSeconds": 7}, {"stabilizationWindowSeconds": 7}, id="said itself"),
        pytest.param(
            "90s",
            {"selectPolicy": "Min"},
            {"stabilizationWindowSeconds": 90, "selectPolicy": "Min"},
            id="another thing is said",
        ),
    ],
)
def test_keda_goes_down_after_the_stabilization_that_our_own_scaler_keeps(
    stabilization: str, scale_down: dict[str, Any] | None, expected: dict[str, Any]
) -> None:
    behavior = {} if scale_down is None else {"behavior": {"scaleDown": scale_down}}
    cluster, _ = serving({**KEDA, "load": {"stabilization": stabilization}, **behavior})
    assert _behavior(_the_scaled_object(cluster)["spec"]) == {"scaleDown": expected}


def _the_scaled_object(cluster: Simulator) -> Manifest:
    (scaled,) = (manifest for (kind, _), manifest in cluster.objects.items() if kind == "ScaledObject")
    return scaled


def _behavior(spec: Manifest) -> Any:
    return spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]


@pytest.mark.parametrize(
    ("load", "target"),
    [
        ({"capacity": "120", "target": 60}, "72.000"),
        ({"capacity": "0.02", "target": 1}, "0.000200"),  # a request in an hour and a half, and not none
    ],
)
def test_a_capacity_that_was_measured_makes_a_rate_of_the_target(load: Manifest, target: str) -> None:
    cluster, _ = serving({**KEDA, "load": load})
    (spec,) = [m["spec"] for (kind, _), m in cluster.objects.items() if kind == "ScaledObject"]
    first = spec["triggers"][0]["metadata"]
    assert (first["valueLocation"], first["targetValue"]) == ("slipway_requests_per_second", target)


def test_the_services_port_comes_and_goes_with_keda_and_makes_no_new_revision() -> None:
    cluster, keda = serving(SLIPWAY)
    before = cluster.status["stable"]["revision"]
    for scaling, last in ((KEDA, 8004), (SLIPWAY, 8002)):
        asks(cluster, scaling)
        cluster.settle()
        keda.takes_up()
        keda.collects_garbage()
        cluster.settle()
        ports = cluster.objects["Service", f"churn-{before}"]["spec"]["ports"]
        assert ports[-1]["port"] == last
    assert cluster.status["stable"]["revision"] == before


def test_a_foreground_deletion_waits_for_no_scaled_object() -> None:
    cluster, _ = serving()
    waits = {
        kind: manifest["metadata"]["ownerReferences"][0]["blockOwnerDeletion"]
        for (kind, name), manifest in cluster.objects.items()
        if not name.startswith("keda-hpa-")
    }
    assert waits.pop("ScaledObject") is False
    assert set(waits.values()) == {True}


@pytest.mark.parametrize("before", BY)
@pytest.mark.parametrize("after", BY)
def test_another_scaler_takes_over_when_the_one_before_is_gone_and_no_count_is_lost(before: str, after: str) -> None:
    """The most there may be at a time: one of ours, or a ScaledObject with what KEDA made of it."""
    if before == after:
        return
    cluster, keda = serving(BY[before])
    count = 4 if before == "Slipway" else 6  # what the load has come to by now
    for deployment in (m for (kind, _), m in cluster.objects.items() if kind == "Deployment"):
        deployment["spec"]["replicas"] = count
    pods_come(cluster)
    asks(cluster, BY[after])
    for act in (cluster.gateway_answers, keda.takes_up, keda.collects_garbage, keda.takes_up):
        for _ in range(4):
            cluster.reconcile()
            there = set(scalers(cluster))
            assert len(there & {"ours", "ScaledObject"}) + sets_counts(cluster) <= 1
            assert not ("KEDA's" in there and ("ours" in there or sets_counts(cluster)))
            assert counts(cluster) == {"3": count}
        act()
    cluster.settle()
    wanted = {"Slipway": set(), "HPA": {"ours"}, "KEDA": {"ScaledObject", "KEDA's"}}
    assert set(scalers(cluster)) == wanted[after]
    assert sets_counts(cluster) is (after == "Slipway")
    assert counts(cluster) == {"3": count}


def test_kedas_count_is_left_alone_and_is_what_the_load_has_come_to() -> None:
    cluster, keda = serving()
    keda.scales(7)
    pods_come(cluster)
    assert counts(cluster) == {"3": 7}
    assert cluster.status["replicas"] == 7
    told = cluster.status["autoscaling"]
    assert (told["by"], told["wanted"], told["direction"]) == ("KEDA", 7, "Up")


def test_status_says_what_kubernetes_was_told_by_keda_and_not_each_time() -> None:
    cluster, _ = serving()

    def reads(ratio: str, backlog: str) -> None:
        for (kind, _), manifest in cluster.objects.items():
            if kind == "HorizontalPodAutoscaler":
                manifest["status"]["currentMetrics"] = [
                    {"type": "External", "external": {"metric": {"name": name}, "current": {"value": value}}}
                    for name, value in (
                        ("s0-metric-api-slipway_load_ratio", ratio),
                        ("s1-metric-api-slipway_backlog_seconds", backlog),
                        ("s2-other", "somewhat"),
                    )
                ]
                cluster.serial += 1
                manifest["metadata"]["resourceVersion"] = str(cluster.serial)
        cluster.settle()

    cluster.pass_time(minutes=2)
    reads("841m", "1500m")
    assert cluster.status["autoscaling"]["because"] == "load 84 % of a pod, target 70 %; backlog 1.5 s, target 500ms"
    written = cluster.status_writes
    for number in range(4):
        cluster.pass_time(seconds=10)
        reads(f"8{number}0m", "0")
    assert cluster.status_writes == written
    cluster.pass_time(seconds=30)
    reads("300m", "0")
    assert cluster.status["autoscaling"]["because"] == "load 30 % of a pod, target 70 %; backlog 0.0 s, target 500ms"


def test_by_a_capacity_that_was_measured_status_says_the_rate_that_keda_goes_by() -> None:
    cluster, _ = serving({"minReplicas": 2, "maxReplicas": 8, "scaler": "KEDA", "load": {"capacity": "100"}})
    name = f"churn-{cluster.status['stable']['revision']}"
    kedas = cluster.objects["HorizontalPodAutoscaler", f"keda-hpa-{name}"]
    metric = {"metric": {"name": "s0-metric-api-slipway_requests_per_second"}, "current": {"value": "84500m"}}
    kedas["status"]["currentMetrics"] = [{"type": "External", "external": metric}]
    kedas["metadata"]["resourceVersion"] = "1000000"
    cluster.pass_time(minutes=2)
    cluster.settle()
    assert cluster.status["autoscaling"]["because"] == "84.5 requests/s a pod of 100, target 70 %"


def test_who_sets_the_number_is_said_at_once_when_the_scaler_changes() -> None:
    cluster = simulator(replicas=3, autoscaling=KEDA)
    cluster.unknown = frozenset({"ScaledObject"})
    cluster.becomes_ready()
    cluster.pass_time(minutes=1)
    cluster.settle()
    assert cluster.status["autoscaling"]["by"] == "KEDA"
    asks(cluster, {**KEDA, "scaler": "Slipway"})
    cluster.settle()
    assert cluster.status["autoscaling"]["by"] == "Slipway"


def load_ratios(*values: int) -> dict[str, Any]:
    """The status of an autoscaler that was told so many load ratios."""
    return {
        "currentMetrics": [
            {"type": "External", "external": {"metric": {"name": f"{n}-slipway_load_ratio"}, "current": {"value": v}}}
            for n, v in enumerate(map(str, values))
        ]
    }


def test_however_many_numbers_autoscalers_say_those_of_kedas_alone_are_shown_and_fit() -> None:
    cluster, _ = serving()
    name = f"churn-{cluster.status['stable']['revision']}"
    labels = {"serving.slipway.dev/model-deployment": "churn"}
    cluster.objects["HorizontalPodAutoscaler", "theirs"] = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "theirs", "namespace": "shop", "uid": "theirs", "resourceVersion": "1", "labels": labels},
        "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}, "maxReplicas": 9},
        "status": load_ratios(*range(10**15, 10**15 + 60)),
    }
    cluster.pass_time(minutes=2)
    cluster.settle()
    assert cluster.status["autoscaling"]["because"] == "KEDA has read no load yet"
    kedas = cluster.objects["HorizontalPodAutoscaler", f"keda-hpa-{name}"]
    kedas["status"] |= load_ratios(*range(10**15, 10**15 + 60))
    kedas["metadata"]["resourceVersion"] = "1000000"
    cluster.pass_time(minutes=2)
    cluster.settle()
    assert len(cluster.status["autoscaling"]["because"]) == 1024


@pytest.mark.parametrize("rollout", [{"type": "RollingUpdate"}, {"type": "BlueGreen"}])
def test_a_change_of_version_keeps_what_keda_has_come_to_and_binds_it_meanwhile(rollout: dict[str, Any]) -> None:
    cluster, keda = serving(rollout=rollout)
    keda.scales(6)
    pods_come(cluster)
    starts(cluster, "4")
    while "candidate" in cluster.status:
        keda.takes_up()
        keda.collects_garbage()
        keda.scales(2)  # what shrinks then is no version's own load
        cluster.settle()
        pods_come(cluster)
        cluster.pass_time(seconds=31)
        assert sum(counts(cluster).values()) >= 6
    cluster.settle()
    assert counts(cluster)["4"] == 6
    assert scalers(cluster)["ScaledObject"] == (2, 8)
    assert cluster.status["replicas"] == 6


def test_a_canarys_step_has_a_scaled_object_with_the_count_of_its_share() -> None:
    steps = {"steps": [{"weight": 50}, {"pause": {}}]}
    cluster, keda = serving(rollout={"type": "Canary", "canary": steps}, traffic=GATEWAY)
    starts(cluster, "4")
    for _ in range(3):
        pods_come(cluster)
        keda.takes_up()
    bounds = {
        name: (m["spec"]["minReplicaCount"], m["spec"]["maxReplicaCount"])
        for (kind, name), m in cluster.objects.items()
        if kind == "ScaledObject"
    }
    stable, candidate = (f"churn-{cluster.status[role]['revision']}" for role in ("stable", "candidate"))
    assert bounds == {stable: (4, 8), candidate: (2, 2)}


def test_without_keda_the_count_stays_and_that_is_said_until_it_is_installed() -> None:
    cluster, keda = serving(SLIPWAY, pods=5)
    cluster.unknown = frozenset({"ScaledObject"})
    asks(cluster, KEDA)
    cluster.settle()
    assert (scalers(cluster), counts(cluster), sets_counts(cluster)) == ({}, {"3": 5}, False)
    said = blocked(cluster)
    assert said
    assert (said["status"], said["reason"]) == ("True", "KedaMissing")
    assert said["message"] == (
        "the cluster knows no ScaledObject: install KEDA 2.18 or newer, or take autoscaling.scaler out; "
        "the number stays at 5"
    )
    assert cluster.condition("Ready")["status"] == "True"
    assert [reason for reason, _ in cluster.events].count("KedaMissing") == 1
    cluster.unknown = frozenset()
    cluster.settle()
    keda.takes_up()
    cluster.settle()
    assert blocked(cluster) is None
    assert scalers(cluster) == {"ScaledObject": (2, 8), "KEDA's": (2, 8)}
    assert counts(cluster) == {"3": 5}


def test_an_operator_that_may_not_list_them_says_so() -> None:
    cluster, _ = serving(SLIPWAY)
    cluster.unlisted = frozenset({"ScaledObject"})
    asks(cluster, KEDA)
    cluster.settle()
    said = blocked(cluster)
    assert said
    assert "cannot list ScaledObjects in namespace shop; the chart's roles grant it" in said["message"]


@pytest.mark.parametrize(
    ("kind", "condition", "reason", "words"),
    [
        (
            "ScaledObject",
            {"type": "Ready", "status": "False", "reason": "ScaledObjectCheckFailed", "message": "no metric specs"},
            "KedaNotReady",
            "is not Ready: ScaledObjectCheckFailed: no metric specs; the number stays",
        ),
        (
            "ScaledObject",
            {"type": "Fallback", "status": "True", "reason": "FallbackExists", "message": "At least one trigger"},
            "KedaFallback",
            "takes no pod away: FallbackExists: At least one trigger",
        ),
        ("ScaledObject", {"type": "Paused", "status": "True"}, "KedaNotReady", "is paused: take the annotation"),
        (
            "HorizontalPodAutoscaler",
            {"type": "ScalingActive", "status": "False", "reason": "AmbiguousSelector", "message": "pods by selector"},
            "ScalerConflict",
            "AmbiguousSelector: pods by selector",
        ),
    ],
)
def test_where_keda_cannot_scale_status_has_its_words(
    kind: str, condition: dict[str, Any], reason: str, words: str
) -> None:
    cluster, keda = serving()
    keda.says(kind, **condition)
    cluster.settle()
    said = blocked(cluster)
    assert said
    assert said["reason"] == reason
    assert words in said["message"]
    assert cluster.condition("Ready")["status"] == "True"
    assert [told for told, _ in cluster.events].count(reason) == 1
    keda.takes_up()
    keda.says(kind, type="ScalingActive", status="True")
    cluster.settle()
    assert blocked(cluster) is None


def test_a_keda_that_is_gone_is_told_of_after_a_minute_and_heals() -> None:
    cluster, keda = serving()
    since = cluster.timestamp
    gone = {"type": "ScalingActive", "status": "False", "reason": "FailedGetExternalMetric", "message": "no answer"}
    keda.says("HorizontalPodAutoscaler", **gone, lastTransitionTime=since)
    plan = cluster.settle()
    assert blocked(cluster) is None
    assert plan.wake_at == cluster.now + timedelta(minutes=1)
    cluster.pass_time(minutes=1)
    cluster.settle()
    said = blocked(cluster)
    assert said
    assert "which is KEDA's, cannot scale: FailedGetExternalMetric: no answer; the number stays" in said["message"]
    assert counts(cluster) == {"3": 4}
    keda.says("HorizontalPodAutoscaler", type="ScalingActive", status="True")
    cluster.settle()
    assert blocked(cluster) is None


def test_a_scaled_object_that_nobody_takes_up_is_told_of_after_a_minute() -> None:
    cluster, _ = serving(SLIPWAY)
    asks(cluster, KEDA)
    cluster.settle()
    assert blocked(cluster) is None
    cluster.pass_time(minutes=1)
    cluster.settle()
    said = blocked(cluster)
    assert said
    assert said["message"].startswith("KEDA has not taken ScaledObject churn-")
    assert counts(cluster) == {"3": 4}


def test_a_finalizer_that_nobody_takes_off_is_told_with_its_remedy_and_holds_the_count() -> None:
    cluster, keda = serving(pods=5)
    asks(cluster, SLIPWAY)
    cluster.settle()
    cluster.pass_time(minutes=1)
    cluster.settle()
    said = blocked(cluster)
    assert said
    assert said["reason"] == "ScaledObjectStuck"
    name = f"churn-{cluster.status['stable']['revision']}"
    assert FINALIZER in said["message"]
    assert f"kubectl patch scaledobject {name} --namespace=shop --type=merge" in said["message"]
    assert (counts(cluster), sets_counts(cluster)) == ({"3": 5}, False)
    keda.takes_up()
    keda.collects_garbage()
    cluster.settle()
    assert blocked(cluster) is None
    assert sets_counts(cluster)


def test_who_suspends_gets_no_pods_though_keda_would_raise_them() -> None:
    cluster, keda = serving()
    cluster.spec["suspend"] = True
    cluster.generation += 1
    plan = cluster.plan()
    assert isinstance(plan.actions[0], Delete)
    assert plan.actions[0].kind == "ScaledObject"
    cluster.settle()
    for deployment in (m for (kind, _), m in cluster.objects.items() if kind == "Deployment"):
        deployment["spec"]["replicas"] = 2  # its last look, before it heard
    keda.takes_up()
    keda.collects_garbage()
    cluster.settle()
    assert (counts(cluster), scalers(cluster)) == ({"3": 0}, {})
    assert cluster.status["phase"] == "Suspended"
    del cluster.spec["suspend"]
    cluster.generation += 1
    goes_on(cluster)
    keda.takes_up()
    cluster.settle()
    assert counts(cluster) == {"3": 4}
    assert scalers(cluster) == {"ScaledObject": (2, 8), "KEDA's": (2, 8)}


@pytest.mark.parametrize("by", BY)
@pytest.mark.parametrize("kind", ["HorizontalPodAutoscaler", "ScaledObject"])
def test_a_strangers_scaler_is_told_and_never_fought(by: str, kind: str) -> None:
    cluster, keda = serving(BY[by])
    name = f"churn-{cluster.status['stable']['revision']}"
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    least, most = ("minReplicaCount", "maxReplicaCount") if kind == "ScaledObject" else ("minReplicas", "maxReplicas")
    labels = {"serving.slipway.dev/model-deployment": "churn"}
    meta = {"name": "theirs", "namespace": "shop", "uid": "theirs", "resourceVersion": "1", "annotations": {}}
    cluster.objects[kind, "theirs"] = {
        "apiVersion": "x/v1",
        "kind": kind,
        "metadata": {**meta, "labels": labels},
        "spec": {"scaleTargetRef": target, least: 1, most: 9},
    }
    cluster.settle()
    keda.takes_up()
    keda.collects_garbage()
    cluster.objects["Deployment", name]["spec"]["replicas"] = 7
    pods_come(cluster)
    ours = [key for key in cluster.objects if key[0] == kind and key[1] == name]
    assert (ours, counts(cluster), sets_counts(cluster)) == ([], {"3": 7}, False)
    said = blocked(cluster)
    assert said
    assert said["reason"] == "ScalerConflict"
    assert said["message"].startswith(f"{kind} theirs, which is not ours, scales Deployment {name}")
    del cluster.objects[kind, "theirs"]
    for _ in range(3):
        cluster.settle()
        keda.takes_up()
        keda.collects_garbage()
    cluster.settle()
    assert blocked(cluster) is None
    assert counts(cluster) == {"3": 7}


def test_without_autoscaling_the_scaled_object_goes_and_the_spec_says_how_many() -> None:
    cluster, keda = serving(pods=4)
    keda.scales(6)
    pods_come(cluster)
    asks(cluster, None)
    cluster.settle()
    keda.takes_up()
    keda.collects_garbage()
    cluster.settle()
    assert (counts(cluster), scalers(cluster)) == ({"3": 4}, {})
    assert "autoscaling" not in cluster.status


def test_a_strangers_scaler_beside_a_fixed_number_is_told_too() -> None:
    cluster = simulator(replicas=4)
    cluster.becomes_ready()
    cluster.settle()
    name = f"churn-{cluster.status['stable']['revision']}"
    cluster.objects["HorizontalPodAutoscaler", "theirs"] = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "theirs", "namespace": "shop", "uid": "theirs", "resourceVersion": "1"},
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": name}, "minReplicas": 1, "maxReplicas": 9},
    }
    cluster.settle()
    said = blocked(cluster)
    assert said
    assert said["message"].endswith("where spec.replicas says how many: delete it, or two write the count for ever")
