"""An alias moves while two operators run: each move is asked for once, and clients notice nothing but the versions."""

import time
from typing import Any, Final

import pytest

from slipway.api.v1alpha1 import API_VERSION
from testbed.operating import OperatorProcess
from tests.stories.rollouts.history import History
from tests.stories.rollouts.model import Model
from tests.stories.story import Story

pytestmark = pytest.mark.plane

ROLLING: Final = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
PODS: Final = 2
VERSIONS: Final = ("1", "2", "3")
NOTICED: Final = 5
"""Seconds. A publish is noticed within one on an idle machine (`make bench BENCH=catalogue`); sixty stories share this
one."""


class Catalogue:
    """A registered model in a story's namespace, with three versions."""

    def __init__(self, story: Story) -> None:
        self._story = story
        for version in VERSIONS:
            digest = "sha256:" + version * 64
            spec = {"model": "churn", "version": version, "digest": digest, "sources": [{"uri": "s3://models/churn"}]}
            self._apply("ModelVersion", f"churn-{version}", spec)

    def champion(self, version: str) -> None:
        """Move the alias."""
        self._apply("RegisteredModel", "churn", {"aliases": {"champion": version}})

    def _apply(self, kind: str, name: str, spec: dict[str, Any]) -> None:
        self._story.apply({"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec})


def _follower(story: Story) -> Model:
    """A model that follows the champion, which is version 1."""
    model = Model(story, "churn")
    follow = {"follow": {"model": "churn", "alias": "champion"}, "source": {"uri": "s3://models/churn/$(version)"}}
    story.apply(
        {
            "apiVersion": API_VERSION,
            "kind": "ModelDeployment",
            "metadata": {"name": model.name},
            "spec": {"model": follow, "replicas": PODS, "rollout": ROLLING},
        }
    )
    return model.serves("1")


def _asked(model: Model, version: str) -> bool:
    follow = model.status.get("follow") or {}
    return bool(follow.get("version") == version and follow.get("digest") == "sha256:" + version * 64)


def _nobody_is_left_out(history: History) -> None:
    """At each moment as many ready pods are reached as were asked for, and no more than a surge runs."""
    assert history.fewest_reached() >= PODS, history
    assert history.most_pods() <= PODS + 1, history


def test_each_move_is_asked_once_though_two_operators_believe_that_they_lead(story: Story) -> None:
    # given: two operators that both believe that they lead, and a model that follows an alias
    other = Story(story.plane, story.api).begin()
    catalogue = Catalogue(other)
    catalogue.champion("1")
    with (
        OperatorProcess(story.plane, namespaces=[other.namespace]),
        OperatorProcess(story.plane, namespaces=[other.namespace], user="operator-2"),
    ):
        model = _follower(other)
        changes = model.status["follow"]["changes"]

        # when: the alias moves, and in the middle of that rollout again
        with model.history() as history:
            catalogue.champion("2")
            moved = time.monotonic()
            other.until("the move is noticed", lambda: _asked(model, "2"), NOTICED, 0.05)
            assert time.monotonic() - moved < NOTICED
            model.shifts()
            catalogue.champion("3")
            model.serves("3").alone(model.stable())

        # then: each move counts once, and has one revision that became stable at most once
        status = model.status
        assert status["follow"]["changes"] == changes + 2, status
        assert status["lastNumber"] == 3, status
        assert model.events().count("Promoted") == 2, model.events()
        _nobody_is_left_out(history)
        assert other.get("modeldeployments", "churn")["metadata"]["generation"] == 1, "spec is its user's"
        other.kubectl("delete", "modeldeployments", "--all", "--wait=false")


def test_the_standby_follows_what_moved_while_nobody_led_and_back_again(story: Story) -> None:
    # given: one operator leads, another stands by, and a model follows an alias
    other = Story(story.plane, story.api).begin()
    catalogue = Catalogue(other)
    catalogue.champion("1")
    first = OperatorProcess(story.plane, namespaces=[other.namespace], lease=other.namespace)
    second = OperatorProcess(story.plane, namespaces=[other.namespace], lease=other.namespace, user="operator-2")
    with first, second:
        model = _follower(other)
        old = model.stable()
        leader = next(operator for operator in (first, second) if operator.leads())
        (standby,) = {first, second} - {leader}

        # when: the leader is killed in the middle of a rollout that the alias asked for, and the alias moves back
        with model.history() as history:
            catalogue.champion("2")
            model.shifts()
            leader.kill()
            catalogue.champion("1")
            model.until("the other leads", standby.leads)
            model.until("the old version is asked for", lambda: _asked(model, "1"))
            model.serves("1").alone(old)

        # then: version 1 is the revision of before, and no client was without its pods
        assert model.stable() == old
        assert model.status["lastNumber"] == 2
        _nobody_is_left_out(history)
        other.kubectl("delete", "modeldeployments", "--all", "--wait=false")
