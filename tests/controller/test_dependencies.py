"""Which actions wait for one that failed: a table."""

import pytest

from slipway.controller.dependencies import must_wait
from slipway.core.plan import Action, Apply, Delete, Scale


def first(kind: str, name: str = "churn-1") -> Apply:
    return Apply(manifest={"kind": kind, "metadata": {"name": name}}, first=True)


def again(kind: str, name: str = "churn-1") -> Apply:
    return Apply(manifest={"kind": kind, "metadata": {"name": name}}, uid="u")


def gone(kind: str, name: str = "churn-1") -> Delete:
    return Delete(kind=kind, name=name, uid="u")


def route(**weights: int) -> Apply:
    refs = [{"name": f"churn-{revision}", "weight": weight} for revision, weight in weights.items()]
    spec = {"rules": [{"backendRefs": refs}]}
    return Apply(manifest={"kind": "HTTPRoute", "metadata": {"name": "churn"}, "spec": spec}, resource_version="1")


UP = Scale(name="churn-1", replicas=3, resource_version="1")
LOWER = Scale(name="churn-1", replicas=1, resource_version="1", lowers=True)


@pytest.mark.parametrize(
    ("failed", "action", "held"),
    [
        (first("ConfigMap"), first("Deployment"), True),
        (first("ControllerRevision"), first("Deployment"), True),
        (first("ConfigMap", "churn-2"), first("Deployment"), False),
        (again("ConfigMap"), first("Deployment"), False),
        (first("Job", "churn-x"), first("Deployment"), False),
        (first("Deployment"), first("Service"), False),
        (first("Service", "churn-1"), route(**{"1": 10}), True),
        (first("Service", "churn-1"), route(**{"1": 0, "2": 100}), False),
        (again("Service", "churn-1"), route(**{"1": 10}), False),
        (gone("HorizontalPodAutoscaler"), LOWER, True),
        (gone("HorizontalPodAutoscaler"), gone("Deployment"), True),
        (gone("HorizontalPodAutoscaler"), gone("Deployment", "churn-2"), False),
        (gone("HTTPRoute", "churn"), gone("SecurityPolicy", "churn"), True),
        (gone("GRPCRoute", "churn"), gone("BackendTrafficPolicy", "churn"), True),
        (gone("Service"), gone("SecurityPolicy", "churn"), False),
        (again("Service", "churn"), LOWER, True),
        (again("Service", "churn"), gone("Deployment"), True),
        (again("Service", "churn"), UP, False),
        (again("Service", "churn-1"), LOWER, False),
        (route(**{"1": 100}), LOWER, True),
        (again("PodDisruptionBudget"), LOWER, False),
        (again("NetworkPolicy", "churn"), gone("Deployment"), False),
        (again("NetworkPolicy", "churn"), first("Deployment"), True),
        (first("NetworkPolicy", "churn"), first("Job", "churn-2"), True),
        (first("NetworkPolicy", "churn"), again("Deployment"), False),
        (first("NetworkPolicy", "churn"), UP, False),
        (first("NetworkPolicy", "churn"), first("Service"), False),
        (gone("NetworkPolicy", "churn"), first("Deployment"), False),
    ],
    ids=str,
)
def test_an_action_waits_for_what_it_relies_on_and_for_nothing_else(failed: Action, action: Action, held: bool) -> None:
    assert must_wait(action, [failed], owner="churn") is held
