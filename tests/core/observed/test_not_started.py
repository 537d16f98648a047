"""What is said of a Job without its pod, and of a pod without its first container; and when Kubernetes is asked."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from slipway.core.looks.not_started import LOOK_AGAIN, MOST, UNSTARTED_AFTER, wanted
from slipway.core.observed.evidence import EventFacts, Evidence, Scrape
from slipway.core.observed.not_started import TOPIC, has_no_pod
from slipway.core.observed.objects import Child
from slipway.core.observed.pods import PodFacts
from slipway.core.reasons import About, Finding, Reason
from slipway.core.rollout.gates import first_finding
from tests.core.cluster.simulator import Simulator, simulator
from tests.core.gen import NOON, POLICY, owner, revision_facts
from tests.core.pods import AT, fetcher, pod, true

NO_SECRET = 'MountVolume.SetUp failed for volume "credentials" : secret "models-read" not found'
QUOTA = 'Error creating: pods "churn-x" is forbidden: exceeded quota: small, requested: pods=1, used: pods=2'
POLICY_SAYS = 'Error creating: pods "churn-x" is forbidden: violates PodSecurity "restricted:latest"'
WAITING = fetcher(state={"waiting": {"reason": "PodInitializing"}})


def warns(message: str, reason: str = "FailedMount") -> EventFacts:
    return EventFacts(reason=reason, message=message, warning=True)


def lacking(status: dict[str, Any]) -> dict[str, Any]:
    cannot_start = {"type": "PodReadyToStartContainers", "status": "False", "lastTransitionTime": AT}
    return {**status, "conditions": [*status["conditions"], cannot_start]}


SECRET = {"name": "credentials", "secret": {"secretName": "models-read"}}
CLAIM = {"name": "source", "persistentVolumeClaim": {"claimName": "bundles"}}

PODS: list[tuple[str, PodFacts, EventFacts, Reason | None, str]] = [
    ("no Secret", pod(**WAITING), warns(NO_SECRET), Reason.CONFIGURATION_MISSING, NO_SECRET),
    ("what to do", pod(**WAITING), warns(NO_SECRET), Reason.CONFIGURATION_MISSING, "correct source.secretName"),
    ("disk", pod(**WAITING), warns("timed out"), Reason.POD_NOT_STARTED, "FailedMount: timed out"),
    ("network", pod(**WAITING), warns("no address", "FailedCreatePodSandBox"), Reason.POD_NOT_STARTED, "no address"),
    ("pulls an image", pod(**WAITING), EventFacts(reason="Pulling", message="Pulling image"), None, ""),
    (
        "Events may not be read",
        pod(volumes=[SECRET, CLAIM], **lacking(WAITING)),
        EventFacts(),
        Reason.POD_NOT_STARTED,
        "Secret models-read and claim bundles",
    ),
    ("the kubelet does not say", pod(volumes=[SECRET], **WAITING), EventFacts(), None, ""),
    ("it runs by now", pod(**fetcher(state={"running": {}})), warns(NO_SECRET), None, ""),
    ("it has run", pod(**fetcher(state={"terminated": {"exitCode": 0}})), warns(NO_SECRET), None, ""),
]


@pytest.mark.parametrize(("case", "what", "told", "reason", "words"), PODS, ids=[case[0] for case in PODS])
def test_what_is_said_of_a_pod_that_does_not_start(
    case: str, what: PodFacts, told: EventFacts, reason: Reason | None, words: str
) -> None:
    found = first_finding(revision_facts(what, events={what.uid: told}), POLICY)
    assert (found and found.reason) == reason
    if found:
        assert words in found.message
        assert found.message.startswith("3: churn-1")
        assert found.about is About.WORLD


def test_as_long_as_nobody_has_looked_nothing_is_said_of_a_pod() -> None:
    assert first_finding(revision_facts(pod(volumes=[SECRET], **lacking(WAITING))), POLICY) is None


def job(**spec: Any) -> Child:
    template = {"spec": {"serviceAccountName": "reader"}}
    meta = {"name": "churn-12345678-resolve", "uid": "u-job", "resourceVersion": "1", "creationTimestamp": AT}
    return Child.of({"kind": "Job", "metadata": meta, "spec": {"template": template, **spec}, "status": {}})


JOBS: list[tuple[str, Child, EventFacts, Reason | None, str]] = [
    ("quota", job(), warns(QUOTA, "FailedCreate"), Reason.QUOTA_EXCEEDED, "exceeded quota: small"),
    ("admission", job(), warns(POLICY_SAYS, "FailedCreate"), Reason.POD_REFUSED, "violates PodSecurity"),
    ("Events may not be read", job(), EventFacts(), Reason.POD_REFUSED, "service account reader"),
    ("a queue holds it", job(suspend=True), EventFacts(), Reason.POD_REFUSED, "is suspended"),
    ("it has just come", job(), EventFacts(reason="SuccessfulCreate", message="Created pod: x"), None, ""),
]


@pytest.mark.parametrize(("case", "what", "told", "reason", "words"), JOBS, ids=[case[0] for case in JOBS])
def test_what_is_said_of_a_job_without_a_pod(
    case: str, what: Child, told: EventFacts, reason: Reason | None, words: str
) -> None:
    found: Finding | None = has_no_pod(what, {what.uid: told}, "3")
    assert (found and found.reason) == reason
    if found:
        assert words in found.message
        assert found.about is About.WORLD


# -- when Kubernetes is asked


def resolving() -> tuple[Simulator, str]:
    """A cluster whose resolve Job has no pod, and the Job's uid."""
    cluster = simulator()
    cluster.settle()
    (uid,) = (m["metadata"]["uid"] for (kind, _), m in cluster.objects.items() if kind == "Job")
    return cluster, uid


def test_a_job_without_a_pod_gets_its_reason_after_a_grace_and_heals_by_itself() -> None:
    cluster, uid = resolving()
    plan = cluster.plan()
    assert plan.wake_at == NOON + UNSTARTED_AFTER
    cluster.looks(events={uid: warns(QUOTA, "FailedCreate")})
    cluster.settle()
    assert cluster.status["phase"] == "Resolving"

    cluster.pass_time(seconds=30)
    cluster.looks(events={uid: warns(QUOTA, "FailedCreate")})
    cluster.settle()
    assert (cluster.status["phase"], cluster.condition("Ready")["reason"]) == ("Waiting", "QuotaExceeded")
    assert [reason for reason, _ in cluster.events].count("QuotaExceeded") == 1

    cluster.pass_time(minutes=5)
    cluster.settle()
    assert cluster.status["phase"] == "Stalled"

    cluster.resolve_job_ends()
    cluster.settle()
    assert cluster.status["phase"] == "Starting"


def test_a_new_versions_pod_that_misses_its_secret_waits_with_the_reason_and_is_not_refused() -> None:
    cluster = simulator()
    cluster.becomes_ready()
    cluster.starts("4")
    new = cluster.revision_named("4")
    cluster.kubelet(new, status={**WAITING, "conditions": true("PodScheduled")})
    cluster.settle()
    cluster.pass_time(seconds=30)
    cluster.looks(events={f"uid-{new}-0": warns(NO_SECRET)})
    cluster.settle()
    assert (cluster.status["phase"], cluster.condition("Ready")["reason"]) == ("Waiting", "ConfigurationMissing")
    cluster.pass_time(hours=3)
    cluster.settle()
    assert cluster.status["phase"] == "Stalled"
    assert "refused" not in cluster.status
    cluster.kubelet(new)
    cluster.settle()
    assert cluster.status["stable"]["version"] == "4"


def test_kubernetes_is_asked_again_once_a_minute_about_those_that_have_waited_longest() -> None:
    pods = tuple(
        replace(pod(f"churn-{number}", **WAITING), scheduled_at=NOON + timedelta(seconds=number))
        for number in reversed(range(MOST + 2))
    )
    observed = replace(simulator().observed(), pods=pods)
    now = NOON + timedelta(hours=1)
    first = wanted(observed, owner(), now, rolls=True)
    assert first
    assert first.at == NOON + UNSTARTED_AFTER
    assert first.events_of == tuple(f"uid-churn-{number}" for number in range(MOST))

    seen = Evidence(history=(Scrape(at=now),))
    again = wanted(replace(observed, evidence={TOPIC: seen}), owner(), now, rolls=True)
    assert again
    assert again.at == now + LOOK_AGAIN


def test_where_everything_has_started_nothing_is_asked() -> None:
    cluster = simulator()
    cluster.becomes_ready()
    cluster.pass_time(minutes=10)
    assert cluster.plan().looks == ()


@pytest.mark.parametrize("created", ["0000-01-01T00:00:00Z", "soon", None], ids=str)
@pytest.mark.parametrize("status", ["none", {"conditions": [None, {"status": "True"}]}], ids=str)
def test_a_job_that_cannot_be_read_ends_no_pass(created: str | None, status: object) -> None:
    cluster, _ = resolving()
    (job,) = (manifest for (kind, _), manifest in cluster.objects.items() if kind == "Job")
    job["metadata"]["creationTimestamp"], job["status"] = created, status

    assert wanted(cluster.observed(), owner(), NOON, rolls=True) is None


def test_a_job_whose_conditions_cannot_be_read_is_looked_at() -> None:
    cluster, uid = resolving()
    (job,) = (manifest for (kind, _), manifest in cluster.objects.items() if kind == "Job")
    job["status"] = {"conditions": [None, {"status": "True"}]}

    look = wanted(cluster.observed(), owner(), NOON + UNSTARTED_AFTER, rolls=True)

    assert look
    assert look.events_of == (uid,)
