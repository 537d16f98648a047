"""Requests by annotation: every verb at every phase, what is stale or malformed, and what is remembered."""

from collections.abc import Callable

import pytest

from slipway.core.rollout.requests import KEPT, Request, Verb
from tests.core.cluster.kubelet import says
from tests.core.cluster.scenario import canary, counts, forget_jobs, pods_come, proved
from tests.core.cluster.simulator import Simulator, simulator


def resolving() -> Simulator:
    cluster = simulator(replicas=2)
    cluster.becomes_ready()
    cluster.edit(version="4")
    cluster.settle()
    return cluster


def starting() -> Simulator:
    cluster = simulator(replicas=2)
    cluster.becomes_ready()
    cluster.starts("4")
    return cluster


def shifting() -> Simulator:
    cluster = starting()
    cluster.kubelet(cluster.revision_named("4"))
    cluster.settle()
    assert cluster.status["rollout"]["phase"] == "Shifting"
    return cluster


def paused() -> Simulator:
    cluster = starting()
    asks(cluster, "pause")
    assert cluster.status["phase"] == "Paused"
    return cluster


def soaking() -> Simulator:
    cluster = simulator(replicas=2, rollout={"type": "BlueGreen"})
    cluster.becomes_ready()
    cluster.starts("4")
    cluster.kubelet(cluster.revision_named("4"))
    cluster.settle()
    assert cluster.status["phase"] == "Soaking"
    return cluster


def refused() -> Simulator:
    return fails(starting())


def fails(cluster: Simulator) -> Simulator:
    failed = cluster.server_ended(says("LoadFailed", "no such op"), restarts=1)
    cluster.kubelet(cluster.revision_named("4"), status=failed)
    cluster.settle()
    assert cluster.status["phase"] == "Refused"
    return cluster


def rolling_back() -> Simulator:
    cluster = shifting()
    asks(cluster, "abort")
    assert cluster.status["phase"] == "RollingBack"
    return cluster


def promoted() -> Simulator:
    cluster = starting()
    cluster.rolls_on()
    assert cluster.status["phase"] == "Ready"
    return cluster


PHASES = {
    maker.__name__: maker for maker in (resolving, starting, shifting, paused, soaking, refused, rolling_back, promoted)
}


def newest(cluster: Simulator) -> str:
    """What a request calls version 4: its revision, or the beginning of its ask while it has none."""
    known = (cluster.status[key] for key in ("candidate", "refused", "stable") if key in cluster.status)
    ref = next(ref for ref in known if ref["version"] == "4")
    return str(ref.get("revision") or ref["ask"][:8])


def asks(cluster: Simulator, verb: str, nonce: str = "") -> str:
    """Somebody asks for something about version 4. Answers what came of it."""
    cluster.request = f"{verb}/{newest(cluster)}{nonce}"
    cluster.settle()
    return str(cluster.status["requests"][-1]["outcome"])


DONE: dict[tuple[str, str], str] = {
    ("resolving", "abort"): "Refused",
    ("resolving", "pause"): "Paused",
    ("resolving", "rollback"): "Refused",
    ("starting", "abort"): "Refused",
    ("starting", "pause"): "Paused",
    ("starting", "rollback"): "Refused",
    ("shifting", "abort"): "RollingBack",
    ("shifting", "pause"): "Paused",
    ("shifting", "rollback"): "RollingBack",
    ("paused", "abort"): "Refused",
    ("paused", "resume"): "Starting",
    ("paused", "promote"): "Starting",
    ("paused", "rollback"): "Refused",
    ("soaking", "abort"): "Refused",
    ("soaking", "promote"): "Ready",
    ("soaking", "rollback"): "Refused",
    ("refused", "retry"): "Starting",
    ("rolling_back", "retry"): "Shifting",
    ("soaking", "restart"): "Starting",
    ("promoted", "rollback"): "Shifting",  # its pods are still there
    ("promoted", "restart"): "Starting",
}
"""What fits, and the phase that it leads to. All else is stale."""


@pytest.mark.parametrize("verb", list(Verb))
@pytest.mark.parametrize("phase", PHASES)
def test_a_verb_does_what_it_says_where_it_fits_and_nothing_elsewhere(phase: str, verb: Verb) -> None:
    cluster = PHASES[phase]()
    before = {key: cluster.status.get(key) for key in ("phase", "stable", "candidate", "refused", "rollout")}
    events = len(cluster.events)
    outcome = asks(cluster, verb, "@now")
    told = [reason for reason, _ in cluster.events[events:]]
    if (phase, verb) in DONE:
        assert cluster.status["phase"] == DONE[phase, verb]
        assert told.count("RequestDone") == 1
    else:
        assert outcome.startswith(f"stale, nothing done: {verb} does not fit ")
        assert {key: cluster.status.get(key) for key in before} == before
        assert told == ["RequestIgnored"]


def test_a_second_rollback_says_that_nothing_is_before_and_what_brings_the_version_back() -> None:
    cluster = promoted()
    asks(cluster, "rollback")
    cluster.rolls_on()
    cluster.request = f"rollback/{cluster.status['stable']['revision']}"
    cluster.settle()
    said = cluster.status["requests"][-1]["outcome"]
    assert said.endswith(f"; there is no version before it to go back to; retry/{newest(cluster)} tries 4 again"), said


def test_a_resume_at_a_steps_own_pause_says_what_goes_on() -> None:
    cluster = canary({"weight": 25}, {"pause": {}})
    pods_come(cluster)
    assert cluster.status["phase"] == "Paused"
    assert asks(cluster, "resume").endswith(
        f"; nobody paused it, promote/{newest(cluster)} goes on past a step's pause"
    )


@pytest.mark.parametrize("phase", PHASES)
def test_a_request_about_another_revision_is_named_stale_and_does_nothing(phase: str) -> None:
    cluster = PHASES[phase]()
    before = cluster.status
    cluster.request = "abort/deadbeef"
    cluster.settle()
    assert "does not fit deadbeef; now: " in cluster.status["requests"][-1]["outcome"]
    assert {k: v for k, v in cluster.status.items() if k != "requests"} == {
        k: v for k, v in before.items() if k != "requests"
    }


@pytest.mark.parametrize(
    "text",
    ["abort", "abort/", "abort/xyz", "Abort/aaaa1111", "explode/aaaa1111", "abort/aaaa1111@", "abort/aaaa1111 ", "💥"],
)
def test_what_is_no_request_is_answered_with_the_form_of_one(text: str) -> None:
    with pytest.raises(ValueError, match="write VERB/REVISION"):
        Request.parse(text)
    cluster = promoted()
    before = cluster.status["phase"]
    cluster.request = text
    cluster.settle()
    assert cluster.status["requests"][-1] == {
        "request": text,
        "outcome": "not a request: write VERB/REVISION[@nonce], with VERB one of " + ", ".join(Verb),
        "at": "2026-01-05T12:00:00Z",
    }
    assert cluster.status["phase"] == before
    assert cluster.reconcile().wake_at == cluster.now.replace(second=30)  # of the drain: it is answered only once


def test_a_text_of_any_length_is_answered_and_kept_as_far_as_status_can() -> None:
    cluster = promoted()
    cluster.request = "abort/" + "x" * 100_000
    cluster.settle()
    assert len(cluster.status["requests"][-1]["request"]) == 128
    assert len(cluster.status["requests"]) == 1


def another(cluster: Simulator, text: str) -> None:
    """Somebody has asked for something else meanwhile."""
    cluster.request = "resume/deadbeef"
    cluster.settle()


def taken_away(cluster: Simulator, text: str) -> None:
    """Somebody has taken the annotation away."""
    cluster.request = None
    cluster.settle()


def left_alone(cluster: Simulator, text: str) -> None:
    """It stays, whatever else goes on."""
    for _ in range(3):
        cluster.pass_time(minutes=1)
        cluster.generation += 1
        cluster.settle()


def read_late(cluster: Simulator, text: str) -> None:
    """A pass looks at the object as it was before the answer; its status is not written, for that object is gone."""
    kept = cluster.status
    cluster.status = {key: value for key, value in kept.items() if key != "requests"}
    assert cluster.plan().status.to_dict()["requests"][-1]["request"] == text
    cluster.status = kept
    cluster.settle()


@pytest.mark.parametrize(("meanwhile", "answers"), [(another, 2), (taken_away, 2), (left_alone, 1), (read_late, 1)])
@pytest.mark.parametrize("verb", ["pause", "abort", "rollback", "explode"])
def test_a_text_that_was_used_before_is_answered_again_and_never_while_it_stays(
    verb: str, meanwhile: Callable[[Simulator, str], None], answers: int
) -> None:
    cluster = starting()
    text = cluster.request = f"{verb}/{newest(cluster)}"
    cluster.settle()
    meanwhile(cluster, text)
    cluster.request = text
    cluster.settle()
    cluster.settle()
    assert [entry["request"] for entry in cluster.status["requests"]].count(text) == answers
    told = [message for reason, message in cluster.events if reason in ("RequestDone", "RequestIgnored")]
    assert sum(message.startswith(f"{text}: ") for message in told) == answers


def test_taking_the_annotation_away_undoes_nothing_and_is_noted_once() -> None:
    cluster = starting()
    asks(cluster, "pause")
    cluster.request = None
    cluster.settle()
    assert cluster.status["phase"] == "Paused"
    assert cluster.reconcile().status.to_dict() == cluster.status
    assert asks(cluster, "resume") == "resumed"


def test_a_restart_in_words_that_were_used_before_makes_other_pods_than_those_that_failed() -> None:
    cluster = promoted()
    cluster.pass_time(seconds=30)
    text = f"restart/{cluster.selected()}"
    made = set()
    for _ in range(2):
        forget_jobs(cluster)
        cluster.request = text
        cluster.settle()
        cluster.resolve_job_ends()
        cluster.settle()
        candidate = cluster.status["candidate"]["revision"]
        made.add(candidate)
        failed = cluster.server_ended(says("LoadFailed", "no such op"), restarts=1)
        cluster.kubelet(f"churn-{candidate}", status=failed)
        cluster.settle()
        assert candidate in [entry["revision"] for entry in cluster.status["alsoRefused"]]
        cluster.pass_time(minutes=1)
        cluster.request = None
        cluster.settle()
    assert len(made) == 2


def test_status_remembers_the_latest_requests() -> None:
    cluster = starting()
    for number in range(KEPT + 3):
        asks(cluster, "pause" if number % 2 == 0 else "resume", f"@{number}")
    kept = [entry["request"].rpartition("@")[2] for entry in cluster.status["requests"]]
    assert kept == [str(number) for number in range(3, KEPT + 3)]


def test_a_request_survives_a_cut_right_after_the_status_was_written() -> None:
    cluster = shifting()
    cluster.request = f"abort/{newest(cluster)}"
    cluster.reconcile(writes=1)
    cluster.rolls_on()
    assert cluster.status["phase"] == "Refused"
    assert cluster.status["stable"]["version"] == "3"
    assert len(cluster.status["requests"]) == 1


def test_a_pause_holds_pods_and_traffic_and_no_deadline_counts() -> None:
    cluster = shifting()
    asks(cluster, "pause")
    held = {name: m["spec"]["replicas"] for name, m in cluster.deployments().items()}
    for name in held:
        cluster.kubelet(name)
    cluster.pass_time(days=3)
    cluster.settle()
    assert {name: m["spec"]["replicas"] for name, m in cluster.deployments().items()} == held
    assert cluster.selected() == ""
    assert cluster.condition("Ready")["reason"] == "Paused"
    asks(cluster, "resume")
    cluster.rolls_on()
    assert cluster.status["stable"]["version"] == "4"


def test_a_paused_candidate_that_fails_is_sent_home_all_the_same() -> None:
    cluster = paused()
    failed = cluster.server_ended(says("WrongAnswer", "y is 5"), restarts=1)
    cluster.kubelet(cluster.revision_named("4"), status=failed)
    cluster.settle()
    assert cluster.status["refused"]["reason"] == "WrongAnswer"


def test_a_retry_brings_a_failed_look_at_the_source_forward() -> None:
    cluster = simulator()
    for _ in range(3):
        cluster.settle()
        cluster.resolve_job_ends(says("SourceUnavailable", "no route"), exit_code=1)
        cluster.settle()
        cluster.pass_time(minutes=1)
    cluster.edit(version="4")
    cluster.settle()
    cluster.resolve_job_ends(says("SourceUnavailable", "no route"), exit_code=1)
    cluster.settle()
    assert ("Job",) not in {(kind,) for kind, _ in cluster.objects} or cluster.status["rollout"]["resolve"]["retryAt"]
    assert asks(cluster, "retry") == "tried again at once"
    assert "retryAt" not in cluster.status["rollout"].get("resolve", {})
    cluster.resolve_job_ends()
    cluster.settle()
    assert cluster.status["phase"] == "Starting"


def test_a_rollback_keeps_the_manifest_refused_until_it_changes_or_a_retry_undoes_it() -> None:
    cluster = promoted()
    asks(cluster, "rollback")
    cluster.rolls_on()
    assert cluster.status["stable"]["version"] == "3"
    assert cluster.status["phase"] == "Refused"
    assert cluster.status["refused"]["reason"] == "RolledBack"
    cluster.generation += 1
    cluster.settle()
    assert cluster.status["stable"]["version"] == "3"
    cluster.pass_time(seconds=30)
    asks(cluster, "retry")
    cluster.rolls_on()
    assert cluster.status["stable"]["version"] == "4"
    assert cluster.status["stable"]["number"] == cluster.status["lastNumber"] == 4
    assert cluster.status["phase"] == "Ready"


def test_a_restart_makes_a_new_revision_of_the_same_ask() -> None:
    cluster = promoted()
    old, ask = cluster.selected(), cluster.status["stable"]["ask"]
    cluster.pass_time(seconds=30)
    asks(cluster, "restart")
    cluster.rolls_on()
    assert cluster.status["stable"]["ask"] == ask
    assert cluster.status["stable"]["number"] == 3
    assert cluster.selected() != old
    assert cluster.status["phase"] == "Ready"


def requests_lost(cluster: Simulator) -> None:
    """Of the status, what was asked for."""
    del cluster.status["requests"]


def requests_unreadable(cluster: Simulator) -> None:
    """The same, in words of another version."""
    cluster.status["requests"] = [["another version's"]]


def all_lost(cluster: Simulator) -> None:
    """The whole status, as after a restore."""
    cluster.status = {}


LOSSES = (requests_lost, requests_unreadable, all_lost)
HOLDS_BACK = ("abort", "rollback", "pause")


@pytest.mark.parametrize("lose", LOSSES)
@pytest.mark.parametrize(("phase", "verb"), [each for each in DONE if each[1] in HOLDS_BACK])
@pytest.mark.parametrize("settled", [True, False])
def test_what_holds_a_version_back_holds_although_status_lost_it(
    phase: str, verb: str, lose: Callable[[Simulator], None], *, settled: bool
) -> None:
    cluster = PHASES[phase]()
    cluster.request = f"{verb}/{newest(cluster)}"
    cluster.settle() if settled else cluster.reconcile()
    lose(cluster)
    cluster.settle()
    cluster.pass_time(minutes=1)
    for _ in range(6):
        for name in cluster.deployments():
            cluster.kubelet(name)
        proved(cluster)
    assert cluster.status["stable"]["version"] == "3"
    assert cluster.status["phase"] == ("Paused" if verb == "pause" else "Refused")
    assert [entry["request"] for entry in cluster.status["requests"]] == [cluster.request]


def one_step_further() -> Simulator:
    """Of a canary that pauses twice, somebody has promoted the first pause."""
    cluster = canary({"weight": 25}, {"pause": {}}, {"weight": 50}, {"pause": {}})
    for _ in range(4):
        pods_come(cluster)
    asks(cluster, "promote")
    for _ in range(4):
        pods_come(cluster)
    assert cluster.status["rollout"]["canary"]["step"] == 3
    return cluster


def tried_again() -> Simulator:
    """A version that was refused is tried again, and refused again."""
    cluster = refused()
    asks(cluster, "retry")
    return fails(cluster)


def restarted() -> Simulator:
    """Version 4 was restarted, and the new pods fail."""
    cluster = promoted()
    cluster.pass_time(seconds=30)
    forget_jobs(cluster)
    asks(cluster, "restart")
    cluster.resolve_job_ends()
    cluster.settle()
    failed = cluster.server_ended(says("LoadFailed", "no such op"), restarts=1)
    cluster.kubelet(f"churn-{cluster.status['candidate']['revision']}", status=failed)
    cluster.settle()
    assert "candidate" not in cluster.status
    return cluster


@pytest.mark.parametrize("lose", LOSSES[:2])
@pytest.mark.parametrize("answered", [one_step_further, tried_again, restarted])
def test_what_has_a_version_go_on_is_not_done_twice_although_status_lost_that_it_was_done(
    answered: Callable[[], Simulator], lose: Callable[[Simulator], None]
) -> None:
    cluster = answered()
    before = {key: cluster.status.get(key) for key in ("phase", "stable", "candidate", "refused", "rollout")}
    lose(cluster)
    cluster.settle()
    assert {key: cluster.status.get(key) for key in before} == before
    assert cluster.status["requests"][-1]["outcome"].startswith("nothing done: status.requests was lost")
    assert cluster.events[-1][0] == "RequestIgnored"
    verb = str(cluster.request).split("/")[0]
    cluster.request = f"{cluster.request}@again"
    cluster.settle()
    assert not cluster.status["requests"][-1]["outcome"].startswith(("nothing done", "stale")), verb


def test_a_version_that_came_after_a_promote_is_not_promoted_by_it_although_status_was_lost() -> None:
    cluster = one_step_further()
    all_lost(cluster)
    for _ in range(8):
        pods_come(cluster)
        cluster.pass_time(minutes=1)
    assert (cluster.status["phase"], cluster.status["stable"]["version"]) == ("Paused", "3")
    assert cluster.status["rollout"]["canary"]["step"] == 1


def test_a_spec_that_cannot_be_read_meanwhile_does_not_make_a_lost_request_a_new_one() -> None:
    cluster = one_step_further()
    step = cluster.status["rollout"]["canary"]["step"]
    requests_lost(cluster)
    cluster.spec["replicas"] = "many"
    cluster.reconcile()
    cluster.spec["replicas"] = 4
    cluster.settle()
    assert cluster.status["rollout"]["canary"]["step"] == step


# -- an edit beside it, in the same write


BESIDE = [
    (phase, verb) for phase, verb in DONE if verb in ("abort", "rollback") and phase not in ("promoted", "rolling_back")
]


@pytest.mark.parametrize(("phase", "verb"), BESIDE)
def test_an_edit_beside_it_begins_once_what_ran_is_sent_home(phase: str, verb: str) -> None:
    cluster = PHASES[phase]()
    cluster.request = f"{verb}/{newest(cluster)}"
    cluster.edit(version="5")
    cluster.settle()
    assert cluster.status["requests"][-1]["outcome"].endswith("; 5 begins, as the edit beside it asks")
    sent_home = [entry["version"] for entry in cluster.status.get("alsoRefused", ())]
    assert sent_home == (
        [] if phase == "resolving" else ["4"]
    )  # without a revision there is nothing that could come back
    assert (cluster.status["stable"]["version"], cluster.status["candidate"]["version"]) == ("3", "5")
    cluster.resolve_job_ends()
    cluster.settle()
    cluster.rolls_on()
    assert cluster.status["stable"]["version"] == "5"


@pytest.mark.parametrize(("phase", "verb"), [each for each in BESIDE if each[0] != "resolving"])
def test_an_edit_beside_it_that_asks_for_the_same_version_is_stopped_with_it(phase: str, verb: str) -> None:
    cluster = PHASES[phase]()
    cluster.request = f"{verb}/{newest(cluster)}"
    cluster.spec["podMetadata"] = {"labels": {"team": "risk"}}
    cluster.generation += 1
    cluster.settle()
    cluster.pass_time(minutes=1)
    for _ in range(4):
        for name in cluster.deployments():
            cluster.kubelet(name)
        cluster.settle()
    assert (cluster.status["phase"], cluster.status["stable"]["version"]) == ("Refused", "3")
    assert counts(cluster)["3"] == 2


@pytest.mark.parametrize("phase", ["starting", "shifting", "soaking"])
def test_an_edit_back_beside_an_abort_goes_back_and_what_ran_stays_refused(phase: str) -> None:
    cluster = PHASES[phase]()
    cluster.request = f"abort/{newest(cluster)}"
    cluster.edit(version="3")
    cluster.settle()
    cluster.rolls_on()
    assert (cluster.status["phase"], cluster.status["stable"]["version"]) == ("Ready", "3")
    assert [entry["version"] for entry in cluster.status["alsoRefused"]] == ["4"]


@pytest.mark.parametrize("verb", ["promote", "pause", "resume", "retry", "restart"])
def test_of_what_an_edit_has_replaced_nothing_else_can_be_asked(verb: str) -> None:
    cluster = shifting()
    cluster.request = f"{verb}/{newest(cluster)}"
    cluster.edit(version="5")
    cluster.settle()
    assert cluster.status["requests"][-1]["outcome"].startswith("stale, nothing done")
    assert cluster.status["candidate"]["version"] == "5"
