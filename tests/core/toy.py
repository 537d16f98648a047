"""A toy cluster for the core: carries out plans, and plays the parts of Kubernetes that decisions wait for.

It is a fake: it keeps objects as they were applied and moves counts. Only the real API server shows that a write works.
"""

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from slipway.core.analysis import drain
from slipway.core.analysis.samples import Evidence, PodSample, Scrape
from slipway.core.decide import decide
from slipway.core.facts import Child, Foreign, NodeFacts, Observed, Rejected, pod_facts
from slipway.core.gateways import GatewayClassFacts, GatewayFacts, Gateways, gateway_facts
from slipway.core.names import Manifest
from slipway.core.plan import Apply, Delete, Plan, Scale
from slipway.triton.metrics import ModelMetrics
from tests.core.gen import owner, platform, resolved

START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)

RESOLVED = json.dumps({"resolved": resolved().to_dict()})


def says(reason: str, message: str) -> str:
    """A termination message with a verdict."""
    return json.dumps({"reason": reason, "message": message})


ENVOY_GATEWAY: Final = frozenset({"SecurityPolicy", "BackendTrafficPolicy"})
"""Its kinds."""
LISTENERS: Final = ({"name": "http"}, {"name": "grpc"})


@dataclass
class Toy:
    """One ModelDeployment and its cluster."""

    spec: dict[str, Any]
    now: datetime = START
    generation: int = 1
    status: dict[str, Any] = field(default_factory=dict)
    objects: dict[tuple[str, str], Manifest] = field(default_factory=dict)
    pods: dict[str, Manifest] = field(default_factory=dict)
    nodes: tuple[NodeFacts, ...] = ()
    unknown: frozenset[str] = frozenset()
    unlisted: frozenset[str] = frozenset()
    listeners: Sequence[Manifest] = LISTENERS
    """Of the Gateway, where it can be read."""
    gateways: Gateways = field(default_factory=Gateways)
    """None can be read, unless a story is about one."""
    foreign: tuple[Foreign, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    platform_version: str = "0.1.0"
    request: str | None = None
    """The annotation by which somebody asks for something."""
    serial: int = 0
    status_writes: int = 0
    events: list[tuple[str, str]] = field(default_factory=list)
    evidence: dict[str, Evidence] = field(default_factory=dict)
    """What looks have brought, by topic."""
    stirred: bool = False
    """Since the last pass the cluster told of something: pods went, or what was looked at had changed."""

    def edit(self, **model: Any) -> None:
        """Change fields of spec.model."""
        self.spec["model"].update(model)
        self.generation += 1

    def observed(self) -> Observed:
        children = {key: Child.of(manifest) for key, manifest in self.objects.items()}
        pods = tuple(pod_facts(pod) for pod in self.pods.values())
        return Observed(
            children=children,
            pods=pods,
            nodes=self.nodes,
            unknown=self.unknown,
            unlisted=self.unlisted,
            gateways=self.gateways,
            foreign=self.foreign,
            rejected=self.rejected,
            evidence=self.evidence,
        )

    def plan(self) -> Plan:
        return decide(
            owner=owner(generation=self.generation, request=self.request),
            spec=copy.deepcopy(self.spec),
            status=copy.deepcopy(self.status),
            observed=self.observed(),
            platform=platform(version=self.platform_version),
            now=self.now,
        )

    def reconcile(self, writes: int = 1_000) -> Plan:
        """One pass, cut off after so many writes (the status counts as the first)."""
        plan = self.plan()
        if writes > 0:
            self.status_writes += plan.status.to_dict() != self.status
            self.status = plan.status.to_dict()
            self.events += [(note.reason, note.message) for note in plan.notes]
        for action in plan.actions[: max(writes - 1, 0)]:
            self.carry_out(action)
        return plan

    def carry_out(self, action: Apply | Scale | Delete) -> None:
        self.serial += 1
        match action:
            case Apply(manifest=manifest):
                key = (manifest["kind"], manifest["metadata"]["name"])
                old = self.objects.get(key, {})
                new = copy.deepcopy(manifest)
                uid = old.get("metadata", {}).get("uid", f"uid-{self.serial}")
                new["metadata"] |= {"uid": uid, "resourceVersion": str(self.serial)}
                generation = old.get("metadata", {}).get("generation", 0)
                new["metadata"]["generation"] = generation + (old.get("spec") != new.get("spec"))
                at = self.now.strftime("%Y-%m-%dT%H:%M:%SZ")
                new["metadata"]["creationTimestamp"] = old.get("metadata", {}).get("creationTimestamp", at)
                new["metadata"]["managedFields"] = [{"manager": "slipway", "operation": "Apply", "time": at}]
                new["status"] = old.get("status", {})
                self.objects[key] = new
            case Scale(name=name, replicas=replicas):
                deployment = self.objects["Deployment", name]
                deployment["spec"]["replicas"] = replicas
                if deployment["status"].get("availableReplicas", 0) > replicas:
                    deployment["status"] |= {"availableReplicas": replicas, "replicas": replicas}
                    self.stirred = True
                for number in range(replicas, len(self.pods)):
                    self.pods.pop(f"{name}-{number}", None)
            case Delete(kind="Pod", name=name):
                del self.pods[name]
            case Delete(kind=kind, name=name):
                del self.objects[kind, name]
                if kind not in ("Deployment", "Job"):
                    return
                self.pods = {pod: m for pod, m in self.pods.items() if pod.rpartition("-")[0] != name}

    def settle(self, limit: int = 30) -> Plan:
        """Passes until one plans nothing new. Our own writes bring no event: a pass that needs another one says so."""
        awaited = True
        for _ in range(limit):
            before, self.stirred = self.status, False
            plan = self.reconcile()
            if not plan.actions and before == self.status:
                return plan
            assert awaited, f"nobody would have made this pass: {self.status}"
            awaited = self.stirred or (plan.wake_at is not None and plan.wake_at <= self.now)
        raise AssertionError(f"still planning after {limit} passes: {plan.actions}")

    def pass_time(self, **of: float) -> None:
        self.now += timedelta(**of)

    # What Kubernetes and the pods would do

    def resolve_job_ends(self, message: str = RESOLVED, exit_code: int = 0) -> None:
        """The resolve Job's pod ends with a termination message."""
        (job,) = (m for (kind, _), m in self.objects.items() if kind == "Job" and not m["status"])
        name = job["metadata"]["name"]
        ended = {"exitCode": exit_code, "reason": "Error" if exit_code else "Completed", "message": message}
        self.pods[f"{name}-pod"] = self._pod(
            f"{name}-pod",
            labels={"batch.kubernetes.io/job-name": name},
            status={
                "phase": "Failed" if exit_code else "Succeeded",
                "containerStatuses": [{"name": "resolve", "restartCount": 0, "state": {"terminated": ended}}],
            },
        )
        condition = "Failed" if exit_code else "Complete"
        job["status"] = {"conditions": [{"type": condition, "status": "True"}]}

    def deployments(self) -> dict[str, Manifest]:
        return {name: m for (kind, name), m in self.objects.items() if kind == "Deployment"}

    def kubelet(self, name: str, **container: Any) -> None:
        """Bring a Deployment's pods to what `status` says; ready when it is not given."""
        deployment = self.objects["Deployment", name]
        count = deployment["spec"]["replicas"]
        for number in range(count, 1_000):
            if self.pods.pop(f"{name}-{number}", None) is None:
                break
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        for number in range(count):
            self.pods[f"{name}-{number}"] = self._pod(
                f"{name}-{number}", labels=labels, status=container.get("status") or self.ready_status()
            )
        deployment["status"] = {} if container else {"availableReplicas": count, "replicas": count}

    def looks(self, *, metrics: Mapping[str, ModelMetrics] = {}, **found: Any) -> None:
        """Every look that is due is made: a version's pods count what `metrics` has for it, or cannot be reached.
        `found`: what else it brings."""
        versions = {known["revision"]: known["version"] for known in self.status.get("revisions") or ()}
        wanted = self.plan().looks
        kept = {topic: seen for topic, seen in self.evidence.items() if topic in {each.topic for each in wanted}}
        for each in wanted:
            known = kept.get(each.topic)
            if each.at > self.now or (known and known.after.at >= each.at):
                continue
            pods = tuple(
                PodSample(
                    pod=target.pod,
                    name=target.name,
                    revision=target.revision,
                    metrics=metrics.get(versions.get(target.revision, "")),
                    missing="cannot be reached",
                )
                for target in each.targets
            )
            history = (*(known.history if known else ()), Scrape(at=self.now, pods=pods))
            remembered = drain.kept(history, each.remembers) if each.remembers else history[-2:]
            kept[each.topic] = Evidence(history=remembered, **found)
        self.evidence = kept

    def ready_status(self) -> Manifest:
        at = self.now.strftime("%Y-%m-%dT%H:%M:%SZ")
        true = [
            {"type": kind, "status": "True", "lastTransitionTime": at}
            for kind in ("PodScheduled", "Initialized", "Ready")
        ]
        running = {"name": "triton", "restartCount": 0, "started": True, "state": {"running": {"startedAt": at}}}
        return {"phase": "Running", "podIP": "10.0.0.1", "conditions": true, "containerStatuses": [running]}

    def server_runs(self) -> Manifest:
        """A pod's status while Triton loads the model."""
        status = self.ready_status()
        conditions = [c for c in status["conditions"] if c["type"] != "Ready"]
        return {**status, "conditions": conditions, "podIP": "10.0.0.1"}

    def server_ended(self, message: str, *, restarts: int = 1) -> Manifest:
        """A pod's status after its server ended `restarts + 1` times."""
        at = self.now.strftime("%Y-%m-%dT%H:%M:%SZ")
        fetched = [
            {"type": kind, "status": "True", "lastTransitionTime": at} for kind in ("PodScheduled", "Initialized")
        ]
        ended = {"exitCode": 1, "reason": "Error", "message": message}
        container = {
            "name": "triton",
            "restartCount": restarts,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": ended},
        }
        return {"phase": "Running", "conditions": fetched, "containerStatuses": [container]}

    def _pod(self, name: str, *, labels: Manifest, status: Manifest) -> Manifest:
        self.serial += 1
        meta = {
            "name": name,
            "uid": f"uid-{name}",
            "resourceVersion": str(self.serial),
            "labels": labels,
            "creationTimestamp": self.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        return {"metadata": meta, "spec": {"nodeName": "node-1"}, "status": status}

    def gateway_answers(self, accepted: str = "True", resolved: str = "True", **said: str) -> None:
        """A gateway's controller takes up the routes as they are, or says what it has against them."""
        for route in (self.objects.get((kind, "churn")) for kind in ("HTTPRoute", "GRPCRoute")):
            if route:
                self._answered(route, accepted, resolved, **said)

    def _answered(self, route: Manifest, accepted: str = "True", resolved: str = "True", **said: str) -> None:
        conditions = [
            {"type": kind, "status": status, "observedGeneration": route["metadata"]["generation"], **said}
            for kind, status in (("Accepted", accepted), ("ResolvedRefs", resolved))
        ]
        parents = [{"parentRef": ref, "conditions": conditions} for ref in route["spec"]["parentRefs"]]
        route["status"] = {"parents": parents}

    def policies_answer(self, accepted: str = "True", **said: str) -> None:
        """Envoy Gateway takes up its policies as they are, or says what it has against them; it says nothing of those
        whose route is not there, nor the same again."""
        route = self.objects.get(("HTTPRoute", "churn"))
        for kind in ("SecurityPolicy", "BackendTrafficPolicy"):
            policy = self.objects.get((kind, "churn"))
            if policy and route:
                generation = policy["metadata"]["generation"]
                condition = {"type": "Accepted", "status": accepted, "observedGeneration": generation, **said}
                condition["lastTransitionTime"] = self.now.strftime("%Y-%m-%dT%H:%M:%SZ")
                refs = route["spec"]["parentRefs"]
                status = {"ancestors": [{"ancestorRef": ref, "conditions": [condition]} for ref in refs]}
                if _timeless(status) != _timeless(policy["status"]):
                    policy["status"] = status

    def has_gateway(self, *, there: bool = True, **said: str) -> None:
        """The Gateway that routes name can be read; it says this by a condition, or is gone."""
        meta = {"namespace": "gateways", "name": "inference", "generation": 1}
        conditions = [{"observedGeneration": 1, **said}] if said else []
        spec = {"gatewayClassName": "envoy", "listeners": self.listeners}
        facts = gateway_facts({"metadata": meta, "spec": spec, "status": {"conditions": conditions}})
        known: dict[tuple[str, str], GatewayFacts] = {(facts.namespace, facts.name): facts} if there else {}
        envoy = GatewayClassFacts(name="envoy", controller="envoy.example/controller", complaint=None)
        self.gateways = Gateways(gateways=known, classes={"envoy": envoy})

    # Short cuts for stories

    def condition(self, kind: str) -> Manifest:
        found: Manifest = next(c for c in self.status["conditions"] if c["type"] == kind)
        return found

    def revision_named(self, version: str) -> str:
        found = (r["revision"] for r in self.status["revisions"] if r["version"] == version)
        return f"churn-{next(found)}"

    def selected(self) -> str:
        """The revision that the root Service selects; "" while it spans several."""
        found: str = self.objects["Service", "churn"]["spec"]["selector"].get("serving.slipway.dev/revision", "")
        return found

    def starts(self, version: str) -> None:
        """A new version is asked for, and its source resolved: its pods are to come."""
        self.edit(version=version)
        self.settle()
        self.resolve_job_ends()
        self.settle()

    def rolls_on(self, limit: int = 40) -> None:
        """All pods get ready, round after round, until nothing moves any more."""
        for _ in range(limit):
            for name in self.deployments():
                self.kubelet(name)
            self.settle()
            if "rollout" not in self.status or self.status["rollout"]["step"] == "Soaking":
                return
        raise AssertionError(f"still rolling: {self.status}")

    def becomes_ready(self) -> None:
        """From nothing to a first version that serves."""
        self.settle()
        self.resolve_job_ends()
        self.settle()
        for name in self.deployments():
            self.kubelet(name)
        self.settle()


def toy(**spec: Any) -> Toy:
    """A ModelDeployment `churn` of version 3."""
    least = {"model": {"version": "3", "source": {"uri": "s3://models/churn/3"}}}
    return Toy(spec={**least, **spec})


def _timeless(status: Manifest) -> list[tuple[Manifest, Manifest]]:
    """What it says of each ancestor, and not since when."""
    return [
        (ancestor["ancestorRef"], {name: said for name, said in condition.items() if name != "lastTransitionTime"})
        for ancestor in status.get("ancestors", ())
        for condition in ancestor["conditions"]
    ]
