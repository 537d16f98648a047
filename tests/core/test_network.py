"""A model's network: its policy is there before its pods, follows what they fetch, and restarts none of them."""

from typing import Any

from slipway.core.names import APPLIED, Manifest
from slipway.core.plan import Apply, place_of
from slipway.core.platform import NetworkRules
from tests.core.cluster.scenario import ready
from tests.core.cluster.simulator import Simulator, simulator

CLOSED = NetworkRules(closed=True)
POLICY = ("NetworkPolicy", "churn")


def closed(**spec: Any) -> Simulator:
    cluster = simulator(**spec)
    cluster.network = CLOSED
    return cluster


def applied(cluster: Simulator) -> list[tuple[str, str]]:
    return [place_of(action) for action in cluster.plan().actions if isinstance(action, Apply)]


def egress(cluster: Simulator) -> list[Manifest]:
    found: list[Manifest] = cluster.objects[POLICY]["spec"]["egress"]
    return found


def test_no_pod_is_made_before_the_policy_that_shields_it() -> None:
    cluster = closed()
    kinds = [kind for kind, _ in applied(cluster)]
    assert kinds.index("NetworkPolicy") < kinds.index("Job")

    cluster.settle()
    cluster.resolve_job_ends()
    cluster.reconcile()
    del cluster.objects[POLICY]
    kinds = [kind for kind, _ in applied(cluster)]
    assert kinds.index("NetworkPolicy") < kinds.index("Deployment")


def a_strangers_policy() -> Manifest:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "churn", "uid": "strange", "resourceVersion": "1", "labels": {}},
        "spec": {"podSelector": {}},
    }


def test_where_the_policys_name_is_taken_no_pods_are_made_and_that_is_told() -> None:
    cluster = closed()
    cluster.objects[POLICY] = a_strangers_policy()
    assert not {"Job", "Deployment"} & {kind for kind, _ in applied(cluster)}
    cluster.reconcile()
    assert cluster.condition("Ready")["reason"] == "NameConflict"
    assert "NetworkPolicy churn" in cluster.condition("Ready")["message"]


def test_closing_what_serves_writes_a_policy_and_touches_nothing_else() -> None:
    cluster = ready(replicas=2)
    cluster.network = CLOSED
    assert applied(cluster) == [POLICY]
    cluster.settle()
    assert cluster.condition("Ready")["status"] == "True"

    cluster.network = NetworkRules()
    assert [place_of(action) for action in cluster.plan().actions] == [POLICY]
    cluster.settle()
    assert POLICY not in cluster.objects


def test_what_serves_goes_on_where_it_cannot_be_closed() -> None:
    cluster = ready(replicas=2)
    cluster.network = CLOSED
    cluster.objects[POLICY] = a_strangers_policy()
    assert not cluster.plan().actions
    cluster.reconcile()
    assert cluster.condition("Available")["status"] == "True"


def test_pods_may_fetch_for_as_long_as_one_of_them_comes_from_a_store() -> None:
    cluster = closed()
    cluster.becomes_ready()
    assert [rule for rule in egress(cluster) if "to" in rule]

    cluster.edit(version="4", source={"uri": "pvc://models/churn/4"})
    cluster.settle()
    cluster.resolve_job_ends()
    cluster.settle()
    assert [rule for rule in egress(cluster) if "to" in rule], "pods of version 3 fetch again where they are moved to"

    cluster.rolls_on()
    cluster.pass_time(hours=48)
    cluster.settle()
    assert not [rule for rule in egress(cluster) if "to" in rule]


def test_the_policy_of_an_open_model_is_what_it_was_before_there_were_others() -> None:
    """Else an upgrade would write it again, for every model."""
    cluster = simulator(traffic={"allowFrom": [{"podSelector": {"matchLabels": {"app": "shop"}}}]})
    cluster.settle()
    assert cluster.objects[POLICY]["metadata"]["annotations"][APPLIED] == "6d4c80802cf0d8e5"
