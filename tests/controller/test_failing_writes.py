"""On a real API server: a write that is refused, fails, or does not stay is told in the API server's words, is tried
again no more than once a back-off, holds up only what relies on it, and heals by itself."""

import asyncio
import contextlib
import copy
import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from slipway.api.v1alpha1 import API_VERSION, GROUP, KIND, PLURAL
from slipway.controller.executor import BLOCKED_FOR
from slipway.controller.kinds import BY_NAME, DEPLOYMENT, HTTP_ROUTE, Kind
from slipway.controller.kube import ApiKube, KubeError
from slipway.controller.obstacles import BURST, LONGEST_ABSENCE
from slipway.core.children.manifest import finished
from slipway.core.names import MANAGED_BY, MODEL_DEPLOYMENT, Manifest, labels
from slipway.core.observed.blocked_writes import REPORTED_AFTER, blocked_write
from slipway.core.observed.objects import Observed
from slipway.core.owner import Owner
from slipway.core.plan import Apply, Plan
from slipway.core.reasons import Reason
from testbed import yamls
from testbed.gateway.crds import gateway_api_crds
from testbed.plane import Plane
from testbed.shell import ROOT
from tests.controller.conftest import CallLog, a_model_deployment, eventually
from tests.controller.staging import DONE, NOW, Pass, Stage, a_config, wants
from tests.controller.webhooks import Patch, down, rewriting

pytestmark = pytest.mark.plane

CONFIG, SERVICE, POLICY = BY_NAME["ConfigMap"], BY_NAME["Service"], BY_NAME["NetworkPolicy"]
HALF_A_MINUTE = timedelta(seconds=30)


def of_ours(owner: Owner, kind: Any, name: str, **rest: Any) -> Manifest:
    meta = {"name": name, "labels": labels(owner.name, component="server")}
    bare = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": meta, **rest}
    return finished(bare, owner=owner, api_version=API_VERSION, kind=KIND)


def a_service(owner: Owner, name: str = "churn") -> Manifest:
    ports = [{"name": "http", "port": 8000, "targetPort": 8000}]
    return of_ours(owner, SERVICE, name, spec={"selector": {"a": "b"}, "ports": ports})


def a_deployment(owner: Owner, name: str = "churn-1", replicas: int = 1) -> Manifest:
    pod = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": pod}
    whole = of_ours(owner, DEPLOYMENT, name, spec=spec)
    return {**whole, "spec": {**spec, "replicas": replicas}}


def a_job(owner: Owner, name: str = "churn-1") -> Manifest:
    pod = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i:1"}]}}
    return of_ours(owner, BY_NAME["Job"], name, spec={"template": pod})


def a_policy(*peers: Any) -> Any:
    return lambda owner: of_ours(owner, POLICY, "churn-1", spec={"podSelector": {}, "ingress": [{"from": [*peers]}]})


def a_pod(**fields: Any) -> Any:
    def make(owner: Owner) -> Manifest:
        made = a_deployment(owner)
        made["spec"]["template"]["spec"].update(fields)
        return made

    return make


def an_autoscaler(behavior: Any) -> Any:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "churn-1"}
    spec = {"scaleTargetRef": target, "maxReplicas": 3, "behavior": behavior}
    return lambda owner: of_ours(owner, BY_NAME["HorizontalPodAutoscaler"], "churn-1", spec=spec)


SHIELDS: dict[Kind, Any] = {POLICY: a_policy({"podSelector": {}}), CONFIG: a_config}


def writes(calls: CallLog, kind: str) -> list[int]:
    return [code for verb, of, code in calls.calls if of == kind and verb in ("apply", "create", "scale", "delete")]


@pytest.mark.parametrize(
    ("group", "plural", "make"),
    [("apps", "deployments", a_deployment), ("", "services", a_service), ("batch", "jobs", a_job)],
    ids=["deployments", "services", "jobs"],
)
async def test_a_webhook_that_is_down_is_told_within_half_a_minute_and_heals_by_itself(
    stage: Stage, plane: Plane, calls: CallLog, group: str, plural: str, make: Any
) -> None:
    namespace = stage.key.namespace
    manifest = make(Owner(namespace=namespace, name="churn", uid="0"))
    decision = Pass(wants(make, a_config))
    reconciler = stage.reconciler(decision)

    async with down(plane, namespace, group, plural, manifest):
        calls.calls.clear()
        wake_at = await reconciler.reconcile(stage.key)
        assert blocked_write(decision.observations[-1], stage.now) is None, "it may be back in a moment"
        assert stage.store.observed(stage.key).child("ConfigMap", "churn-1"), "nothing relies on the other"
        while stage.now < NOW + HALF_A_MINUTE:
            assert wake_at
            stage.now = min(wake_at, NOW + HALF_A_MINUTE)
            wake_at = await reconciler.reconcile(stage.key)
            await reconciler.reconcile(stage.key)  # an event in between

        blocked = blocked_write(decision.observations[-1], stage.now)
        assert blocked
        assert blocked.finding.reason is Reason.WRITE_FAILED
        assert blocked.finding.message.startswith(
            f"{manifest['kind']} {manifest['metadata']['name']} cannot be written"
        )
        assert "failed calling webhook" in blocked.finding.message
        assert writes(calls, manifest["kind"]) == [500] * 5  # at 0, 1, 3, 7 and 15 s

    stage.now = wake_at or NOW
    await reconciler.reconcile(stage.key)
    await reconciler.reconcile(stage.key)
    assert blocked_write(decision.observations[-1], stage.now) is None
    assert stage.store.observed(stage.key).child(manifest["kind"], manifest["metadata"]["name"])


def renames(label: str) -> Any:
    pointer = label.replace("~", "~0").replace("/", "~1")

    def patch(manifest: Manifest) -> Patch:
        has = label in (manifest["metadata"].get("labels") or {})
        return [{"op": "add", "path": f"/metadata/labels/{pointer}", "value": "platform"}] if has else []

    return patch


async def test_a_write_that_a_webhook_rewrites_is_told_once_and_not_made_again_at_once(
    stage: Stage, plane: Plane, calls: CallLog, kube: ApiKube
) -> None:
    """Of a label on which nothing hangs an Event tells; the model is none the worse."""
    owner = Owner(namespace=stage.key.namespace, name="churn", uid="0")
    decision = Pass(wants(a_service))
    reconciler = stage.reconciler(decision)
    label = "app.kubernetes.io/name"

    async with rewriting(plane, stage.key.namespace, "", "services", renames(label), a_service(owner)):
        calls.calls.clear()
        for _ in range(20):
            await reconciler.reconcile(stage.key)
        assert len(writes(calls, "Service")) == 1

        (unkept,) = decision.observations[-1].unkept
        assert (unkept.kind, unkept.name, unkept.field) == ("Service", "churn", f"metadata.labels[{label}]")
        assert (unkept.asked, unkept.got) == ('"slipway-model"', '"platform"')
        assert blocked_write(decision.observations[-1], stage.now) is None
        assert await event_reasons(plane, stage) == ["WriteNotKept"]

        await asyncio.to_thread(plane.kubectl().within(stage.key.namespace), "label", "svc", "churn", "x=y")
        stage.store.put(SERVICE, await kube.get(SERVICE, stage.key.namespace, "churn"))
        await reconciler.reconcile(stage.key)
        assert len(writes(calls, "Service")) == 1, "nobody changed what does not stay"

    stage.now += timedelta(minutes=1)
    await reconciler.reconcile(stage.key)
    await reconciler.reconcile(stage.key)
    assert len(writes(calls, "Service")) == 2
    assert decision.observations[-1].unkept == ()


@pytest.mark.parametrize("label", [MANAGED_BY, MODEL_DEPLOYMENT])
async def test_a_label_that_we_find_it_by_and_that_a_webhook_rewrites_is_a_finding(
    stage: Stage, plane: Plane, calls: CallLog, label: str
) -> None:
    owner = Owner(namespace=stage.key.namespace, name="churn", uid="0")
    decision = Pass(wants(a_service))
    reconciler = stage.reconciler(decision)

    async with rewriting(plane, stage.key.namespace, "", "services", renames(label), a_service(owner)):
        calls.calls.clear()
        for _ in range(10):
            await reconciler.reconcile(stage.key)

    blocked = blocked_write(decision.observations[-1], stage.now)
    assert blocked
    assert blocked.finding.reason is Reason.WRITE_NOT_KEPT
    assert f'Service churn does not keep what is written: metadata.labels[{label}] is "platform"' in (
        blocked.finding.message
    )
    assert len(writes(calls, "Service")) <= BURST


async def test_a_field_that_the_schema_prunes_is_told_and_not_written_again_at_once(
    stage: Stage, plane: Plane, calls: CallLog
) -> None:
    """A webhook stands in for a CRD that prunes: an apply of an undeclared field is refused, one of an older
    structural schema with `x-kubernetes-preserve-unknown-fields` above it is not."""

    def prunes(manifest: Manifest) -> Patch:
        return [{"op": "remove", "path": "/data/b"}] if "b" in (manifest.get("data") or {}) else []

    def make(owner: Owner) -> Manifest:
        return a_config(owner, a="1", b="2")

    decision = Pass(wants(make))
    reconciler = stage.reconciler(decision)
    probe = make(Owner(namespace=stage.key.namespace, name="churn", uid="0"))
    async with rewriting(plane, stage.key.namespace, "", "configmaps", prunes, probe):
        calls.calls.clear()
        for _ in range(10):
            await reconciler.reconcile(stage.key)

    blocked = blocked_write(decision.observations[-1], stage.now)
    assert blocked
    assert 'data[b] is nothing where "2" was asked for' in blocked.finding.message
    assert writes(calls, "ConfigMap") == [201]


async def test_what_another_controller_changes_back_each_time_is_repaired_ever_more_slowly(
    stage: Stage, calls: CallLog, kube: ApiKube
) -> None:
    def ours(owner: Owner) -> Manifest:
        return a_config(owner, a="ours")

    decision = Pass(wants(ours))
    reconciler = stage.reconciler(decision)
    await reconciler.reconcile(stage.key)
    calls.calls.clear()

    async def another() -> None:
        live = await kube.get(CONFIG, stage.key.namespace, "churn-1")
        if live["data"]["a"] != "theirs":
            stage.store.put(CONFIG, await kube.replace(CONFIG, live | {"data": {"a": "theirs"}}))

    was_blocked: list[bool] = []
    for _ in range(60):
        await another()
        await reconciler.reconcile(stage.key)
        was_blocked.append(blocked_write(decision.observations[-1], stage.now) is not None)
        stage.now += timedelta(seconds=1)

    assert was_blocked == sorted(was_blocked), "it is not told and taken back in turns"
    blocked = blocked_write(decision.observations[-1], stage.now)
    assert blocked
    assert 'data[a] is "theirs" where "ours" was asked for' in blocked.finding.message
    assert len(writes(calls, "ConfigMap")) <= 2 + BURST + 5

    for _ in range(10):  # the other one gives up
        stage.now += timedelta(minutes=1)
        await reconciler.reconcile(stage.key)
    assert decision.observations[-1].unkept == ()
    assert (await kube.get(CONFIG, stage.key.namespace, "churn-1"))["data"] == {"a": "ours"}


@pytest.mark.parametrize(("kind", "make"), [(CONFIG, a_config), (DEPLOYMENT, a_deployment)], ids=["config", "pods"])
async def test_what_is_deleted_each_time_is_made_again_more_slowly_and_is_back_in_seconds(
    stage: Stage, calls: CallLog, kube: ApiKube, kind: Kind, make: Any
) -> None:
    decision = Pass(wants(make))
    reconciler = stage.reconciler(decision)
    calls.calls.clear()
    for _ in range(180):
        await reconciler.reconcile(stage.key)
        child = stage.store.observed(stage.key).child(kind.name, "churn-1")
        if child:
            await kube.delete(kind, stage.key.namespace, "churn-1", child.uid)
            stage.store.remove(kind, child.uid)
        stage.now += timedelta(seconds=1)

    blocked = blocked_write(decision.observations[-1], stage.now)
    assert blocked
    assert blocked.finding.message.startswith(f"{kind.name} churn-1 is deleted again each time that it is made")
    assert writes(calls, kind.name).count(201) <= 1 + BURST + 180 / LONGEST_ABSENCE.total_seconds() + 3

    at = await reconciler.reconcile(stage.key)  # from here on it is left alone
    assert at is None or at <= stage.now + LONGEST_ABSENCE
    stage.now += LONGEST_ABSENCE
    await reconciler.reconcile(stage.key)
    assert stage.store.observed(stage.key).child(kind.name, "churn-1")


@pytest.mark.parametrize("shield", [POLICY, CONFIG], ids=["NetworkPolicy", "ConfigMap"])
async def test_no_pods_are_made_of_what_is_deleted_each_time(stage: Stage, kube: ApiKube, shield: Kind) -> None:
    """At first there is no Deployment to make; it is asked for while what it relies on is held back."""
    decision = Pass(wants(SHIELDS[shield]))
    reconciler = stage.reconciler(decision)
    for _ in range(BURST + 1):
        await reconciler.reconcile(stage.key)
        child = stage.store.observed(stage.key).child(shield.name, "churn-1")
        assert child
        await kube.delete(shield, stage.key.namespace, "churn-1", child.uid)
        stage.store.remove(shield, child.uid)

    decision.rule = wants(SHIELDS[shield], a_deployment)
    await reconciler.reconcile(stage.key)
    await reconciler.reconcile(stage.key)
    assert [each.kind for each in decision.observations[-1].unkept] == [shield.name]
    assert not stage.store.observed(stage.key).child("Deployment", "churn-1")

    stage.now += LONGEST_ABSENCE  # and now it is left alone
    await reconciler.reconcile(stage.key)
    assert stage.store.observed(stage.key).child(shield.name, "churn-1")
    assert stage.store.observed(stage.key).child("Deployment", "churn-1")


MISSPELT: dict[str, tuple[Any, str]] = {
    "a peer's selector": (a_policy({"namespaceselector": {}}), "traffic.allowFrom or allowTo: no field"),
    "a peer with ports": (
        a_policy({"podSelector": {}, "ports": [{"port": 80}]}),
        "traffic.allowFrom or allowTo: no field",
    ),
    "a label that is a number": (a_policy({"podSelector": {"matchLabels": {"a": 1}}}), "traffic.allowFrom or allowTo"),
    "a selector that is a list": (a_policy({"podSelector": []}), "traffic.allowFrom or allowTo"),
    "an affinity": (a_pod(affinity={"nodeAfinity": {}}), "scheduling: no field"),
    "a toleration": (a_pod(tolerations=[{"key": 1}]), "scheduling"),
    "an autoscaler's behavior": (an_autoscaler({"scaleup": {}}), "autoscaling: no field"),
}
"""What the API server cannot fit into its schema, and the field that it came from."""


@pytest.mark.parametrize("what", MISSPELT)
async def test_a_field_of_the_users_that_fits_no_schema_is_told_at_once_with_its_field(
    what: str, stage: Stage, calls: CallLog
) -> None:
    make, remedy = MISSPELT[what]
    decision = Pass(wants(make))
    reconciler = stage.reconciler(decision)
    for _ in range(5):
        await reconciler.reconcile(stage.key)
        stage.now += timedelta(seconds=5)

    blocked = blocked_write(decision.observations[-1], stage.now)
    assert blocked
    assert blocked.finding.reason is Reason.SPEC_INVALID
    assert f"; correct spec.{remedy}" in blocked.finding.message
    assert [code for verb, _, code in calls.writes() if verb == "apply"].count(500) == 1


async def test_a_label_that_was_taken_off_comes_back_and_what_is_decided_from_stays_as_it_was(
    stage: Stage, plane: Plane, calls: CallLog, kube: ApiKube
) -> None:
    """The store knows nothing of it by its label, and its autoscaler has it at 6."""
    reconciler = stage.reconciler(Pass(wants(a_deployment)))
    await reconciler.reconcile(stage.key)
    kubectl = plane.kubectl().within(stage.key.namespace)
    kubectl("scale", "deployment", "churn-1", "--replicas=6")
    kubectl("label", "deployment", "churn-1", f"{MODEL_DEPLOYMENT}-")
    stage.store.put(DEPLOYMENT, await kube.get(DEPLOYMENT, stage.key.namespace, "churn-1"))

    await reconciler.reconcile(stage.key)

    live = await kube.get(DEPLOYMENT, stage.key.namespace, "churn-1")
    assert live["metadata"]["labels"][MODEL_DEPLOYMENT] == "churn"
    assert live["spec"]["replicas"] == 6, "nothing is decided for what is not seen"
    assert stage.store.observed(stage.key).child("Deployment", "churn-1")


async def test_what_somebody_changes_all_the_time_is_told_as_well(stage: Stage, calls: CallLog, kube: ApiKube) -> None:
    await stage.run(wants(a_config))

    def stale(owner: Owner, observed: Observed) -> Plan:
        return Plan(status=DONE, actions=(Apply(manifest=a_config(owner, a="1"), uid="u", resource_version="2"),))

    decision = Pass(stale)
    reconciler = stage.reconciler(decision)
    with pytest.raises(KubeError, match="kept changing under 4 decisions"):
        await reconciler.reconcile(stage.key)
    calls.calls.clear()
    await reconciler.reconcile(stage.key)
    assert writes(calls, "ConfigMap") == [], "it is left alone for a moment"

    stage.now += REPORTED_AFTER
    with pytest.raises(KubeError):
        await reconciler.reconcile(stage.key)
    blocked = blocked_write(decision.observations[-1], stage.now)
    assert blocked
    assert blocked.finding.message.startswith("ConfigMap churn-1 cannot be written: it kept changing under 4 decisions")


async def test_what_was_orphaned_is_seen_as_an_orphan_and_not_as_a_strangers(
    stage: Stage, plane: Plane, kube: ApiKube
) -> None:
    """As one is after a restore from a backup, or after `--cascade=orphan`."""
    await stage.run(wants(a_config))
    kubectl = plane.kubectl().within(stage.key.namespace)
    kubectl("patch", "configmap", "churn-1", "--type=json", '-p=[{"op":"remove","path":"/metadata/ownerReferences"}]')
    fresh = replace(stage, store=type(stage.store)())
    fresh.store.put(BY_NAME[KIND], await kube.get(BY_NAME[KIND], *stage.key))
    decision = Pass(wants(a_config))
    await fresh.reconciler(decision).reconcile(stage.key)

    assert decision.observations[-1].foreign == ()
    child = decision.observations[-1].child("ConfigMap", "churn-1")
    assert child
    assert (await kube.get(CONFIG, stage.key.namespace, "churn-1"))["metadata"]["ownerReferences"][0]["kind"] == KIND


async def test_a_route_that_an_older_gateway_api_does_not_know_names_its_crd(
    stage: Stage, plane: Plane, calls: CallLog
) -> None:
    older = without_field(gateway_api_crds(), "httproutes", "timeouts")
    name = older["metadata"]["name"]
    plane.kubectl().apply(older)
    plane.kubectl().until_established(f"crd/{name}")
    rules = [{"timeouts": {"request": "30s"}, "backendRefs": [{"name": "s", "port": 80}]}]
    decision = Pass(wants(lambda owner: of_ours(owner, HTTP_ROUTE, "churn", spec={"rules": rules})))
    reconciler = stage.reconciler(decision)
    try:
        await reconciler.reconcile(stage.key)
        stage.now += REPORTED_AFTER
        await reconciler.reconcile(stage.key)
    finally:
        plane.kubectl().apply(next(crd for crd in crds(gateway_api_crds()) if crd["metadata"]["name"] == name))

    blocked = blocked_write(decision.observations[-1], stage.now)
    assert blocked
    assert ".spec.rules[0].timeouts: field not declared in schema" in blocked.finding.message
    assert blocked.finding.message.endswith(
        "the CRD of HTTPRoute in this cluster is older than what is written: upgrade it"
    )


async def test_a_status_that_an_older_crd_does_not_know_is_told_by_an_event_a_metric_and_the_log(
    stage: Stage, plane: Plane, calls: CallLog, caplog: pytest.LogCaptureFixture
) -> None:
    older = without_field(ROOT / "crds", "modeldeployments", "phase")
    whole = next(iter(crds(ROOT / "crds")))
    decision = Pass(wants(a_config))
    reconciler = stage.reconciler(decision)
    plane.kubectl().apply(older)
    try:
        await eventually_older(plane, stage)
        calls.calls.clear()
        with pytest.raises(KubeError, match="unknown field"):
            await reconciler.reconcile(stage.key)
        for _ in range(5):
            assert await reconciler.reconcile(stage.key) == stage.now + timedelta(seconds=1)
    finally:
        plane.kubectl().apply(whole)

    assert [call for call in calls.calls if call[0] == "replace_status"] == [("replace_status", KIND, 422)]
    assert writes(calls, "ConfigMap") == [], "the status permits every effect"
    assert await event_reasons(plane, stage) == ["StatusNotWritten"]
    assert "upgrade the chart slipway-crds" in caplog.text
    labels = {"namespace": stage.key.namespace, "model_deployment": "churn"}
    assert stage.telemetry.registry.get_sample_value("slipway_status_unwritten", labels) == 1

    await eventually_older(plane, stage, older=False)
    stage.now += BLOCKED_FOR
    await reconciler.reconcile(stage.key)
    assert stage.telemetry.registry.get_sample_value("slipway_status_unwritten", labels) is None
    assert stage.store.observed(stage.key).child("ConfigMap", "churn-1")


_NEVER_THE_SAME = itertools.count()
CHANGES: dict[str, tuple[Callable[[], Patch], bool]] = {
    "phase": (lambda: [{"op": "replace", "path": "/status/phase", "value": "Degraded"}], True),
    "requests": (lambda: [{"op": "remove", "path": "/status/requests"}], False),
    "selector": (lambda: [{"op": "add", "path": "/status/selector", "value": f"n={next(_NEVER_THE_SAME)}"}], True),
    "lastNumber": (lambda: [{"op": "add", "path": "/status/lastNumber", "value": next(_NEVER_THE_SAME) + 1}], False),
}
"""By the field that a webhook changes: how, and whether the rest goes on."""


@pytest.mark.parametrize("field", CHANGES)
async def test_a_status_that_a_webhook_changes_is_told_once_and_not_written_again_at_once(
    stage: Stage, plane: Plane, calls: CallLog, field: str
) -> None:
    change, goes_on = CHANGES[field]
    decision = Pass(wants(a_config, status=DONE.evolve(requests=[])))
    reconciler = stage.reconciler(decision)
    probe = a_model_deployment(*stage.key) | {"status": {"phase": "Ready", "requests": []}}

    def patch(_: Manifest) -> Patch:
        return change()

    async with rewriting(plane, stage.key.namespace, GROUP, f"{PLURAL}/status", patch, probe):
        calls.calls.clear()
        with contextlib.nullcontext() if goes_on else pytest.raises(KubeError, match="does not keep what is written"):
            await reconciler.reconcile(stage.key)
        for _ in range(20):
            await reconciler.reconcile(stage.key)
    assert len([call for call in calls.calls if call[0] == "replace_status"]) == 1
    assert bool(writes(calls, "ConfigMap")) == goes_on
    assert await event_reasons(plane, stage) == ["StatusNotWritten"]
    labels = {"namespace": stage.key.namespace, "model_deployment": "churn"}
    assert stage.telemetry.registry.get_sample_value("slipway_status_unwritten", labels) == 1

    stage.now += timedelta(minutes=1)
    await reconciler.reconcile(stage.key)
    assert stage.telemetry.registry.get_sample_value("slipway_status_unwritten", labels) is None
    assert stage.store.observed(stage.key).child("ConfigMap", "churn-1")


async def event_reasons(plane: Plane, stage: Stage) -> list[str]:
    kubectl = plane.kubectl().within(stage.key.namespace)
    return [event["reason"] for event in (await asyncio.to_thread(kubectl.json, "events"))["items"]]


async def eventually_older(plane: Plane, stage: Stage, *, older: bool = True) -> None:
    argv = ("patch", "md", "churn", "--subresource=status", "--dry-run=server", "--type=merge", "-o=json")
    body = '-p={"status":{"observedGeneration":1,"lastNumber":0,"phase":"Ready"}}'
    kubectl = plane.kubectl().within(stage.key.namespace)
    await eventually("the CRD is served", lambda: ('"phase"' not in kubectl(*argv, body)) == older)


def crds(folder: Any) -> list[Manifest]:
    return [crd for path in sorted(folder.glob("*.yaml")) for crd in yamls.load_all(path.read_text())]


def without_field(folder: Any, plural: str, field: str) -> Manifest:
    """A CRD as it was before a field came."""
    crd = copy.deepcopy(next(crd for crd in crds(folder) if crd["spec"]["names"]["plural"] == plural))

    def prune(node: Any) -> None:
        if isinstance(node, dict):
            if isinstance(properties := node.get("properties"), dict) and properties.pop(field, None):
                node["required"] = [name for name in node.get("required", ()) if name != field] or None
                if node["required"] is None:
                    del node["required"]
                node.pop("x-kubernetes-validations", None)
            for value in node.values():
                prune(value)
        elif isinstance(node, list):
            for value in node:
                prune(value)

    prune(crd)
    crd["spec"]["versions"] = [prune_columns(version, field) for version in crd["spec"]["versions"]]
    return crd


def prune_columns(version: Manifest, field: str) -> Manifest:
    columns = [column for column in version.get("additionalPrinterColumns", ()) if field not in column["jsonPath"]]
    return {**version, "additionalPrinterColumns": columns}
