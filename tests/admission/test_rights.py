"""Who asks for something must have the right to it: the operator makes it with rights that are more than a user's."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from testbed import yamls
from testbed.api import Api
from testbed.plane import Plane
from testbed.shell import ROOT
from tests.admission.conftest import CONTACT, People, model, policies, refused
from tests.charts.render import NAMESPACE, of_kind

pytestmark = pytest.mark.plane
GATEWAY = {"name": "public", "namespace": "platform"}
S3 = {"uri": "s3://models/churn/1", "secretName": "store"}
NEXT = {"uri": "s3://models/churn/2"}
GATE = {
    "type": "Canary",
    "canary": {"steps": [{"weight": 10}, {"analysis": "Inline"}]},
    "analysis": {"metrics": [{"name": "f1", "score": {"metric": "f1", "configMapName": "rows"}, "min": "1"}]},
}
ROUTES = "create httproutes.gateway.networking.k8s.io"
GRPC_ROUTES = "create grpcroutes.gateway.networking.k8s.io"


def env(*secrets: str, kind: str = "secretKeyRef") -> dict[str, Any]:
    variables = [{"name": f"V{n}", "valueFrom": {kind: {"name": s, "key": "k"}}} for n, s in enumerate(secrets)]
    return {"server": {"env": variables}}


ASKED: dict[str, tuple[dict[str, Any], tuple[str, ...], str]] = {
    "a gateway": ({"traffic": {"gateway": GATEWAY}}, (ROUTES,), "spec.traffic.gateway"),
    "a route for gRPC": (
        {"traffic": {"gateway": GATEWAY, "hostnames": ["a.example"], "grpcRoute": {"hostnames": ["b.example"]}}},
        (GRPC_ROUTES, ROUTES),
        "spec.traffic.grpcRoute",
    ),
    "a store's credentials": (
        {"model": {"version": "1", "source": S3}},
        ("get secrets/store",),
        "spec.model.source.secretName",
    ),
    "keys that decrypt": (
        {"model": {"version": "1", "source": {**NEXT, "decryption": {"secretName": "identity"}}}},
        ("get secrets/identity",),
        "spec.model.source.decryption.secretName",
    ),
    "keys that signed": (
        {"model": {"version": "1", "source": {**NEXT, "signature": {"configMapName": "signers"}}}},
        ("get configmaps/signers",),
        "spec.model.source.signature.configMapName",
    ),
    "labelled rows": (
        {"rollout": GATE},
        ("get configmaps/rows",),
        "spec.rollout.analysis.metrics.score.configMapName",
    ),
    "callers' keys": (
        {"traffic": {"gateway": GATEWAY, "authentication": {"apiKeys": {"secretName": "keys"}}}},
        ("get secrets/keys", ROUTES),
        "spec.traffic.authentication.apiKeys.secretName",
    ),
    "addresses that its pods may reach": (
        {"traffic": {"allowTo": [{"ipBlock": {"cidr": "169.254.169.254/32"}}]}},
        ("create networkpolicies.networking.k8s.io",),
        "spec.traffic.allowTo",
    ),
    "a Secret in a variable": (env("db"), ("get secrets/db",), "spec.server.env[V0].valueFrom.secretKeyRef"),
    "a ConfigMap in a variable": (
        env("c", kind="configMapKeyRef"),
        ("get configmaps/c",),
        "spec.server.env[V0].valueFrom.configMapKeyRef",
    ),
    "a Secret that pulls images": (
        {"server": {"imagePullSecrets": [{"name": "pull"}]}},
        ("get secrets/pull",),
        "spec.server.imagePullSecrets",
    ),
    "an image": ({"server": {"image": "mine:1"}}, ("create pods",), "spec.server.image"),
    "an account": (
        {"scheduling": {"serviceAccountName": "admin"}},
        ("create pods",),
        "spec.scheduling.serviceAccountName",
    ),
    "a place before others": (
        {"scheduling": {"priorityClassName": "system-node-critical"}},
        ("create pods",),
        "spec.scheduling.priorityClassName",
    ),
    "another runtime": (
        {"scheduling": {"runtimeClassName": "host"}},
        ("create pods",),
        "spec.scheduling.runtimeClassName",
    ),
    "another scheduler": (
        {"scheduling": {"schedulerName": "mine"}},
        ("create pods",),
        "spec.scheduling.schedulerName",
    ),
    "devices of a class": (
        {"accelerator": {"deviceClass": "gpu.nvidia.com"}},
        ("create resourceclaimtemplates.resource.k8s.io",),
        "spec.accelerator",
    ),
    "one of several classes": (
        {"accelerator": {"anyOf": [{"deviceClass": "gpu.nvidia.com"}]}},
        ("create resourceclaimtemplates.resource.k8s.io",),
        "spec.accelerator",
    ),
    "a label that others select": (
        {"podMetadata": {"labels": {"app": "bank"}}},
        ("create pods",),
        "spec.podMetadata.labels",
    ),
    "a role by an annotation": (
        {"podMetadata": {"annotations": {"iam.example/role": "admin"}}},
        ("create pods",),
        "spec.podMetadata.annotations",
    ),
    "a class of volumes": (
        {"model": {"version": "1", "source": NEXT, "storage": {"volume": "Ephemeral", "storageClassName": "fast"}}},
        ("create pods",),
        "spec.model.storage.storageClassName",
    ),
    "a claim": (
        {"model": {"version": "1", "source": {"uri": "pvc://shared/churn"}}},
        ("create pods",),
        "spec.model.source.uri (pvc://)",
    ),
    "as many Secrets as are looked at one by one": (
        env(*(f"s{n}" for n in range(8))),
        tuple(f"get secrets/s{n}" for n in range(8)),
        "spec.server.env[V0].valueFrom.secretKeyRef",
    ),
    "more Secrets than are looked at one by one": (
        env(*(f"s{n % 9}" for n in range(64))),
        ("get secrets",),
        "spec.server.env[V0].valueFrom.secretKeyRef",
    ),
}
"""What a spec asks for, the rights that it takes (the first is missed), and the field that the refusal names."""


@pytest.fixture(scope="module", autouse=True)
def in_force(plane: Plane) -> Iterator[None]:
    with Api(plane) as admin:

        def holds() -> bool:
            at_home = refused(lambda: admin.create("modeldeployments", "kube-public", model("x"), dry_run=True))
            return "its own namespace" in at_home

        with policies(plane, "-rights", in_force=holds):
            yield


@pytest.mark.parametrize("what", ASKED)
def test_a_spec_takes_the_right_to_what_is_made_of_it(what: str, people: People, namespace: str) -> None:
    spec, rights, field = ASKED[what]
    without, holder = people.who_may(*rights[1:], name="without"), people.who_may(*rights, name="holder")

    said = refused(lambda: without.create("modeldeployments", namespace, model("churn", **spec)))
    assert field in said
    for words in (rights[0], f"in namespace {namespace}", "without lacks", f"ask {CONTACT}"):
        assert words in said

    assert refused(lambda: holder.create("modeldeployments", namespace, model("churn", **spec))) == ""


def test_a_spec_that_asks_for_nothing_of_others_takes_no_right(people: People, namespace: str) -> None:
    spec = {
        "server": {"env": [{"name": "A", "value": "b"}], "args": ["--log-verbose=1"]},
        "traffic": {"allowFrom": [{"podSelector": {}}]},
        "scheduling": {"nodeSelector": {"a": "b"}},
        "replicas": 3,
    }
    user = people.who_may()
    assert refused(lambda: user.create("modeldeployments", namespace, model("churn", **spec))) == ""


LONG = "n" * 245


def test_the_largest_spec_there_can_be_is_not_too_dear_to_look_at(people: People, namespace: str) -> None:
    """What costs the API server more than a policy may spend is refused, whatever rights one has."""
    names = [f"{LONG}{n:02}" for n in range(64)]
    variables = [{"name": name, "valueFrom": {"secretKeyRef": {"name": name, "key": "k"}}} for name in names]
    pulled = [{"name": f"{LONG}p{n}"} for n in range(8)]
    spec = {
        "model": {"version": "1", "source": S3},
        "server": {"image": "mine:1", "env": variables, "imagePullSecrets": pulled},
        "traffic": {
            "gateway": GATEWAY,
            "hostnames": ["a.example"],
            "authentication": {"apiKeys": {"secretName": "keys"}},
        },
    }
    holder = people.who_may("get secrets", "create pods", ROUTES)
    by_name = env(*names[:8])["server"]["env"] + [
        {"name": f"C{n}", "valueFrom": {"configMapKeyRef": {"name": names[n], "key": "k"}}} for n in range(4)
    ]
    most = {
        "server": {"image": "mine:1", "env": by_name},
        "traffic": {"gateway": GATEWAY, "hostnames": ["a.example"], "grpcRoute": {"hostnames": ["b.example"]}},
    }
    rights = [f"get secrets/{name}" for name in names[:8]] + [f"get configmaps/{name}" for name in names[:4]]
    asked_for_all = people.who_may(*rights, "create pods", ROUTES, GRPC_ROUTES)
    assert refused(lambda: asked_for_all.create("modeldeployments", namespace, model("most", **most))) == ""
    assert refused(lambda: holder.create("modeldeployments", namespace, model("churn", **spec))) == ""
    named = people.who_may(*(f"get secrets/{name}" for name in names), "create pods", ROUTES)
    said = refused(lambda: named.create("modeldeployments", namespace, model("other", **spec)))
    assert "spec names more than 8 secrets" in said
    assert f"ask {CONTACT}" in said


def test_a_right_to_one_secret_is_none_to_another(people: People, namespace: str) -> None:
    user = people.who_may("get secrets/mine")
    said = refused(lambda: user.create("modeldeployments", namespace, model("churn", **env("mine", "theirs", "mine"))))
    assert "spec.server.env[V1].valueFrom.secretKeyRef: " in said
    assert "secrets/theirs" in said


VOUCHED = {"decryption": {"secretName": "key"}, "signature": {"configMapName": "signers"}}
EVERYTHING: dict[str, Any] = {
    "model": {"version": "1", "source": {**S3, **VOUCHED}},
    "server": {
        "image": "mine:1",
        "imagePullSecrets": [{"name": "pull"}],
        "env": [
            {"name": "A", "valueFrom": {"secretKeyRef": {"name": "db", "key": "a"}}},
            {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "a"}}},
        ],
    },
    "scheduling": {"serviceAccountName": "reader", "priorityClassName": "high"},
    "podMetadata": {"labels": {"team": "risk"}, "annotations": {"cost": "7"}},
    "traffic": {
        "gateway": GATEWAY,
        "hostnames": ["churn.example"],
        "authentication": {"apiKeys": {"secretName": "keys"}},
        "allowFrom": [{"podSelector": {}}],
        "allowTo": [{"podSelector": {}}],
    },
}
FREE: dict[str, dict[str, Any]] = {
    "nothing": {},
    "the number of pods": {"replicas": 5},
    "how many have to sign": {"model": {"source": {"signature": {"threshold": 2}}}},
    "a version in the same place": {"model": {"version": "2", "source": NEXT}},
    "whom the network lets in": {"traffic": {"allowFrom": None}},
    "less that it may reach": {"traffic": {"allowTo": None}},
    "other variables": {"server": {"env": [*EVERYTHING["server"]["env"], {"name": "C", "value": "x"}]}},
    "fewer of what takes rights": {
        "server": {"env": None, "image": None},
        "scheduling": None,
        "traffic": None,
        "podMetadata": None,
    },
}
ASKED_AGAIN: dict[str, tuple[dict[str, Any], str]] = {
    "other addresses that it may reach": (
        {"traffic": {"allowTo": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}},
        "spec.traffic.allowTo",
    ),
    "another hostname": ({"traffic": {"hostnames": ["www.corp.example"]}}, "spec.traffic.gateway"),
    "another path": ({"traffic": {"pathPrefix": "/login"}}, "spec.traffic.gateway"),
    "no authentication": ({"traffic": {"authentication": None}}, "spec.traffic.gateway"),
    "another gateway": ({"traffic": {"gateway": {"name": "internal"}}}, "spec.traffic.gateway"),
    "other keys": (
        {"traffic": {"authentication": {"apiKeys": {"secretName": "k2"}}}},
        "spec.traffic.gateway",
    ),
    "the credentials sent to another bucket": (
        {"model": {"source": {"uri": "s3://theirs/churn/1"}}},
        "spec.model.source.secretName",
    ),
    "the credentials sent to another store": (
        {"model": {"source": {"s3": {"endpoint": "https://evil.example"}}}},
        "spec.model.source.secretName",
    ),
    "the credentials sent elsewhere": (
        {"model": {"source": {"uri": "https://evil.example/churn"}}},
        "spec.model.source.secretName",
    ),
    "other credentials": ({"model": {"source": {"secretName": "s2"}}}, "spec.model.source.secretName"),
    "another key": (
        {"model": {"source": {"decryption": {"secretName": "k2"}}}},
        "spec.model.source.decryption.secretName",
    ),
    "the key used on what somebody else has encrypted": (
        {"model": {"source": {"uri": "s3://theirs/churn/1", "secretName": None}}},
        "spec.model.source.decryption.secretName",
    ),
    "other signers": (
        {"model": {"source": {"signature": {"configMapName": "mine"}}}},
        "spec.model.source.signature.configMapName",
    ),
    "a claim": ({"model": {"source": {"uri": "pvc://shared/x", "secretName": None}}}, "(pvc://)"),
    "another image": ({"server": {"image": "mine:2"}}, "spec.server.image"),
    "another account": ({"scheduling": {"serviceAccountName": "admin"}}, "spec.scheduling.serviceAccountName"),
    "another label": ({"podMetadata": {"labels": {"app": "bank"}}}, "spec.podMetadata.labels"),
    "another key of the Secret": (
        {"server": {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "db", "key": "b"}}}]}},
        "spec.server.env[A].valueFrom.secretKeyRef",
    ),
}


@pytest.fixture
def there(people: People, namespace: str) -> Api:
    """One with no right but to write ModelDeployments, beside one of everything that somebody else has made."""
    people.admin.create("modeldeployments", namespace, model("churn", **EVERYTHING))
    return people.who_may()


@pytest.mark.parametrize("what", FREE)
def test_an_update_takes_no_right_to_what_was_there(what: str, there: Api, namespace: str) -> None:
    assert refused(lambda: there.patch("modeldeployments", namespace, "churn", {"spec": FREE[what]})) == ""


def test_a_scale_takes_none(there: Api, namespace: str) -> None:
    scaled = {"spec": {"replicas": 7}}
    assert refused(lambda: there.patch("modeldeployments", namespace, "churn", scaled, "scale")) == ""


def test_nor_does_a_status(there: Api, people: People, namespace: str) -> None:
    del there
    like_the_operator = people.who_may("patch modeldeployments/status.serving.slipway.dev")
    written = {"status": {"ready": "1/1"}}
    assert refused(lambda: like_the_operator.patch("modeldeployments", namespace, "churn", written, "status")) == ""


@pytest.mark.parametrize("what", ASKED_AGAIN)
def test_an_update_takes_the_right_to_what_it_changes(what: str, there: Api, namespace: str) -> None:
    change, field = ASKED_AGAIN[what]
    said = refused(lambda: there.patch("modeldeployments", namespace, "churn", {"spec": change}))
    assert field in said
    assert "this takes the right to" in said


@pytest.mark.parametrize("namespace_of", ["kube-system", "the operator's"])
def test_nobody_makes_one_where_the_operator_may_make_nothing(namespace_of: str, plane: Plane, people: People) -> None:
    where = NAMESPACE if namespace_of == "the operator's" else namespace_of
    plane.kubectl()("create", "namespace", NAMESPACE, check=False)
    said = refused(lambda: people.admin.create("modeldeployments", where, model("churn"), dry_run=True))
    assert "metadata.namespace" in said


def test_with_a_list_of_namespaces_a_release_says_nothing_of_others() -> None:
    """Another release may serve them, with other values. Its operator is confined wherever it writes."""
    looks_at = {
        policy["metadata"]["name"].removeprefix("slipway-"): policy["spec"]["matchConstraints"].get("namespaceSelector")
        for policy in of_kind("ValidatingAdmissionPolicy", "namespaces={red,blue}", "models.requireDigest=true")
    }
    named = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["red", "blue"]}
    assert looks_at == {
        **{key: {"matchExpressions": [named]} for key in ("rights", "models", "revisions", "withdrawals")},
        "operator": None,
    }


OF_OTHERS = re.compile(
    r"secret|configmap|serviceaccount|image|valuefrom|gateway$|route|classname|^labels$|annotations", re.IGNORECASE
)
"""Names of fields by which a spec takes something that is not the user's."""


def fields(schema: dict[str, Any], path: str = "spec") -> Iterator[str]:
    for name, inner in schema.get("properties", {}).items():
        yield f"{path}.{name}"
        yield from fields(inner, f"{path}.{name}")
    if "items" in schema:
        yield from fields(schema["items"], path)


def test_no_field_that_takes_something_of_others_is_forgotten() -> None:
    crd = yamls.load((ROOT / "crds" / "serving.slipway.dev_modeldeployments.yaml").read_text())
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    policy = next(
        found for found in of_kind("ValidatingAdmissionPolicy") if found["metadata"]["name"] == "slipway-rights"
    )
    said = str(policy)
    taking = [path for path in fields(spec) if OF_OTHERS.search(path.rpartition(".")[2])]
    named = Counter(path.rpartition(".")[2] for path in taking)
    missing = []
    for path in taking:
        name = path.rpartition(".")[2]
        if (name if named[name] == 1 else path) not in said:
            missing.append(path)
    assert missing == []
