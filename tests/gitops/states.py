"""Every state that a ModelDeployment can be seen in, brought about on the simulator.

`python -m tests.gitops.states` writes them to gitops/argocd, as samples in the form that Argo CD's own tests read.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from slipway.api.v1alpha1 import API_VERSION, KIND
from slipway.core.observed.objects import WriteDenied
from tests.core.cluster.following import following, follows
from tests.core.cluster.kubelet import says
from tests.core.cluster.simulator import Simulator, simulator
from tests.core.pods import unschedulable
from tests.gitops.kstatus import KStatus
from tests.gitops.rules import ARGOCD, argocd

IN_PROGRESS, CURRENT, FAILED = KStatus.IN_PROGRESS, KStatus.CURRENT, KStatus.FAILED
WRONG: Final = says("WrongAnswer", "golden/a.json: y[0] is 5, expected 7 within 0.0001")


class State(NamedTuple):
    """How it comes about, and what GitOps tools should make of it."""

    bring_about: Callable[[], Simulator]
    argocd: str
    kstatus: KStatus
    flux: KStatus | None = None
    """By our expressions; None: the same."""


def fresh() -> Simulator:
    """As the API server stores it before anybody has looked."""
    return simulator()


def edited() -> Simulator:
    cluster = ready()
    cluster.edit(version="4")
    return cluster


def resolving() -> Simulator:
    cluster = simulator()
    cluster.settle()
    return cluster


def resolved_with(reason: str, message: str) -> Simulator:
    """The first version's resolve Job ends with this verdict."""
    cluster = resolving()
    cluster.resolve_job_ends(says(reason, message), exit_code=1)
    cluster.settle()
    return cluster


def source_unavailable() -> Simulator:
    return resolved_with("SourceUnavailable", "s3://models/churn/3: no connection to the store")


def source_denied_for_long() -> Simulator:
    cluster = resolving()
    for _ in range(3):
        cluster.resolve_job_ends(says("SourceDenied", "s3://models/churn/3: 403 for the key AKIA1"), exit_code=1)
        cluster.settle()
        cluster.pass_time(minutes=5)
        cluster.settle()
    return cluster


def starting() -> Simulator:
    cluster = resolving()
    cluster.resolve_job_ends()
    cluster.settle()
    return cluster


def verifying() -> Simulator:
    cluster = starting()
    loading = cluster.ready_status()
    loading["conditions"] = loading["conditions"][:2]
    for name in cluster.deployments():
        cluster.kubelet(name, status=loading)
    cluster.settle()
    return cluster


def deadline_passed() -> Simulator:
    cluster = verifying()
    cluster.pass_time(hours=2)
    cluster.settle()
    return cluster


def ready(**spec: Any) -> Simulator:
    cluster = simulator(**spec)
    cluster.becomes_ready()
    return cluster


def next_version_starting() -> Simulator:
    cluster = ready()
    cluster.starts("4")
    return cluster


def next_version_waits_for_a_node() -> Simulator:
    cluster = next_version_starting()
    message = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."
    cluster.kubelet(cluster.revision_named("4"), status=unschedulable(message))
    cluster.settle()
    return cluster


def shifting() -> Simulator:
    """As a pass leaves it that ends before the next one sees the Service that it wrote."""
    cluster = next_version_starting()
    cluster.kubelet(cluster.revision_named("4"))
    cluster.reconcile()
    return cluster


def promoted() -> Simulator:
    """A new version has all the traffic; the old one keeps its pods for a while."""
    cluster = next_version_starting()
    cluster.kubelet(cluster.revision_named("4"))
    cluster.settle()
    return cluster


def second_version_starts(**rollout: Any) -> Simulator:
    cluster = ready(replicas=2, rollout=rollout)
    cluster.starts("4")
    return cluster


def asked_of(verb: str, cluster: Simulator) -> str:
    """The annotation about version 4."""
    return f"{verb}/{cluster.revision_named('4').removeprefix('churn-')}"


def paused() -> Simulator:
    cluster = second_version_starts()
    cluster.request = asked_of("pause", cluster)
    cluster.settle()
    return cluster


def aborted() -> Simulator:
    cluster = second_version_starts()
    cluster.request = asked_of("abort", cluster)
    cluster.rolls_on()
    return cluster


def soaking() -> Simulator:
    cluster = second_version_starts(type="BlueGreen", blueGreen={"standbyDuration": "1h"})
    cluster.rolls_on()
    return cluster


def rolling_back() -> Simulator:
    cluster = soaking()
    cluster.request = asked_of("abort", cluster)
    cluster.reconcile()
    return cluster


def reverted() -> Simulator:
    cluster = second_version_starts()
    cluster.edit(version="3")
    cluster.settle()
    return cluster


def refused() -> Simulator:
    cluster = next_version_starting()
    cluster.kubelet(cluster.revision_named("4"), status=cluster.server_ended(WRONG))
    cluster.settle()
    return cluster


def first_version_refused() -> Simulator:
    cluster = starting()
    for name in cluster.deployments():
        cluster.kubelet(name, status=cluster.server_ended(WRONG))
    cluster.settle()
    return cluster


def broken_bundle() -> Simulator:
    return resolved_with("BundleInvalid", "golden/a.json: inputs[0].shape is missing")


def degraded() -> Simulator:
    cluster = ready(replicas=2)
    name = cluster.revision_named("3")
    cluster.pods[f"{name}-1"]["status"] = cluster.server_ended(says("BackendDead", "the stub is gone"), restarts=3)
    cluster.objects["Deployment", name]["status"]["availableReplicas"] = 1
    cluster.settle()
    return cluster


def outage() -> Simulator:
    cluster = ready()
    name = cluster.revision_named("3")
    cluster.kubelet(name, status=cluster.server_ended(says("BackendDead", "the stub is gone"), restarts=3))
    cluster.settle()
    return cluster


def outage_for_long() -> Simulator:
    cluster = outage()
    cluster.pass_time(hours=2)
    cluster.settle()
    return cluster


def suspended() -> Simulator:
    cluster = ready()
    cluster.spec["suspend"] = True
    cluster.generation += 1
    cluster.settle()
    return cluster


def unreadable_spec() -> Simulator:
    cluster = ready()
    cluster.spec["replicas"] = "many"
    cluster.generation += 1
    cluster.reconcile()
    return cluster


def rejected_child() -> Simulator:
    cluster = ready()
    said = "spec.metrics[0].type: Unsupported value"
    cluster.rejected = (WriteDenied(kind="HorizontalPodAutoscaler", name="churn-1", message=said),)
    cluster.reconcile()
    return cluster


def followed() -> Simulator:
    return following("3")


def proposed() -> Simulator:
    cluster = following("3", update="Propose")
    cluster.alias("4")
    return cluster


def refused_before() -> Simulator:
    cluster = following("3", "4")
    cluster.asks(f"rollback/{cluster.status['stable']['revision']}")
    cluster.rolls_on()
    cluster.alias("3")
    cluster.alias("4")
    return cluster


def nothing_to_follow() -> Simulator:
    cluster = following("3")
    cluster.alias(None)
    return cluster


def nothing_to_follow_at_first() -> Simulator:
    cluster = follows(None)
    cluster.settle()
    return cluster


STATES: Final[dict[str, State]] = {
    "fresh": State(fresh, "Progressing", IN_PROGRESS),
    "edited": State(edited, "Progressing", IN_PROGRESS),
    "resolving": State(resolving, "Progressing", IN_PROGRESS),
    "source-unavailable": State(source_unavailable, "Progressing", IN_PROGRESS),
    "source-denied-for-long": State(source_denied_for_long, "Degraded", FAILED),
    "broken-bundle": State(broken_bundle, "Degraded", FAILED),
    "starting": State(starting, "Progressing", IN_PROGRESS),
    "verifying": State(verifying, "Progressing", IN_PROGRESS),
    "deadline-passed": State(deadline_passed, "Degraded", FAILED),
    "first-version-refused": State(first_version_refused, "Degraded", FAILED),
    "ready": State(ready, "Healthy", CURRENT),
    "next-version-starting": State(next_version_starting, "Progressing", IN_PROGRESS),
    "next-version-waits-for-a-node": State(next_version_waits_for_a_node, "Progressing", IN_PROGRESS),
    "shifting": State(shifting, "Progressing", IN_PROGRESS),
    "promoted": State(promoted, "Healthy", CURRENT),
    "paused": State(paused, "Suspended", IN_PROGRESS),
    "soaking": State(soaking, "Healthy", CURRENT),
    "rolling-back": State(rolling_back, "Progressing", IN_PROGRESS),
    "aborted": State(aborted, "Degraded", FAILED),
    "reverted": State(reverted, "Healthy", CURRENT),
    "refused": State(refused, "Degraded", FAILED),
    "degraded": State(degraded, "Healthy", CURRENT),
    "outage": State(outage, "Progressing", IN_PROGRESS),
    "outage-for-long": State(outage_for_long, "Degraded", FAILED),
    "suspended": State(suspended, "Suspended", IN_PROGRESS),
    "unreadable-spec": State(unreadable_spec, "Degraded", FAILED),
    "followed": State(followed, "Healthy", CURRENT),
    "proposed": State(proposed, "Healthy", CURRENT),
    "refused-before": State(refused_before, "Healthy", CURRENT),
    "nothing-to-follow": State(nothing_to_follow, "Degraded", CURRENT, flux=FAILED),
    "nothing-to-follow-at-first": State(nothing_to_follow_at_first, "Degraded", FAILED),
    "rejected-child": State(rejected_child, "Degraded", FAILED),
}


def seen(name: str) -> dict[str, Any]:
    """The object in that state, as the API server would hand it out."""
    cluster = STATES[name].bring_about()
    found = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": "churn", "namespace": "shop", "generation": cluster.generation},
        "spec": cluster.spec,
        "status": cluster.status or {"observedGeneration": -1},
    }
    return _with_plain_revisions(found, cluster)


def _with_plain_revisions(found: dict[str, Any], cluster: Simulator) -> dict[str, Any]:
    """11111111 for the first revision and so on: their hashes change with every change of a child."""
    text = json.dumps(found)
    made = (name.removeprefix("churn-") for kind, name in cluster.objects if kind == "ControllerRevision")
    for number, revision in enumerate(made, start=1):
        text = text.replace(revision, str(number) * 8)
    plain: dict[str, Any] = json.loads(text)
    return plain


def files() -> dict[str, str]:
    """What gitops/argocd holds beside the rule: the tests' list, and a sample for each."""
    samples = {name: seen(name) for name in STATES}
    tests = [
        {
            "healthStatus": {"status": STATES[name].argocd, "message": argocd(sample).message},
            "inputPath": f"testdata/{name}.yaml",
        }
        for name, sample in samples.items()
    ]
    return {
        "health_test.yaml": _yaml({"tests": tests}),
        **{f"testdata/{name}.yaml": _yaml(sample) for name, sample in samples.items()},
    }


def write(folder: Path) -> None:
    """Make the samples those of today's core."""
    (folder / "testdata").mkdir(exist_ok=True)
    texts = files()
    for old in folder.glob("testdata/*.yaml"):
        if f"testdata/{old.name}" not in texts:
            old.unlink()
    for name, text in texts.items():
        (folder / name).write_text(text)


def _yaml(whole: dict[str, Any]) -> str:
    return yaml.safe_dump(whole, sort_keys=False, allow_unicode=True, width=120)


if __name__ == "__main__":
    write(ARGOCD)
