"""What a platform lets ModelDeployments ask for, whoever writes them: each value has its own refusal."""

from collections.abc import Iterator
from typing import Any

import pytest

from testbed.api import Api
from testbed.operating import until
from testbed.plane import Plane
from testbed.shell import CommandError
from tests.admission.conftest import CONTACT, RELEASE, People, model, policies, refused
from tests.charts.render import of_kind, text
from tests.conftest import fresh_namespace

pytestmark = pytest.mark.plane
DIGEST = "sha256:" + "ab" * 32
OWN = "http://prometheus.$(namespace):9090"


@pytest.fixture(scope="module")
def namespace(plane: Plane) -> str:
    """One for which the platform has a Gateway of its own."""
    return fresh_namespace(plane)


@pytest.fixture(scope="module", autouse=True)
def in_force(plane: Plane, namespace: str) -> Iterator[None]:
    values = (
        "models.allowedGateways[0].name=public",
        "models.allowedGateways[0].namespace=infra",
        "models.allowedGateways[0].hostnames={$(namespace).models.example,churn.example}",
        "models.allowedGateways[1].name=own",
        "models.allowedGateways[2].name=bank",
        "models.allowedGateways[2].namespace=infra",
        "models.allowedGateways[2].namespaces={bank}",
        "models.allowedGateways[3].name=mine",
        "models.allowedGateways[3].namespace=infra",
        f"models.allowedGateways[3].namespaces={{bank,{namespace}}}",
        "models.allowedSources={s3://models/$(namespace)/,https://models.example/}",
        "models.allowedS3Endpoints={https://minio.example}",
        "models.requireDigest=true",
        "models.allowedServerImages={registry.example/triton/,nvcr.io/nvidia/tritonserver:25.10-py3}",
        "models.requireSignature[0].configMapName=release-keys",
        "models.requireSignature[0].uri=https://models.example/signed/",
        "models.requireSignature[1].configMapName=two-keys",
        "models.requireSignature[1].threshold=2",
        "models.requireSignature[1].uri=https://models.example/twice/",
        "models.requireSignature[2].configMapName=bank-keys",
        "models.requireSignature[2].namespaces={bank}",
        "models.requireSignature[3].configMapName=most-keys",
        "models.requireSignature[3].uri=https://models.example/signed/most/",
        "models.allowedBackends={onnxruntime,tensorrt}",
        f"models.allowedPrometheus={{{OWN},http://shared.monitoring/team}}",
    )
    with Api(plane) as admin:

        def holds() -> bool:
            return "bundles of" in refused(
                lambda: admin.create("modeldeployments", "default", model("x"), dry_run=True)
            )

        def keeps_keys() -> bool:
            meta = {"metadata": {"name": "bank-keys"}}
            return bool(refused(lambda: nobody.create("configmaps", namespace, meta, dry_run=True)))

        rights = People(plane, namespace)
        nobody = rights.who_may("create configmaps")
        keys_held = policies(plane, "-keys", *values, in_force=keeps_keys)
        with policies(plane, "-models", *values, in_force=holds), keys_held:
            yield
        rights.close()


def a_model(name: str, namespace: str, **spec: Any) -> dict[str, Any]:
    """One that asks for what is there; `$(namespace)` in what it asks for is its own."""
    source = {"uri": f"s3://models/{namespace}/1", "digest": DIGEST, "s3": {"endpoint": "https://minio.example"}}
    return model(name, **({"model": {"version": "1", "source": source}} | spec))


def sourced(**source: Any) -> dict[str, Any]:
    return {"model": {"version": "1", "source": {"uri": "https://models.example/1", "digest": DIGEST} | source}}


def routed(gateway: str, *hostnames: str, namespace: str | None = "infra", **more: Any) -> dict[str, Any]:
    where = {"namespace": namespace} if namespace else {}
    named = {"hostnames": list(hostnames)} if hostnames else {}
    return {"traffic": {"gateway": {"name": gateway} | where, **named, **more}}


def asking(address: str) -> dict[str, Any]:
    metric = {"name": "m", "max": "1", "prometheus": {"address": address, "query": "x"}}
    steps = [{"analysis": "Inline"}]
    return {"rollout": {"type": "Canary", "canary": {"steps": steps}, "analysis": {"metrics": [metric]}}}


def filled(value: Any, namespace: str) -> Any:
    """With the namespace for `$(namespace)`."""
    if isinstance(value, str):
        return value.replace("$(namespace)", namespace)
    if isinstance(value, dict):
        return {key: filled(each, namespace) for key, each in value.items()}
    return [filled(each, namespace) for each in value] if isinstance(value, list) else value


PLAINLY = "spec.model.source.uri: where it begins is what it is let in by, so it must be written plainly"
SIGNED = "https://models.example/signed/1"
MOST = "https://models.example/signed/most"
TWICE = "https://models.example/twice/1"


def keys(name: str, **more: Any) -> dict[str, Any]:
    return {"signature": {"configMapName": name, **more}}


def serving(**server: Any) -> dict[str, Any]:
    return {"server": server}


def accelerated(**parameters: str) -> dict[str, Any]:
    optimization = {"accelerators": [{"name": "TensorRT", "parameters": parameters}]}
    return {"model": sourced()["model"] | {"config": {"optimization": optimization}}}


def from_elsewhere(name: str) -> dict[str, Any]:
    return serving(env=[{"name": name, "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}])


LET: dict[str, dict[str, Any]] = {
    "the least": {},
    "a hostname": routed("public", "churn.example"),
    "hostnames below": routed("public", "a.b.churn.example", "*.$(namespace).models.example"),
    "any hostname of a Gateway in the same namespace": routed("own", namespace=None),
    "the same by its namespace": routed("own", "x.example", namespace="$(namespace)"),
    "a Gateway for this namespace": routed("mine"),
    "another source": sourced(),
    "a signature": sourced(uri=SIGNED, **keys("release-keys", threshold=2)),
    "as many signatures as have to be": sourced(uri=TWICE, **keys("two-keys", threshold=2)),
    "a signature that nobody asks for": sourced(**keys("own", mode="Warn")),
    "the most particular signature": sourced(uri=f"{MOST}/1", **keys("most-keys")),
    "a signature for the directory itself": sourced(uri=SIGNED.rpartition("/")[0], **keys("release-keys")),
    "an address with a query": sourced(uri="https://models.example/1.tar?sig=a%2Fb//c;d"),
    "a part that only begins with dots": sourced(uri="https://models.example/..1/.well-known/a"),
    "arguments and variables": serving(
        args=["--log-verbose=1", "--backend-config=onnxruntime,default-max-batch-size=4"],
        env=[{"name": "LD_PRELOAD", "value": "/usr/lib/libtcmalloc.so"}, {"name": "OMP_NUM_THREADS", "value": "1"}],
    ),
    "a token": from_elsewhere("HF_TOKEN"),
    "an accelerator": accelerated(precision_mode="FP16"),
    "an image below": {"server": {"image": "registry.example/triton/ours:1"}},
    "an image": {"server": {"image": "nvcr.io/nvidia/tritonserver:25.10-py3"}},
    "its own Prometheus": asking(OWN),
    "a Prometheus below": asking("http://shared.monitoring/team/a"),
}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "another Gateway": (routed("internal"), "spec.traffic.gateway"),
    "another namespace's Gateway": (routed("bank"), "spec.traffic.gateway"),
    "a Gateway by the name of another": (routed("public", namespace=None), "spec.traffic.gateway"),
    "no hostname": (routed("public"), "spec.traffic.hostnames"),
    "another hostname": (routed("public", "churn.example", "www.corp.example"), "spec.traffic.hostnames"),
    "a hostname that only ends alike": (routed("public", "evilchurn.example"), "spec.traffic.hostnames"),
    "all hostnames above": (routed("public", "*.example"), "spec.traffic.hostnames"),
    "another namespace's hostname": (routed("public", "bank.models.example"), "spec.traffic.hostnames"),
    "another hostname for gRPC": (
        routed("public", "churn.example", grpcRoute={"hostnames": ["g.example"]}),
        "spec.traffic.hostnames",
    ),
    "another bucket": (sourced(uri="s3://models-of-others/$(namespace)/1"), "spec.model.source.uri"),
    "another namespace's bundle": (sourced(uri="s3://models/bank/1"), "spec.model.source.uri"),
    "a host that only begins alike": (sourced(uri="https://models.example.evil.example/"), "spec.model.source.uri"),
    "a way up that is not written as one": (sourced(uri="https://models.example/%2E%2e/1"), "spec.model.source.uri"),
    "a claim": (sourced(uri="pvc://models/1"), "spec.model.source.uri"),
    "a signature that is enough for less": (
        sourced(uri=f"{MOST}/1", **keys("release-keys")),
        "spec.model.source.signature",
    ),
    "no signature": (sourced(uri=SIGNED), "spec.model.source.signature"),
    **{
        f"no signature for {uri}": (sourced(uri=uri), "spec.model.source.signature")
        for uri in (
            "https://models.example/signed",
            "https://models.example/signed?x",
            "https://models.example/signed#x",
            "https://models.example/SIGNED/1",
        )
    },
    **{
        f"another way to write {uri}": (sourced(uri=uri), PLAINLY)
        for uri in (
            "https://models.example//signed/1",
            "https://models.example/./signed/1",
            "https://models.example/%73igned/1",
            "https://models.example/x/..%2fsigned/1",
            "https://models.example/x/..%5Csigned/1",
            "https://models.example/x/..\\signed/1",
            "https://models.example/;/signed/1",
            "https://models.example/%252e%252e/signed/1",
            "https://MODELS.example/signed/1",
            "https://models.example./signed/1",
            "https://models.example:443/signed/1",
            "http://models.example:80/signed/1",
            "https://\uff4dodels.example/signed/1",
            "s3://models//$(namespace)/1",
            "pvc://models/./signed",
        )
    },
    "keys of its own": (sourced(uri=SIGNED, **keys("own")), "spec.model.source.signature"),
    "a signature that need not be there": (
        sourced(uri=SIGNED, **keys("release-keys", mode="Warn")),
        "spec.model.source.signature",
    ),
    "one signature of two": (sourced(uri=TWICE, **keys("two-keys")), "spec.model.source.signature"),
    "another store": (
        sourced(uri="s3://models/$(namespace)/1", s3={"endpoint": "https://evil.example"}),
        "spec.model.source.s3.endpoint",
    ),
    "a store that only its Secret names": (
        sourced(uri="s3://models/$(namespace)/1", secretName="s"),
        "spec.model.source.s3.endpoint",
    ),
    "no digest": (
        {"model": {"version": "1", "source": {"uri": "https://models.example/1"}}},
        "spec.model.source.digest",
    ),
    "another image": ({"server": {"image": "evil.example/triton:1"}}, "spec.server.image"),
    "an image that only begins alike": (
        {"server": {"image": "nvcr.io/nvidia/tritonserver:25.10-py3-evil"}},
        "spec.server.image",
    ),
    **{
        f"an argument that leads into the bundle: {argument}": (serving(args=[argument]), "spec.server.args")
        for argument in (
            "--backend-directory=/slipway/repository/churn/1",
            "--backend-config=tensorrt,plugins=/slipway/repository/churn/1/weights",
            "--backend-directory=/proc/1/root/x",
            "--repoagent-directory=/opt/../x",
        )
    },
    **{
        f"a variable that leads into the bundle: {value}": (
            serving(env=[{"name": "LD_PRELOAD", "value": value}]),
            "spec.server.env",
        )
        for value in ("/slipway/.bundle/1/weights", "slipway/.bundle/x", "/plain/x", "/usr/../x", "$(SLIPWAY_GUARD)")
    },
    **{
        f"a loader's variable with a value from elsewhere: {name}": (from_elsewhere(name), "spec.server.env")
        for name in ("LD_PRELOAD", "PYTHONPATH", "HOME", "OPENSSL_CONF", "CUDA_INJECTION64_PATH")
    },
    "a library of an accelerator": (
        accelerated(Trt_Extra_Plugin_Lib_Paths="/x"),
        "spec.model.config.optimization.accelerators.parameters",
    ),
    "another Prometheus": (asking("http://prometheus.bank:9090"), "prometheus.address"),
    "a Prometheus that only begins alike": (asking("http://shared.monitoring/team2"), "prometheus.address"),
}


@pytest.mark.parametrize("what", LET)
def test_what_is_there_may_be_asked_for(what: str, people: People, namespace: str) -> None:
    made = a_model("churn", namespace, **filled(LET[what], namespace))
    assert refused(lambda: people.admin.create("modeldeployments", namespace, made, dry_run=True)) == ""


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_there_is_refused_with_field_and_contact_whoever_asks(
    what: str, people: People, namespace: str
) -> None:
    spec, field = REFUSED[what]
    made = a_model("churn", namespace, **filled(spec, namespace))
    said = refused(lambda: people.admin.create("modeldeployments", namespace, made, dry_run=True))
    assert f"{field}: " in said
    assert f"ask {CONTACT}" in said
    assert "expression" not in said


def made(people: People, namespace: str, spec: dict[str, Any], *, dry_run: bool = False) -> object:
    name = "other" if dry_run else "old"
    return people.admin.create("modeldeployments", namespace, model(name, **spec), dry_run=dry_run)


def _act(people: People, action: str) -> None:
    actions = {"spec": {"validationActions": [action]}}
    people.admin.patch("validatingadmissionpolicybindings", "", f"{RELEASE}-models", actions)


def test_an_update_is_held_to_it_only_in_what_it_changes(people: People, namespace: str) -> None:
    """Values may come after the models."""
    before = {
        **sourced(uri="s3://old/1"),
        **routed("old"),
        **asking("http://old:9090"),
        "server": {"image": "old:1"},
    }
    del before["model"]["source"]["digest"]
    _act(people, "Audit")
    until("it may be made", lambda: not refused(lambda: made(people, namespace, before)), 30)
    _act(people, "Deny")
    until("no other may", lambda: refused(lambda: made(people, namespace, before, dry_run=True)), 30)

    def change(spec: dict[str, Any]) -> str:
        return refused(lambda: people.admin.patch("modeldeployments", namespace, "old", {"spec": spec}))

    assert change({"replicas": 3, "server": {"args": ["--log-verbose=1"]}}) == ""
    assert change({"model": {"version": "2"}}) == ""
    assert "spec.model.source.uri" in change({"model": {"source": {"uri": "s3://old/2"}}})
    assert "spec.traffic.gateway" in change({"traffic": {"pathPrefix": "/x"}})
    assert "spec.server.image" in change({"server": {"image": "old:2"}})
    assert "prometheus.address" in change({"rollout": {"analysis": {"count": 7}}})
    assert change({"traffic": None, "server": None}) == ""


def test_the_keys_are_written_by_who_is_trusted_with_them(people: People, namespace: str) -> None:
    write = ("create configmaps", "patch configmaps", "get configmaps")
    tenant = people.who_may(*write)
    trusted = people.who_may(*write, "update signingkeys.serving.slipway.dev/release-keys")

    def made(api: Api, name: str) -> str:
        meta = {"metadata": {"name": name}, "data": {"a.pem": "key"}}
        return refused(lambda: api.create("configmaps", namespace, meta))

    said = made(tenant, "release-keys")
    assert "update signingkeys.serving.slipway.dev" in said
    assert f"ask {CONTACT}" in said
    assert made(trusted, "two-keys"), "a right to some keys is none to others"
    assert made(trusted, "release-keys") == ""
    assert refused(lambda: tenant.patch("configmaps", namespace, "release-keys", {"data": {"b.pem": "own"}}))
    assert made(tenant, "other") == ""


@pytest.mark.parametrize(
    "value",
    [
        "models.requireSignature[0].uri=s3://models/",
        "models.allowedSources={https://Models.example/}",
        "models.allowedSources={https://models.example/a//}",
        "models.allowedSources={s3://models}",
        "models.allowedSources={ftp://models/}",
        "models.allowedServerImages={nvcr.io/nvidia/tritonserver}",
        "models.allowedGateways[0].namespace=infra",
        "models.allowedGateways[0].hostnames={*.example}",
        "models.allowedPrometheus={http://prometheus/}",
    ],
)
def test_a_value_that_would_let_more_in_than_it_says_is_refused(value: str) -> None:
    with pytest.raises(CommandError, match=r"models\W+(allowed|requireSignature)"):
        text("slipway", value)


def test_without_values_there_is_no_such_policy() -> None:
    assert [found["metadata"]["name"] for found in of_kind("ValidatingAdmissionPolicy")] == [
        "slipway-operator",
        "slipway-revisions",
        "slipway-rights",
        "slipway-withdrawals",
    ]
    assert of_kind("ValidatingAdmissionPolicy", "admission.enabled=false") == []
