"""What a real gateway says of a route, and what we make of it: the samples that routes/README.md explains."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from slipway.api.v1alpha1.spec import Gateway, Traffic
from slipway.core.observed.gateways import GatewayFacts, Gateways, gateway_class_facts, gateway_facts
from slipway.core.observed.objects import Child, Observed
from slipway.core.observed.route import ANSWERED_WITHIN, RouteFacts, route_facts
from slipway.core.owner import Owner

SAMPLES: Final = Path(__file__).parent / "routes"
OWNER: Final = Owner(namespace="shop", name="line", uid="uid-1")
GATEWAY_API: Final = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute"}


NAMESPACE: Final = "envoy-gateway-system"
CONTROLLER: Final = "gateway.envoyproxy.io/gatewayclass-controller"
GATEWAYS: Final[dict[str, Any]] = json.loads((SAMPLES / "gateways.json").read_text())
UNREADABLE: Final = Gateways()


def a_gateway(name: str, *, like: str = "", **meta: Any) -> dict[str, Any]:
    """One of the samples."""
    return {"metadata": {"name": name, "namespace": NAMESPACE, "generation": 1, **meta}, **GATEWAYS[like or name]}


def a_class(**condition: Any) -> dict[str, Any]:
    conditions = [{"type": "Accepted", "status": "True", "observedGeneration": 1, **condition}]
    meta = {"name": "envoy", "generation": 1}
    return {"metadata": meta, "spec": {"controllerName": CONTROLLER}, "status": {"conditions": conditions}}


def there_are(*gateways: dict[str, Any], classes: tuple[dict[str, Any], ...] | None = (a_class(),)) -> Gateways:
    facts = [gateway_facts(manifest) for manifest in gateways]
    known = None if classes is None else {each.name: each for each in map(gateway_class_facts, classes)}
    return Gateways(gateways={(each.namespace, each.name): each for each in facts}, classes=known)


ALL: Final = there_are(*map(a_gateway, GATEWAYS))


def seen(
    sample: str, *, after: timedelta = timedelta(minutes=1), gateways: Gateways = UNREADABLE, **gateway: Any
) -> RouteFacts:
    """What is made of a sample, so long after the route was written."""
    route = json.loads((SAMPLES / f"{sample}.json").read_text())
    meta = {**route["metadata"], "name": OWNER.name, "uid": "uid-2", "resourceVersion": "1"}
    meta["ownerReferences"] = [OWNER.reference("serving.slipway.dev/v1alpha1", "ModelDeployment")]
    parent = route["spec"]["parentRefs"][0]
    named = {"name": parent["name"], "namespace": parent["namespace"], "section_name": parent.get("sectionName")}
    child = Child.of({**GATEWAY_API, **route, "metadata": meta})
    return facts_of(
        Observed(children={("HTTPRoute", OWNER.name): child}, gateways=gateways),
        gateway=Gateway(**{**named, **gateway}),
        hostnames=route["spec"].get("hostnames"),
        now=datetime.fromisoformat(meta["creationTimestamp"]) + after,
    )


def facts_of(observed: Observed, *, now: datetime, **traffic: Any) -> RouteFacts:
    found = route_facts(observed, owner=OWNER, traffic=Traffic(**traffic), shares={}, now=now)
    assert found
    return found


def test_an_accepted_route_has_its_weights_and_nothing_against_it() -> None:
    facts = seen("accepted")
    assert facts.settled
    assert facts.weights == {"3f2a91bc": 75, "90be11d2": 25}
    assert facts.reaches == {"3f2a91bc", "90be11d2"}
    assert (facts.wait.finding, facts.wait.until) == (None, None)


def test_routes_that_the_operator_may_not_read_are_named_with_the_remedy() -> None:
    now = datetime.fromisoformat("2026-01-05")
    gateway = Gateway(name="inference")
    facts = facts_of(Observed(unlisted=frozenset({"HTTPRoute"})), gateway=gateway, now=now)
    assert not facts.settled
    assert facts.wait.finding
    assert facts.wait.finding.reason == "Forbidden"
    assert "the chart's roles grant it" in facts.wait.finding.message


@pytest.mark.parametrize(
    ("sample", "reason", "says"),
    [
        ("gateway-missing", "GatewayNotFound", "no controller answers for Gateway"),
        ("gateway-class-missing", "GatewayNotFound", "nothing runs its GatewayClass"),
        ("hostname-not-in-listener", "RouteNotAccepted", "NoMatchingListenerHostname"),
        ("section-unknown", "RouteNotAccepted", f"listener https of Gateway {NAMESPACE}/inference: NoMatchingParent"),
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
    assert facts.wait.finding
    assert facts.wait.finding.reason == reason
    assert says in facts.wait.finding.message


def test_a_new_route_has_some_seconds_before_silence_counts() -> None:
    facts = seen("gateway-missing", after=timedelta(seconds=3))
    assert not facts.settled
    assert facts.wait.finding is None
    assert facts.wait.until


def test_what_was_said_of_an_earlier_generation_is_no_answer() -> None:
    facts = seen("generation-not-yet-seen", after=timedelta(seconds=3))
    assert not facts.settled
    assert facts.wait.finding is None
    assert facts.wait.until
    assert facts.weights == {"3f2a91bc": 50, "90be11d2": 50}


@pytest.mark.parametrize("gateways", [UNREADABLE, ALL], ids=["unreadable", "readable"])
def test_a_controller_that_does_not_answer_for_a_new_generation_is_named(gateways: Gateways) -> None:
    facts = seen("generation-not-yet-seen", gateways=gateways)
    assert not facts.settled
    assert facts.wait.until is None
    assert facts.wait.finding
    assert facts.wait.finding.reason == "GatewayNotReady"
    assert facts.wait.finding.message == (
        f"Gateway {NAMESPACE}/inference: its controller {CONTROLLER} has not answered for generation 2 of HTTPRoute "
        "line: see whether it runs"
    )


def test_silence_counts_from_the_last_write_and_not_from_what_a_controller_does_to_status() -> None:
    route = json.loads((SAMPLES / "generation-not-yet-seen.json").read_text())
    meta = {**route["metadata"], "name": OWNER.name, "uid": "uid-2", "resourceVersion": "1"}
    meta["ownerReferences"] = [OWNER.reference("serving.slipway.dev/v1alpha1", "ModelDeployment")]
    meta["managedFields"] = [
        {"manager": "slipway", "operation": "Apply", "time": "2026-11-23T20:00:00Z"},
        {"manager": "envoy-gateway", "operation": "Update", "subresource": "status", "time": "2026-11-23T20:09:00Z"},
    ]
    child = Child.of({**GATEWAY_API, **route, "metadata": meta})
    assert child.written == datetime.fromisoformat("2026-11-23T20:00:00Z")
    gateway = Gateway(name="inference", namespace=NAMESPACE)
    observed = Observed(children={("HTTPRoute", OWNER.name): child})
    facts = [
        facts_of(observed, gateway=gateway, now=child.written + later)
        for later in (ANSWERED_WITHIN - timedelta(seconds=1), ANSWERED_WITHIN)
    ]
    assert [each.wait.finding is not None for each in facts] == [False, True]
    assert facts[0].wait.until == child.written + ANSWERED_WITHIN


@pytest.mark.parametrize(
    ("sample", "reason", "says"),
    [
        (
            "gateway-deleted-later",
            "GatewayNotFound",
            "Gateway envoy-gateway-system/leaving is not there: create it, or correct traffic.gateway",
        ),
        ("gateway-missing", "GatewayNotFound", "Gateway envoy-gateway-system/absent is not there"),
        (
            "gateway-class-missing",
            "GatewayNotFound",
            "GatewayClass absent, which Gateway envoy-gateway-system/classless",
        ),
        (
            "listener-broken",
            "GatewayNotReady",
            "listener broken of Gateway envoy-gateway-system/narrow: ResolvedRefs is False: InvalidCertificateRef",
        ),
        ("hostname-not-in-listener", "RouteNotAccepted", "NoMatchingListenerHostname"),
        (
            "section-unknown",
            "GatewayNotFound",
            f"Gateway {NAMESPACE}/inference has no listener https: it has http; correct traffic.gateway.sectionName",
        ),
        ("hostname-taken-by-newer", "HostnameTaken", "HTTPRoute shop/other"),
    ],
)
def test_what_is_wrong_with_the_gateway_itself_stands_before_what_it_once_said(
    sample: str, reason: str, says: str
) -> None:
    facts = seen(sample, gateways=ALL)
    assert not facts.settled
    assert facts.wait.finding
    assert facts.wait.finding.reason == reason
    assert says in facts.wait.finding.message


def not_so(kind: str, reason: str = "NoResources", status: str = "False", generation: int = 1) -> dict[str, Any]:
    """A condition that was turned."""
    said = {"reason": reason, "message": "because", "observedGeneration": generation}
    return {"type": kind, "status": status, **said}


def with_conditions(
    manifest: dict[str, Any], *conditions: dict[str, Any], listener: int | None = None
) -> dict[str, Any]:
    """The Gateway, or one listener of it, with these in place of its own of the same types."""
    turned: dict[str, Any] = json.loads(json.dumps(manifest))
    status = turned["status"]["listeners"][listener] if listener is not None else turned["status"]
    kept = [c for c in status["conditions"] if c["type"] not in {turned["type"] for turned in conditions}]
    status["conditions"] = [*kept, *conditions]
    return turned


INFERENCE: Final = a_gateway("inference")


@pytest.mark.parametrize(
    ("gateways", "reason", "says"),
    [
        (
            there_are(with_conditions(INFERENCE, not_so("Accepted", "InvalidParameters"))),
            "GatewayNotReady",
            "Gateway envoy-gateway-system/inference: Accepted is False: InvalidParameters: because",
        ),
        (
            there_are(with_conditions(INFERENCE, not_so("Programmed"))),
            "GatewayNotReady",
            "Gateway envoy-gateway-system/inference: Programmed is False: NoResources: because",
        ),
        (
            there_are(with_conditions(INFERENCE, not_so("Programmed"), listener=0)),
            "GatewayNotReady",
            "listener http of Gateway envoy-gateway-system/inference: Programmed is False",
        ),
        (
            there_are(with_conditions(INFERENCE, not_so("Conflicted", status="True"), listener=0)),
            "GatewayNotReady",
            "listener http of Gateway envoy-gateway-system/inference: Conflicted is True",
        ),
        (
            there_are(INFERENCE, classes=(a_class(status="False", reason="InvalidParameters", message="because"),)),
            "GatewayNotReady",
            "GatewayClass envoy of Gateway envoy-gateway-system/inference: Accepted is False: InvalidParameters",
        ),
        (there_are(INFERENCE, classes=()), "GatewayNotFound", "GatewayClass envoy, which Gateway"),
        (
            there_are(a_gateway("inference", deletionTimestamp="2026-11-23T20:00:00Z")),
            "GatewayNotFound",
            "Gateway envoy-gateway-system/inference is being deleted",
        ),
    ],
)
def test_a_gateway_that_is_not_fit_for_an_accepted_route_is_named_with_its_condition(
    gateways: Gateways, reason: str, says: str
) -> None:
    facts = seen("accepted", gateways=gateways)
    assert not facts.settled
    assert facts.reaches == {"3f2a91bc", "90be11d2"}
    assert facts.wait.finding
    assert facts.wait.finding.reason == reason
    assert says in facts.wait.finding.message


NO_ADDRESS: Final = not_so("Programmed", "AddressNotAssigned")
PARTLY: Final = not_so("ResolvedRefs", "InvalidRouteKinds")


@pytest.mark.parametrize(
    "gateways",
    [
        pytest.param(ALL, id="all is well"),
        pytest.param(there_are(INFERENCE, classes=None), id="classes cannot be read"),
        pytest.param(there_are({**INFERENCE, "status": {}}), id="nothing is said of it"),
        pytest.param(there_are(with_conditions(INFERENCE, not_so("Programmed", generation=0))), id="said before"),
        pytest.param(there_are(with_conditions(INFERENCE, NO_ADDRESS)), id="waits for an address for ever"),
        pytest.param(there_are(with_conditions(INFERENCE, PARTLY, listener=0)), id="serves what it can"),
    ],
)
def test_silence_of_a_gateway_is_nothing_against_it(gateways: Gateways) -> None:
    facts = seen("accepted", gateways=gateways)
    assert facts.settled
    assert facts.wait.finding is None


@pytest.mark.parametrize(
    ("hostname", "section", "fine"),
    [
        ("line.shop.example.com", None, True),
        ("line.example.com", None, True),  # the closed listener takes any hostname; whether from here, the route tells
        ("line.shop.example.com", "shop", True),
        ("line.shop.example.com", "broken", False),
    ],
)
def test_without_a_section_one_listener_that_fits_and_works_is_enough(
    hostname: str, section: str | None, fine: bool
) -> None:
    gateway = Gateway(name="narrow", namespace=NAMESPACE, section_name=section)
    now = datetime.fromisoformat("2026-11-24T00:00:00Z")
    facts = facts_of(Observed(gateways=ALL), gateway=gateway, hostnames=[hostname], now=now)
    assert (facts.wait.finding is None) is fine


@pytest.mark.parametrize(
    ("hostname", "fits"),
    [("a.shop.example.com", True), ("*.shop.example.com", True), ("*.example.com", True), ("shop.example.com", False)],
)
def test_a_listener_fits_hostnames_that_it_has_in_common_with_a_route(hostname: str, fits: bool) -> None:
    (shop, *_) = gateway_facts(a_gateway("narrow")).listeners
    assert shop.fits([hostname]) is fits
    assert shop.fits([])


def test_what_changes_with_every_route_and_proxy_is_no_part_of_a_gateways_facts() -> None:
    busy = with_conditions(
        INFERENCE, {**not_so("Programmed", status="True"), "message": "3/3 envoy replicas available"}
    )
    busy["status"]["listeners"][0]["attachedRoutes"] = 7
    assert gateway_facts(busy) == gateway_facts(INFERENCE)
    assert isinstance(gateway_facts(busy), GatewayFacts)


def test_without_the_gateway_api_it_says_what_to_install() -> None:
    now = datetime.fromisoformat("2026-01-05")
    facts = facts_of(Observed(unknown=frozenset({"HTTPRoute"})), gateway=Gateway(name="g"), now=now)
    assert facts.wait.finding
    assert facts.wait.finding.reason == "GatewayApiMissing"
