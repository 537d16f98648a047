"""Following an alias: what is asked for, by what the catalogue shows, what was refused and what somebody asks for."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import pytest

from slipway.api.v1alpha1.follow import Follow, FollowStatus, FollowUpdate, RefusedDigest
from slipway.api.v1alpha1.status import Refused
from slipway.core.catalogue.facts import Followed, RegisteredModelFacts, VersionFacts
from slipway.core.catalogue.follow import CALM, Following, Situation, followed, hold
from slipway.core.reasons import Reason
from tests.core.gen import NOON

URI: Final = "s3://models/churn/$(version)"
TAG: Final = "oci://registry.example/churn:"
NOTHING, FOLLOWING, PROPOSED = Reason.NOTHING_TO_FOLLOW, Reason.FOLLOWING, Reason.PROPOSED
LONG_AGO: Final = NOON - timedelta(days=1)


def digest(version: str) -> str:
    return "sha256:" + f"{int(version):x}" * 64


def short(version: str) -> str:
    return digest(version)[7:39]


def model(aliases: dict[str, str], *shared_with: str) -> RegisteredModelFacts:
    spec = {"aliases": aliases, "sharedWith": list(shared_with)}
    return RegisteredModelFacts.of({"metadata": {"name": "churn", "namespace": "shop"}, "spec": spec})


def published(version: str, **more: Any) -> VersionFacts:
    spec = {"model": "churn", "version": version, "digest": digest(version) if version.isdigit() else "", **more}
    return VersionFacts.of({"metadata": {"name": f"churn-{version}", "namespace": "shop"}, "spec": spec})


def shows(version: str, **more: Any) -> Followed:
    return Followed(model=model({"champion": version}, "*"), version=published(version, **more))


def asks(version: str, *, at: datetime = LONG_AGO, **more: Any) -> FollowStatus:
    """What was asked for before."""
    return FollowStatus(version=version, digest=digest(version), since=at, **{"changes": 1, **more})


def refusal(version: str, reason: str = "WrongAnswer", at: datetime = LONG_AGO) -> Refused:
    return Refused(ask=version * 64, version=version, digest=digest(version), reason=reason, message="no", at=at)


def refused(version: str, cleared_at: datetime | None = None) -> RefusedDigest:
    return RefusedDigest(
        digest=digest(version), version=version, reason="WrongAnswer", at=LONG_AGO, cleared_at=cleared_at
    )


def decided(
    seen: Followed,
    before: FollowStatus,
    *,
    update: str = "Automatic",
    namespace: str = "shop",
    now: datetime = NOON,
    uri: str = URI,
    **more: Any,
) -> Following:
    follow = Follow(model="churn", namespace="shop", alias="champion", update=FollowUpdate(update))
    situation = Situation(namespace=namespace, uri=uri, **{"serving": before.digest, **more})
    found = followed(follow, seen, before, situation, now)
    if situation.retried is None:
        again = followed(follow, seen, found.status, replace(situation, accepted=None), now)
        assert again.status == found.status, "the same look decides something else"
    return found


BLOCKED: Final = {"withdrawn": {"action": "Block", "reason": "leaks names", "instead": "5"}}
WARNED: Final = {"withdrawn": {"action": "Warn", "reason": "leaks names"}}
NEVER: Final = FollowStatus()
UNSHARED: Final = Followed(model=model({"champion": "4"}), version=published("4"))

TABLE: Final[dict[str, tuple[Following, str | None, Reason, str]]] = {
    "the first version": (decided(shows("4"), NEVER), "4", FOLLOWING, "champion of churn is version 4: asked for"),
    "the first version of Propose": (decided(shows("4"), NEVER, update="Propose"), "4", FOLLOWING, ""),
    "the first version of a sleeper": (decided(shows("4"), NEVER, suspended=True), "4", FOLLOWING, ""),
    "the same again": (decided(shows("3"), asks("3")), "3", FOLLOWING, "champion of churn is version 3: asked for"),
    "another version": (decided(shows("4"), asks("3")), "4", FOLLOWING, ""),
    "an earlier version": (decided(shows("2"), asks("3")), "2", FOLLOWING, ""),
    "the same bytes by another name": (
        decided(shows("4", digest=digest("3")), asks("3")),
        "3",
        FOLLOWING,
        "is version 4, of the same bytes as version 3: that one, at its address, stays asked for",
    ),
    "a version of other bytes": (decided(shows("3", digest=digest("4")), asks("3")), "4", FOLLOWING, ""),
    "another version that is proposed": (
        decided(shows("4"), asks("3"), update="Propose"),
        "3",
        PROPOSED,
        f"champion of churn is version 4: proposed, accept/{short('4')} accepts it; version 3 stays asked for",
    ),
    "one that somebody accepts": (
        decided(shows("4"), asks("3"), update="Propose", accepted=short("4")),
        "4",
        FOLLOWING,
        "",
    ),
    "another than somebody accepts": (
        decided(shows("4"), asks("3"), update="Propose", accepted=short("5")),
        "3",
        PROPOSED,
        "",
    ),
    "one after three refusals": (
        decided(shows("4"), asks("6", refusals=3), serving=digest("3")),
        "6",
        PROPOSED,
        "proposed after 3 refusals one after another",
    ),
    "what serves, after three refusals": (
        decided(shows("3"), asks("6", refusals=3), serving=digest("3")),
        "3",
        FOLLOWING,
        "",
    ),
    "what serves, while another is on its way": (
        decided(shows("3"), asks("4", at=NOON, changes=9), update="Propose", serving=digest("3")),
        "3",
        FOLLOWING,
        "",
    ),
    "one that was refused": (
        decided(shows("4"), asks("3", refused=[refused("4")])),
        "3",
        Reason.REFUSED_BEFORE,
        f"which was refused here (WrongAnswer): version 3 stays asked for; retry/{short('4')} tries it anew",
    ),
    "one that was refused under another name": (
        decided(shows("5", digest=digest("4")), asks("3", refused=[refused("4")])),
        "3",
        Reason.REFUSED_BEFORE,
        "",
    ),
    "one that has just been refused": (
        decided(shows("4"), asks("4"), serving=digest("3"), refusal=refusal("4")),
        "4",
        Reason.REFUSED_BEFORE,
        "",
    ),
    "one that is refused and accepted": (
        decided(shows("4"), asks("3", refused=[refused("4")]), accepted=short("4")),
        "3",
        Reason.REFUSED_BEFORE,
        "",
    ),
    "one that somebody has tried again": (
        decided(shows("4"), asks("3", refused=[refused("4")]), retried=digest("4")),
        "4",
        FOLLOWING,
        "",
    ),
    "one that was tried again before": (
        decided(shows("4"), asks("3", refused=[refused("4", NOON)]), also_refused=[refusal("4")]),
        "4",
        FOLLOWING,
        "",
    ),
    "another version for a sleeper": (
        decided(shows("4"), asks("3"), suspended=True),
        "3",
        Reason.SUSPENDED,
        "asked for once the suspension ends",
    ),
    "the fourth change in a row": (
        decided(shows("4"), asks("3", at=NOON, changes=3)),
        "3",
        Reason.SETTLING,
        "asked for at 12:01:00 UTC",
    ),
    "the fourth change, accepted": (
        decided(shows("4"), asks("3", at=NOON, changes=3), accepted=short("4")),
        "4",
        FOLLOWING,
        "",
    ),
    "a version that is withdrawn": (
        decided(shows("4", **BLOCKED), asks("3")),
        "3",
        Reason.WITHDRAWN,
        "version 4: churn 4 of namespace shop is withdrawn: leaks names; use version 5; version 3 stays asked for",
    ),
    "a version that is warned of": (decided(shows("4", **WARNED), asks("3")), "4", FOLLOWING, ""),
    "bytes that are withdrawn here": (
        decided(shows("4"), asks("3"), withdrawals={digest("4"): published("4", **BLOCKED).withdrawal}),
        "3",
        Reason.WITHDRAWN,
        "",
    ),
    "a first version that is withdrawn": (
        decided(shows("4", **BLOCKED), NEVER),
        None,
        Reason.WITHDRAWN,
        "nothing is asked for yet",
    ),
    "no catalogue": (
        decided(Followed(unseen="the cluster knows no RegisteredModels"), asks("3")),
        "3",
        NOTHING,
        "champion of churn: the cluster knows no RegisteredModels; version 3 stays asked for",
    ),
    "no model": (
        decided(Followed(), asks("3")),
        "3",
        NOTHING,
        "there is no RegisteredModel churn in namespace shop; version 3 stays asked for",
    ),
    "no alias": (
        decided(Followed(model=model({"challenger": "4"})), asks("3")),
        "3",
        NOTHING,
        "no such alias; add it to spec.aliases there",
    ),
    "no such version": (
        decided(Followed(model=model({"champion": "4"})), asks("3")),
        "3",
        NOTHING,
        "it is version 4, which is not published",
    ),
    "an object that is of another version": (
        decided(Followed(model=model({"champion": "4"}), version=published("5")), asks("3")),
        "3",
        NOTHING,
        "not published",
    ),
    "a version that fits no uri": (
        decided(Followed(model=model({"champion": "../4"}), version=published("../4")), asks("3")),
        "3",
        NOTHING,
        "whose version is none",
    ),
    "a version without a digest": (decided(shows("4", digest="sha256:0"), asks("3")), "3", NOTHING, "digest is none"),
    "a version that makes the uri too long": (
        decided(shows("4" * 64, digest=digest("4")), asks("3"), uri=URI + "x" * 960),
        "3",
        NOTHING,
        "more than 1024 characters",
    ),
    "a version that makes the tag of a registry too long": (
        decided(shows("4" * 64, digest=digest("4")), asks("3"), uri=f"{TAG}{'v' * 65}$(version)"),
        "3",
        NOTHING,
        "with which the tag in spec.model.source.uri has more than 128 characters: shorten it",
    ),
    "a version with which the tag of a registry just fits": (
        decided(shows("4" * 64, digest=digest("4")), asks("3"), uri=f"{TAG}{'v' * 64}$(version)"),
        "4",
        FOLLOWING,
        "",
    ),
    "a version with which a path is longer than tags may be": (
        decided(shows("4" * 64, digest=digest("4")), asks("3"), uri=f"s3://models/a:{'v' * 128}$(version)"),
        "4",
        FOLLOWING,
        "",
    ),
    "a model of elsewhere": (
        decided(shows("4"), asks("3"), namespace="web"),
        "4",
        FOLLOWING,
        "champion of shop/churn is version 4: asked for",
    ),
    "one of elsewhere that is not shared": (
        decided(UNSHARED, asks("3"), namespace="web"),
        "3",
        NOTHING,
        "there is no RegisteredModel churn in namespace shop whose sharedWith has web",
    ),
    "nothing, and nothing before": (decided(Followed(), NEVER), None, NOTHING, "nothing is asked for yet"),
}


@pytest.mark.parametrize("case", TABLE)
def test_what_is_asked_for_and_what_is_said(case: str) -> None:
    found, version, reason, words = TABLE[case]
    assert found.status.digest == (version and digest(version))
    assert found.says.reason is reason
    assert words in found.says.message
    assert (found.status.proposed is not None) == (reason is PROPOSED)


def test_a_model_that_is_not_shared_looks_like_one_that_is_not_there() -> None:
    hidden = [decided(each, NEVER, namespace="web").says for each in (UNSHARED, Followed())]
    assert hidden[0] == hidden[1]


# Refusals


def rejects(before: FollowStatus, version: str, at: datetime = NOON) -> FollowStatus:
    """The alias moves to a version, and it is refused."""
    calm = before.evolve(since=LONG_AGO, changes=1)
    taken = decided(shows(version), calm, serving=digest("1"), now=at).status
    assert taken.version == version
    return decided(shows(version), taken, serving=digest("1"), refusal=refusal(version, at=at), now=at).status


def test_three_refusals_one_after_another_make_proposals_of_the_rest_until_somebody_accepts_one() -> None:
    status = asks("1")
    for count, version in enumerate("234", start=1):
        status = rejects(status, version)
        assert status.refusals == count
    proposed = decided(shows("5"), status, serving=digest("1"))
    assert proposed.says.reason is PROPOSED
    back = decided(shows("1"), proposed.status, serving=digest("1")).status
    assert (back.version, back.refusals) == ("1", 3)
    assert decided(shows("5"), back, serving=digest("1")).says.reason is PROPOSED
    accepted = decided(shows("5"), proposed.status, serving=digest("1"), accepted=short("5"))
    assert (accepted.status.version, accepted.status.refusals) == ("5", 0)
    assert accepted.answer == "accepted: version 5 is asked for"


def test_a_version_that_takes_over_ends_the_row() -> None:
    status = rejects(rejects(asks("1"), "2"), "3")
    taken = decided(shows("4"), status.evolve(since=LONG_AGO), serving=digest("1")).status
    assert decided(shows("4"), taken, serving=digest("4")).status.refusals == 0


def test_a_refusal_counts_once_however_often_it_is_looked_at() -> None:
    status = rejects(asks("1"), "2")
    for _ in range(3):
        status = decided(shows("2"), status, serving=digest("1"), refusal=refusal("2", at=NOON)).status
    assert status.refusals == 1
    assert [each.version for each in status.refused] == ["2"]


def test_what_is_tried_again_and_refused_again_is_refused_also_within_the_same_second() -> None:
    status = rejects(asks("1"), "2")
    again = decided(shows("2"), status, serving=digest("1"), refusal=refusal("2", at=NOON), retried=digest("2"))
    assert again.says.reason is FOLLOWING
    under_way = decided(shows("2"), again.status, serving=digest("1"), also_refused=[refusal("2", at=LONG_AGO)])
    assert under_way.says.reason is FOLLOWING
    ended = decided(shows("2"), under_way.status, serving=digest("1"), refusal=refusal("2", at=NOON))
    assert ended.says.reason is Reason.REFUSED_BEFORE


def test_what_serves_is_not_refused_for_a_restart_that_failed_or_for_what_it_was_refused_for_once() -> None:
    served = decided(shows("2"), asks("2"), refusal=refusal("2"), also_refused=[refusal("2")]).status
    moved = decided(shows("3"), served, serving=digest("2"), also_refused=[refusal("2")]).status
    back = decided(shows("2"), moved.evolve(since=LONG_AGO), serving=digest("3"), also_refused=[refusal("2")])
    assert (back.status.version, back.says.reason) == ("2", FOLLOWING)


def test_as_many_refusals_are_remembered_as_status_takes_and_the_oldest_go() -> None:
    many = asks("1", refused=[refused("2").evolve(digest=f"sha256:{n:064x}") for n in range(16)])
    kept = decided(Followed(), many, refusal=refusal("5")).status.refused
    assert (len(kept), kept[0].digest[-2:], kept[-1].version) == (16, "01", "5")


def test_what_counts_no_more_goes_before_what_is_still_refused() -> None:
    many = [refused("2", NOON).evolve(digest=f"sha256:{n:064x}") for n in range(15)]
    status = asks("1", refused=[refused("4"), *many])
    kept = decided(Followed(), status, refusal=refusal("5"), also_refused=[refusal("2").evolve(digest=many[3].digest)])
    assert [each.digest for each in kept.status.refused] == [digest("4"), many[3].digest, digest("5")]


# What was asked for before


def test_what_was_asked_for_before_it_was_followed_takes_the_name_that_the_alias_has_for_its_bytes() -> None:
    seen = shows("4", digest=digest("3"))
    for update in FollowUpdate:
        found = decided(seen, asks("3").evolve(since=None), update=update)
        assert (found.status.version, found.status.since, found.status.changes) == ("4", NOON, 1)
    assert decided(seen, asks("3")).status.version == "3", "what is followed is asked for anew under another name"


def test_numbers_that_an_edit_has_made_large_grow_no_further() -> None:
    most = asks("1", at=NOON, changes=2**63 - 1, refusals=2**63 - 1)
    assert decided(shows("2"), most, accepted=short("2")).status.changes == 1
    assert decided(shows("2"), most, now=NOON + timedelta(hours=1), serving=digest("2")).status.changes < 2**63
    assert rejects(most.evolve(refusals=2), "2").refusals == 3
    assert decided(shows("1"), most, serving=digest("9"), refusal=refusal("1")).status.refusals < 2**63


# An alias that flaps


def test_the_more_changes_the_longer_the_next_one_waits() -> None:
    assert [hold(n) // timedelta(minutes=1) for n in range(13)] == [0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]
    assert hold(10**6) == timedelta(hours=1)


def test_an_alias_that_flaps_settles_and_one_that_has_come_to_rest_is_followed_at_once() -> None:
    status, changes, now = asks("9"), [], NOON
    while now < NOON + timedelta(days=1):
        version = "23"[int((now - NOON) / timedelta(seconds=20)) % 2]
        found = decided(shows(version), status, serving=digest("9"), now=now)
        if found.status.since != status.since:
            changes.append(now)
        assert found.until is None or now < found.until <= now + timedelta(hours=1)
        status, now = found.status, now + timedelta(seconds=20)
    assert changes[2] - changes[0] < timedelta(minutes=2), "the first are at once"
    assert len(changes) < 40
    rested = (status.since or NOON) + max(CALM, 2 * hold(status.changes))
    assert decided(shows("5"), status, serving=digest("9"), now=rested).status.changes == 1
    assert decided(shows("5"), status, serving=digest("9"), now=rested).status.version == "5"
