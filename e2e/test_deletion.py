"""S15 and S3: a pod that is still loading goes within seconds; a deleted ModelDeployment takes everything with it."""

import time

from e2e import bundles
from e2e.space import NAME, Manifest, Space

LOAD_SECONDS = 60
SECONDS = 20
"""Ten of preStop, in which endpoints spread, and what a kubelet needs; the grace period is a minute and more."""


def test_a_pod_that_is_still_loading_is_gone_within_seconds(space: Space) -> None:
    # given: a model that takes a minute to load
    space.apply("slow", space.upload("1", bundles.obedient(load_seconds=LOAD_SECONDS)))
    pod = space.until("its server loads", lambda: _loading(space))

    # when: its pod is deleted
    begun = time.monotonic()
    space.kubectl("delete", "pod", pod["metadata"]["name"], f"--timeout={LOAD_SECONDS}s")

    # then: it is gone, long before the end of its grace period
    took = time.monotonic() - begun
    assert took < SECONDS
    assert pod["spec"]["terminationGracePeriodSeconds"] > 2 * SECONDS


def test_a_deleted_model_takes_everything_with_it(space: Space) -> None:
    # given: a model with every kind of child
    anybody: Manifest = {"allowFrom": [{"namespaceSelector": {}}]}
    space.apply("line", space.upload("1", bundles.linear()), replicas=2, traffic=anybody)
    space.until_ready("line")
    assert "networkpolicy" in _children(space)
    assert "poddisruptionbudget" in _children(space)

    # when
    space.kubectl("delete", "modeldeployment", "line")

    # then
    space.until("nothing of it is left", lambda: not _children(space))


def _loading(space: Space) -> Manifest:
    for pod in space.pods("slow"):
        for status in pod["status"].get("containerStatuses", []):
            if "running" in status["state"]:
                return pod
    return {}


def _children(space: Space) -> str:
    kinds = (
        "deployments,replicasets,pods,services,configmaps,controllerrevisions,jobs,poddisruptionbudgets,networkpolicies"
    )
    return space.kubectl("get", kinds, f"--selector={NAME}", "--output=name")
