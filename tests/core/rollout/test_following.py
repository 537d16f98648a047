"""Following an alias, as stories: what is asked for, what serves, and what people are told."""

import copy
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest

from slipway.core.catalogue.facts import Followed, RegisteredModelFacts
from slipway.core.reasons import Reason
from tests.core.cluster.following import FollowingCluster, digest, following, follows, pinned, short, shown
from tests.core.cluster.kubelet import says
from tests.core.cluster.scenario import counts, fails, told


def refuses(cluster: FollowingCluster, version: str) -> None:
    """The alias moves to a version whose answers are wrong."""
    cluster.alias(version)
    cluster.resolves()
    fails(cluster, version)
    assert cluster.status["refused"]["version"] == version


def test_a_first_version_is_asked_for_with_its_digest_and_the_spec_is_left_alone() -> None:
    cluster = follows("3")
    spec = copy.deepcopy(cluster.spec)
    cluster.goes_well()
    assert (cluster.serves, cluster.says[0]) == ("3", "Following")
    [revision] = cluster.status["revisions"]
    assert revision["digest"] == digest("3")
    assert cluster.spec == spec
    job = next(m for (kind, _), m in cluster.objects.items() if kind == "Job")
    assert "s3://models/churn/3" in str(job["spec"])
    assert "$(version)" not in str(job["spec"])


def test_a_version_that_the_alias_comes_to_mean_rolls_out_and_one_that_it_meant_before_comes_back_from_history() -> (
    None
):
    cluster = following("3", "4")
    first = {r["version"]: r["revision"] for r in cluster.status["revisions"]}
    assert cluster.serves == "4"
    cluster.alias("3")
    assert not any(kind == "Job" and not m["status"] for (kind, _), m in cluster.objects.items()), "it is resolved anew"
    cluster.rolls_on()
    assert cluster.serves == "3"
    cluster.pass_time(days=1)
    cluster.alias("4")
    cluster.rolls_on()
    assert {r["version"]: r["revision"] for r in cluster.status["revisions"]}["4"] == first["4"]


def test_a_pinned_manifest_with_the_same_version_digest_and_address_asks_for_the_same() -> None:
    cluster = following("3")
    cluster.spec["model"] = {"version": "3", "source": {"uri": "s3://models/churn/3", "digest": digest("3")}}
    cluster.generation += 1
    plan = cluster.settle()
    assert (plan.status.phase, plan.status.candidate, plan.status.follow) == ("Ready", None, None)


@pytest.mark.parametrize("name", ["blue", "green 1/.."])
@pytest.mark.parametrize("update", ["Automatic", "Propose"])
def test_what_was_pinned_by_another_name_is_asked_for_where_the_alias_has_it(name: str, update: str) -> None:
    cluster = pinned(name, update=update)
    cluster.settle()
    job = next(m for (kind, _), m in cluster.objects.items() if kind == "Job" and not m["status"])
    assert "s3://models/churn/1" in str(job["spec"])
    cluster.goes_well()
    assert (cluster.serves, cluster.wants, cluster.says[0]) == ("1", "1", "Following")


@pytest.mark.parametrize("name", ["blue", "green 1/.."])
@pytest.mark.parametrize("seen", [None, shown(None), shown("4", action="Block"), shown("4")])
def test_what_was_pinned_stays_asked_for_where_it_was_until_something_else_is(name: str, seen: Followed | None) -> None:
    cluster = pinned(name, update="Propose")
    cluster.followed = seen
    for _ in range(2):
        cluster.settle()
        assert (cluster.wants, cluster.serves, cluster.status.get("candidate")) == (name, name, None)
        assert cluster.condition("Ready")["status"] == "True"
        del cluster.objects["Deployment", cluster.revision_named(name)]
        cluster.settle()
        assert counts(cluster) == {name: 2}, "it does not heal"
        cluster.goes_well()


EDITS: dict[str, dict[str, Any]] = {
    "a line break": {"version": "3\n4"},
    "a path": {"version": "../../other"},
    "the place for a version": {"version": "$(version)"},
    "spaces": {"version": " 3"},
    "nothing": {"version": ""},
    "no version": {"version": None},
    "no digest": {"digest": None},
    "another digest": {"digest": "3"},
    "neither": {"version": None, "digest": None},
    "the most changes": {"changes": 2**63 - 1, "refusals": 2**63 - 1},
    "another time": {"since": "2999-01-01T00:00:00Z"},
    "no time": {"since": None},
    "a time without a zone": {"since": "2026-01-01T00:00:00"},
    "no number": {"changes": "many"},
    "half a proposal": {"proposed": {"version": 5}},
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
@pytest.mark.parametrize("seen", [shown("3"), shown("4"), None], ids=["the same", "another", "nothing"])
def test_an_edit_of_what_status_says_is_asked_for_takes_nothing_away(
    edit: dict[str, Any], seen: Followed | None
) -> None:
    cluster = following("3", update="Propose")
    edited = cluster.status["follow"] | edit
    cluster.status["follow"] = {name: value for name, value in edited.items() if value is not None}
    del cluster.objects["Deployment", cluster.revision_named("3")]
    cluster.followed = seen
    cluster.settle()
    assert (cluster.wants, counts(cluster)) == ("3", {"3": 2})
    cluster.alias("4")
    cluster.asks(f"accept/{short('4')}")
    cluster.goes_well()
    assert cluster.serves == "4"
    assert cluster.status["follow"]["changes"] < 2**63


BAD: Final[list[Any]] = [{"version": "4"}, 7, None, {}]
"""No refusals."""
UNREADABLE: Final[dict[str, Any]] = {
    "version": 4,
    "digest": ["none"],
    "since": "yesterday",
    "changes": -1,
    "proposed": {"version": "5", "digest": 5},
    "refusals": "three",
    "refused": BAD,
    "another version's": {},
}


@pytest.mark.parametrize("part", UNREADABLE)
@pytest.mark.parametrize("parts", ["one", "all"])
def test_a_part_that_cannot_be_read_is_lost_alone_and_what_was_refused_stays_refused(part: str, parts: str) -> None:
    cluster = following("3")
    refuses(cluster, "4")
    cluster.alias("3")
    before = cluster.status["follow"]
    edit = {**(UNREADABLE if parts == "all" else {}), part: UNREADABLE[part]}
    cluster.status["follow"] = before | edit | {"refused": [*BAD, *before["refused"], *BAD]}
    cluster.status.pop("alsoRefused")
    cluster.settle()
    kept = cluster.status["follow"]
    lost = set(UNREADABLE) - {"version", "digest", "refused"} if parts == "all" else {part}
    assert {name: value for name, value in kept.items() if name not in lost} == {
        name: value for name, value in before.items() if name not in lost
    }
    cluster.pass_time(days=1)
    cluster.alias("4")
    assert (cluster.wants, cluster.serves, cluster.says[0]) == ("3", "3", "RefusedBefore")


def test_of_more_refusals_than_fit_the_latest_are_kept() -> None:
    cluster = following("3")
    refuses(cluster, "4")
    [refusal] = cluster.status["follow"]["refused"]
    others = [{**refusal, "digest": f"sha256:{n:064x}"} for n in range(20)]
    cluster.status["follow"]["refused"] = [*others, refusal]
    cluster.status.pop("alsoRefused", None)
    cluster.settle()
    assert [each["digest"][-2:] for each in cluster.status["follow"]["refused"][:2]] == ["05", "06"]
    assert cluster.says[0] == "RefusedBefore"


def test_an_address_that_has_become_too_long_for_its_version_changes_nothing_of_what_serves() -> None:
    cluster, long = follows("3"), "v" * 64
    seen = shown("3")
    assert seen.version
    model = RegisteredModelFacts.of(
        {"metadata": {"name": "churn", "namespace": "shop"}, "spec": {"aliases": {"champion": long}}}
    )
    cluster.followed = Followed(model=model, version=replace(seen.version, version=long))
    cluster.goes_well()
    cluster.pinned = {"version": long, "source": {"uri": f"s3://models/churn/{long}", "digest": digest("3")}}
    cluster.spec["model"]["source"] = {"uri": f"s3://models/{'a' * 980}/$(version)"}
    cluster.generation += 1
    cluster.settle()
    assert (cluster.wants, cluster.serves, cluster.says[0]) == (long, long, "NothingToFollow")
    assert "has more than 1024 characters" in cluster.says[1]
    assert cluster.condition("Ready")["status"] == "True"


def test_a_version_that_was_refused_is_not_asked_for_again_however_the_alias_moves() -> None:
    cluster = following("3")
    refuses(cluster, "4")
    assert cluster.says[0] == "RefusedBefore"
    assert told(cluster)[-1] == "WrongAnswer"
    for version in ("3", "4", "3", "4"):
        cluster.pass_time(days=1)
        cluster.alias(version)
        assert (cluster.serves, cluster.status.get("candidate")) == ("3", None)
    assert cluster.wants == "3"
    assert cluster.condition("Ready")["status"] == "True"
    assert f"retry/{short('4')} tries it anew" in cluster.says[1]
    assert cluster.asks(f"retry/{short('4')}").startswith("no longer refused")
    assert cluster.wants == "4"
    cluster.goes_well()
    assert (cluster.serves, cluster.says[0]) == ("4", "Following")


def test_a_refusal_that_holds_back_what_is_asked_for_is_retried_by_revision_or_digest() -> None:
    for by_digest in (False, True):
        cluster = following("3")
        refuses(cluster, "4")
        name = short("4") if by_digest else cluster.status["refused"]["revision"]
        assert cluster.asks(f"retry/{name}") == "tried again"
        cluster.goes_well()
        assert cluster.serves == "4"


@pytest.mark.parametrize("verb", ["abort", "rollback"])
def test_what_a_person_sends_home_stays_there(verb: str) -> None:
    cluster = following("3") if verb == "abort" else following("3", "4")
    if verb == "abort":
        cluster.alias("4")
        cluster.resolves()
    name = cluster.status["candidate" if verb == "abort" else "stable"]["revision"]
    cluster.asks(f"{verb}/{name}")
    cluster.rolls_on()
    assert (cluster.serves, cluster.wants, cluster.says[0]) == ("3", "4", "RefusedBefore")
    for version in ("3", "4"):
        cluster.pass_time(days=1)
        cluster.alias(version)
        cluster.settle()
        assert cluster.serves == "3"
    assert cluster.wants == "3"


def test_a_proposal_waits_for_the_word_that_the_condition_offers() -> None:
    cluster = following("3", update="Propose")
    cluster.alias("4")
    assert cluster.status["follow"]["proposed"]["version"] == "4"
    assert (cluster.wants, cluster.condition("Ready")["status"]) == ("3", "True")
    assert told(cluster)[-1] == "Proposed"
    assert cluster.says[1].startswith(f"champion of churn is version 4: proposed, accept/{short('4')} accepts it")
    assert "nothing done" in cluster.asks(f"accept/{short('5')}")
    assert f"proposed {short('4')}" in cluster.status["requests"][-1]["outcome"]
    assert cluster.asks(f"accept/{short('4')}") == "accepted: version 4 is asked for"
    cluster.goes_well()
    assert cluster.serves == "4"


def test_a_word_that_was_given_before_is_offered_in_new_words_and_answered() -> None:
    cluster = following("3", update="Propose")
    cluster.alias("4")
    cluster.asks(f"accept/{short('4')}")
    cluster.goes_well()
    cluster.alias("3")
    cluster.pass_time(days=1)
    cluster.spec["model"]["follow"]["update"] = "Automatic"
    cluster.settle()
    cluster.goes_well()
    cluster.spec["model"]["follow"]["update"] = "Propose"
    cluster.alias("4")
    assert cluster.wants == "3", "the old word counts again"
    offered = f"accept/{short('4')}@2"
    assert f"{offered} accepts it" in cluster.says[1]
    assert cluster.asks(offered) == "accepted: version 4 is asked for"


def test_three_refusals_make_proposals_of_the_rest() -> None:
    cluster = following("3")
    for version in "456":
        refuses(cluster, version)
        cluster.pass_time(days=1)
    cluster.alias("7")
    assert (cluster.wants, cluster.says[0]) == ("6", "Proposed")
    assert "after 3 refusals one after another" in cluster.says[1]
    cluster.asks(f"accept/{short('7')}")
    cluster.goes_well()
    assert (cluster.serves, cluster.status["follow"]["refusals"]) == ("7", 0)


NOTHING = {
    "no catalogue": Followed(unseen="the cluster has no catalogue"),
    "not looked at": None,
    "no model": Followed(),
    "no alias": follows(None).followed,
}


@pytest.mark.parametrize("seen", NOTHING.values(), ids=NOTHING.keys())
def test_a_catalogue_that_is_gone_changes_nothing_of_what_serves(seen: Followed | None) -> None:
    cluster = following("3")
    cluster.followed = seen
    cluster.settle()
    assert cluster.says[0] == "NothingToFollow"
    assert cluster.condition("Ready")["status"] == "True"
    for key in [key for key in cluster.objects if key[0] in ("Service", "Deployment")]:
        del cluster.objects[key]
    cluster.spec["replicas"] = 3
    cluster.generation += 1
    cluster.settle()
    assert counts(cluster) == {"3": 3}, "what is gone is not made again"


@pytest.mark.parametrize("seen", NOTHING.values(), ids=NOTHING.keys())
@pytest.mark.parametrize("lost", ["follow", "all"])
def test_also_where_status_is_lost_what_serves_is_known_from_history(seen: Followed | None, lost: str) -> None:
    cluster = following("3")
    before = cluster.deployments()
    cluster.status = {} if lost == "all" else {k: v for k, v in cluster.status.items() if k != lost}
    cluster.followed = seen
    cluster.settle()
    assert (cluster.wants, cluster.deployments()) == ("3", before)
    assert cluster.condition("Ready")["status"] == "True"


def test_a_proposal_is_no_ask_after_status_was_lost() -> None:
    cluster = following("3", update="Propose")
    cluster.alias("4")
    cluster.request = f"accept/{short('4')}"
    cluster.status = {}
    cluster.settle()
    assert (cluster.wants, cluster.says[0]) == ("3", "Proposed")
    assert f"as in accept/{short('4')}@again" in cluster.status["requests"][-1]["outcome"]
    cluster.asks(f"accept/{short('4')}@again")
    assert cluster.wants == "4"


@pytest.mark.parametrize("seen", NOTHING.values(), ids=NOTHING.keys())
def test_with_nothing_to_follow_and_nothing_asked_for_nothing_is_made_and_it_is_said(seen: Followed | None) -> None:
    cluster = follows("3")
    cluster.followed = seen
    plan = cluster.settle()
    assert (plan.actions, plan.wake_at) == ((), None)
    assert cluster.condition("Ready")["reason"] == cluster.says[0] == "NothingToFollow"
    assert cluster.condition("Stalled")["status"] == "True"
    cluster.alias("3")
    cluster.goes_well()
    assert cluster.serves == "3"


def test_a_version_that_is_withdrawn_on_its_way_goes_home() -> None:
    cluster = following("3")
    cluster.alias("4")
    cluster.resolves()
    cluster.withdraws("4")
    cluster.rolls_on()
    assert (cluster.serves, cluster.status["refused"]["reason"]) == ("3", "Withdrawn")
    assert set(counts(cluster)) == {"3"}


def test_a_version_that_is_withdrawn_already_is_not_asked_for_until_that_is_taken_back() -> None:
    cluster = following("3")
    cluster.withdraws("4")
    cluster.alias("4")
    assert (cluster.wants, cluster.says[0]) == ("3", "Withdrawn")
    cluster.withdraws("4", None)
    assert cluster.wants == "4"


def test_what_serves_and_is_withdrawn_serves_on_and_heals() -> None:
    cluster = following("3")
    cluster.withdraws("3")
    assert (cluster.wants, cluster.says[0]) == ("3", "Withdrawn")
    assert cluster.condition("Ready")["status"] == "True"
    del cluster.objects["Deployment", cluster.revision_named("3")]
    cluster.settle()
    assert counts(cluster) == {"3": 2}


def test_a_suspension_holds_and_what_the_alias_means_by_then_is_asked_for_after_it() -> None:
    cluster = following("3")
    cluster.spec["suspend"] = True
    cluster.alias("4")
    cluster.alias("5")
    assert (cluster.wants, cluster.says[0], counts(cluster)) == ("3", "Suspended", {"3": 0})
    cluster.spec["suspend"] = False
    cluster.settle()
    assert cluster.wants == "5"


def test_an_alias_that_flaps_settles_and_the_next_look_is_wanted_when_it_may_move() -> None:
    cluster = following("3")
    for version in ("4", "5", "6"):
        cluster.alias(version)
        assert cluster.wants == version
    cluster.alias("7")
    plan = cluster.settle()
    assert (cluster.wants, cluster.says[0]) == ("6", "Settling")
    assert plan.wake_at is not None
    assert plan.wake_at > cluster.now
    cluster.alias("3")
    assert (cluster.wants, cluster.status["phase"]) == ("3", "Ready"), "the way back is free"
    cluster.alias("7")
    cluster.pass_time(minutes=5)
    cluster.settle()
    assert cluster.wants == "7"


def test_an_edit_tries_what_was_refused_as_in_any_manifest_and_what_takes_over_is_refused_no_more() -> None:
    cluster = following("3")
    refuses(cluster, "4")
    cluster.spec["server"] = {"requestTimeout": "45s"}
    cluster.generation += 1
    cluster.goes_well()
    assert (cluster.serves, cluster.says[0]) == ("4", "Following")
    for version in ("3", "4"):
        cluster.pass_time(days=1)
        cluster.alias(version)
        cluster.goes_well()
    assert cluster.serves == "4"


def test_a_spec_with_neither_version_nor_alias_is_answered_by_its_field() -> None:
    cluster = following("3")
    cluster.spec["model"] = {"source": {"uri": "s3://models/churn/3"}}
    cluster.settle()
    said = cluster.condition("Ready")
    assert (said["reason"], said["message"]) == (
        Reason.SPEC_INVALID,
        "spec.model.version: is missing; write it, or follow an alias by spec.model.follow",
    )
    assert counts(cluster) == {"3": 2}


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("s3://models/churn/3", "has no $(version), where the followed version stands; write it like"),
        ("s3://$(version)/churn", "has $(version) in the host, bucket or claim; put it into the path"),
        ("https://$(version).example/$(version)", "has $(version) in the host, bucket or claim; put it into the path"),
    ],
)
@pytest.mark.parametrize("begins", [True, False], ids=["begins", "serves"])
def test_an_address_that_another_crd_has_let_through_sends_nothing_anywhere(uri: str, says: str, begins: bool) -> None:
    cluster = follows("3") if begins else following("3")
    before = dict(cluster.objects)
    cluster.spec["model"]["source"] = {"uri": uri, "secretName": "models-read"}
    cluster.generation += 1
    cluster.alias("4")
    assert cluster.objects == before
    ready = cluster.condition("Ready")
    assert (ready["reason"], ready["message"].split(": ")[0]) == ("SpecInvalid", "spec.model.source.uri")
    assert says in ready["message"]
    assert cluster.wants == (None if begins else "3")


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("SourceNotFound", "s3://models/churn/4: nothing is there"),
        ("DigestMismatch", "s3://models/churn/4: SHA256SUMS has another digest"),
    ],
)
def test_a_store_that_lost_the_bytes_of_a_published_version_costs_that_version_alone(reason: str, message: str) -> None:
    cluster = following("3")
    cluster.alias("4")
    cluster.resolve_job_ends(says(reason, message), exit_code=1)
    cluster.settle()
    assert (cluster.serves, cluster.wants, cluster.says[0]) == ("3", "4", "Following")
    ready = cluster.condition("Ready")
    assert (ready["status"], ready["reason"]) == ("False", reason)
    assert message in ready["message"]
    assert counts(cluster) == {"3": 2}
    cluster.alias("5")
    cluster.goes_well()
    assert cluster.serves == "5"
    # also of what serves: it heals from history, and is resolved by nobody
    cluster.alias("3")
    assert cluster.wants == "3"
    assert not any(kind == "Job" and not m["status"] for (kind, _), m in cluster.objects.items())


@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(days=400)])
@pytest.mark.parametrize("update", ["Automatic", "Propose"])
def test_times_of_a_clock_that_ran_ahead_hold_nothing_up_for_longer_than_itself(ahead: timedelta, update: str) -> None:
    cluster = following("3")
    refuses(cluster, "4")
    for version in ("3", "5", "6"):
        cluster.alias(version)
    cluster.spec["model"]["follow"]["update"] = update
    cluster.generation += 1
    right = cluster.now
    cluster.now += ahead
    cluster.alias("2")
    cluster.alias("7")
    cluster.now = right
    cluster.settle()
    cluster.alias("4")
    assert cluster.says[0] == "RefusedBefore"
    cluster.alias("8")
    cluster.pass_time(hours=1)
    cluster.settle()
    if update == "Propose":
        assert cluster.status["follow"]["proposed"]["since"] <= f"{cluster.now:%Y-%m-%dT%H:%M:%SZ}"
        cluster.asks(f"accept/{short('8')}")
    assert cluster.wants == "8"
    cluster.goes_well()
    assert cluster.serves == "8"


def test_a_catalogue_that_an_older_crd_keeps_no_memory_of_asks_for_what_the_alias_means_and_for_nothing_twice() -> None:
    cluster = following("3")
    cluster.alias("4")
    for _ in range(4):
        cluster.status.pop("follow")
        cluster.settle()
        assert (cluster.wants, cluster.serves) == ("4", "3")
    cluster.goes_well()
    cluster.status.pop("follow")
    cluster.settle()
    assert (cluster.wants, cluster.serves, cluster.status.get("candidate")) == ("4", "4", None)
