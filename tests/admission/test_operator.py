"""The operator's account writes what the operator makes, and nothing else: a stolen token of it is worth little."""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from slipway.core.children.manifest import finished
from slipway.core.names import Manifest
from testbed.api import Api
from testbed.plane import Plane
from tests.admission.conftest import RELEASE, model, policies, refused
from tests.charts.render import NAMESPACE, granted, of_kind, rbac, table
from tests.conftest import fresh_namespace
from tests.core.children.every import SPECS, TRAFFIC, around, of_keda, of_spec, of_traffic
from tests.core.gen import owner

pytestmark = pytest.mark.plane
ACCOUNT = "serviceAccount.name=tenant"
API_VERSION, KIND = "serving.slipway.dev/v1alpha1", "ModelDeployment"
ABSENT = object()


@pytest.fixture(scope="module")
def gateways(gateways_plane: Plane) -> Iterator[Plane]:
    """A plane that knows the kinds of gateways, on which `tenant` is the operator's account, with the chart's roles."""
    kubectl = gateways_plane.kubectl()
    kubectl("create", "namespace", NAMESPACE, check=False)
    with granted(kubectl, rbac(ACCOUNT, release=RELEASE)), Api(gateways_plane, "tenant") as stolen:

        def holds() -> bool:
            bare = {"metadata": {"name": "x"}}
            said = refused(lambda: stolen.create("configmaps", "kube-public", bare, dry_run=True))
            return "ValidatingAdmissionPolicy" in said

        with policies(gateways_plane, "-operator", ACCOUNT, in_force=holds):
            yield gateways_plane


@pytest.fixture
def shop(gateways: Plane) -> str:
    """A namespace where claims may have admin access: that the operator's have none is the policy's doing."""
    namespace = fresh_namespace(gateways)
    gateways.kubectl()("label", "namespace", namespace, "resource.kubernetes.io/admin-access=true")
    return namespace


@pytest.fixture
def stolen(gateways: Plane) -> Iterator[Api]:
    """Who has the operator's token."""
    with Api(gateways, "tenant") as api:
        yield api


@pytest.fixture
def admin(gateways: Plane) -> Iterator[Api]:
    with Api(gateways) as api:
        yield api


def child(manifest: Manifest, namespace: str) -> Manifest:
    """As the operator applies it. A namespace stands in it where KEDA is told whom to ask."""
    made = json.loads(json.dumps(manifest).replace(".shop.svc", f".{namespace}.svc"))
    return finished(made, owner=owner(namespace=namespace), api_version=API_VERSION, kind=KIND)


def plural(kind: str) -> str:
    return kind.lower().removesuffix("y") + ("ies" if kind.endswith("y") else "s")


def everything() -> Iterator[tuple[str, list[Manifest]]]:
    yield from ((f"of a spec: {name}", list(of_spec(name))) for name in SPECS)
    yield "around a workload", list(around())
    yield "for KEDA", list(of_keda())
    yield from ((f"of traffic: {name}", list(of_traffic(name))) for name in TRAFFIC)


@pytest.mark.parametrize("made", [pytest.param(made, id=name) for name, made in everything()])
def test_all_that_the_operator_makes_it_may_make_change_and_delete(
    made: list[Manifest], gateways: Plane, shop: str, stolen: Api
) -> None:
    kubectl = gateways.kubectl("tenant").within(shop)
    children = [child(manifest, shop) for manifest in made]
    kubectl.apply(*children)
    for manifest in children:
        manifest["metadata"]["annotations"]["serving.slipway.dev/applied"] = "another"
    kubectl.apply(*children)
    for manifest in children:
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        if kind == "Deployment":
            stolen.patch("deployments", shop, name, {"spec": {"replicas": 3}}, "scale")
        stolen.delete(plural(kind), shop, name)


def test_a_child_that_has_lost_its_label_or_its_owner_may_be_taken_up_again(
    admin: Api, gateways: Plane, shop: str
) -> None:
    kubectl = gateways.kubectl("tenant").within(shop)
    wanted = child(next(around()), shop)
    name = wanted["metadata"]["name"]
    for loss in ({"labels": {"serving.slipway.dev/model-deployment": None}}, {"ownerReferences": None}):
        kubectl.apply(wanted)
        admin.patch("services", shop, name, {"metadata": loss})
        kubectl.apply(wanted)


def test_what_others_have_added_does_not_stop_the_operator(admin: Api, gateways: Plane, shop: str) -> None:
    """It takes such things out, or says so; it must be able to write for that."""
    kubectl = gateways.kubectl("tenant").within(shop)
    children = [child(manifest, shop) for manifest in (*of_spec("the least"), *around())]
    kubectl.apply(*children)
    added: dict[str, Manifest] = {
        "Service": {"spec": {"externalIPs": ["192.0.2.1"], "type": "LoadBalancer"}},
        "Deployment": {"spec": {"template": {"spec": {"hostPID": True, "hostNetwork": True}}}},
    }
    for manifest in children:
        if change := added.get(manifest["kind"]):
            admin.patch(plural(manifest["kind"]), shop, manifest["metadata"]["name"], change)
    kubectl.apply(*children)


def test_it_writes_status_events_and_its_lease(admin: Api, stolen: Api, shop: str) -> None:
    made = admin.create("modeldeployments", shop, model("churn"))
    stolen.patch("modeldeployments", shop, "churn", {"status": {"ready": "1/1"}}, "status")
    stolen.create("events", shop, event(made["metadata"]["uid"], shop, "ModelDeployment", API_VERSION))
    stolen.create("leases", NAMESPACE, {"metadata": {"name": RELEASE}})


def event(uid: str, namespace: str, kind: str, api_version: str) -> Manifest:
    about = {"kind": kind, "apiVersion": api_version, "name": "churn", "namespace": namespace, "uid": uid}
    return {"metadata": {"name": f"churn.{kind.lower()}"}, "involvedObject": about, "reason": "X", "message": "x"}


def of_kind_made(kind: str, namespace: str) -> Manifest:
    made = (m for _, many in everything() for m in many if m["kind"] == kind)
    return child(copy.deepcopy(next(made)), namespace)


def changed(manifest: Manifest, path: str, value: object) -> Manifest:
    """With one field set, or taken out if ABSENT. In the path numbers are places in lists, - is the one at the end."""
    here: Any = manifest
    last: Any
    *way, last = [int(step) if step.isdigit() else step.replace("~", "/") for step in path.split("|")]
    for step in way:
        here = here[int(step)] if isinstance(here, list) else here.setdefault(step, {})
    if value is ABSENT:
        del here[last]
    elif last == "-":
        here.append(value)
    else:
        here[last] = value
    return manifest


POD = "spec|template|spec"
SERVER = f"{POD}|containers|0|securityContext"
HOST = {"name": "host", "hostPath": {"path": "/"}}
TOKEN = {"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}
ELSEWHERE = [{"name": "x", "namespace": "kube-system", "port": 80}]
OTHER = [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "x", "uid": "1", "controller": True}]
SPOILED: dict[str, tuple[str, str, object, str]] = {
    "no label": ("Deployment", "metadata|labels|serving.slipway.dev~model-deployment", ABSENT, "labels"),
    "another's label": ("ConfigMap", "metadata|labels|serving.slipway.dev~model-deployment", "other", "labels"),
    "no owner": ("Deployment", "metadata|ownerReferences", ABSENT, "controls"),
    "another owner": ("Job", "metadata|ownerReferences", OTHER, "controls"),
    "a capability": ("Deployment", f"{SERVER}|capabilities|add", ["SYS_ADMIN"], "privileged"),
    "more privileges": ("Deployment", f"{SERVER}|allowPrivilegeEscalation", ABSENT, "privileged"),
    "more privileges in a Job": ("Job", f"{SERVER}|allowPrivilegeEscalation", True, "privileged"),
    "root": ("Deployment", f"{SERVER}|runAsUser", 0, "privileged"),
    "more privileges before it starts": (
        "Deployment",
        f"{POD}|initContainers|0|securityContext|allowPrivilegeEscalation",
        True,
        "privileged",
    ),
    "no seccomp": ("Deployment", f"{POD}|securityContext|seccompProfile|type", "Unconfined", "privileged"),
    "a port of the node": (
        "Deployment",
        f"{POD}|containers|0|ports",
        [{"containerPort": 80, "hostPort": 80}],
        "privileged",
    ),
    "the node's network": ("Deployment", f"{POD}|hostNetwork", True, "network"),
    "the node's processes": ("Job", f"{POD}|hostPID", True, "processes"),
    "the node's files": ("Deployment", f"{POD}|volumes|-", HOST, "volumes"),
    "a token in a volume": ("Deployment", f"{POD}|volumes|-", TOKEN, "volumes"),
    "devices by somebody else's template": (
        "Deployment",
        f"{POD}|resourceClaims",
        [{"name": "accelerator", "resourceClaimTemplateName": "bank"}],
        "resourceClaims",
    ),
    "a claim that exists": (
        "Deployment",
        f"{POD}|resourceClaims",
        [{"name": "accelerator", "resourceClaimName": "bank"}],
        "resourceClaims",
    ),
    "devices with admin access": (
        "ResourceClaimTemplate",
        "spec|spec|devices|requests|0|exactly|adminAccess",
        True,
        "admin access",
    ),
    "settings for a driver": (
        "ResourceClaimTemplate",
        "spec|spec|devices|config",
        [{"opaque": {"driver": "gpu.nvidia.com", "parameters": {}}}],
        "settings for drivers",
    ),
    "claims of another model": (
        "ResourceClaimTemplate",
        "spec|metadata|labels|serving.slipway.dev~model-deployment",
        "bank",
        "a model's pods only",
    ),
    "an account's token": ("Job", f"{POD}|automountServiceAccountToken", True, "token"),
    "a load balancer": ("Service", "spec|type", "LoadBalancer", "ClusterIP"),
    "others' addresses": ("Service", "spec|externalIPs", ["192.0.2.1"], "externalIPs"),
    "others' pods behind a Service": ("Service", "spec|selector", {"app": "bank"}, "select"),
    "others' pods behind a policy": ("NetworkPolicy", "spec|podSelector", {}, "podSelector"),
    "another model's pods behind a policy": (
        "NetworkPolicy",
        "spec|podSelector|matchLabels|serving.slipway.dev~model-deployment",
        "bank",
        "podSelector",
    ),
    "others' pods in a budget": (
        "PodDisruptionBudget",
        "spec|selector",
        {"matchLabels": {"app": "bank"}},
        "selector",
    ),
    "others' Deployment scaled": ("HorizontalPodAutoscaler", "spec|scaleTargetRef|name", "bank", "scaleTargetRef"),
    "others' Deployment scaled by KEDA": ("ScaledObject", "spec|scaleTargetRef|name", "bank", "scaleTargetRef"),
    "another's pods asked by KEDA": (
        "ScaledObject",
        "spec|triggers|0|metadata|url",
        "http://churn-3f2a91bc.bank.svc:8004/metrics",
        "triggers",
    ),
    "a host that only begins like its Service": (
        "ScaledObject",
        "spec|triggers|0|metadata|url",
        "http://churn-3f2a91bc.shop.svc:8004@hostile.example/metrics",
        "triggers",
    ),
    "a Secret that KEDA reads": ("ScaledObject", "spec|triggers|1|authenticationRef", {"name": "bank"}, "triggers"),
    "what KEDA can do beside": ("ScaledObject", "spec|triggers|0|type", "prometheus", "triggers"),
    "a variable that KEDA reads out of pods": (
        "ScaledObject",
        "spec|triggers|0|metadata|passwordFromEnv",
        "PASSWORD",
        "triggers",
    ),
    "a route into another namespace": ("HTTPRoute", "spec|rules|0|backendRefs", ELSEWHERE, "rules"),
    "a copy of all requests elsewhere": (
        "HTTPRoute",
        "spec|rules|0|filters",
        [{"type": "RequestMirror", "requestMirror": {"backendRef": ELSEWHERE[0]}}],
        "rules",
    ),
    "another request than the client sent": (
        "HTTPRoute",
        "spec|rules|0|backendRefs|0|filters",
        [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "x", "value": "y"}]}}],
        "rules",
    ),
    "answers without a header that the model gave": (
        "HTTPRoute",
        "spec|rules|0|backendRefs|0|filters",
        [{"type": "ResponseHeaderModifier", "responseHeaderModifier": {"remove": ["strict-transport-security"]}}],
        "rules",
    ),
    "answers with a header that says more than a version": (
        "HTTPRoute",
        "spec|rules|0|backendRefs|0|filters",
        [
            {
                "type": "ResponseHeaderModifier",
                "responseHeaderModifier": {"set": [{"name": "Content-Length", "value": "0"}]},
            }
        ],
        "names a version",
    ),
    "a policy on others' route": (
        "SecurityPolicy",
        "spec|targetRefs",
        [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "bank"}],
        "targetRefs",
    ),
    "a policy on a Gateway": (
        "BackendTrafficPolicy",
        "spec|targetRefs",
        [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "churn"}],
        "targetRefs",
    ),
}
"""A child with one field spoiled, and a word of the refusal."""


@pytest.mark.parametrize("what", SPOILED)
def test_a_stolen_token_makes_no_child_with(what: str, stolen: Api, shop: str) -> None:
    kind, path, value, word = SPOILED[what]
    whole = of_kind_made(kind, shop)
    assert refused(lambda: stolen.create(plural(kind), shop, whole, dry_run=True)) == ""
    said = refused(lambda: stolen.create(plural(kind), shop, changed(whole, path, value), dry_run=True))
    assert word in said
    assert "the operator's account" in said


def test_a_stolen_token_makes_no_pod_of_a_model_more(gateways: Plane, stolen: Api, shop: str) -> None:
    made = of_kind_made("Deployment", shop)
    gateways.kubectl("tenant").within(shop).apply(made)
    change = {"spec": {"template": {"spec": {"hostPID": True}}}}
    assert "processes" in refused(lambda: stolen.patch("deployments", shop, made["metadata"]["name"], change))


@pytest.mark.parametrize("where", ["kube-system", "kube-public", NAMESPACE])
@pytest.mark.parametrize("kind", ["Deployment", "Job", "ConfigMap", "Service"])
def test_a_stolen_token_makes_nothing_in(where: str, kind: str, stolen: Api) -> None:
    said = refused(lambda: stolen.create(plural(kind), where, of_kind_made(kind, where), dry_run=True))
    assert "only where models may be" in said


Attack = Callable[[Api, str], object]
ATTACKS: dict[str, tuple[Attack, str]] = {
    "read a Secret": (lambda api, ns: api.get("secrets", ns, "bank"), "secrets"),
    "list Secrets": (lambda api, ns: api.list("secrets", ns), "secrets"),
    "make a pod": (lambda api, ns: api.create("pods", ns, pod()), "pods"),
    "run a command in a pod": (lambda api, ns: api.create("pods/bank/exec", ns, {}), "pods"),
    "make itself cluster-admin": (
        lambda api, ns: api.create("clusterrolebindings", "", {"metadata": {"name": "x"}}),
        "clusterrolebindings",
    ),
    "make a token": (lambda api, ns: api.create("serviceaccounts/default/token", ns, {}), "serviceaccounts"),
    "change a ModelDeployment": (
        lambda api, ns: api.patch("modeldeployments", ns, "churn", {"spec": {"replicas": 9}}),
        "modeldeployments",
    ),
    "change another's Deployment": (
        lambda api, ns: api.patch("deployments", ns, "bank", {"metadata": {"labels": {"a": "b"}}}),
        "controls",
    ),
    "take another's ConfigMap over": (
        lambda api, ns: api.patch(
            "configmaps", ns, "bank", {"metadata": of_kind_made("ConfigMap", ns)["metadata"] | {"name": "bank"}}
        ),
        "controls",
    ),
    "stop another's Deployment": (
        lambda api, ns: api.patch("deployments", ns, "bank", {"spec": {"replicas": 0}}, "scale"),
        "scales only",
    ),
    "delete another's Deployment": (lambda api, ns: api.delete("deployments", ns, "bank"), "controls"),
    "delete another's ConfigMap": (lambda api, ns: api.delete("configmaps", ns, "bank"), "controls"),
    "delete another's pod": (lambda api, ns: api.delete("pods", ns, "bank"), "only pods of models"),
    "change the operator itself": (
        lambda api, _: api.patch("deployments", NAMESPACE, "bank", {"metadata": {"labels": {"a": "b"}}}),
        "only where models may be",
    ),
    "take another's Lease": (
        lambda api, _: api.create("leases", NAMESPACE, {"metadata": {"name": "bank"}}),
        "only where models may be",
    ),
    "say something of another's object": (
        lambda api, ns: api.create("events", ns, event("1", ns, "Pod", "v1")),
        "Events on ModelDeployments only",
    ),
}


def pod() -> Manifest:
    return {"metadata": {"name": "bank"}, "spec": {"containers": [{"name": "x", "image": "x"}]}}


@pytest.fixture
def bank(admin: Api, shop: str) -> str:
    """Somebody else's objects, beside a ModelDeployment."""
    template = {"metadata": {"labels": {"app": "bank"}}, "spec": pod()["spec"]}
    deployment = {
        "metadata": {"name": "bank"},
        "spec": {"selector": {"matchLabels": {"app": "bank"}}, "template": template},
    }
    for where in (shop, NAMESPACE):
        if admin.get("deployments", where, "bank") is None:
            admin.create("deployments", where, deployment)
    admin.create("configmaps", shop, {"metadata": {"name": "bank"}})
    admin.create("pods", shop, pod())
    admin.create("modeldeployments", shop, model("churn"))
    return shop


@pytest.mark.parametrize("what", ATTACKS)
def test_a_stolen_token_cannot(what: str, stolen: Api, bank: str) -> None:
    attack, word = ATTACKS[what]
    assert word in (refused(lambda: attack(stolen, bank)) or "nobody has refused it")


def test_whatever_the_roles_let_it_write_is_looked_at() -> None:
    rules = next(
        found for found in of_kind("ValidatingAdmissionPolicy") if found["metadata"]["name"] == "slipway-operator"
    )["spec"]["matchConstraints"]["resourceRules"]
    looked_at = {
        (f"{rule['apiGroups'][0]}/{resource}", operation)
        for rule in rules
        for resource in rule["resources"]
        for operation in rule["operations"]
    }
    operations = {"create": "CREATE", "update": "UPDATE", "patch": "UPDATE", "delete": "DELETE"}
    granted_rights = {
        (resource, operations[verb])
        for role in rbac("rbac.aggregate=false")
        if "rules" in role
        for resource, verbs in table(role).items()
        for verb in verbs.split()
        if verb in operations
    }
    elsewhere = {
        # Held by the role itself, to the one Lease.
        ("coordination.k8s.io/leases=slipway", "UPDATE"),
        # A right that naming an owner takes; nothing can be written there.
        ("serving.slipway.dev/modeldeployments/finalizers", "UPDATE"),
    }
    assert granted_rights - looked_at == elsewhere
    assert looked_at - granted_rights == set()
