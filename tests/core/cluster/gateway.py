"""What a gateway's controller and Envoy Gateway say of routes and policies, whenever a story has them say it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from slipway.core.children.route import ROUTE
from slipway.core.names import Manifest
from slipway.core.observed.gateways import GatewayClassFacts, GatewayFacts, Gateways, gateway_facts
from tests.core.cluster.api_server import ApiServer

ENVOY_GATEWAY: Final = frozenset({"SecurityPolicy", "BackendTrafficPolicy"})
"""Its kinds."""
LISTENERS: Final = ({"name": "http"}, {"name": "grpc"})


@dataclass
class GatewayController(ApiServer):
    """It answers for what is written, and moves no traffic."""

    listeners: Sequence[Manifest] = LISTENERS
    """Of the Gateway, where it can be read."""
    gateways: Gateways = field(default_factory=Gateways)
    """None can be read, unless a story is about one."""

    def gateway_answers(self, accepted: str = "True", resolved: str = "True", **said: str) -> bool:
        """A gateway's controller takes up the routes as they are, or says what it has against them. Answers whether
        that is anything new."""
        routes = (self.objects.get((kind, "churn")) for kind in ("HTTPRoute", "GRPCRoute"))
        news = [self._answered(route, accepted, resolved, **said) for route in routes if route]
        return any(news)

    def _answered(self, route: Manifest, accepted: str = "True", resolved: str = "True", **said: str) -> bool:
        conditions = [
            {"type": kind, "status": status, "observedGeneration": route["metadata"]["generation"], **said}
            for kind, status in (("Accepted", accepted), ("ResolvedRefs", resolved))
        ]
        parents = [{"parentRef": ref, "conditions": conditions} for ref in route["spec"]["parentRefs"]]
        before, route["status"] = route["status"], {"parents": parents}
        return bool(before != route["status"])

    def weights(self, kind: str = ROUTE) -> dict[str, int]:
        """Percent by revision, as the route has it; none where there is no route."""
        route = self.objects.get((kind, "churn"))
        refs = route["spec"]["rules"][0].get("backendRefs", ()) if route else ()
        shares = {ref["name"].removeprefix("churn-"): ref["weight"] for ref in refs if ref["weight"]}
        return {revision: round(100 * share / sum(shares.values())) for revision, share in shares.items()}

    def policies_answer(self, accepted: str = "True", **said: str) -> None:
        """Envoy Gateway takes up its policies as they are, or says what it has against them; it says nothing of those
        whose route is not there, nor the same again."""
        route = self.objects.get(("HTTPRoute", "churn"))
        for kind in ("SecurityPolicy", "BackendTrafficPolicy"):
            policy = self.objects.get((kind, "churn"))
            if policy and route:
                generation = policy["metadata"]["generation"]
                condition = {"type": "Accepted", "status": accepted, "observedGeneration": generation, **said}
                condition["lastTransitionTime"] = self.timestamp
                refs = route["spec"]["parentRefs"]
                status = {"ancestors": [{"ancestorRef": ref, "conditions": [condition]} for ref in refs]}
                if _timeless(status) != _timeless(policy["status"]):
                    self.serial += 1
                    policy["status"] = status
                    policy["metadata"]["resourceVersion"] = str(self.serial)

    def has_gateway(self, *, there: bool = True, **said: str) -> None:
        """The Gateway that routes name can be read; it says this by a condition, or is gone."""
        meta = {"namespace": "gateways", "name": "inference", "generation": 1}
        conditions = [{"observedGeneration": 1, **said}] if said else []
        spec = {"gatewayClassName": "envoy", "listeners": self.listeners}
        facts = gateway_facts({"metadata": meta, "spec": spec, "status": {"conditions": conditions}})
        known: dict[tuple[str, str], GatewayFacts] = {(facts.namespace, facts.name): facts} if there else {}
        envoy = GatewayClassFacts(name="envoy", controller="envoy.example/controller", complaint=None)
        self.gateways = Gateways(gateways=known, classes={"envoy": envoy})


def _timeless(status: Manifest) -> list[tuple[Manifest, Manifest]]:
    """What it says of each ancestor, and not since when."""
    return [
        (ancestor["ancestorRef"], {name: said for name, said in condition.items() if name != "lastTransitionTime"})
        for ancestor in status.get("ancestors", ())
        for condition in ancestor["conditions"]
    ]
