"""What the core makes of writes that are refused, fail, do not stay, or meet what is there already."""

import copy
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from slipway.core.drift import difference
from slipway.core.names import MODEL_DEPLOYMENT, Manifest
from slipway.core.observed.blocked_writes import REPORTED_AFTER, blocked_write, matters
from slipway.core.observed.objects import NameTaken, Observed, WriteDenied, WriteFailed, WriteNotKept
from slipway.core.plan import Apply
from tests.core.cluster.scenario import GATEWAY, canary, counts, goes_on, pods_come, ready, starts
from tests.core.cluster.simulator import Simulator
from tests.core.gen import NOON

DOWN = 'Internal error occurred: failed calling webhook "w.example.com": connection refused'


def failing(cluster: Simulator, kind: str, name: str, message: str = DOWN) -> None:
    cluster.failed = (WriteFailed(kind=kind, name=name, message=message, since=cluster.now),)


def test_a_write_that_fails_is_told_after_some_seconds_and_stalls_after_the_deadline() -> None:
    cluster = ready()
    failing(cluster, "Service", "churn")
    assert cluster.reconcile().wake_at == cluster.now + REPORTED_AFTER
    assert cluster.status["phase"] == "Ready"

    cluster.pass_time(seconds=REPORTED_AFTER.total_seconds())
    plan = cluster.reconcile()
    assert cluster.condition("Ready")["reason"] == "WriteFailed"
    assert DOWN in cluster.condition("Ready")["message"]
    assert cluster.condition("Stalled")["status"] == "False"
    assert cluster.condition("Available")["status"] == "True"

    assert plan.wake_at
    cluster.now = plan.wake_at
    cluster.reconcile()
    assert cluster.condition("Stalled")["reason"] == "WriteFailed"
    cluster.failed = ()
    cluster.reconcile()
    assert cluster.status["phase"] == "Ready"


def test_a_version_is_not_refused_for_the_time_in_which_its_children_cannot_be_written() -> None:
    cluster = ready()
    starts(cluster, "4")
    failing(cluster, "Deployment", cluster.revision_named("4"))
    for _ in range(10):
        cluster.pass_time(minutes=10)
        cluster.reconcile()
    assert cluster.status["phase"] == "Stalled"
    assert "refused" not in cluster.status


@pytest.mark.parametrize("kind", ["Service", "HTTPRoute"])
def test_what_does_not_stay_wakes_nobody_at_once(kind: str) -> None:
    """L6: any write of the root Service or of a route asks for the next pass, for what follows from it."""
    cluster = ready(traffic=GATEWAY)
    goes_on(cluster)
    cluster.objects[kind, "churn"]["metadata"]["labels"]["app.kubernetes.io/name"] = "platform"
    plan = cluster.plan()
    assert [action for action in plan.actions if isinstance(action, Apply)]
    assert plan.wake_at == cluster.now

    field = "metadata.labels[app.kubernetes.io/name]"
    cluster.unkept = (WriteNotKept(kind=kind, name="churn", field=field, asked='"slipway-model"', got='"platform"'),)
    plan = cluster.plan()
    assert plan.wake_at is None or plan.wake_at > cluster.now
    assert plan.status.to_dict()["phase"] == "Ready"


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ("metadata.labels[app.kubernetes.io/name]", False),
        ("metadata.annotations[x]", False),
        ("spec.template.spec.containers[triton].image", False),
        (f"metadata.labels[{MODEL_DEPLOYMENT}]", True),
        ("metadata.ownerReferences", True),
        ("spec.selector[x]", True),
        ("spec.replicas", True),
        ("data[x]", True),
        ("", True),
    ],
)
def test_what_hangs_on_a_field_decides_whether_it_is_a_finding(field: str, told: bool) -> None:
    unkept = WriteNotKept(kind="Deployment", name="churn-1", field=field, asked="1", got="2")
    assert matters(unkept) is told
    assert (blocked_write(Observed(unkept=(unkept,)), NOON) is not None) is told


@pytest.mark.parametrize(
    ("field", "remedy"),
    [
        ("spec.replicas", "find it with kubectl get hpa,scaledobject and delete it"),
        ("spec.selector[x]", "a webhook, a policy, an older CRD or another controller changes it"),
        ("", "find what deletes it"),
    ],
)
def test_a_write_that_does_not_stay_names_whom_to_look_for(field: str, remedy: str) -> None:
    unkept = WriteNotKept(kind="Deployment", name="churn-1", field=field, asked="1", got="3")
    found = blocked_write(Observed(unkept=(unkept,)), NOON)
    assert found
    assert remedy in found.finding.message


@pytest.mark.parametrize(
    ("message", "remedy"),
    [
        (DOWN, "bring back what answers for that webhook, or let it leave this object out; it is tried again"),
        (".spec.rules[0].timeouts: field not declared in schema", "older than what is written: upgrade it"),
        ("etcdserver: request is too large", "put large golden requests into the bundle"),
        ("etcdserver: mvcc: database space exceeded", "it is tried again until it passes"),
        ("it kept changing under 4 decisions: the object has been modified", "it is tried again until it passes"),
    ],
)
def test_a_failure_names_what_helps(message: str, remedy: str) -> None:
    failed = WriteFailed(kind="HTTPRoute", name="churn", message=message, since=NOON - timedelta(minutes=1))
    found = blocked_write(Observed(failed=(failed,)), NOON)
    assert found
    assert f"HTTPRoute churn cannot be written: {message}; " in found.finding.message
    assert remedy in found.finding.message


DEPLOYMENT_IS = 'deployments.apps "churn-1"'
POLICY = f"{DEPLOYMENT_IS} is forbidden: ValidatingAdmissionPolicy 'images' with binding 'all' denied request: "


@pytest.mark.parametrize(
    ("kind", "message", "forbidden", "remedy"),
    [
        (
            "Deployment",
            f"{DEPLOYMENT_IS} is forbidden: exceeded quota: q, used: 3, limited: 3",
            True,
            "raise that quota",
        ),
        ("Deployment", 'User "slipway" cannot create resource "deployments"', True, "the chart's roles grant it"),
        ("Deployment", f"{POLICY}image nvcr.io/x is not ours", True, "change spec.server.image, or let that policy"),
        ("Deployment", f"{POLICY}no", True, "change the field of the spec that this is made from, or let that policy"),
        (
            "Deployment",
            f"{DEPLOYMENT_IS} is forbidden: maximum memory usage per Container is 1Gi, but limit is 4Gi: limits",
            True,
            "change spec.server.resources, or have whoever forbids it allow it",
        ),
        (
            "Deployment",
            "spec.template.spec.containers[0].resources.limits[nvidia.com/gpu]: Invalid value",
            False,
            "correct spec.accelerator",
        ),
        ("Deployment", "spec.template.spec.tolerations[0].key: Invalid value", False, "correct spec.scheduling"),
        ("Deployment", "spec.template.metadata.labels: Invalid value", False, "correct spec.podMetadata"),
        ("HorizontalPodAutoscaler", "spec.metrics[0].resource: Required value", False, "correct spec.autoscaling"),
        ("HTTPRoute", "spec.hostnames[0]: Invalid value", False, "correct spec.traffic"),
        ("ConfigMap", "etcdserver: request is too large", False, "put large golden requests into the bundle"),
        ("Deployment", "what nobody has seen before", False, "correct the field of the spec that this is made from"),
    ],
)
def test_a_refusal_names_the_object_the_field_and_what_helps(
    kind: str, message: str, forbidden: bool, remedy: str
) -> None:
    denied = WriteDenied(kind=kind, name="churn-1", message=message, forbidden=forbidden)
    found = blocked_write(Observed(rejected=(denied,)), NOON)
    assert found
    assert found.finding.message.startswith(f"the API server refuses {kind} churn-1: {message}; {remedy}")


def test_one_message_counts_all_names_that_are_taken() -> None:
    foreign = tuple(NameTaken(kind="Service", name=f"s-{number}", owned_by="Helm") for number in range(8))
    found = blocked_write(Observed(foreign=foreign), NOON, foreign[:2])
    assert found
    assert found.finding.message == (
        "Service s-0 exists and is not ours (owner: Helm), nor are Service s-1, Service s-2, Service s-3, Service s-4 "
        "and 3 more; 8 names are taken: rename or delete these objects, or give this ModelDeployment another name"
    )


@pytest.mark.parametrize(
    ("live", "desired", "said"),
    [
        ({"a": 1}, {"a": 1}, None),
        ({"m": {"labels": {"a/b": "x"}}}, {"m": {"labels": {"a/b": "y"}}}, ("m.labels[a/b]", '"y"', '"x"')),
        ({"spec": {}}, {"spec": {"replicas": 2}}, ("spec.replicas", "2", "nothing")),
        (
            {"containers": [{"name": "b", "image": "i:1"}, {"name": "a", "image": "m/i:1"}]},
            {"containers": [{"name": "a", "image": "i:1"}]},
            ("containers[a].image", '"i:1"', '"m/i:1"'),
        ),
        ({"args": ["a", "b"]}, {"args": ["a", "c"]}, ("args[1]", '"c"', '"b"')),
        ({"args": ["a"]}, {"args": ["a", "c"]}, ("args", '["a", "c"]', '["a"]')),
        ({"selector": {"a": 1, "b": 2}}, {"selector": {"a": 1}}, ("selector", '{"a": 1}', '{"a": 1, "b": 2}')),
        ({}, {"spec": {"text": "x" * 500}}, ("spec", '{"text": "' + "x" * 109 + "…", "nothing")),
    ],
)  # fmt: skip
def test_a_difference_names_the_field_what_was_asked_for_and_what_is_there(
    live: Manifest, desired: Manifest, said: tuple[str, str, str] | None
) -> None:
    found = difference(live, desired)
    assert (found and (found.field, found.asked, found.got)) == said


# -- orphans


def serves_the_second(**spec: Any) -> Simulator:
    """A version that took over from another, which is history."""
    cluster = ready(replicas=3, **spec)
    goes_on(cluster)
    starts(cluster, "4")
    for _ in range(8):
        pods_come(cluster)
    cluster.pass_time(minutes=20)
    goes_on(cluster)
    assert cluster.status["phase"] == "Ready", cluster.status
    return cluster


def orphaned(cluster: Simulator, *, status: bool = False) -> dict[tuple[str, str], Manifest]:
    """As a backup brings things back: without owner references and, mostly, without status."""
    for manifest in cluster.objects.values():
        del manifest["metadata"]["ownerReferences"]
    if not status:
        cluster.status = {}
    return copy.deepcopy(cluster.objects)


def owned(cluster: Simulator) -> bool:
    """But for Jobs, which Kubernetes takes away ten minutes after their end."""
    rest = (manifest for (kind, _), manifest in cluster.objects.items() if kind != "Job")
    return all(manifest["metadata"].get("ownerReferences") for manifest in rest)


@pytest.mark.parametrize("status", [False, True], ids=["without status", "with status"])
@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"rollout": {"type": "BlueGreen"}},
        {"traffic": GATEWAY},
        {"autoscaling": {"minReplicas": 2, "maxReplicas": 8, "metrics": [{"type": "Resource"}]}},
    ],
    ids=["Auto", "BlueGreen", "gateway", "autoscaling"],
)
def test_orphans_are_taken_up_again_and_nothing_restarts(spec: Manifest, status: bool) -> None:
    cluster = serves_the_second(**spec)
    serving = cluster.revision_named("4")
    before = orphaned(cluster, status=status)

    for _ in range(3):
        cluster.pass_time(minutes=1)
        goes_on(cluster)

    pods = ("replicas", "template", "selector")
    after = cluster.objects["Deployment", serving]["spec"]
    assert [after[part] for part in pods] == [before["Deployment", serving]["spec"][part] for part in pods]
    assert cluster.status["phase"] == "Ready", cluster.status
    assert owned(cluster)
    records = [name for kind, name in before if kind == "ControllerRevision"]
    assert len(records) == 2
    for name in records:
        assert cluster.objects["ControllerRevision", name]["data"] == before["ControllerRevision", name]["data"]


def test_the_next_version_after_a_restore_rolls_out_as_any_other() -> None:
    cluster = ready(replicas=2)
    orphaned(cluster)
    cluster.settle()
    starts(cluster, "4")
    assert counts(cluster)["3"] == 2


@pytest.mark.parametrize("lacks", ["applied", "label"])
def test_what_lacks_one_of_our_marks_is_a_strangers(lacks: str) -> None:
    cluster = ready()
    meta = cluster.objects["Service", "churn"]["metadata"]
    del meta["ownerReferences"]
    if lacks == "applied":
        meta["annotations"].clear()
    else:
        meta["labels"]["app.kubernetes.io/managed-by"] = "Helm"
    cluster.reconcile()
    assert cluster.condition("Stalled")["reason"] == "NameConflict"


# -- records of a later operator


@pytest.mark.parametrize("where", ["data", "resolved"])
def test_a_record_that_a_later_operator_wrote_is_kept_byte_for_byte(where: str) -> None:
    """M15: a revision's data is immutable, so an operator that is rolled back must not write it with fewer fields."""
    cluster = ready()
    name = cluster.revision_named("3")
    data = cluster.objects["ControllerRevision", name]["data"]
    (data if where == "data" else data["resolved"])["ofALaterVersion"] = {"b": 1, "a": [2]}
    stored = copy.deepcopy(data)

    plan = cluster.plan()

    written = [a.manifest for a in plan.actions if isinstance(a, Apply) and a.manifest["kind"] == "ControllerRevision"]
    assert [manifest["data"] for manifest in written] in ([], [stored])
    cluster.settle()
    assert cluster.objects["ControllerRevision", name]["data"] == stored
    assert cluster.status["phase"] == "Ready"


def of_a_later_format(stored: Manifest) -> None:
    stored["data"]["format"] = 2


def of_somebody_else(stored: Manifest) -> None:
    stored["metadata"]["ownerReferences"][0]["uid"] = "someone"


def incomplete(stored: Manifest) -> None:
    del stored["data"]["children"]


@pytest.mark.parametrize("spoil", [of_a_later_format, of_somebody_else, incomplete])
@pytest.mark.parametrize("version", ["3", "4"])
def test_a_revision_of_which_no_pods_can_be_made_is_told_and_gives_way_to_another_version(
    version: str, spoil: Callable[[Manifest], None]
) -> None:
    """L1: an operator that is rolled back in the middle, and a Deployment that is not there."""
    cluster = ready(replicas=2)
    if version == "4":
        cluster.starts("4")
    name = cluster.revision_named(version)
    spoil(cluster.objects["ControllerRevision", name])
    del cluster.objects["ConfigMap", name], cluster.objects["Deployment", name]
    cluster.pods = {key: pod for key, pod in cluster.pods.items() if not key.startswith(name)}
    cluster.pass_time(minutes=1)
    cluster.settle()
    stalled = cluster.condition("Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", "RevisionUnreadable")
    assert f"{version}: no pods can be made of revision {name.removeprefix('churn-')}: " in stalled["message"]
    assert ("Deployment", name) not in cluster.objects
    cluster.pass_time(hours=1)
    plan = cluster.settle()
    assert plan.wake_at is None or plan.wake_at > cluster.now
    cluster.starts("5")
    cluster.rolls_on()
    assert cluster.status["stable"]["version"] == "5"


@pytest.mark.parametrize("kind", ["ConfigMap", "ControllerRevision"])
def test_no_pods_are_made_of_what_is_a_strangers(kind: str) -> None:
    """S2: golden requests that verify a version are not to be somebody else's."""
    cluster = ready(replicas=2)
    cluster.edit(version="4")
    cluster.settle()
    cluster.resolve_job_ends()
    probe = copy.deepcopy(cluster)
    probe.settle()
    name = probe.revision_named("4")
    stranger = copy.deepcopy(probe.objects[kind, name])
    stranger["metadata"]["ownerReferences"][0]["uid"] = "someone"
    cluster.reconcile()
    cluster.objects[kind, name] = stranger
    for _ in range(3):
        cluster.reconcile()
    assert ("Deployment", name) not in cluster.objects
    assert cluster.condition("Stalled")["reason"] in ("NameConflict", "RevisionUnreadable")
    assert cluster.status["stable"]["version"] == "3"


def test_a_canary_does_not_go_on_while_its_route_does_not_stay() -> None:
    cluster = canary({"weight": 10}, {"pause": {}})
    pods_come(cluster)
    cluster.unkept = (WriteNotKept(kind="HTTPRoute", name="churn", field="spec.rules[0]", asked="1", got="2"),)
    goes_on(cluster)
    assert cluster.condition("Stalled")["reason"] == "WriteNotKept"


@pytest.mark.parametrize("kind", ["Service", "Deployment"])
def test_an_object_that_a_finalizer_holds_is_named_and_is_no_matter_of_the_candidates_time(kind: str) -> None:
    cluster = ready(replicas=2)
    cluster.starts("4")
    name = cluster.revision_named("4") if kind == "Deployment" else "churn"
    held = cluster.objects[kind, name]
    held["metadata"] |= {"deletionTimestamp": cluster.timestamp, "finalizers": ["shop.example/keep"]}
    cluster.pass_time(seconds=11)
    plan = cluster.settle()
    said = cluster.condition("Ready")
    assert said["reason"] == "WriteFailed"
    assert f"{kind} {name} is being deleted since" in said["message"]
    assert "held by shop.example/keep" in said["message"]
    assert plan.wake_at is not None
    cluster.pass_time(hours=2)
    cluster.settle()
    assert cluster.condition("Stalled")["status"] == "True"
    assert "refused" not in cluster.status
    del held["metadata"]["deletionTimestamp"], held["metadata"]["finalizers"]
    cluster.rolls_on()
    assert cluster.status["stable"]["version"] == "4"
