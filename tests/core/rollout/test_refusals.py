"""What was sent home, and what brings it back."""

from typing import Any

import pytest

from slipway.core.rollout.refusals import REMEMBERED
from tests.core.cluster.scenario import canary, counts, fails, goes_on, pods_come, ready, shares
from tests.core.cluster.simulator import Simulator

OTHER_SOURCE = {"source": {"uri": "s3://models/churn/other"}}
EDITS: dict[str, dict[str, Any]] = {
    "more CPU": {"server": {"resources": {"requests": {"cpu": "2"}}}},
    "an environment variable": {"server": {"env": [{"name": "A", "value": "b"}]}},
    "a node selector": {"scheduling": {"nodeSelector": {"disk": "fast"}}},
    "an annotation": {"podMetadata": {"annotations": {"team": "churn"}}},
}


def asks(cluster: Simulator, verb: str, revision: str, nonce: str = "") -> str:
    cluster.request = f"{verb}/{revision}{nonce}"
    cluster.settle()
    return str(cluster.status["requests"][-1]["outcome"])


def resolves(cluster: Simulator) -> None:
    """The source is looked at, where nobody has yet."""
    if any(kind == "Job" and not m["status"] for (kind, _), m in cluster.objects.items()):
        cluster.resolve_job_ends()
    cluster.settle()


def takes_over(cluster: Simulator) -> None:
    """What is on its way gets all its pods, and what was before has drained."""
    cluster.rolls_on()
    cluster.pass_time(minutes=2)
    cluster.settle()


def aborted() -> Simulator:
    cluster = ready(replicas=2)
    cluster.starts("4")
    asks(cluster, "abort", cluster.status["candidate"]["revision"])
    return cluster


def rolled_back() -> Simulator:
    cluster = ready(replicas=2)
    cluster.starts("4")
    takes_over(cluster)
    asks(cluster, "rollback", cluster.status["stable"]["revision"])
    takes_over(cluster)
    return cluster


def failed() -> Simulator:
    cluster = ready(replicas=2)
    cluster.starts("4")
    fails(cluster, "4")
    return cluster


def edit(cluster: Simulator, **fields: Any) -> None:
    cluster.spec |= fields
    cluster.generation += 1
    cluster.settle()


def came_back(cluster: Simulator) -> bool:
    return cluster.status["phase"] != "Refused" and "candidate" in cluster.status


@pytest.mark.parametrize("beside", EDITS)
@pytest.mark.parametrize("home", [aborted, rolled_back, failed])
def test_an_edit_beside_it_brings_back_what_failed_and_not_what_a_person_sent_home(home: Any, beside: str) -> None:
    cluster = home()
    assert cluster.status["phase"] == "Refused"
    for _ in range(2):  # one edit, and back again
        edit(cluster, **EDITS[beside])
        assert came_back(cluster) == (home is failed)
        for field in EDITS[beside]:
            del cluster.spec[field]
        cluster.generation += 1
        cluster.settle()


@pytest.mark.parametrize("home", [aborted, rolled_back])
@pytest.mark.parametrize("other", [{"version": "5"}, OTHER_SOURCE])
def test_another_version_or_source_brings_back_what_a_person_sent_home(home: Any, other: dict[str, Any]) -> None:
    cluster = home()
    cluster.edit(**other)
    cluster.settle()
    assert came_back(cluster)
    cluster.edit(version="4", source={"uri": "s3://models/churn/3"})
    cluster.settle()
    assert came_back(cluster)


@pytest.mark.parametrize("home", [aborted, rolled_back])
def test_a_retry_brings_it_back_with_the_edit_beside_it(home: Any) -> None:
    cluster = home()
    edit(cluster, **EDITS["more CPU"])
    assert "retry/" in cluster.condition("Ready")["message"]
    assert asks(cluster, "retry", cluster.status["refused"]["revision"]) == "tried again"
    resolves(cluster)
    cluster.rolls_on()
    assert (cluster.status["phase"], cluster.status["stable"]["version"]) == ("Ready", "4")
    template = cluster.deployments()[cluster.revision_named("4")]["spec"]["template"]["spec"]
    assert "'cpu': '2'" in str(template)


def test_what_serves_may_be_asked_for_meanwhile_and_a_persons_word_holds() -> None:
    cluster = aborted()
    cluster.spec["model"]["version"] = "4"
    served = cluster.status["stable"]["ask"]
    edit(cluster, **EDITS["more CPU"])
    assert cluster.status["stable"]["ask"] == served
    assert cluster.status["phase"] == "Refused"


def test_an_edit_of_what_serves_that_a_person_sent_home_stays_home_until_it_is_retried() -> None:
    cluster = ready(replicas=2)
    edit(cluster, **EDITS["more CPU"])
    resolves(cluster)
    asks(cluster, "abort", cluster.status["candidate"]["revision"])
    del cluster.spec["server"]
    cluster.generation += 1
    cluster.settle()
    assert cluster.status["phase"] == "Ready"
    edit(cluster, **EDITS["an environment variable"])
    assert cluster.status["phase"] == "Refused"


def test_of_a_canary_an_edit_brings_no_share_back() -> None:
    cluster = canary({"weight": 50}, {"pause": {}})
    pods_come(cluster)
    asks(cluster, "abort", cluster.status["candidate"]["revision"])
    edit(cluster, **EDITS["more CPU"])
    goes_on(cluster)
    pods_come(cluster)
    assert shares(cluster) == {"3": 100}
    assert cluster.status["phase"] == "Refused"


def test_a_refusal_that_an_earlier_operator_stored_holds_back_its_ask_alone() -> None:
    cluster = aborted()
    del cluster.status["refused"]["source"]
    cluster.settle()
    assert cluster.status["phase"] == "Refused"
    edit(cluster, **EDITS["more CPU"])
    assert came_back(cluster)


# More than one


def test_going_back_while_the_manifest_is_refused_starts_only_what_served_before() -> None:
    cluster = ready(replicas=2)
    cluster.starts("4")
    takes_over(cluster)
    cluster.starts("5")
    fails(cluster, "5")
    refused = cluster.status["refused"]
    assert asks(cluster, "rollback", cluster.status["stable"]["revision"]).startswith("going back to 3")
    for _ in range(3):
        cluster.rolls_on()
        cluster.pass_time(minutes=10)
        cluster.settle()
    assert (cluster.status["stable"]["version"], counts(cluster)) == ("3", {"3": 2})
    assert cluster.status["refused"] == refused
    assert [each["version"] for each in cluster.status["alsoRefused"]] == ["4"]
    assert cluster.status["phase"] == "Refused"
    cluster.edit(version="4")
    cluster.settle()
    assert came_back(cluster)


def test_going_back_passes_over_what_was_refused() -> None:
    cluster = ready(replicas=2)
    for bad in ("4", "5"):
        cluster.starts(bad)
        fails(cluster, bad)
    cluster.starts("6")
    takes_over(cluster)
    assert asks(cluster, "rollback", cluster.status["stable"]["revision"]).startswith("going back to 3")


def test_a_restart_goes_on_while_the_manifest_is_refused() -> None:
    cluster = failed()
    served = cluster.status["stable"]
    assert asks(cluster, "restart", served["revision"]).startswith("restarting")
    resolves(cluster)
    cluster.rolls_on()
    assert (cluster.status["stable"]["version"], cluster.status["refused"]["version"]) == ("3", "4")
    assert cluster.status["stable"]["revision"] != served["revision"]
    assert cluster.status["phase"] == "Refused"


def restart_failed(cluster: Simulator, verb: str = "restart", nonce: str = "", revision: str = "") -> str:
    """A restart, and the revision that was made for it, which cannot load."""
    asks(cluster, verb, revision or cluster.status["stable"]["revision"], nonce)
    resolves(cluster)
    made = str(cluster.status["candidate"]["revision"])
    name = f"churn-{made}"
    cluster.kubelet(name, status=cluster.server_ended('{"reason": "LoadFailed", "message": "no such op"}'))
    cluster.settle()
    assert "candidate" not in cluster.status
    return made


def test_what_a_failed_restart_made_is_never_used_again() -> None:
    cluster = ready(replicas=2)
    first = cluster.status["stable"]["revision"]
    bad = restart_failed(cluster)
    assert restart_failed(cluster, nonce="@again") not in (first, bad)
    cluster.starts("4")
    cluster.rolls_on()
    cluster.pass_time(minutes=2)
    cluster.edit(version="3")
    cluster.settle()
    assert cluster.status["candidate"]["revision"] == first


def test_a_retry_of_a_failed_restart_restarts_again() -> None:
    cluster = ready(replicas=2)
    first = cluster.status["stable"]["revision"]
    bad = restart_failed(cluster)
    asks(cluster, "retry", bad)
    resolves(cluster)
    cluster.rolls_on()
    assert cluster.status["stable"]["version"] == "3"
    assert cluster.status["stable"]["revision"] not in (first, bad)


# History


def test_of_more_refusals_than_are_remembered_the_revisions_go() -> None:
    cluster = ready(replicas=1)
    versions = [str(number) for number in range(4, 4 + REMEMBERED + 4)]
    for version in versions:
        cluster.starts(version)
        fails(cluster, version)
    cluster.edit(version="3")
    cluster.settle()
    assert [each["version"] for each in cluster.status["alsoRefused"]] == versions[-REMEMBERED:]
    stored = [key for key in cluster.objects if key[0] == "ControllerRevision"]
    assert len(stored) == 1 + REMEMBERED


def test_what_was_refused_takes_no_place_in_history() -> None:
    cluster = ready(replicas=1, rollout={"historyLimit": 1})
    cluster.starts("4")
    takes_over(cluster)
    cluster.starts("5")
    fails(cluster, "5")
    assert asks(cluster, "rollback", cluster.status["stable"]["revision"]).startswith("going back to 3")


@pytest.mark.parametrize("sent_home", [aborted, rolled_back, failed])
def test_a_refusal_names_the_digest_that_was_refused(sent_home: Any) -> None:
    cluster = sent_home()
    known = {
        each["data"]["resolved"]["digest"]
        for (kind, _), each in cluster.objects.items()
        if kind == "ControllerRevision" and each["data"]["version"] == "4"
    }
    assert {cluster.status["refused"]["digest"]} == known


def test_of_what_was_never_resolved_the_refusal_names_the_digest_that_the_manifest_pins() -> None:
    pinned = "sha256:" + "d" * 64
    cluster = ready(replicas=2)
    cluster.edit(version="4", source={"uri": "s3://models/churn/4", "digest": pinned})
    cluster.settle()
    asks(cluster, "abort", cluster.status["candidate"]["ask"][:8])
    assert cluster.status["refused"]["digest"] == pinned
