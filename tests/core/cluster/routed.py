"""The state machine of properties behind a gateway: shares, its answers, and what pods count, in any order."""

import copy
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from slipway.core.children.route import ROUTE, ROUTES
from slipway.triton.metrics import ModelMetrics
from tests.core.cluster.machine import Machine
from tests.core.cluster.scenario import GATEWAY

METRICS = [
    {"name": "errors", "builtIn": "ErrorRate", "max": "0.01"},
    {"name": "asked", "builtIn": "Requests", "min": "1"},
]
ANALYSIS: dict[str, Any] = {"interval": "10s", "count": 2, "metrics": METRICS}
INLINE = {"analysis": "Inline"}
ROLLOUTS: tuple[dict[str, Any], ...] = (
    {"type": "Canary", "canary": {"steps": [{"weight": 34}, {"pause": {}}, {"weight": 100}], "standbyDuration": "0s"}},
    {"type": "Canary", "canary": {"steps": [{"shadow": 50}, INLINE, {"weight": 10}, INLINE]}, "analysis": ANALYSIS},
    {
        "type": "Canary",
        "canary": {"steps": [{"weight": 50}, {"analysis": "Background"}, {"weight": 70}], "fullSize": True},
        "analysis": ANALYSIS | {"onInconclusive": "Fail"},
    },
    {
        "type": "BlueGreen",
        "blueGreen": {"beforeSwitch": [{"pause": {"duration": "1m"}}], "afterSwitch": [INLINE, {"pause": {}}]},
        "analysis": ANALYSIS,
    },
    {"type": "BlueGreen", "blueGreen": {"standbyDuration": "0s"}},
    {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": "34%"}},
    {"type": "Recreate"},
)
APART: dict[str, Any] = {"grpcRoute": {"hostnames": ["grpc.churn.example"]}}
HEADER = {"candidateHeader": {"name": "x-candidate", "value": "1"}}


class Routed(Machine):
    """One ModelDeployment whose clients come through a gateway."""

    def __init__(self) -> None:
        super().__init__()
        self.cluster.spec |= {"traffic": copy.deepcopy(GATEWAY), "rollout": copy.deepcopy(ROLLOUTS[0])}
        self.asked = 0

    @rule(rollout=st.sampled_from(ROLLOUTS))
    def changes_the_type(self, rollout: dict[str, Any] | None) -> None:
        self.changed(rollout=rollout)

    @rule(more=st.sampled_from([{}, HEADER, APART, APART | HEADER, {"allowFrom": [{"podSelector": {}}]}]))
    def toggles_the_network_policy(self, more: dict[str, Any]) -> None:
        self.changed(traffic=GATEWAY | more)

    @rule(accepted=st.booleans(), resolved=st.booleans())
    def the_gateway_answers(self, accepted: bool, resolved: bool) -> None:
        if ("HTTPRoute", "churn") in self.cluster.objects:
            self.cluster.gateway_answers(accepted=str(accepted), resolved=str(resolved))

    @rule(there=st.booleans(), programmed=st.booleans())
    def the_gateway_comes_or_goes(self, there: bool, programmed: bool) -> None:
        said = {"type": "Programmed", "status": str(programmed), "reason": "NoResources", "message": "no proxy"}
        self.cluster.has_gateway(there=there, **said)

    @rule(succeeded=st.integers(0, 1000), failed=st.sampled_from([0, 0, 400]), reached=st.booleans())
    def pods_are_looked_at(self, succeeded: int, failed: int, reached: bool) -> None:
        """Their counters have grown by so much; or they cannot be reached, which is no success and may send home."""
        self.asked += succeeded
        seen = ModelMetrics(succeeded=self.asked, failed={"BACKEND": failed})
        self.cluster.looks(metrics=dict.fromkeys("345", seen) if reached else {})
        self.failed = self.failed or bool(failed) or not reached or not succeeded

    def kubernetes_works(self) -> None:
        super().kubernetes_works()
        self.asked += 1000
        self.cluster.looks(metrics=dict.fromkeys("345", ModelMetrics(succeeded=self.asked)))
        self.cluster.has_gateway()
        if ("HTTPRoute", "churn") in self.cluster.objects:
            self.cluster.gateway_answers()

    def ended(self, quiet: bool) -> bool:
        routes = [self.cluster.objects[kind, "churn"] for kind in ROUTES if (kind, "churn") in self.cluster.objects]
        if not all(map(self.is_answered, routes)):
            return False
        done = super().ended(quiet)
        if done and self.cluster.status["phase"] == "Ready":
            kinds = ROUTES if "grpcRoute" in self.cluster.spec["traffic"] else [ROUTE]
            for kind in kinds:
                assert self.cluster.weights(kind) == {self.cluster.status["stable"]["revision"]: 100}
        return done

    def is_answered(self, route: dict[str, Any]) -> bool:
        """The gateway's controller speaks of the route as it is now."""
        parents = route["status"].get("parents", ())
        said = {c["observedGeneration"] for parent in parents for c in parent["conditions"]}
        return said == {route["metadata"]["generation"]}
