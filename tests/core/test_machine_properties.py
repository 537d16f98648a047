"""The core among disturbances: whatever happens, in any order, what serves is not harmed and the end is reached."""

from datetime import timedelta
from typing import Any

from tests.core.cluster.disturbed import Disturbed
from tests.core.cluster.kubelet import says
from tests.core.cluster.machine import SETTINGS, Machine
from tests.core.cluster.scenario import SCALING, starts
from tests.core.cluster.simulator import simulator

TestMachine = Machine.TestCase
TestMachine.settings = SETTINGS


# What the machine found, or should have found, as stories


def disturbed(**spec: Any) -> Disturbed:
    cluster = Disturbed(spec=simulator(**spec).spec)
    cluster.becomes_ready()
    return cluster


def test_going_back_during_the_drain_lists_no_revision_twice() -> None:
    cluster = disturbed()
    cluster.kubelet(starts(cluster, "4"))
    cluster.settle()
    cluster.edit(version="3")
    cluster.one_pass()  # status_holds compares the keys of each pass
    assert {r["version"]: r["state"] for r in cluster.status["revisions"]} == {"4": "Stable", "3": "Candidate"}


def test_a_suspension_is_not_counted_against_the_candidate() -> None:
    cluster = disturbed()
    starts(cluster, "4")
    cluster.spec["suspend"] = True
    cluster.settle()
    cluster.pass_time(days=3)
    cluster.settle()
    cluster.spec["suspend"] = False
    plan = cluster.settle()
    assert cluster.status["phase"] == "Starting"
    assert plan.wake_at == cluster.now + timedelta(hours=1)


def test_what_serves_is_kept_when_status_and_history_are_lost() -> None:
    cluster = disturbed()
    name = cluster.revision_named("3")
    cluster.status, cluster.highest = {}, 0
    del cluster.objects["ControllerRevision", name]
    cluster.settle()
    assert cluster.condition("Ready")["status"] == "True"
    assert ("ControllerRevision", name) in cluster.objects
    assert list(cluster.deployments()) == [name]


def test_what_serves_is_known_again_when_its_ask_resolves_to_the_same_revision() -> None:
    cluster = disturbed()
    name = cluster.revision_named("3")
    cluster.status, cluster.highest = {}, 0
    for kind in ("ControllerRevision", "ConfigMap"):
        del cluster.objects[kind, name]
    cluster.one_pass()
    assert cluster.status["stable"]["version"] == "unknown"
    cluster.settle()
    assert cluster.status["stable"]["version"] == "3"
    assert cluster.condition("Ready")["status"] == "True"
    assert ("ConfigMap", name) in cluster.objects


def test_a_revision_of_which_only_the_name_is_left_is_resolved_anew() -> None:
    cluster = disturbed()
    name = cluster.revision_named("3")
    for key in [key for key in cluster.objects if key[0] in ("ControllerRevision", "ConfigMap", "Deployment", "Job")]:
        del cluster.objects[key]
    cluster.pods = {}
    cluster.settle()
    assert cluster.status["phase"] == "Resolving"
    cluster.resolve_job_ends()
    cluster.settle()
    cluster.kubelet(name)
    cluster.settle()
    assert cluster.condition("Ready")["status"] == "True"


def test_a_shift_that_is_taken_back_by_an_older_look_is_taken_back_by_the_next() -> None:
    cluster = disturbed()
    old = cluster.selects()
    cluster.kubelet(starts(cluster, "4"))
    before = cluster.observed()
    cluster.one_pass()
    assert cluster.selects() != old
    cluster.edit(version="3")
    cluster.one_pass(observed=before)  # its write meets a conflict
    cluster.settle()
    assert cluster.selects() == old


def test_an_older_look_has_what_the_operators_own_writes_were_answered_with() -> None:
    cluster = Disturbed(spec=simulator(replicas=2).spec)
    before = cluster.observed()
    cluster.becomes_ready()
    name = cluster.revision_named("3")
    cluster.objects["Deployment", name]["spec"]["replicas"] = 1  # by a hand, of which the watch has not told
    cluster.touch(cluster.objects["Deployment", name])
    seen = cluster.older(before).child("Deployment", name)
    assert seen
    assert seen.body["spec"]["replicas"] == 2
    assert cluster.older(cluster.observed()).child("Deployment", name) == cluster.observed().child("Deployment", name)
    cluster.one_pass(observed=cluster.older(before))
    assert cluster.status["stable"]["version"] == "3"


def test_a_switch_that_a_pass_died_before_is_not_made_to_where_nothing_answers_by_now() -> None:
    cluster = disturbed(replicas=2)
    new = starts(cluster, "4")
    cluster.kubelet(new)
    cluster.settle()
    cluster.kubelet(new)
    cluster.one_pass(writes=1)  # status sends all to version 4; the Service spans both
    assert cluster.status["rollout"]["phase"] == "Shifting"
    cluster.vanish(new)
    cluster.settle()  # capacity is compared at each write
    assert cluster.carried()


def test_a_bundle_that_the_fetcher_finds_broken_twice_is_refused() -> None:
    cluster = disturbed()
    name = starts(cluster, "4")
    ended = {"terminated": {"exitCode": 1, "reason": "Error", "message": says("BundleInvalid", "1/model.onnx: a link")}}
    container = {"name": "fetch", "restartCount": 1, "state": {"waiting": {}}, "lastState": ended}
    cluster.kubelet(name, status={"phase": "Pending", "initContainerStatuses": [container | {"restartCount": 0}]})
    cluster.settle()
    assert cluster.status["phase"] == "Starting"
    cluster.kubelet(name, status={"phase": "Pending", "initContainerStatuses": [container]})
    cluster.settle()
    assert cluster.status["refused"]["reason"] == "BundleInvalid"


def test_a_finding_about_the_revision_is_refused_at_the_deadline_at_the_latest() -> None:
    cluster = disturbed()
    cluster.kubelet(starts(cluster, "4"), status=cluster.server_ended(says("LoadFailed", "no such op"), restarts=0))
    cluster.settle()
    cluster.pass_time(hours=2)
    cluster.settle()
    assert cluster.status["refused"]["reason"] == "LoadFailed"


def test_a_candidate_follows_the_autoscaler_of_what_serves() -> None:
    cluster = disturbed(autoscaling=SCALING, replicas=2, rollout={"type": "BlueGreen"})
    serving, coming = cluster.revision_named("3"), starts(cluster, "4")
    cluster.objects["Deployment", serving]["spec"]["replicas"] = 6
    cluster.settle()
    assert cluster.objects["Deployment", coming]["spec"]["replicas"] == 6
    del cluster.objects["Deployment", serving]
    cluster.settle()
    assert cluster.objects["Deployment", serving]["spec"]["replicas"] == 6


def test_a_name_that_was_taken_for_hours_is_not_counted_against_the_candidate() -> None:
    cluster = disturbed()
    new = starts(cluster, "4")
    del cluster.objects["Deployment", new]
    cluster.taken.add(("Deployment", new))
    cluster.settle()
    assert cluster.condition("Ready")["reason"] == "NameConflict"
    cluster.pass_time(hours=5)
    cluster.settle()
    cluster.taken.clear()
    cluster.foreign = ()
    cluster.settle()
    assert "refused" not in cluster.status
    cluster.rolls_on()
    assert cluster.status["stable"]["version"] == "4"
