"""The crash matrix of following: whichever write was the operator's last, and whatever another operator saw of it, it
ends in the same place."""

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any, Final

import pytest

from tests.core.cluster.following import FollowingCluster, following, follows, short, shown
from tests.core.cluster.kubelet import says

WRITES: Final = range(10)
"""A pass of these stories has fewer."""
Cut = Callable[[FollowingCluster], None]


def _meets(cluster: FollowingCluster, version: str | None, cut: Cut) -> None:
    """The alias is moved, and what is asked for is resolved and takes over; each first pass of it is cut off."""
    cluster.pass_time(days=1)
    cluster.settle()
    cluster.followed = cluster.shown(version)
    cut(cluster)
    cluster.settle()
    cluster.resolves()
    cut(cluster)
    cluster.rolls_on()
    cut(cluster)
    cluster.settle()


def begins(cut: Cut) -> FollowingCluster:
    cluster = follows(None)
    _meets(cluster, "3", cut)
    return cluster


def goes_on(cut: Cut) -> FollowingCluster:
    cluster = following("3")
    _meets(cluster, "4", cut)
    return cluster


def goes_back(cut: Cut) -> FollowingCluster:
    cluster = following("3", "4")
    _meets(cluster, "3", cut)
    return cluster


def is_refused(cut: Cut) -> FollowingCluster:
    cluster = following("3")
    cluster.followed = cluster.shown("4")
    cut(cluster)
    cluster.settle()
    cluster.resolves()
    ended = cluster.server_ended(says("WrongAnswer", "y[0] is 5"), restarts=1)
    cluster.kubelet(cluster.revision_named("4"), status=ended)
    cut(cluster)
    cluster.settle()
    _meets(cluster, "5", cut)
    _meets(cluster, "4", cut)
    return cluster


def is_accepted(cut: Cut) -> FollowingCluster:
    cluster = following("3", update="Propose")
    cluster.followed = cluster.shown("4")
    cut(cluster)
    cluster.settle()
    cluster.request = f"accept/{short('4')}"
    _meets(cluster, "4", cut)
    return cluster


def is_rolled_back(cut: Cut) -> FollowingCluster:
    cluster = following("3", "4")
    cluster.request = f"rollback/{cluster.status['stable']['revision']}"
    _meets(cluster, "4", cut)
    return cluster


def is_tried_again(cut: Cut) -> FollowingCluster:
    cluster = copy.deepcopy(_ends(is_refused))
    cluster.request = f"retry/{short('4')}"
    _meets(cluster, "4", cut)
    return cluster


def is_withdrawn_on_its_way(cut: Cut) -> FollowingCluster:
    cluster = following("3")
    cluster.alias("4")
    cluster.resolves()
    cluster.withdrawn["4"] = "Block"
    facts = shown("4", action="Block").version
    assert facts
    assert facts.withdrawal
    cluster.withdrawals = {facts.digest: facts.withdrawal}
    _meets(cluster, "4", cut)
    return cluster


def loses_its_catalogue(cut: Cut) -> FollowingCluster:
    cluster = following("3")
    cluster.alias("4")
    _meets(cluster, None, cut)
    return cluster


STORIES: Final = (
    begins,
    goes_on,
    goes_back,
    is_refused,
    is_accepted,
    is_rolled_back,
    is_tried_again,
    is_withdrawn_on_its_way,
    loses_its_catalogue,
)
ENDS: Final = {
    "begins": ("3", "3", "Following"),
    "goes_on": ("4", "4", "Following"),
    "goes_back": ("3", "3", "Following"),
    "is_refused": ("5", "5", "RefusedBefore"),
    "is_accepted": ("4", "4", "Following"),
    "is_rolled_back": ("3", "4", "RefusedBefore"),
    "is_tried_again": ("4", "4", "Following"),
    "is_withdrawn_on_its_way": ("3", "4", "Withdrawn"),
    "loses_its_catalogue": ("4", "4", "NothingToFollow"),
}
"""What serves, what is asked for, and what the condition says."""


def uncut(_: FollowingCluster) -> None:
    """Nothing happens."""


@cache
def _ends(story: Callable[[Cut], FollowingCluster]) -> FollowingCluster:
    return story(uncut)


def _outcome(cluster: FollowingCluster) -> dict[str, Any]:
    status = cluster.status
    return {
        "follow": status["follow"],
        "stable": status["stable"],
        "refused": status.get("refused"),
        "revisions": status["revisions"],
        "objects": sorted(cluster.objects),
    }


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_a_story_ends_as_people_were_told(story: Callable[[Cut], FollowingCluster]) -> None:
    cluster = _ends(story)
    assert (cluster.serves, cluster.wants, cluster.says[0]) == ENDS[story.__name__]


@pytest.mark.parametrize("writes", WRITES)
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_it_ends_the_same_whichever_write_was_the_last(story: Callable[[Cut], FollowingCluster], writes: int) -> None:
    def cut(cluster: FollowingCluster) -> None:
        cluster.one_pass(writes=writes)

    assert _outcome(story(cut)) == _outcome(_ends(story))


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_it_ends_the_same_where_a_second_operator_has_seen_no_catalogue(
    story: Callable[[Cut], FollowingCluster],
) -> None:
    def cut(cluster: FollowingCluster) -> None:
        cluster.one_pass(observed=replace(cluster.observed(), followed=None))

    assert _outcome(story(cut)) == _outcome(_ends(story))
