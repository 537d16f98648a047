"""A cluster with pods of their own life, for the machine that tears at the core.

It is a fake of the API server and its controllers: it keeps objects as they were written, checks the preconditions of
writes, and lets each controller act when it is told to. What the operator sees of it may lag, kind by kind. Only a real
API server shows that a write works, and only a real kubelet what pods really say.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from slipway.core.decide import decide
from slipway.core.names import Manifest
from slipway.core.observed.evidence import Evidence
from slipway.core.observed.gateways import GatewayClassFacts, Gateways, gateway_facts
from slipway.core.observed.nodes import NodeFacts
from slipway.core.observed.objects import NameTaken, Observed, WriteDenied
from slipway.core.observed.pods import pod_facts
from slipway.core.plan import Action, Apply, Delete, Plan, Scale, place_of
from tests.core.cluster import stored
from tests.core.cluster.stored import child, copied
from tests.core.gen import owner, platform, resolved

START: Final = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
RESOLVED: Final = json.dumps({"resolved": resolved().to_dict()})
OWN_UID: Final = owner().uid
TERMINAL: Final = ("Failed", "Succeeded")
NODES: Final = ("node-1", "node-2")
STRANGER: Final = "99999999-0000-0000-0000-000000000000"


class ConflictError(Exception):
    """A precondition of a write does not hold."""


class UnansweredError(Exception):
    """The API server answers a write with a server's error."""


class ObstructedError(Exception):
    """A write that is known to be in vain: its name is taken, or it is refused."""


@dataclass
class World:
    """One ModelDeployment and its cluster."""

    spec: dict[str, Any]
    now: datetime = START
    generation: int = 1
    request: str | None = None
    status: dict[str, Any] = field(default_factory=dict)
    objects: dict[tuple[str, str], Manifest] = field(default_factory=dict)
    pods: dict[str, Manifest] = field(default_factory=dict)
    nodes: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(NODES, True))
    """Whether each node's kubelet answers."""
    view: dict[tuple[str, str], Manifest] = field(default_factory=dict)
    """Objects as the operator's watches have them."""
    lagging: set[str] = field(default_factory=set)
    """Kinds whose watch tells of nothing for the time being."""
    failing: dict[str, int] = field(default_factory=dict)
    """HTTP status that writes of a kind are answered with."""
    foreign: tuple[NameTaken, ...] = ()
    rejected: tuple[WriteDenied, ...] = ()
    gateways: Gateways = field(default_factory=Gateways)
    evidence: dict[str, Evidence] = field(default_factory=dict)
    """What looks have brought, by topic."""
    programmed: dict[str, dict[str, int]] = field(default_factory=dict)
    """Parts of the requests by revision as the gateway's proxies have them, by kind of route."""
    serial: int = 0
    decisions: int = 0

    # What the operator sees

    def observed(self) -> Observed:
        """What the watches have told so far."""
        self.deliver()
        pods = [pod_facts(m) for (kind, _), m in self.view.items() if kind == "Pod"]
        return Observed(
            children={key: child(m) for key, m in self.view.items() if key[0] != "Pod"},
            pods=tuple(pods),
            nodes=tuple(
                NodeFacts(name=name, labels={}, allocatable={"nvidia.com/gpu": "4"}, schedulable=True, ready=ready)
                for name, ready in self.nodes.items()
            ),
            foreign=self.foreign,
            rejected=self.rejected,
            gateways=self.gateways,
            evidence=self.evidence,
        )

    def deliver(self) -> None:
        """Watches that do not lag tell of what there is. Only what bears our label is watched."""
        live = {**self.objects, **{("Pod", name): pod for name, pod in self.pods.items()}}
        kept = {key: m for key, m in self.view.items() if key[0] in self.lagging}
        told = {key: m for key, m in live.items() if key[0] not in self.lagging and is_ours(m)}
        self.view = {**{key: copied(m) for key, m in told.items()}, **kept}

    def decide(self, observed: Observed) -> Plan:
        """One decision; now and then it is made twice."""
        self.decisions += 1
        return stored.decided(partial(self.decided_once, observed), self.decisions)

    def decided_once(self, observed: Observed) -> Plan:
        return decide(
            owner=owner(generation=self.generation, request=self.request),
            spec=copied(self.spec),
            status=copied(self.status),
            observed=observed,
            platform=platform(),
            now=self.now,
        )

    # What the API server does

    def write(self, action: Action) -> None:
        """Carry out one action with the preconditions of the real write."""
        kind, name = place_of(action)
        self.refuse(kind, name)
        there = self.pods.get(name) if kind == "Pod" else self.objects.get((kind, name))
        match action:
            case Apply(first=True) if there is not None:
                self.first_write(kind, name, there)
            case Apply(resource_version=str(version)) | Scale(resource_version=version):
                if there is None or there["metadata"]["resourceVersion"] != version:
                    raise ConflictError
            case Delete(uid=uid):
                if there is None or there["metadata"]["uid"] != uid:
                    raise ConflictError
        self.carry_out(action)

    def refuse(self, kind: str, name: str) -> None:
        """A write that fails, as far as it was arranged."""
        code = self.failing.get(kind)
        if code == 403:
            rejected = WriteDenied(kind=kind, name=name, message="denied by a policy", forbidden=True)
            if rejected not in self.rejected:
                self.rejected = (*self.rejected, rejected)
                raise ConflictError
            raise ObstructedError(kind)
        if code is not None:
            raise UnansweredError(kind)

    def first_write(self, kind: str, name: str, there: Manifest) -> None:
        """Something of that name is there, of which the operator does not know."""
        if owner_of(there) == OWN_UID:
            if kind in ("Deployment", "Service"):
                raise ConflictError
            return
        foreign = NameTaken(kind=kind, name=name, owned_by="nobody")
        if foreign not in self.foreign:
            self.foreign = (*self.foreign, foreign)
            raise ConflictError
        raise ObstructedError(kind)

    def carry_out(self, action: Action) -> None:
        match action:
            case Apply(manifest=manifest):
                self.apply(copied(manifest))
            case Scale(name=name, replicas=replicas):
                deployment = self.objects["Deployment", name]
                deployment["spec"]["replicas"] = replicas
                self.touch(deployment)
            case Delete(kind="Pod", name=name):
                self.end_pod(name)
            case Delete(kind=kind, name=name):
                self.remove(kind, name)
        key = place_of(action)
        if key in self.objects:  # the answer to a write goes into the store
            self.view[key] = copied(self.objects[key])
        else:
            self.view.pop(key, None)

    def apply(self, manifest: Manifest) -> None:
        self.serial += 1
        key = manifest["kind"], manifest["metadata"]["name"]
        old = self.objects.get(key, {})
        before: Mapping[str, Any] = old.get("metadata", {})
        at = self.stamp()
        manifest["metadata"] |= {
            "uid": before.get("uid", f"uid-{self.serial}"),
            "resourceVersion": str(self.serial),
            "generation": before.get("generation", 0) + (old.get("spec") != manifest.get("spec")),
            "creationTimestamp": before.get("creationTimestamp", at),
            "managedFields": [{"manager": "slipway", "operation": "Apply", "time": at}],
        }
        if "deletionTimestamp" in before:
            manifest["metadata"]["deletionTimestamp"] = before["deletionTimestamp"]
        manifest["status"] = old.get("status", {})
        self.objects[key] = manifest

    def touch(self, manifest: Manifest) -> None:
        self.serial += 1
        manifest["metadata"]["resourceVersion"] = str(self.serial)

    def remove(self, kind: str, name: str) -> None:
        """The object goes. What it owned stays until the garbage collector comes to it."""
        self.objects.pop((kind, name), None)

    def stamp(self) -> str:
        return self.now.strftime("%Y-%m-%dT%H:%M:%SZ")

    # What the controllers do

    def deployments(self) -> dict[str, Manifest]:
        return {name: m for (kind, name), m in self.objects.items() if kind == "Deployment"}

    def pods_of(self, owner_name: str) -> Iterator[str]:
        """Pods of the Deployment or Job that has this name now, and not of an earlier one."""
        return (name for name, pod in self.pods.items() if pod["owner"] == owner_name and self.has_owner(pod))

    def has_owner(self, pod: Manifest) -> bool:
        """Whether what made it is still there."""
        owners = (self.objects.get((kind, pod["owner"])) for kind in ("Deployment", "Job"))
        return any(made and made["metadata"]["uid"] == pod["ownerUid"] for made in owners)

    def active(self, deployment: str) -> list[str]:
        """Pods that its ReplicaSet counts: neither over nor ending."""
        return [
            name
            for name in self.pods_of(deployment)
            if self.pods[name]["status"]["phase"] not in TERMINAL and not is_ending(self.pods[name])
        ]

    def controllers_act(self) -> None:
        """ReplicaSets make and end pods, and Deployments tell of them."""
        for name, deployment in self.deployments().items():
            if is_ending(deployment):
                continue
            there, count = self.active(name), int(deployment["spec"].get("replicas", 1))
            for _ in range(count - len(there)):
                self.make_pod(name, deployment["spec"]["template"]["metadata"]["labels"])
            spare = sorted(there, key=lambda pod: (is_ready(self.pods[pod]), pod))[: max(0, len(there) - count)]
            for pod in spare:
                self.end_pod(pod)
        self.schedule()
        self.tell_of_pods()

    def garbage_collector_acts(self) -> None:
        """Pods are told to end whose owner has gone, or waits for them to go. Until then a Service reaches them by
        their labels like any others."""
        leaving = {name for name, deployment in self.deployments().items() if is_ending(deployment)}
        for name, pod in list(self.pods.items()):
            if not is_ending(pod) and (pod["owner"] in leaving or not self.has_owner(pod)):
                self.end_pod(name)

    def schedule(self) -> None:
        """Pods without a node get one that is ready."""
        node = next((node for node, ready in self.nodes.items() if ready), None)
        for name, pod in self.pods.items():
            if node and pod["spec"]["nodeName"] is None and pod["status"]["phase"] not in TERMINAL:
                pod["spec"]["nodeName"] = node
                placed = {"type": "PodScheduled", "status": "True", "lastTransitionTime": self.stamp()}
                self.set_status(name, {**pod["status"], "conditions": [placed]})

    def tell_of_pods(self) -> None:
        """Deployments count the pods that are available."""
        for name, deployment in self.deployments().items():
            active = self.active(name)
            ready = sum(is_ready(self.pods[pod]) for pod in active)
            status = {"replicas": len(active), "availableReplicas": ready} if active else {}
            if deployment["status"] != status:
                deployment["status"] = status
                self.touch(deployment)

    def make_pod(self, deployment: str, labels: Mapping[str, str]) -> None:
        self.serial += 1
        name = f"{deployment}-{self.serial}"
        at = self.stamp()
        self.pods[name] = {
            "kind": "Pod",
            "owner": deployment,
            "ownerUid": self.objects["Deployment", deployment]["metadata"]["uid"],
            "metadata": {
                "name": name,
                "uid": f"uid-{name}",
                "resourceVersion": str(self.serial),
                "labels": dict(labels),
                "creationTimestamp": at,
            },
            "spec": {"nodeName": None},
            "status": {"phase": "Pending", "conditions": []},
        }

    def end_pod(self, name: str) -> None:
        """It is told to end; one that is over is gone."""
        pod = self.pods[name]
        if pod["status"]["phase"] in TERMINAL:
            del self.pods[name]
            return
        pod["metadata"]["deletionTimestamp"] = self.stamp()
        self.touch(pod)

    def kubelets_act(self) -> None:
        """Pods that end are gone, but for those on nodes that do not answer."""
        for name, pod in list(self.pods.items()):
            if is_ending(pod) and self.nodes.get(pod["spec"]["nodeName"], True):
                del self.pods[name]
        for name, deployment in self.deployments().items():
            if is_ending(deployment) and not any(self.pods_of(name)):
                del self.objects["Deployment", name]

    def set_status(self, pod: str, status: Manifest) -> None:
        self.pods[pod]["status"] = status
        self.touch(self.pods[pod])

    def get_ready(self, pods: Iterable[str]) -> None:
        """Pods whose version answers correctly get ready."""
        for name in pods:
            if self.nodes.get(self.pods[name]["spec"]["nodeName"], False):
                self.set_status(name, ready_status(self.now))

    def answer_job(self, message: str = RESOLVED, *, exit_code: int = 0) -> None:
        """Every resolve Job that has not ended ends with this answer."""
        for (kind, name), job in list(self.objects.items()):
            if kind != "Job" or job["status"]:
                continue
            ended = {"exitCode": exit_code, "reason": "Error" if exit_code else "Completed", "message": message}
            self.serial += 1
            self.pods[f"{name}-{self.serial}"] = {
                "kind": "Pod",
                "owner": name,
                "ownerUid": job["metadata"]["uid"],
                "metadata": {
                    "name": f"{name}-{self.serial}",
                    "uid": f"uid-{name}-{self.serial}",
                    "resourceVersion": str(self.serial),
                    "labels": {
                        **job["spec"]["template"]["metadata"]["labels"],
                        "batch.kubernetes.io/job-name": name,
                        "batch.kubernetes.io/controller-uid": job["metadata"]["uid"],
                    },
                    "creationTimestamp": self.stamp(),
                },
                "spec": {"nodeName": "node-1"},
                "status": {
                    "phase": "Failed" if exit_code else "Succeeded",
                    "containerStatuses": [{"name": "resolve", "restartCount": 0, "state": {"terminated": ended}}],
                },
            }
            job["status"] = {"conditions": [{"type": "Failed" if exit_code else "Complete", "status": "True"}]}
            self.touch(job)

    # What a gateway does

    def gateway_acts(self, *, accepts: bool = True) -> None:
        """Its controller takes up the routes as they are now, or says that it does not."""
        for kind in ("HTTPRoute", "GRPCRoute"):
            route = self.objects.get((kind, "churn"))
            if route is None:
                self.programmed.pop(kind, None)
                continue
            said = "True" if accepts else "False"
            conditions = [
                {"type": each, "status": said, "observedGeneration": route["metadata"]["generation"]}
                for each in ("Accepted", "ResolvedRefs")
            ]
            parents = [{"parentRef": ref, "conditions": conditions} for ref in route["spec"].get("parentRefs", ())]
            if route["status"] != {"parents": parents}:
                route["status"] = {"parents": parents}
                self.touch(route)
            if accepts:
                self.programmed[kind] = parts_of(route)

    def has_gateway(self, *, there: bool = True) -> None:
        """The Gateway can be read, or is gone."""
        meta = {"namespace": "gateways", "name": "inference", "generation": 1}
        spec = {"gatewayClassName": "envoy", "listeners": [{"name": "http"}]}
        facts = gateway_facts({"metadata": meta, "spec": spec, "status": {}})
        envoy = GatewayClassFacts(name="envoy", controller="envoy.example/controller", complaint=None)
        known = {(facts.namespace, facts.name): facts} if there else {}
        self.gateways = Gateways(gateways=known, classes={"envoy": envoy})


def is_ending(manifest: Manifest) -> bool:
    """Whether it has been told to end."""
    return "deletionTimestamp" in manifest["metadata"]


def owner_of(manifest: Manifest) -> str | None:
    """The uid of its controller."""
    refs = manifest["metadata"].get("ownerReferences") or ()
    return next((ref["uid"] for ref in refs if ref.get("controller")), None)


def parts_of(route: Manifest) -> dict[str, int]:
    """Weights by revision, as a gateway reads them: of the first rule with backends that no header guards."""
    for rule in route["spec"].get("rules") or ():
        if any("headers" in match for match in rule.get("matches") or ()):
            continue
        refs = rule.get("backendRefs") or ()
        return {str(ref["name"]).removeprefix("churn-"): int(ref.get("weight", 1)) for ref in refs}
    return {}


def is_ready(pod: Manifest) -> bool:
    """Whether a Service sends requests to it."""
    said = {c["type"]: c["status"] for c in pod["status"].get("conditions") or ()}
    ends = is_ending(pod) or pod["status"]["phase"] in TERMINAL
    return said.get("Ready") == "True" and not ends


def ready_status(now: datetime) -> Manifest:
    """A pod's status once it has answered correctly."""
    at = (now - timedelta(seconds=10)).strftime("%Y-%m-%dT%H:%M:%SZ")
    true = [
        {"type": kind, "status": "True", "lastTransitionTime": at} for kind in ("PodScheduled", "Initialized", "Ready")
    ]
    running = {
        "name": "triton",
        "restartCount": 0,
        "ready": True,
        "started": True,
        "state": {"running": {"startedAt": at}},
    }
    return {"phase": "Running", "podIP": "10.0.0.1", "conditions": true, "containerStatuses": [running]}


def loading_status(now: datetime) -> Manifest:
    """A pod's status while its server loads the model."""
    status = ready_status(now)
    running = {**status["containerStatuses"][0], "ready": False, "started": False}
    return {**status, "conditions": status["conditions"][:2], "containerStatuses": [running]}


def over_status(phase: str, reason: str, *, exit_code: int | None = None) -> Manifest:
    """What a kubelet or a controller leaves of a pod that is over for good."""
    status: Manifest = {"phase": phase, "reason": reason, "message": "the node had to go", "conditions": []}
    if exit_code is not None:
        ended = {"exitCode": exit_code, "reason": "Error" if exit_code else "Completed"}
        container = {"name": "triton", "restartCount": 1, "state": {"terminated": ended}}
        status["containerStatuses"] = [container]
    return status


def ended_status(now: datetime, reason: str, *, restarts: int) -> Manifest:
    """A pod's status after its server ended with a verdict."""
    status = ready_status(now)
    ended = {"exitCode": 1, "reason": "Error", "message": json.dumps({"reason": reason, "message": "y[0] is 5"})}
    container = {
        "name": "triton",
        "restartCount": restarts,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": ended},
    }
    return {"phase": "Running", "conditions": status["conditions"][:2], "containerStatuses": [container]}


def is_ours(manifest: Manifest) -> bool:
    """What the store keeps: what is labelled as ours, or has us as its controller."""
    labels = manifest["metadata"].get("labels") or {}
    return labels.get("serving.slipway.dev/model-deployment") == "churn" or owner_of(manifest) == OWN_UID


def revision_of(deployment: str) -> str:
    """The revision whose Deployment has this name."""
    return deployment.removeprefix("churn-")
