"""Decisions over whole stories, on the simulator."""

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.core.names import APPLIED
from slipway.core.observed.objects import NameTaken, WriteDenied
from slipway.core.plan import Apply, Delete, Scale
from tests.core.cluster.kubelet import RESOLVED, says
from tests.core.cluster.simulator import Simulator, simulator
from tests.core.pods import unschedulable


def kinds(cluster: Simulator) -> list[str]:
    return sorted(kind for kind, _ in cluster.objects)


def ready(**spec: object) -> Simulator:
    cluster = simulator(**spec)
    cluster.becomes_ready()
    return cluster


def test_a_new_model_deployment_resolves_its_source_before_anything_else() -> None:
    cluster = simulator()
    cluster.settle()
    assert kinds(cluster) == ["Job"]
    assert cluster.status["phase"] == "Resolving"
    assert cluster.condition("Reconciling")["status"] == "True"


def test_a_resolved_source_becomes_a_revision_with_its_children() -> None:
    cluster = simulator()
    cluster.settle()
    cluster.resolve_job_ends()
    cluster.settle()
    assert kinds(cluster) == ["ConfigMap", "ControllerRevision", "Deployment", "Job", "Service", "Service"]
    assert cluster.status["phase"] == "Starting"
    assert cluster.status["candidate"]["number"] == 1


def test_all_pods_available_makes_it_ready_in_three_status_writes() -> None:
    cluster = simulator(replicas=2)
    cluster.becomes_ready()
    assert cluster.status_writes == 3  # resolving, starting, ready: the first version has nothing to shift from
    assert cluster.status["phase"] == "Ready"
    assert cluster.status["ready"] == "2/2"
    assert [c["status"] for c in cluster.status["conditions"]] == ["True", "True", "False", "False"]
    assert cluster.status["stable"]["version"] == "3"
    assert "candidate" not in cluster.status
    assert ("PodDisruptionBudget", cluster.revision_named("3")) in cluster.objects


def test_nothing_is_planned_when_all_is_well() -> None:
    cluster = ready()
    cluster.pass_time(hours=5)
    before = cluster.status
    assert cluster.reconcile().actions == ()
    assert cluster.status == before


def test_blue_green_starts_a_new_version_beside_the_old_and_takes_over_whole() -> None:
    cluster = ready(replicas=2, rollout={"type": "BlueGreen", "blueGreen": {"standbyDuration": "0s"}})
    old = cluster.selected()
    cluster.starts("4")
    assert cluster.selected() == old
    assert [m["spec"]["replicas"] for m in cluster.deployments().values()] == [2, 2]
    cluster.kubelet(cluster.revision_named("4"))
    cluster.settle()
    assert cluster.selected() != old
    assert cluster.status["stable"]["version"] == "4"
    assert cluster.deployments().keys() >= {f"churn-{old}"}
    cluster.pass_time(seconds=31)
    cluster.settle()
    assert list(cluster.deployments()) == [f"churn-{cluster.selected()}"]
    assert ("ControllerRevision", f"churn-{old}") in cluster.objects


def test_going_back_during_the_drain_takes_the_old_pods_again_at_once() -> None:
    cluster = ready()
    old = cluster.selected()
    cluster.starts("4")
    cluster.kubelet(cluster.revision_named("4"))
    cluster.settle()
    cluster.edit(version="3")
    cluster.settle()
    assert cluster.selected() == old
    assert cluster.status["stable"]["number"] == 3


def test_going_back_mid_way_drops_the_candidate_and_leaves_the_old_alone() -> None:
    cluster = ready()
    old = cluster.selected()
    cluster.starts("4")
    cluster.edit(version="3")
    cluster.settle()
    assert list(cluster.deployments()) == [f"churn-{old}"]
    assert cluster.status["phase"] == "Ready"


def test_a_candidate_that_answers_wrongly_twice_is_refused_and_the_old_serves_on() -> None:
    cluster = ready()
    old = cluster.selected()
    cluster.starts("4")
    wrong = says("WrongAnswer", "golden/a.json: y[0] is 5, expected 7")
    cluster.kubelet(cluster.revision_named("4"), status=cluster.server_ended(wrong, restarts=0))
    cluster.settle()
    assert cluster.status["phase"] == "Starting"
    cluster.kubelet(cluster.revision_named("4"), status=cluster.server_ended(wrong, restarts=1))
    cluster.settle()
    assert cluster.status["phase"] == "Refused"
    assert cluster.selected() == old
    assert list(cluster.deployments()) == [f"churn-{old}"]
    assert "y[0] is 5, expected 7" in cluster.condition("Stalled")["message"]
    assert cluster.condition("Available")["status"] == "True"
    assert [reason for reason, _ in cluster.events].count("WrongAnswer") <= 2


def test_a_refused_ask_stays_refused_until_a_hashed_field_changes() -> None:
    cluster = ready()
    cluster.starts("4")
    failed = cluster.server_ended(says("LoadFailed", "no such op"), restarts=1)
    cluster.kubelet(cluster.revision_named("4"), status=failed)
    cluster.settle()
    cluster.pass_time(hours=3)
    assert cluster.reconcile().actions == ()
    cluster.spec["replicas"] = 1
    cluster.generation += 1
    cluster.settle()
    assert cluster.status["phase"] == "Refused"
    cluster.edit(version="5")
    cluster.settle()
    assert cluster.status["phase"] == "Resolving"


def test_a_failed_resolve_is_retried_ever_slower_and_heals_by_itself() -> None:
    cluster = simulator()
    cluster.settle()
    cluster.resolve_job_ends(says("SourceUnavailable", "no connection to the store"), exit_code=1)
    plan = cluster.settle()
    assert plan.wake_at == cluster.now.replace(second=10)
    assert cluster.condition("Ready")["reason"] == "SourceUnavailable"
    assert cluster.condition("Reconciling")["status"] == "True"
    cluster.pass_time(seconds=10)
    cluster.settle()
    cluster.resolve_job_ends(says("SourceUnavailable", "no connection to the store"), exit_code=1)
    assert cluster.settle().wake_at == cluster.now.replace(second=30)
    cluster.pass_time(minutes=6)
    cluster.settle()
    cluster.resolve_job_ends(RESOLVED)
    cluster.settle()
    assert cluster.status["phase"] == "Starting"
    assert [reason for reason, _ in cluster.events] == ["SourceUnavailable"]


def test_a_broken_bundle_is_stalled_at_once_and_still_looked_at_again() -> None:
    cluster = simulator()
    cluster.settle()
    cluster.resolve_job_ends(says("BundleInvalid", "golden/a.json: inputs[0].shape"), exit_code=1)
    cluster.settle()
    assert cluster.status["phase"] == "Stalled"
    assert cluster.condition("Stalled")["message"] == "3: golden/a.json: inputs[0].shape"
    assert cluster.condition("Reconciling")["status"] == "False"


def test_a_world_in_the_way_stalls_after_five_minutes_and_is_still_tried() -> None:
    cluster = simulator()
    cluster.settle()
    for _ in range(8):
        cluster.resolve_job_ends(says("SourceDenied", "403"), exit_code=1)
        cluster.settle()
        cluster.pass_time(minutes=5)
        cluster.settle()
    assert cluster.condition("Stalled")["status"] == "True"
    assert ("Job", "churn-" + cluster.status["candidate"]["ask"][:8]) in cluster.objects


def test_a_missed_deadline_refuses_and_says_which_field_sets_it() -> None:
    cluster = simulator(rollout={"progressDeadline": "11m", "fetchTimeout": "2h"})
    cluster.settle()
    cluster.resolve_job_ends()
    cluster.settle()
    (name,) = cluster.deployments()
    loading = cluster.ready_status()
    loading["conditions"] = loading["conditions"][:2]
    cluster.kubelet(name, status=loading)
    plan = cluster.settle()
    assert plan.wake_at == cluster.now.replace(minute=11)
    cluster.pass_time(minutes=11)
    cluster.settle()
    assert cluster.status["refused"]["reason"] == "DeadlineExceeded"
    assert "rollout.progressDeadline" in cluster.status["refused"]["message"]


def test_a_pod_without_a_node_waits_and_never_refuses() -> None:
    cluster = ready()
    cluster.starts("4")
    cluster.kubelet(cluster.revision_named("4"), status=unschedulable("0/1 nodes: no gpu"))
    cluster.settle()
    assert cluster.condition("Ready")["reason"] == "InsufficientCapacity"
    assert cluster.condition("Reconciling")["status"] == "True"
    cluster.pass_time(hours=2)
    cluster.settle()
    assert cluster.condition("Stalled")["status"] == "True"
    cluster.kubelet(cluster.revision_named("4"))
    cluster.settle()
    assert cluster.status["stable"]["version"] == "4"


@pytest.mark.parametrize(
    ("kind", "broken"),
    [
        ("Deployment", lambda m: m["spec"]["template"]["spec"]["containers"][0].update(image="else")),
        ("Service", lambda m: m["spec"].update(selector={"app": "else"})),
        ("ConfigMap", lambda m: m["metadata"]["labels"].clear()),
        ("ControllerRevision", lambda m: m["metadata"]["labels"].clear()),
    ],
)
def test_what_was_changed_by_hand_is_put_back(kind: str, broken: object) -> None:
    cluster = ready()
    key = next(key for key in cluster.objects if key[0] == kind)
    right = json.dumps(cluster.objects[key]["metadata"]["annotations"][APPLIED])
    broken(cluster.objects[key])  # type: ignore[operator]
    plan = cluster.reconcile()
    assert [a.manifest["kind"] for a in plan.actions if isinstance(a, Apply)] == [kind]
    assert json.dumps(cluster.objects[key]["metadata"]["annotations"][APPLIED]) == right
    assert cluster.reconcile().actions == ()


@pytest.mark.parametrize("kind", ["Deployment", "Service", "ConfigMap", "ControllerRevision"])
def test_what_was_deleted_comes_back_byte_for_byte(kind: str) -> None:
    cluster = ready()
    key = next(key for key in cluster.objects if key[0] == kind)
    lost = cluster.objects.pop(key)
    cluster.platform_version = "9.9.9"
    cluster.reconcile()
    back = cluster.objects[key]
    assert {k: v for k, v in back.items() if k not in ("metadata", "status")} == {
        k: v for k, v in lost.items() if k not in ("metadata", "status")
    }


def test_a_label_of_the_users_on_a_child_is_left_alone() -> None:
    cluster = ready()
    cluster.objects["Service", "churn"]["metadata"]["labels"]["team"] = "growth"
    assert cluster.reconcile().actions == ()


def test_an_outage_is_stalled_when_its_deadline_passes_and_heals_by_itself() -> None:
    cluster = ready(rollout={"progressDeadline": "11m"})
    name = cluster.revision_named("3")
    cluster.kubelet(name, status=cluster.server_ended(says("BackendDead", "the stub is gone"), restarts=3))
    plan = cluster.settle()
    assert cluster.condition("Reconciling")["reason"] == "BackendDead"
    assert plan.wake_at == cluster.now.replace(minute=11)
    cluster.pass_time(minutes=11)
    cluster.settle()
    assert cluster.condition("Stalled")["status"] == "True"
    assert "the stub is gone" in cluster.condition("Stalled")["message"]
    cluster.kubelet(name)
    cluster.settle()
    assert cluster.condition("Ready")["status"] == "True"
    assert cluster.condition("Stalled")["status"] == "False"


def test_a_count_is_changed_through_scale_alone() -> None:
    cluster = ready()
    cluster.spec["replicas"] = 3
    cluster.generation += 1
    plan = cluster.reconcile()
    assert [(type(a), a.replicas) for a in plan.actions if isinstance(a, Scale)] == [(Scale, 3)]


def test_an_autoscaler_owns_the_count_and_repairs_do_not_touch_it() -> None:
    cluster = ready(autoscaling={"minReplicas": 2, "maxReplicas": 8, "metrics": [{"type": "Resource"}]}, replicas=2)
    name = cluster.revision_named("3")
    assert ("HorizontalPodAutoscaler", name) in cluster.objects
    cluster.objects["Deployment", name]["spec"]["replicas"] = 6
    assert not [a for a in cluster.reconcile().actions if isinstance(a, Scale)]
    cluster.objects["Deployment", name]["metadata"]["labels"].clear()
    (again,) = (a for a in cluster.reconcile().actions if isinstance(a, Apply))
    assert again.manifest["spec"]["replicas"] == 6
    assert again.resource_version


def test_a_new_version_under_an_autoscaler_starts_with_what_the_old_one_needs() -> None:
    scaling = {"minReplicas": 1, "maxReplicas": 8, "metrics": [{"type": "Resource"}]}
    cluster = ready(autoscaling=scaling, rollout={"type": "BlueGreen"})
    cluster.objects["Deployment", cluster.revision_named("3")]["spec"]["replicas"] = 6
    cluster.starts("4")
    assert cluster.objects["Deployment", cluster.revision_named("4")]["spec"]["replicas"] == 6


def test_suspending_scales_to_nothing_and_keeps_the_object() -> None:
    cluster = ready(replicas=2)
    name = cluster.revision_named("3")
    cluster.spec["suspend"] = True
    cluster.settle()
    assert cluster.objects["Deployment", name]["spec"]["replicas"] == 0
    assert ("PodDisruptionBudget", name) not in cluster.objects
    assert cluster.status["phase"] == "Suspended"
    cluster.spec["suspend"] = False
    cluster.settle()
    assert cluster.objects["Deployment", name]["spec"]["replicas"] == 2


def test_a_foreign_object_of_a_childs_name_is_named_and_nothing_is_taken_over() -> None:
    cluster = simulator()
    cluster.settle()
    cluster.resolve_job_ends()
    cluster.settle()
    del cluster.objects["Service", "churn"]
    cluster.foreign = (NameTaken(kind="Service", name="churn", owned_by="helm"),)
    cluster.kubelet(next(iter(cluster.deployments())))
    cluster.reconcile()
    assert cluster.condition("Ready")["reason"] == "NameConflict"
    assert "Service churn" in cluster.condition("Stalled")["message"]


def test_a_child_that_the_api_server_refuses_is_a_mistake_in_the_spec() -> None:
    cluster = ready()
    said = "spec.metrics[0].type: Unsupported value"
    cluster.rejected = (WriteDenied(kind="HorizontalPodAutoscaler", name="churn-1", message=said),)
    cluster.reconcile()
    assert cluster.condition("Stalled")["reason"] == "SpecInvalid"
    assert said in cluster.condition("Stalled")["message"]
    assert cluster.condition("Available")["status"] == "True"


CANNOT = (
    'jobs.batch "x" is forbidden: User "system:serviceaccount:slipway-system:slipway" cannot patch resource "jobs" in '
    'API group "batch" in the namespace "shop"'
)
FULL = 'services "churn" is forbidden: exceeded quota: small, requested: services=1, limited: services=2'
PLUGIN = 'jobs.batch "x" is forbidden: not in this namespace'
WEBHOOK = 'admission webhook "policy.example.com" denied the request: no such priority'
EXPRESSION = "services \"x\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no"


@pytest.mark.parametrize(
    ("said", "reason", "remedy"),
    [
        (CANNOT, "Forbidden", "the chart's roles grant it"),
        (FULL, "QuotaExceeded", "raise that quota"),
        (PLUGIN, "Forbidden", "have whoever forbids it allow it"),
        (WEBHOOK, "SpecInvalid", "change the field of the spec"),
        (EXPRESSION, "SpecInvalid", "let that policy leave this object out"),
    ],
)
def test_a_child_that_may_not_be_written_says_who_is_against_it_and_is_nobodys_mistake(
    said: str, reason: str, remedy: str
) -> None:
    cluster = ready()
    cluster.rejected = (WriteDenied(kind="Job", name="x", message=said, forbidden=True),)
    cluster.reconcile()
    stalled = cluster.condition("Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", reason)
    assert said in stalled["message"]
    assert remedy in stalled["message"]
    assert cluster.condition("Available")["status"] == "True"


def test_an_unreadable_spec_is_named_and_what_serves_is_left_alone() -> None:
    cluster = ready()
    cluster.spec["replicas"] = "many"
    cluster.generation = 2
    plan = cluster.reconcile()
    assert plan.actions == ()
    assert cluster.status["observedGeneration"] == 2
    assert cluster.condition("Stalled")["message"].startswith("spec.replicas: ")
    assert cluster.status["stable"]["version"] == "3"
    assert cluster.condition("Available")["status"] == "True"


BLIND = "the operator may not list services in namespace shop: nothing is done here until it may"


def test_where_the_operator_may_not_look_its_status_says_so_and_nothing_is_done() -> None:
    cluster = simulator()
    cluster.blind = BLIND
    plan = cluster.settle()
    assert (plan.actions, plan.wake_at, plan.looks) == ((), None, ())
    assert cluster.status["phase"] == "Stalled"
    for kind in ("Ready", "Stalled"):
        assert cluster.condition(kind)["reason"] == "Forbidden"
        assert cluster.condition(kind)["message"].startswith(f"{BLIND}; the chart's roles grant it")
    assert [reason for reason, _ in cluster.events] == ["Forbidden"]

    cluster.blind = None
    cluster.becomes_ready()
    assert cluster.status["phase"] == "Ready"


def test_a_version_that_serves_where_the_operator_may_not_look_any_more_is_left_as_it_is() -> None:
    cluster = starts_version_4()
    before = {key: value for key, value in cluster.status.items() if key not in ("phase", "conditions")}
    objects = copy.deepcopy(cluster.objects)
    cluster.blind, cluster.objects = BLIND, {}
    cluster.settle()
    assert {key: value for key, value in cluster.status.items() if key not in ("phase", "conditions")} == before
    assert cluster.condition("Available")["status"] == "True"
    cluster.blind, cluster.objects = None, objects
    cluster.rolls_on()
    assert cluster.status["stable"]["version"] == "4"


def starts_version_4() -> Simulator:
    cluster = ready()
    cluster.starts("4")
    return cluster


def test_lost_status_is_found_again_from_what_serves() -> None:
    cluster = ready()
    cluster.status = {}
    plan = cluster.reconcile()
    assert not [a for a in plan.actions if isinstance(a, Delete)]
    assert cluster.status["stable"]["version"] == "3"


def test_history_is_kept_to_its_limit_and_never_loses_what_serves() -> None:
    cluster = ready(rollout={"historyLimit": 2})
    for version in "456789":
        cluster.starts(version)
        cluster.kubelet(cluster.revision_named(version))
        cluster.settle()
        cluster.pass_time(minutes=1)
        cluster.settle()
    kept = sorted(m["revision"] for (kind, _), m in cluster.objects.items() if kind == "ControllerRevision")
    assert kept == [5, 6, 7]


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(0, 8), max_size=12), edit=st.booleans())
def test_a_pass_that_is_cut_off_anywhere_ends_in_the_same_place(cuts: list[int], edit: bool) -> None:
    def story(cluster: Simulator, writes: list[int]) -> Simulator:
        for cut in writes[:4]:
            cluster.reconcile(writes=cut)
        cluster.settle()
        cluster.resolve_job_ends()
        for cut in writes[4:8]:
            cluster.reconcile(writes=cut)
        cluster.settle()
        for name in cluster.deployments():
            cluster.kubelet(name)
        for cut in writes[8:]:
            cluster.reconcile(writes=cut)
        cluster.settle()
        cluster.rolls_on()
        return cluster

    disturbed, calm = simulator(replicas=2), simulator(replicas=2)
    story(disturbed, cuts), story(calm, [])
    if edit:
        for cluster in (disturbed, calm):
            cluster.edit(version="4")
        story(disturbed, cuts), story(calm, [])
    assert disturbed.objects.keys() == calm.objects.keys()
    assert disturbed.selected() == calm.selected()
    assert disturbed.status == calm.status


def test_the_core_decides_the_same_twice() -> None:
    cluster = ready()
    assert cluster.plan() == cluster.plan()
