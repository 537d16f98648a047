"""Fail closed, as stories on the simulator: nobody gets to a model past an authentication that is asked for."""

from typing import Any

import pytest

from slipway.core.observed.traffic_policies import IN_FORCE_AFTER
from slipway.core.plan import Apply, Delete
from tests.core.cluster.gateway import ENVOY_GATEWAY
from tests.core.cluster.scenario import GATEWAY, KEYS, LIMIT, answered, canary, goes_on, pods_come, ready, shares
from tests.core.cluster.simulator import Simulator

ELSEWHERE: dict[str, Any] = {"gateway": {"name": "other", "namespace": "gateways"}}
GATEWAY_OF_ALL: dict[str, Any] = {"name": "inference", "namespace": "gateways"}
WIDER: dict[str, Any] = {"hostnames": ["churn.example", "open.example"]}


def asks(cluster: Simulator, **traffic: Any) -> None:
    """The manifest is applied with this `traffic`."""
    cluster.spec["traffic"] = {**GATEWAY, **traffic}
    cluster.generation += 1
    cluster.settle()


def serving(**traffic: Any) -> Simulator:
    """Version 3 has been made; the gateway has not spoken yet."""
    return ready(traffic={**GATEWAY, **traffic})


def route(cluster: Simulator) -> dict[str, Any]:
    found: dict[str, Any] = cluster.objects["HTTPRoute", "churn"]["spec"]
    return found


def is_open(cluster: Simulator) -> bool:
    return any(rule.get("backendRefs") for rule in route(cluster)["rules"])


def kinds(cluster: Simulator) -> set[str]:
    return {kind for kind, _ in cluster.objects} & {"HTTPRoute", "SecurityPolicy", "BackendTrafficPolicy"}


def why(cluster: Simulator) -> tuple[str, str]:
    condition = cluster.condition("Ready")
    return condition["reason"], condition["message"]


def test_a_new_route_has_addresses_and_leads_nowhere_until_its_guard_is_accepted() -> None:
    cluster = serving(**KEYS)
    assert route(cluster)["hostnames"] == ["churn.example"]
    assert not is_open(cluster)
    assert cluster.condition("Ready")["status"] == "False"

    answered(cluster)
    assert shares(cluster) == {"3": 100}
    assert cluster.condition("Ready")["status"] == "True"


def test_a_guard_that_was_accepted_has_to_reach_the_proxies_before_the_route_opens() -> None:
    cluster = serving(**KEYS)
    cluster.gateway_answers()
    cluster.policies_answer()
    assert cluster.settle().wake_at == cluster.now + IN_FORCE_AFTER
    cluster.pass_time(seconds=IN_FORCE_AFTER.total_seconds() - 1)
    cluster.settle()
    assert not is_open(cluster)
    assert cluster.condition("Ready")["status"] == "False"

    cluster.pass_time(seconds=1)
    cluster.settle()
    assert is_open(cluster)


def test_a_route_that_is_made_again_is_guarded_anew() -> None:
    cluster = answered(serving(**KEYS))
    assert is_open(cluster)

    # when: somebody deletes it; then: what was said of the guard was said of another route
    cluster.pass_time(hours=1)
    del cluster.objects["HTTPRoute", "churn"]
    cluster.settle()
    assert not is_open(cluster)
    cluster.pass_time(seconds=IN_FORCE_AFTER.total_seconds())
    cluster.settle()
    assert is_open(cluster)


def test_the_guard_is_written_before_the_route() -> None:
    cluster = ready()
    cluster.spec["traffic"] = {**GATEWAY, **KEYS, **LIMIT}
    written = [action.manifest["kind"] for action in cluster.plan().actions if isinstance(action, Apply)]
    assert written == ["SecurityPolicy", "BackendTrafficPolicy", "HTTPRoute"]


def test_the_route_goes_before_its_guard() -> None:
    cluster = answered(serving(**KEYS, **LIMIT))
    del cluster.spec["traffic"]
    gone = [action.kind for action in cluster.plan().actions if isinstance(action, Delete)]
    assert gone == ["HTTPRoute", "SecurityPolicy", "BackendTrafficPolicy"]


def test_a_refused_guard_says_so_in_the_gateways_words_and_the_route_stays_closed() -> None:
    cluster = answered(serving(**KEYS), accepted="False", reason="Invalid", message="secret shop/clients not found")
    assert not is_open(cluster)
    assert why(cluster) == (
        "PolicyNotAccepted",
        "Gateway gateways/inference: SecurityPolicy churn: Invalid: secret shop/clients not found",
    )
    assert cluster.condition("Available")["status"] == "True"  # in the cluster it serves

    assert is_open(answered(cluster))  # the Secret came


def test_a_gateway_that_is_not_envoys_never_opens_the_route() -> None:
    cluster = serving(**KEYS)
    cluster.gateway_answers()
    cluster.pass_time(seconds=11)
    cluster.settle()
    assert not is_open(cluster)
    reason, message = why(cluster)
    assert reason == "EnvoyGatewayMissing"
    assert message.startswith("only Envoy Gateway reads traffic.authentication, and nothing of it answers for")


def test_without_envoy_gateway_no_route_is_made_and_the_fields_are_named() -> None:
    cluster = ready()
    cluster.unknown = ENVOY_GATEWAY
    asks(cluster, **KEYS, **LIMIT)
    assert kinds(cluster) == set()
    reason, message = why(cluster)
    assert reason == "EnvoyGatewayMissing"
    assert message == (
        "only Envoy Gateway reads traffic.authentication, traffic.rateLimit, and the cluster knows no SecurityPolicy "
        "and BackendTrafficPolicy (gateway.envoyproxy.io/v1alpha1): install it, or take out what it reads; what is "
        "routed stays as it is"
    )
    assert cluster.condition("Available")["status"] == "True"

    cluster.unknown = frozenset()  # installed, and the operator has started again
    cluster.settle()
    assert is_open(answered(cluster))


def test_what_the_operator_may_not_read_opens_nothing() -> None:
    cluster = ready()
    cluster.unlisted = ENVOY_GATEWAY
    asks(cluster, **KEYS)
    assert kinds(cluster) == set()
    reason, message = why(cluster)
    assert reason == "Forbidden"
    assert message.startswith("the operator may not list SecurityPolicy (gateway.envoyproxy.io/v1alpha1)")


@pytest.mark.parametrize("kind", sorted(ENVOY_GATEWAY))
def test_with_half_of_its_kinds_there_is_no_envoy_gateway(kind: str) -> None:
    cluster = ready()
    cluster.unknown = frozenset({kind})
    asks(cluster, **KEYS)
    assert kinds(cluster) == set()
    assert why(cluster)[0] == "EnvoyGatewayMissing"


def test_without_envoy_gateway_what_was_routed_stays_as_it_was() -> None:
    cluster = answered(serving())
    cluster.unknown = ENVOY_GATEWAY
    asks(cluster, **KEYS, **WIDER)
    assert shares(cluster) == {"3": 100}
    assert route(cluster)["hostnames"] == ["churn.example"]
    assert why(cluster)[0] == "EnvoyGatewayMissing"


def test_a_live_route_stays_where_it_is_until_its_new_guard_is_accepted() -> None:
    cluster = answered(serving())
    asks(cluster, **KEYS, **WIDER)
    assert shares(cluster) == {"3": 100}
    assert route(cluster)["hostnames"] == ["churn.example"]
    assert cluster.condition("Ready")["status"] == "False"

    answered(cluster)
    assert route(cluster)["hostnames"] == ["churn.example", "open.example"]
    assert cluster.condition("Ready")["status"] == "True"


def test_a_guard_that_was_changed_counts_only_when_it_is_accepted_anew() -> None:
    cluster = answered(serving(**KEYS))
    asks(cluster, authentication={"apiKeys": {"secretName": "others"}}, **WIDER)
    assert route(cluster)["hostnames"] == ["churn.example"]
    assert cluster.condition("Ready")["status"] == "False"
    answered(cluster)
    assert route(cluster)["hostnames"] == ["churn.example", "open.example"]


def test_an_envoy_gateway_that_does_not_answer_for_a_change_is_named() -> None:
    cluster = answered(serving(**KEYS))
    cluster.pass_time(hours=1)
    asks(cluster, authentication={"apiKeys": {"secretName": "others"}})
    assert why(cluster)[0] == "Shifting"  # it has some seconds

    cluster.pass_time(seconds=11)
    cluster.settle()
    assert why(cluster)[0] == "EnvoyGatewayMissing"
    assert shares(cluster) == {"3": 100}


def test_to_another_gateway_a_guarded_route_closes_on_the_way() -> None:
    cluster = answered(serving(**KEYS))
    asks(cluster, **KEYS, **ELSEWHERE)
    assert route(cluster)["parentRefs"] == [{"name": "other", "namespace": "gateways"}]
    assert not is_open(cluster)
    assert shares(answered(cluster)) == {"3": 100}


def test_a_guard_that_is_being_deleted_is_none() -> None:
    cluster = answered(serving(**KEYS))
    cluster.objects["SecurityPolicy", "churn"]["metadata"]["deletionTimestamp"] = "2026-01-05T12:00:00Z"
    asks(cluster, **KEYS, **WIDER)
    assert route(cluster)["hostnames"] == ["churn.example"]


@pytest.mark.parametrize(
    ("asked", "said_of", "opens"),
    [(None, "tls", False), ("http", "tls", False), ("http", None, True), ("http", "http", True)],
)
def test_what_is_said_of_one_listener_holds_for_no_other(asked: str | None, said_of: str | None, opens: bool) -> None:
    cluster = serving(**KEYS, gateway={**GATEWAY_OF_ALL, **({"sectionName": asked} if asked else {})})
    cluster.gateway_answers()
    cluster.policies_answer()
    ref = {**GATEWAY_OF_ALL, **({"sectionName": said_of} if said_of else {})}
    cluster.objects["SecurityPolicy", "churn"]["status"]["ancestors"][0]["ancestorRef"] = ref
    cluster.pass_time(seconds=IN_FORCE_AFTER.total_seconds())
    cluster.settle()
    assert is_open(cluster) is opens


def test_from_one_listener_to_all_a_guarded_route_closes_on_the_way() -> None:
    cluster = answered(serving(**KEYS, gateway={**GATEWAY_OF_ALL, "sectionName": "http"}))
    assert is_open(cluster)
    asks(cluster, **KEYS)
    assert route(cluster)["parentRefs"] == [GATEWAY_OF_ALL]
    assert not is_open(cluster)
    assert shares(answered(cluster)) == {"3": 100}


APART = [{"name": "one", "hostname": "churn.example"}, {"name": "two", "hostname": "open.example"}]


@pytest.mark.parametrize(
    ("listeners", "stays_open"), [(APART, False), ([{"name": "one", "hostname": "*.example"}], True), (None, False)]
)
def test_a_hostname_of_another_listener_closes_a_guarded_route_until_that_one_has_the_guard(
    listeners: list[dict[str, str]] | None, stays_open: bool
) -> None:
    cluster = serving(**KEYS)
    if listeners:
        cluster.listeners = listeners
        cluster.has_gateway()
    answered(cluster)
    cluster.pass_time(hours=1)
    asks(cluster, **KEYS, **WIDER)
    assert route(cluster)["hostnames"] == ["churn.example", "open.example"]
    assert is_open(cluster) is stays_open
    cluster.pass_time(seconds=IN_FORCE_AFTER.total_seconds() - 1)
    cluster.settle()
    assert is_open(cluster) is stays_open
    cluster.pass_time(seconds=1)
    cluster.settle()
    assert is_open(cluster)


JWT: dict[str, Any] = {
    "authentication": {"jwt": {"issuer": "https://issuer.example", "jwksUri": "https://issuer.example/keys"}}
}


def test_before_one_guard_is_exchanged_for_another_the_route_closes() -> None:
    cluster = answered(serving(**KEYS))
    cluster.spec["traffic"] = {**GATEWAY, **JWT}
    cluster.generation += 1
    written = [action.manifest["kind"] for action in cluster.plan().actions if isinstance(action, Apply)]
    assert written == ["HTTPRoute"]
    cluster.settle()
    assert not is_open(cluster)
    assert cluster.objects["SecurityPolicy", "churn"]["spec"].keys() >= {"jwt"}
    assert shares(answered(cluster)) == {"3": 100}


@pytest.mark.parametrize("to", [KEYS, JWT])
def test_one_guard_more_or_less_closes_nothing(to: dict[str, Any]) -> None:
    both = {"authentication": {**KEYS["authentication"], **JWT["authentication"]}}
    cluster = answered(serving(**to))
    asks(cluster, **both)
    assert is_open(cluster)
    answered(cluster)
    asks(cluster, **to)
    assert is_open(cluster)


def test_people_are_told_when_the_proxies_have_the_guard() -> None:
    cluster = serving(**KEYS)
    yet = "3: 1 of 1 pods available; Gateway gateways/inference is yet to take up SecurityPolicy churn"
    assert why(cluster) == ("Shifting", f"{yet} (traffic.authentication)")
    cluster.gateway_answers()
    cluster.policies_answer()
    cluster.settle()
    until = f"{cluster.now + IN_FORCE_AFTER:%H:%M:%S}"
    assert why(cluster)[1].endswith(
        f"Gateway gateways/inference: its proxies have SecurityPolicy churn (traffic.authentication) at {until} UTC"
    )


def test_a_limit_alone_closes_nothing_but_is_waited_for() -> None:
    cluster = serving(**LIMIT)
    assert is_open(cluster)
    assert cluster.condition("Ready")["status"] == "False"
    answered(cluster, accepted="False", reason="Invalid", message="no such unit")
    assert is_open(cluster)
    assert why(cluster)[0] == "PolicyNotAccepted"
    answered(cluster)
    assert cluster.condition("Ready")["status"] == "True"


def test_fields_that_are_taken_out_take_their_policies_along_and_the_route_stays() -> None:
    cluster = answered(serving(**KEYS, **LIMIT))
    assert kinds(cluster) == {"HTTPRoute", "SecurityPolicy", "BackendTrafficPolicy"}
    asks(cluster)
    assert kinds(cluster) == {"HTTPRoute"}
    assert shares(cluster) == {"3": 100}


@pytest.mark.parametrize("asked", [KEYS, LIMIT])
def test_no_share_moves_while_a_policy_is_refused(asked: dict[str, Any]) -> None:
    cluster = canary()
    asks(cluster, **asked)
    for name in cluster.deployments():
        cluster.kubelet(name)
    answered(cluster, accepted="False", reason="Invalid", message="no")
    assert shares(cluster) == {"3": 100}
    assert cluster.status["phase"] == "Waiting"
    assert why(cluster)[0] == "PolicyNotAccepted"

    answered(cluster)
    assert shares(cluster) == {"3": 90, "4": 10}


def test_a_share_goes_home_although_a_policy_is_refused() -> None:
    cluster = canary({"weight": 50}, {"pause": {}})
    pods_come(cluster)
    assert shares(cluster) == {"3": 50, "4": 50}
    asks(cluster, **KEYS)
    answered(cluster, accepted="False", reason="Invalid", message="no")
    cluster.request = f"abort/{cluster.status['candidate']['revision']}"
    goes_on(cluster)
    assert shares(cluster) == {"3": 100}


def test_a_guard_is_read_live_before_a_route_opens_by_it() -> None:
    cluster = serving(**KEYS)
    for _ in range(2):
        cluster.gateway_answers()
        cluster.policies_answer()
        cluster.settle()
    cluster.pass_time(seconds=IN_FORCE_AFTER.total_seconds())
    plan = cluster.plan()
    assert any(isinstance(action, Apply) and action.manifest["kind"] == "HTTPRoute" for action in plan.actions)
    policy = cluster.objects["SecurityPolicy", "churn"]
    assert plan.relies_on_guards == {("SecurityPolicy", "churn"): policy["metadata"]["resourceVersion"]}

    answered(cluster)
    assert is_open(cluster)
    cluster.edit(version="4")
    assert not cluster.settle().relies_on_guards  # it is open already


def test_a_guard_that_somebody_has_emptied_opens_nothing_although_it_is_accepted() -> None:
    cluster = serving(**KEYS)
    cluster.gateway_answers()
    cluster.objects["SecurityPolicy", "churn"]["spec"].pop("apiKeyAuth")
    cluster.objects["SecurityPolicy", "churn"]["metadata"]["generation"] += 1
    cluster.policies_answer()
    cluster.pass_time(seconds=IN_FORCE_AFTER.total_seconds())
    cluster.reconcile()
    assert not is_open(cluster)

    answered(cluster)
    assert is_open(cluster)


@pytest.mark.parametrize("added", [{"optional": True}, {"authorization": {"defaultAction": "Allow"}}], ids=str)
def test_a_guard_that_somebody_has_added_to_guards_nothing_until_that_is_out_again(added: dict[str, Any]) -> None:
    """Envoy Gateway accepts it as well; a route that is closed stays so."""
    cluster = serving(**KEYS)
    cluster.gateway_answers()
    cluster.policies_answer()
    cluster.pass_time(seconds=IN_FORCE_AFTER.total_seconds())
    cluster.objects["SecurityPolicy", "churn"]["spec"].update(added)
    cluster.serial += 1
    cluster.objects["SecurityPolicy", "churn"]["metadata"]["resourceVersion"] = str(cluster.serial)

    cluster.reconcile()

    assert not added.keys() & cluster.objects["SecurityPolicy", "churn"]["spec"].keys()
    assert not is_open(cluster)
    answered(cluster)
    assert is_open(cluster)
