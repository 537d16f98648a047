"""One pass on a real API server, with decisions made up for the occasion."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from slipway.api.v1alpha1 import API_VERSION, KIND
from slipway.controller.executor import BLOCKED_FOR, PREDECESSOR_FOR
from slipway.controller.kinds import BY_NAME, DEPLOYMENT, EVENT, MODEL_DEPLOYMENT, Key
from slipway.controller.kube import ApiKube, ForbiddenError, KubeError
from slipway.controller.queue import Backoff, WorkQueue
from slipway.controller.working import work
from slipway.core.analysis.look import Look, Target
from slipway.core.children.manifest import finished
from slipway.core.names import labels
from slipway.core.observed.objects import Observed
from slipway.core.owner import Owner
from slipway.core.plan import Action, Apply, Delete, Note, Plan, Scale
from testbed.plane import Plane
from tests.controller.conftest import CallLog, a_model_deployment, client_of, eventually
from tests.controller.staging import DONE, NOW, Pass, Rule, Stage, a_config, wants_a_config

pytestmark = pytest.mark.plane

CONFIG = BY_NAME["ConfigMap"]


def says(*notes: Note, actions: tuple[Action, ...] = ()) -> Rule:
    return lambda _owner, _observed: Plan(status=DONE, actions=actions, notes=notes)


async def test_a_pass_persists_the_status_then_acts_and_the_next_one_writes_nothing(
    stage: Stage, calls: CallLog
) -> None:
    calls.calls.clear()
    await stage.run(wants_a_config)
    first = list(calls.calls)
    calls.calls.clear()
    await stage.run(wants_a_config)

    assert first == [
        ("replace_status", "ModelDeployment", 200),
        ("apply", "ConfigMap", 201),
    ]
    assert calls.calls == []


async def test_a_status_that_a_later_version_wrote_more_into_is_not_fought_over(stage: Stage, calls: CallLog) -> None:
    await stage.run(says())
    owner = stage.store.owner(stage.key)
    assert owner
    assert owner.status is not None
    dict.__setitem__(owner.status, "ofAnotherVersion", True)  # type: ignore[index]
    calls.calls.clear()

    await stage.run(says())

    assert calls.calls == []


async def test_no_effect_comes_before_the_status_that_permits_it(stage: Stage, plane: Plane, calls: CallLog) -> None:
    def touch() -> None:
        decision.before = lambda: None
        plane.kubectl().within(stage.key.namespace)("annotate", "md", "churn", "touched=yes")

    decision = Pass(wants_a_config, before=touch)
    calls.calls.clear()
    await stage.reconciler(decision).reconcile(stage.key)

    assert calls.calls[:3] == [
        ("replace_status", "ModelDeployment", 409),
        ("get", "ModelDeployment", 200),
        ("replace_status", "ModelDeployment", 200),
    ]
    assert len(decision.observations) == 2


async def test_a_model_deployment_that_is_gone_or_going_is_no_work(stage: Stage, calls: CallLog, plane: Plane) -> None:
    plane.kubectl().within(stage.key.namespace)("delete", "md", "churn")
    decision = Pass(wants_a_config)
    calls.calls.clear()

    assert await stage.reconciler(decision).reconcile(stage.key) is None
    assert calls.calls == [("replace_status", "ModelDeployment", 404), ("get", "ModelDeployment", 404)]
    calls.calls.clear()
    assert await stage.reconciler(decision).reconcile(stage.key) is None
    assert calls.calls == []


async def test_an_action_on_a_child_that_has_moved_on_is_decided_again_from_what_is_there(
    stage: Stage, kube: ApiKube
) -> None:
    await stage.run(wants_a_config)
    child = stage.store.observed(stage.key).child("ConfigMap", "churn-1")
    assert child
    owner = Owner(namespace=stage.key.namespace, name="churn", uid=child.owner_uid or "")
    await kube.apply(CONFIG, a_config(owner, moved="on"))

    def guarded(owner: Owner, observed: Observed) -> Plan:
        config = observed.children["ConfigMap", "churn-1"]
        if config.body.get("data") == {"it": "is"}:
            return Plan(status=DONE)
        write = Apply(manifest=a_config(owner, it="is"), resource_version=config.resource_version)
        return Plan(status=DONE, actions=(write,))

    decision = Pass(guarded)
    await stage.reconciler(decision).reconcile(stage.key)

    configs = [observed.children["ConfigMap", "churn-1"] for observed in decision.observations]
    assert [config.body.get("data") for config in configs] == [None, {"moved": "on"}]
    assert (await kube.get(CONFIG, stage.key.namespace, "churn-1"))["data"] == {"it": "is"}


async def test_a_scale_is_known_at_once_and_a_stale_one_is_decided_again(
    stage: Stage, kube: ApiKube, plane: Plane
) -> None:
    pod = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}
    bare = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "labels": labels("churn", component="server")},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "template": pod},
    }

    def two(owner: Owner, observed: Observed) -> Plan:
        there = observed.child("Deployment", "d")
        if there is None:
            whole = finished(bare, owner=owner, api_version=API_VERSION, kind=KIND)
            return Plan(status=DONE, actions=(Apply(manifest=whole, first=True),))
        if there.body["spec"]["replicas"] == 2:
            return Plan(status=DONE)
        scale = Scale(name="d", replicas=2, resource_version=there.resource_version)
        return Plan(status=DONE, actions=(scale,))

    await stage.run(two)
    plane.kubectl().within(stage.key.namespace)("patch", "deployment", "d", "-p", '{"spec": {"minReadySeconds": 3}}')
    await stage.run(two)

    child = stage.store.observed(stage.key).child("Deployment", "d")
    live = await kube.get(DEPLOYMENT, stage.key.namespace, "d")
    assert child
    assert live["spec"]["replicas"] == child.body["spec"]["replicas"] == 2
    assert child.resource_version == live["metadata"]["resourceVersion"]
    assert child.body["metadata"]["generation"] == live["metadata"]["generation"]


async def test_what_guards_a_route_is_read_live_before_it_opens(stage: Stage, kube: ApiKube) -> None:
    owner = stage.store.owner(stage.key)
    assert owner
    named = Owner(namespace=stage.key.namespace, name=stage.key.name, uid=owner.uid)
    stage.store.put(CONFIG, await kube.apply(CONFIG, a_config(named, "guard", accepted="yes")))  # any kind will do
    await kube.apply(CONFIG, a_config(named, "guard", accepted="no"))  # no watch has told of that yet
    accepted = []

    def opens_what_is_guarded(owner: Owner, observed: Observed) -> Plan:
        guard = observed.children["ConfigMap", "guard"]
        accepted.append(guard.body["data"]["accepted"])
        if accepted[-1] == "no":
            return Plan(status=DONE)
        opens = Apply(manifest=a_config(owner), first=True)
        return Plan(status=DONE, actions=(opens,), relies_on_guards={("ConfigMap", "guard"): guard.resource_version})

    await stage.run(opens_what_is_guarded)
    assert accepted == ["yes", "no"]
    assert stage.store.observed(stage.key).child("ConfigMap", "churn-1") is None


async def test_a_delete_is_known_at_once_and_what_is_gone_already_is_no_error(stage: Stage, kube: ApiKube) -> None:
    await stage.run(wants_a_config)

    def gone(_: Owner, observed: Observed) -> Plan:
        there = observed.children.values()
        return Plan(status=DONE, actions=tuple(Delete(kind=c.kind, name=c.name, uid=c.uid) for c in there))

    child = stage.store.observed(stage.key).children["ConfigMap", "churn-1"]
    await kube.delete(CONFIG, stage.key.namespace, "churn-1", child.uid)
    await stage.run(gone)

    assert stage.store.observed(stage.key).children == {}


async def test_a_strangers_object_is_left_alone_named_to_the_core_and_looked_at_again_later(
    stage: Stage, plane: Plane, calls: CallLog, kube: ApiKube
) -> None:
    kubectl = plane.kubectl().within(stage.key.namespace)
    kubectl("create", "configmap", "churn-1", "--from-literal=theirs=yes")
    decision = Pass(wants_a_config)
    reconciler = stage.reconciler(decision)
    calls.calls.clear()

    wake_at = await reconciler.reconcile(stage.key)

    assert [(taken.kind, taken.name) for taken in decision.observations[-1].foreign] == [("ConfigMap", "churn-1")]
    assert wake_at == NOW + BLOCKED_FOR
    assert [call[0] for call in calls.calls] == ["replace_status", "apply", "get"]
    await reconciler.reconcile(stage.key)
    assert [call[0] for call in calls.calls] == ["replace_status", "apply", "get"]
    assert (await kube.get(CONFIG, stage.key.namespace, "churn-1"))["data"] == {"theirs": "yes"}

    kubectl("delete", "configmap", "churn-1")
    stage.now = NOW + BLOCKED_FOR
    assert await reconciler.reconcile(stage.key) is None
    assert decision.observations[-1].foreign == ()
    assert stage.store.observed(stage.key).child("ConfigMap", "churn-1")


async def test_a_name_that_stays_taken_is_never_called_free_while_it_is_tried_again(
    stage: Stage, plane: Plane, calls: CallLog
) -> None:
    plane.kubectl().within(stage.key.namespace)("create", "configmap", "churn-1")
    decision = Pass(wants_a_config)
    reconciler = stage.reconciler(decision)
    await reconciler.reconcile(stage.key)
    decision.observations.clear()
    calls.calls.clear()
    stage.now = NOW + BLOCKED_FOR

    await reconciler.reconcile(stage.key)

    assert [len(observed.foreign) for observed in decision.observations] == [1]
    assert calls.calls == [("apply", "ConfigMap", 409), ("get", "ConfigMap", 200)]


async def test_an_obstacle_is_forgotten_when_its_child_is_no_longer_asked_for(stage: Stage, plane: Plane) -> None:
    plane.kubectl().within(stage.key.namespace)("create", "configmap", "churn-1")
    wanted = True
    decision = Pass(lambda owner, observed: wants_a_config(owner, observed) if wanted else Plan(status=DONE))
    reconciler = stage.reconciler(decision)
    await reconciler.reconcile(stage.key)
    wanted = False
    stage.now = NOW + BLOCKED_FOR

    assert await reconciler.reconcile(stage.key) is None
    assert decision.observations[-1].foreign == ()


async def test_several_taken_names_are_found_in_one_pass_and_the_free_ones_are_used(stage: Stage, plane: Plane) -> None:
    names = [f"churn-{number}" for number in range(7)]
    for name in names[:-1]:
        plane.kubectl().within(stage.key.namespace)("create", "configmap", name)

    def many(owner: Owner, observed: Observed) -> Plan:
        missing = [name for name in names if observed.child("ConfigMap", name) is None]
        return Plan(status=DONE, actions=tuple(Apply(manifest=a_config(owner, n), first=True) for n in missing))

    decision = Pass(many)
    await stage.reconciler(decision).reconcile(stage.key)

    assert {taken.name for taken in decision.observations[-1].foreign} == set(names[:-1])
    assert len(decision.observations) == 2
    assert stage.store.observed(stage.key).child("ConfigMap", names[-1])


async def test_a_child_of_a_deleted_predecessor_is_waited_for_only_briefly(stage: Stage, kube: ApiKube) -> None:
    predecessor = Owner(namespace=stage.key.namespace, name="churn", uid="00000000-0000-0000-0000-000000000001")
    await kube.apply(CONFIG, a_config(predecessor))

    assert await stage.run(wants_a_config) == NOW + PREDECESSOR_FOR


async def test_a_child_of_ours_that_the_store_had_lost_is_taken_up_again(stage: Stage, kube: ApiKube) -> None:
    await stage.run(wants_a_config)
    child = stage.store.observed(stage.key).children["ConfigMap", "churn-1"]
    stage.store.remove(CONFIG, child.uid)

    assert await stage.run(wants_a_config) is None


async def _told(kube: ApiKube, namespace: str) -> list[str]:
    return [event["reason"] async for page in kube.list(EVENT, namespace) for event in page.items]


async def test_a_note_is_told_with_the_change_of_status_that_it_speaks_of_and_never_again(
    stage: Stage, kube: ApiKube
) -> None:
    note = Note(reason="Promoted", message="2 serves")
    await stage.run(says(note))
    await stage.run(says(note))

    assert await _told(kube, stage.key.namespace) == ["Promoted"]
    assert (
        stage.telemetry.registry.get_sample_value(
            "slipway_rollouts_total", {"outcome": "promoted", "reason": "Promoted"}
        )
        == 1
    )


async def test_a_note_is_told_though_an_action_after_it_fails(stage: Stage, kube: ApiKube) -> None:
    nowhere = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "absent"}}
    rule = says(Note(reason="WrongAnswer", message="y differs", warning=True), actions=(Apply(manifest=nowhere),))

    with pytest.raises(KubeError):
        await stage.run(rule)

    assert await _told(kube, stage.key.namespace) == ["WrongAnswer"]


async def test_a_child_that_the_server_refuses_is_told_to_the_core_and_tried_again_when_it_changes(
    stage: Stage, calls: CallLog
) -> None:
    data = {"not a key!": "x"}

    def rule(owner: Owner, _: Observed) -> Plan:
        return Plan(status=DONE, actions=(Apply(manifest=a_config(owner, **data)),))

    decision = Pass(rule)
    reconciler = stage.reconciler(decision)
    wake_at = await reconciler.reconcile(stage.key)
    await reconciler.reconcile(stage.key)

    (rejected,) = decision.observations[-1].rejected
    assert "a valid config key must consist of" in rejected.message
    assert wake_at == NOW + BLOCKED_FOR
    assert [call for call in calls.calls if call[0] == "apply"] == [("apply", "ConfigMap", 422)]
    data.clear()
    await reconciler.reconcile(stage.key)
    await reconciler.reconcile(stage.key)
    assert decision.observations[-1].rejected == ()


@pytest.fixture
async def hardly_allowed(stage: Stage, plane: Plane, namespace: str, calls: CallLog) -> AsyncIterator[Stage]:
    """A stage whose operator may write status, and nothing else."""
    kubectl, user = plane.kubectl().within(namespace), plane.user("tenant")
    kubectl("create", "role", "status", "--verb=patch", "--resource=modeldeployments/status")
    kubectl("create", "rolebinding", "status", "--role=status", f"--user={user}")
    ask = ("auth", "can-i", "patch", "modeldeployments", "--subresource=status", f"--as={user}")
    await eventually("it may", lambda: kubectl(*ask, check=False).strip() == "yes")
    async with client_of(plane, "tenant", calls) as kube:
        yield replace(stage, kube=kube)


@pytest.mark.parametrize("verb", ["get", "apply", "scale", "delete"])
async def test_a_write_that_rbac_forbids_is_told_to_the_core_and_tried_again(hardly_allowed: Stage, verb: str) -> None:
    stage = hardly_allowed

    def rule(owner: Owner, _: Observed) -> Plan:
        actions: dict[str, Action] = {
            "get": Apply(manifest=a_config(owner), first=True),
            "apply": Apply(manifest=a_config(owner)),
            "scale": Scale(name="churn-1", replicas=2, resource_version="1"),
            "delete": Delete(kind="ConfigMap", name="churn-1", uid="u"),
        }
        return Plan(status=DONE, actions=(actions[verb],) if asks else ())

    asks, decision = True, Pass(rule)
    reconciler = stage.reconciler(decision)
    wake_at = await reconciler.reconcile(stage.key)
    (rejected,) = decision.observations[-1].rejected
    assert rejected.forbidden
    assert " cannot " in rejected.message
    assert rejected.name == "churn-1"
    assert wake_at == NOW + BLOCKED_FOR

    stage.now, asks = NOW + BLOCKED_FOR, False
    await reconciler.reconcile(stage.key)
    await reconciler.reconcile(stage.key)
    assert decision.observations[-1].rejected == ()


async def test_what_capacity_relies_on_and_may_not_be_read_is_told_and_nothing_is_taken(hardly_allowed: Stage) -> None:
    stage = hardly_allowed
    gone = Delete(kind="Deployment", name="churn-0", uid="u")
    decision = Pass(lambda *_: Plan(status=DONE, relies_on={"churn-1": 1}, actions=(gone,)))

    await stage.reconciler(decision).reconcile(stage.key)

    (rejected,) = decision.observations[-1].rejected
    assert (rejected.kind, rejected.name) == ("Deployment", "churn-1")
    assert "cannot get resource" in rejected.message


async def test_of_a_namespace_that_is_being_terminated_nothing_is_said(stage: Stage, plane: Plane) -> None:
    plane.kubectl()("delete", "namespace", stage.key.namespace, "--wait=false")  # nobody on this plane would finish it
    decision = Pass(wants_a_config)
    with pytest.raises(ForbiddenError, match="being terminated"):
        await stage.reconciler(decision).reconcile(stage.key)
    assert len(decision.observations) == 1


async def test_what_goes_wrong_with_one_object_harms_no_other(stage: Stage, kube: ApiKube, namespace: str) -> None:
    others = [Key(namespace, f"other-{number}") for number in range(20)]
    for key in others:
        stage.store.put(MODEL_DEPLOYMENT, await kube.create(MODEL_DEPLOYMENT, a_model_deployment(*key)))

    def decide(owner: Owner, observed: Observed) -> Plan:
        if owner.name == "churn":
            raise LookupError("a bug that only this object tickles")
        return Plan(status=DONE)

    queue: WorkQueue[Key] = WorkQueue(backoff=Backoff(base_seconds=0.01))
    workers = [
        asyncio.create_task(work(queue, stage.reconciler(Pass(decide)).reconcile, stage.telemetry)) for _ in range(2)
    ]
    for key in (stage.key, *others):
        queue.add(key)
    sample = stage.telemetry.registry.get_sample_value
    failed = partial(sample, "slipway_reconcile_duration_seconds_count", {"outcome": "failed"})
    await eventually("three passes failed", lambda: (failed() or 0) >= 3)
    await queue.until_settled()
    queue.close()
    await asyncio.gather(*workers)

    assert queue.backoff.attempt(stage.key) >= 4
    for key in others:
        owner = stage.store.owner(key)
        assert owner
        assert owner.status
        assert owner.status["phase"] == "Ready"


async def test_a_worker_looks_again_when_the_plan_says_so(stage: Stage) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=0.05)
    decision = Pass(lambda _owner, observed: Plan(status=DONE, wake_at=soon))
    queue: WorkQueue[Key] = WorkQueue()
    worker = asyncio.create_task(work(queue, stage.reconciler(decision).reconcile, stage.telemetry))
    queue.add(stage.key)
    await eventually("there is a second pass", lambda: len(decision.observations) >= 2)
    queue.close()
    await worker


async def test_what_a_pass_wants_looked_at_is_evidence_for_the_next_and_forgotten_with_its_owner(stage: Stage) -> None:
    target = Target(pod="uid-1", name="churn-1", revision="90be11d2", ip="127.0.0.1")
    look = Look(topic="90be11d2/analysis", at=stage.now, model="churn", targets=(target,))
    looks = Pass(lambda *_: Plan(status=DONE, looks=(look,)))
    await stage.reconciler(looks).reconcile(stage.key)
    await eventually("it was looked at", lambda: look.topic in stage.sampling.evidence(stage.key))

    await stage.reconciler(looks).reconcile(stage.key)
    assert not looks.observations[0].evidence
    (sample,) = looks.observations[1].evidence[look.topic].after.pods
    assert "cannot be had" in sample.missing

    stage.store.remove(MODEL_DEPLOYMENT, owner.uid) if (owner := stage.store.owner(stage.key)) else None
    await stage.reconciler(looks).reconcile(stage.key)
    assert not stage.sampling.evidence(stage.key)
