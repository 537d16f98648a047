"""Requests by annotation under a tool that applies the same manifest again and again."""

from tests.core.cluster.simulator import Simulator
from tests.gitops.states import aborted, asked_of, paused


def same_manifest_again(cluster: Simulator) -> None:
    """A sync that changes nothing, an hour later and by an operator that has just been started."""
    cluster.pass_time(hours=1)
    assert cluster.reconcile().actions == ()


def test_an_aborted_manifest_that_is_applied_again_does_nothing() -> None:
    cluster = aborted()
    same_manifest_again(cluster)
    assert cluster.status["phase"] == "Refused"
    assert cluster.status["refused"]["reason"] == "Aborted"


def test_taking_the_annotation_away_means_nothing() -> None:
    cluster = aborted()
    cluster.request = None
    same_manifest_again(cluster)
    assert cluster.status["phase"] == "Refused"
    cluster = paused()
    cluster.request = None
    same_manifest_again(cluster)
    assert cluster.status["phase"] == "Paused"


def test_an_abort_that_stays_on_the_object_does_not_hit_the_next_version() -> None:
    cluster = aborted()
    assert cluster.request
    cluster.starts("5")
    cluster.rolls_on()
    assert cluster.status["stable"]["version"] == "5"
    assert cluster.condition("Ready")["status"] == "True"


def test_a_retry_is_a_new_attempt_at_the_same_manifest() -> None:
    cluster = aborted()
    assert cluster.request
    cluster.request = cluster.request.replace("abort/", "retry/")
    cluster.settle()
    cluster.rolls_on()
    assert cluster.status["stable"]["version"] == "4"


def test_a_paused_rollout_goes_on_when_somebody_says_so() -> None:
    cluster = paused()
    cluster.request = asked_of("resume", cluster)
    cluster.settle()
    cluster.rolls_on()
    assert cluster.status["stable"]["version"] == "4"
