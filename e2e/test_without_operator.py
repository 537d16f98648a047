"""S4: with the operator gone, lost pods are replaced and prove themselves, autoscalers scale, nobody is turned away."""

from collections.abc import Iterator

import pytest

from e2e import bundles
from e2e.space import Manifest, Space
from testbed.installing import NAMESPACE

pytestmark = pytest.mark.alone
BEFORE, MOST = 2, 4


@pytest.fixture
def operator_off(space: Space) -> Iterator[None]:
    """Take the operator away, and bring it back at the end."""
    kubectl = space.cluster.kubectl.within(NAMESPACE)
    replicas = kubectl("get", "deployment/slipway", "--output=jsonpath={.spec.replicas}")
    yield
    kubectl("scale", "deployment/slipway", f"--replicas={replicas}")
    kubectl("rollout", "status", "deployment/slipway", "--timeout=120s")


@pytest.mark.usefixtures("operator_off")
def test_models_are_replaced_proven_and_scaled_while_there_is_no_operator(space: Space) -> None:
    # given: a model under an autoscaler that wants half of what its pods asked for, and no operator
    space.apply("line", space.upload("1", bundles.linear()), autoscaling=_autoscaling(), replicas=BEFORE)
    space.until_ready("line")
    space.until(f"{BEFORE} pods are available", lambda: len(_proven(space)) == BEFORE)
    operator = space.cluster.kubectl.within(NAMESPACE)
    operator("scale", "deployment/slipway", "--replicas=0")
    operator("wait", "pod", "--selector=app.kubernetes.io/name=slipway", "--for=delete", "--timeout=60s")

    # when: a pod is deleted, under load
    with space.client.load(space.host("line"), "line") as load:
        lost = space.pods("line")[0]["metadata"]
        space.kubectl("delete", "pod", lost["name"], "--wait=false")

        # then: another one takes its place once it has answered rightly
        space.until("the pod was replaced", lambda: len(_proven(space) - {lost["uid"]}) >= BEFORE)

        # and: the load alone makes the autoscaler ask for more, which prove themselves too
        space.until("the autoscaler has scaled", lambda: len(_proven(space)) > BEFORE)

    # and: not one request failed
    load.assert_nothing_failed()
    assert load.versions == {"1"}
    assert space.api.list("pods", NAMESPACE, "app.kubernetes.io/name=slipway") == []


def _autoscaling() -> Manifest:
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}
    return {"minReplicas": BEFORE, "maxReplicas": MOST, "metrics": [{"type": "Resource", "resource": cpu}]}


def _proven(space: Space) -> set[str]:
    """Pods that are ready, and whose guard wrote that they answered rightly."""
    ready = {
        pod["metadata"]["name"]: pod["metadata"]["uid"]
        for pod in space.pods("line")
        if any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))
    }
    return {uid for name, uid in ready.items() if "verified: 1 golden" in space.kubectl("logs", name, "-c", "triton")}
