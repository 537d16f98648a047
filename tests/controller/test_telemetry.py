"""What the operator's metrics say of each ModelDeployment, in every state that one can be in."""

import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.core import Metric

from slipway.controller.kinds import BY_NAME, MODEL_DEPLOYMENT
from slipway.controller.kube import ForbiddenError, KubeError, NotFoundError
from slipway.controller.store import Store
from slipway.controller.telemetry import Telemetry
from slipway.controller.watch_health import WatchHealth
from testbed import yamls
from testbed.prometheus import find
from testbed.shell import ROOT, run
from tests.core.cluster.kubelet import says
from tests.core.cluster.simulator import Simulator, simulator

STATES = {file.stem: file for file in (ROOT / "gitops" / "argocd" / "testdata").glob("*.yaml")}
NOON = 1767614400.0  # 2026-01-05T12:00:00Z, when everything happens in them


def state(name: str, version: int = 1) -> dict[str, Any]:
    manifest: dict[str, Any] = yamls.load(STATES[name].read_text())
    manifest["metadata"] |= {"uid": "u", "resourceVersion": str(version)}
    return manifest


def telemetry(store: Store) -> Telemetry:
    made = Telemetry()
    made.watch(store, WatchHealth(), platform_version="0.1.0")
    return made


def holding(name: str) -> Telemetry:
    store = Store()
    store.put(MODEL_DEPLOYMENT, state(name))
    return telemetry(store)


def series(metrics: Telemetry, family: str, *labels: str) -> dict[tuple[str, ...], float]:
    """The values of a family by the labels named; every one is churn's, in shop."""
    metric: Metric = next(metric for metric in metrics.registry.collect() if metric.name == family)
    assert all((s.labels["namespace"], s.labels["model_deployment"]) == ("shop", "churn") for s in metric.samples)
    return {tuple(sample.labels[label] for label in labels): sample.value for sample in metric.samples}


def phases(metrics: Telemetry) -> dict[tuple[str, ...], float]:
    return series(metrics, "slipway_model_deployment_phase", "phase", "reason")


def decisions(metrics: Telemetry) -> dict[tuple[str, ...], float]:
    return series(metrics, "slipway_decision_timestamp_seconds", "decision", "revision", "version", "reason")


@pytest.mark.parametrize("name", sorted(STATES))
def test_in_each_state_there_is_one_phase_with_its_reason(name: str) -> None:
    status = state(name).get("status") or {}
    ready = next((c for c in status.get("conditions", ()) if c["type"] == "Ready"), {"reason": ""})
    assert phases(holding(name)) == {(status.get("phase", "Unknown"), ready["reason"]): 1}


@pytest.mark.parametrize("name", sorted(STATES))
def test_in_each_state_the_revisions_are_those_in_status(name: str) -> None:
    metrics, revisions = holding(name), (state(name).get("status") or {}).get("revisions", ())
    for family, field in (
        ("slipway_revision_share_percent", "share"),
        ("slipway_revision_replicas", "replicas"),
        ("slipway_revision_available_replicas", "available"),
    ):
        assert series(metrics, family, "revision", "version") == {
            (r["revision"], r["version"]): r[field] for r in revisions
        }


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("fresh", {}),
        ("resolving", {("Resolving", "", "3", ""): NOON}),
        ("ready", {("Ready", "11111111", "3", ""): NOON}),
        ("shifting", {("Shifting", "22222222", "4", ""): NOON}),
        ("paused", {("Starting", "22222222", "4", ""): NOON, ("Paused", "22222222", "4", ""): NOON}),
        ("soaking", {("Soaking", "22222222", "4", ""): NOON, ("Ready", "22222222", "4", ""): NOON}),
        ("rolling-back", {("RollingBack", "22222222", "4", ""): NOON, ("Refused", "22222222", "4", "Aborted"): NOON}),
        ("proposed", {("Ready", "11111111", "3", ""): NOON, ("Proposed", "", "4", ""): NOON + 86_400}),
        ("refused", {("Refused", "22222222", "4", "WrongAnswer"): NOON}),
    ],
)
def test_what_was_decided_stands_beside_the_revision_that_it_is_about(
    name: str, expected: dict[tuple[str, ...], float]
) -> None:
    assert decisions(holding(name)) == expected


@pytest.mark.parametrize("step", [1, 2])
def test_each_step_of_a_canary_is_a_decision_of_its_own_although_the_share_stays(step: int) -> None:
    store, canary = Store(), state("shifting")
    canary["status"]["rollout"]["canary"] = {"steps": "a", "step": step, "weight": 10, "since": "2026-01-05T12:01:00Z"}
    store.put(MODEL_DEPLOYMENT, canary)
    step_decision = {("Canary", "22222222", "4", f"step {step + 1} at 10 %"): NOON + 60}
    assert decisions(telemetry(store)) == {("Shifting", "22222222", "4", ""): NOON, **step_decision}


@pytest.mark.parametrize("name", sorted(STATES))
def test_in_each_state_every_condition_is_told(name: str) -> None:
    conditions = (state(name).get("status") or {}).get("conditions", ())
    told = series(holding(name), "slipway_model_deployment_condition", "condition", "status", "reason")
    assert told == {(c["type"], c["status"], c["reason"]): 1 for c in conditions}


@pytest.mark.parametrize(
    ("direction", "condition", "reason"),
    [("Up", None, "Up"), (None, None, ""), ("Down", "LoadUnknown", "LoadUnknown"), ("Down", "Withdrawn", "Down")],
)
def test_where_slipway_sets_the_number_of_pods_it_tells_what_is_wanted_and_what_is_there(
    direction: str | None, condition: str | None, reason: str
) -> None:
    store, scaled = Store(), state("ready")
    metrics = telemetry(store)
    store.put(MODEL_DEPLOYMENT, scaled)
    assert series(metrics, "slipway_autoscaling_wanted_replicas", "reason") == {}
    scaled = state("ready", version=2)
    scaled["status"]["autoscaling"] = {"by": "Slipway", "wanted": 5, "because": "load", "direction": direction}
    scaled["status"]["conditions"] += [{"type": condition, "status": "True", "reason": condition}] if condition else []
    store.put(MODEL_DEPLOYMENT, scaled)
    available = sum(each["available"] for each in scaled["status"]["revisions"])
    assert series(metrics, "slipway_autoscaling_wanted_replicas", "reason") == {(reason,): 5}
    assert series(metrics, "slipway_autoscaling_replicas") == {(): scaled["status"]["replicas"]}
    assert series(metrics, "slipway_autoscaling_available_replicas") == {(): available}


def test_what_was_said_of_a_state_ends_with_it() -> None:
    store = Store()
    metrics = telemetry(store)
    store.put(MODEL_DEPLOYMENT, state("ready"))
    store.put(MODEL_DEPLOYMENT, state("suspended", version=2))
    assert phases(metrics) == {("Suspended", "Suspended"): 1}
    store.remove(MODEL_DEPLOYMENT, "u")
    assert phases(metrics) == decisions(metrics) == {}


def test_names_and_help_are_as_prometheus_wants_them(tmp_path: Path) -> None:
    text = generate_latest(holding("rolling-back").registry).decode()
    assert len(re.findall("^# HELP slipway_", text, re.MULTILINE)) > 10
    assert run(find("promtool"), "check", "metrics", stdin=text) == ""


# -- how rollouts end


def ended(metrics: Telemetry) -> dict[tuple[str, ...], float]:
    """Rollouts by outcome and reason."""
    (family,) = (metric for metric in metrics.registry.collect() if metric.name == "slipway_rollouts")
    counts = (sample for sample in family.samples if sample.name == "slipway_rollouts_total")
    return {(sample.labels["outcome"], sample.labels["reason"]): sample.value for sample in counts}


def passes(cluster: Simulator, metrics: Telemetry) -> None:
    for note in (note for _ in range(4) for note in cluster.reconcile().notes):
        metrics.count_note(note)


def test_only_a_version_that_was_sent_home_counts_as_refused() -> None:
    cluster, metrics = simulator(), Telemetry()
    cluster.becomes_ready()
    wrong = cluster.server_ended(says("WrongAnswer", "y[0] is 5, expected 7"))

    cluster.kubelet(cluster.revision_named("3"), status=wrong)
    passes(cluster, metrics)
    assert "WrongAnswer" in [reason for reason, _ in cluster.events]
    assert "refused" not in cluster.status
    assert ended(metrics) == {}

    cluster.kubelet(cluster.revision_named("3"))
    cluster.starts("4")
    cluster.kubelet(cluster.revision_named("4"), status=wrong)
    passes(cluster, metrics)
    assert cluster.status["refused"]["reason"] == "WrongAnswer"
    assert ended(metrics) == {("refused", "WrongAnswer"): 1}


def test_what_cannot_be_listed_has_a_series_with_its_reason_and_what_the_cluster_need_not_know_has_none() -> None:
    store = Store()
    made = telemetry(store)
    coverage = store.coverage
    coverage.record_failure(BY_NAME["Pod"], "b", ForbiddenError(403, "Forbidden", ""), now=0)
    coverage.record_failure(BY_NAME["GRPCRoute"], None, KubeError(500, "InternalError", ""), now=0)
    coverage.record_failure(BY_NAME["HTTPRoute"], None, NotFoundError(404, "NotFound", ""), now=0)
    unlisted = next(metric for metric in made.registry.collect() if metric.name == "slipway_unlisted")

    assert {tuple(sample.labels.values()): sample.value for sample in unlisted.samples} == {
        ("Pod", "b", "Forbidden"): 1,
        ("GRPCRoute", "*", "InternalError"): 1,
    }


@pytest.mark.parametrize("at", ["0000-01-01T00:00:00Z", "soon", None], ids=str)
def test_a_time_in_status_that_cannot_be_read_costs_nobody_the_scrape(at: str | None) -> None:
    torn = state("paused")
    torn["status"]["rollout"] |= {"phaseStartedAt": at, "clock": {"pausedAt": at or "never"}}
    torn["metadata"] |= {"name": "torn", "uid": "torn"}
    store = Store()
    store.put(MODEL_DEPLOYMENT, torn)
    store.put(MODEL_DEPLOYMENT, state("ready"))

    text = generate_latest(telemetry(store).registry).decode()

    assert 'slipway_model_deployment_phase{model_deployment="torn"' in text
    assert 'slipway_decision_timestamp_seconds{decision="Ready",model_deployment="churn"' in text
