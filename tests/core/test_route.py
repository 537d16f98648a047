"""What a real gateway says of a route, and what we make of it: the samples that routes/README.md explains."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from slipway.api.v1alpha1.spec import Gateway
from slipway.core.facts import Child, Observed, Owner
from slipway.core.route import RouteFacts, route_facts

SAMPLES: Final = Path(__file__).parent / "routes"
OWNER: Final = Owner(namespace="shop", name="line", uid="uid-1")
GATEWAY_API: Final = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute"}


def seen(sample: str, *, after: timedelta = timedelta(minutes=1), **gateway: Any) -> RouteFacts:
    """What is made of a sample, so long after the route was written."""
    route = json.loads((SAMPLES / f"{sample}.json").read_text())
    meta = {**route["metadata"], "name": OWNER.name, "uid": "uid-2", "resourceVersion": "1"}
    meta["ownerReferences"] = [OWNER.reference("serving.slipway.dev/v1alpha1", "ModelDeployment")]
    parent = route["spec"]["parentRefs"][0]
    named = {"name": parent["name"], "namespace": parent["namespace"], "section_name": parent.get("sectionName")}
    child = Child.of({**GATEWAY_API, **route, "metadata": meta})
    return route_facts(
        Observed(children={("HTTPRoute", OWNER.name): child}),
        owner=OWNER,
        gateway=Gateway(**{**named, **gateway}),
        now=datetime.fromisoformat(meta["creationTimestamp"]) + after,
    )


def test_an_accepted_route_has_its_weights_and_nothing_against_it() -> None:
    facts = seen("accepted")
    assert facts.settled
    assert facts.weights == {"3f2a91bc": 75, "90be11d2": 25}
    assert facts.reaches == {"3f2a91bc", "90be11d2"}
    assert (facts.finding, facts.look_again) == (None, None)


def test_routes_that_the_operator_may_not_read_are_named_with_the_remedy() -> None:
    now = datetime.fromisoformat("2026-01-05")
    facts = route_facts(Observed(routes_refused=True), owner=OWNER, gateway=Gateway(name="inference"), now=now)
    assert not facts.settled
    assert facts.finding
    assert facts.finding.reason == "Forbidden"
    assert "the chart's roles grant it" in facts.finding.message


@pytest.mark.parametrize(
    ("sample", "reason", "says"),
    [
        ("gateway-missing", "GatewayNotFound", "no controller answers for Gateway"),
        ("gateway-class-missing", "GatewayNotFound", "nothing runs its GatewayClass"),
        ("hostname-not-in-listener", "RouteNotAccepted", "NoMatchingListenerHostname"),
        ("section-unknown", "RouteNotAccepted", "NoMatchingParent"),
        ("namespace-not-allowed", "RouteNotAccepted", "NotAllowedByListeners"),
        ("backend-missing", "RouteUnresolved", "BackendNotFound"),
        ("port-unknown", "RouteUnresolved", "PortNotFound"),
        ("backend-elsewhere-without-grant", "RouteUnresolved", "RefNotPermitted"),
        ("hostname-taken-by-newer", "HostnameTaken", "HTTPRoute shop/other"),
    ],
)
def test_each_trouble_has_its_reason_and_the_gateways_own_words(sample: str, reason: str, says: str) -> None:
    facts = seen(sample)
    assert not facts.settled
    assert facts.finding
    assert facts.finding.reason == reason
    assert says in facts.finding.message


def test_a_new_route_has_some_seconds_before_silence_counts() -> None:
    facts = seen("gateway-missing", after=timedelta(seconds=3))
    assert not facts.settled
    assert facts.finding is None
    assert facts.look_again


def test_what_was_said_of_an_earlier_generation_is_no_answer() -> None:
    facts = seen("generation-not-yet-seen")
    assert not facts.settled
    assert facts.finding is None
    assert facts.weights == {"3f2a91bc": 50, "90be11d2": 50}


def test_without_the_gateway_api_it_says_what_to_install() -> None:
    facts = route_facts(
        Observed(gateway_api=False), owner=OWNER, gateway=Gateway(name="g"), now=datetime.fromisoformat("2026-01-05")
    )
    assert facts.finding
    assert facts.finding.reason == "GatewayApiMissing"
