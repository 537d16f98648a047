"""The core among disturbances, with an authentication that comes and goes: nobody gets to a model past it."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import rule

from slipway.core.names import Manifest
from slipway.core.observed.traffic_policies import IN_FORCE_AFTER
from slipway.core.plan import Action, Apply, Delete
from tests.core.cluster.disturbed import Disturbed
from tests.core.cluster.gateway import ENVOY_GATEWAY
from tests.core.cluster.operated import Operated
from tests.core.cluster.scenario import GATEWAY
from tests.core.cluster.simulator import simulator

KEYS: dict[str, Any] = {"authentication": {"apiKeys": {"secretName": "clients"}}}
OTHERS: dict[str, Any] = {"authentication": {"apiKeys": {"secretName": "others"}}}
LIMIT: dict[str, Any] = {"rateLimit": {"requests": 5, "per": "Second"}}
WIDER: dict[str, Any] = {"hostnames": ["churn.example", "open.example"]}
PREFIX: dict[str, Any] = {"pathPrefix": "/churn"}
ELSEWHERE: dict[str, Any] = {"gateway": {"name": "other", "namespace": "gateways"}}
CANARY: dict[str, Any] = {"type": "Canary", "canary": {"steps": [{"weight": 50}], "standbyDuration": "0s"}}
ASKED: tuple[dict[str, Any], ...] = (
    {},
    KEYS,
    KEYS | LIMIT,
    OTHERS | WIDER,
    KEYS | PREFIX,
    KEYS | ELSEWHERE,
    LIMIT | WIDER,
)

Addresses = set[tuple[str, str, str]]


@dataclass
class Guarded(Disturbed):
    """A cluster that looks at each write of a route."""

    opened: Addresses = field(default_factory=set)
    """What the route that is there lets everybody through at."""

    def carry_out(self, action: Action) -> None:
        before = self.addresses()
        super().carry_out(action)
        match action:
            case Apply(manifest={"kind": "HTTPRoute"} as manifest) if "authentication" in self.spec["traffic"]:
                new = self.addresses() - before
                assert not new or self.accepted(manifest["spec"]["parentRefs"][0]), f"opened without a guard: {new}"
            case Delete(kind="SecurityPolicy"):
                assert not self.addresses() or "authentication" not in self.spec.get("traffic", {}), "left unguarded"

    def addresses(self) -> Addresses:
        """Gateway, hostname and path at which the route that is there leads to a model."""
        route = self.objects.get(("HTTPRoute", "churn"))
        if route is None:
            return set()
        spec = route["spec"]
        return {
            (parent["name"], hostname, match["path"]["value"])
            for parent in spec["parentRefs"]
            for hostname in spec["hostnames"]
            for each in spec["rules"]
            for match in each["matches"]
            if each.get("backendRefs")
        }

    def accepted(self, parent: Manifest) -> bool:
        """What guards the route is in force at that Gateway as it was last written."""
        policy = self.objects.get(("SecurityPolicy", "churn"), {"metadata": {}})
        said = [
            condition
            for ancestor in policy.get("status", {}).get("ancestors", ())
            for condition in ancestor["conditions"]
            if ancestor["ancestorRef"]["name"] == parent["name"]
        ]
        return any(c["status"] == "True" and c["observedGeneration"] == policy["metadata"]["generation"] for c in said)


class Authenticated(Operated):
    """One ModelDeployment whose clients have to say who they are, now and then."""

    cluster: Guarded

    def __init__(self) -> None:
        cluster = Guarded(spec=simulator(replicas=2, traffic=GATEWAY | KEYS, rollout=CANARY).spec)
        cluster.becomes_ready()
        super().__init__(cluster)

    @rule(traffic=st.sampled_from(ASKED))
    def asks_for_other_traffic(self, traffic: dict[str, Any]) -> None:
        self.cluster.spec["traffic"] = GATEWAY | traffic
        self.cluster.generation += 1

    @rule(version=st.sampled_from("34"))
    def asks_for_a_version(self, version: str) -> None:
        self.cluster.edit(version=version)

    @rule(accepted=st.booleans())
    def envoy_gateway_answers(self, accepted: bool) -> None:
        self.cluster.policies_answer(accepted=str(accepted))

    @rule()
    def the_gateway_answers(self) -> None:
        if ("HTTPRoute", "churn") in self.cluster.objects:
            self.cluster.gateway_answers()

    @rule(known=st.booleans())
    def envoy_gateway_comes_or_goes(self, known: bool) -> None:
        """Its kinds go with it, and with them all that is of them; then the operator starts again."""
        self.cluster.unknown = frozenset() if known else ENVOY_GATEWAY
        if not known:
            for kind in ENVOY_GATEWAY:
                self.cluster.objects.pop((kind, "churn"), None)
        self.seen = self.cluster.observed()

    @rule()
    def kubernetes_works(self) -> None:
        if any(kind == "Job" and not job["status"] for (kind, _), job in self.cluster.objects.items()):
            self.cluster.resolve_job_ends()
        for name in self.cluster.deployments():
            if self.cluster.unwell(name):
                self.cluster.kubelet(name)

    @rule(seconds=st.sampled_from([1, 31, 700]))
    def time_passes(self, seconds: int) -> None:
        self.cluster.pass_time(seconds=seconds)

    @rule()
    def passes_until_nothing_is_left_to_do(self) -> None:
        self.cluster.settle()

    def teardown(self) -> None:
        """Once all goes well, the model is served under every address that is asked for, and guarded where it should
        be."""
        self.cluster.unknown = frozenset()
        for _ in range(12):
            self.cluster.settle()
            self.kubernetes_works()
            self.the_gateway_answers()
            self.cluster.policies_answer()
            self.cluster.pass_time(seconds=IN_FORCE_AFTER.total_seconds())
        traffic = self.cluster.spec["traffic"]
        names = {(gateway, hostname) for gateway, hostname, _ in self.cluster.addresses()}
        assert names == {(traffic["gateway"]["name"], hostname) for hostname in traffic["hostnames"]}
        guarded = ("SecurityPolicy", "churn") in self.cluster.objects
        assert guarded == ("authentication" in traffic)


TestAuthenticated = Authenticated.TestCase
TestAuthenticated.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
