"""Argo CD's actions: each that is offered is one that the operator carries out, and writes what the command writes."""

import copy

import pytest

from slipway.cli.requests import asked
from slipway.core.rollout.requests import Verb
from tests.cli.scenes import CLUSTERS, scene_of
from tests.core.cluster.scenario import goes_on
from tests.core.cluster.simulator import Simulator
from tests.gitops.actions import VALUE, VERBS, acted, offered, value
from tests.gitops.states import STATES

SEEN = {**CLUSTERS, **{name: state.bring_about for name, state in STATES.items()}}


def test_the_value_is_made_of_the_scripts() -> None:
    assert VALUE.read_text() == value(), "`python -m tests.gitops.actions` writes it anew"


def answered(cluster: Simulator, verb: str) -> str:
    """What the operator says to an action."""
    found = scene_of(cluster)
    text = acted(copy.deepcopy(found.body), verb)
    assert text == asked(found.model, Verb(verb)).text
    names = [name.removeprefix("churn-") for kind, name in cluster.objects if kind == "ControllerRevision"]
    for number, name in enumerate(names, start=1):
        text = text.replace(str(number) * 8, name)
    cluster.request = text
    goes_on(cluster)
    return str(cluster.status["requests"][-1]["outcome"])


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("name", SEEN)
def test_what_is_offered_is_carried_out(name: str, verb: str) -> None:
    cluster = SEEN[name]()
    if verb in offered(scene_of(cluster).body):
        assert "nothing done" not in answered(cluster, verb)


@pytest.mark.parametrize(
    ("name", "actions"),
    [
        ("fresh", set()),
        ("ready", set()),
        ("serving", set()),
        ("refused", set()),
        ("rolling-back", set()),
        ("resolving", {"abort", "pause"}),
        ("starting", {"abort", "pause"}),
        ("paused", {"promote", "abort", "resume"}),
        ("canary-paused", {"promote", "abort", "pause"}),
        ("canary-measured", {"promote", "abort", "pause"}),
        ("soaking", {"promote", "abort"}),
    ],
)
def test_offered_are(name: str, actions: set[str]) -> None:
    assert offered(scene_of(SEEN[name]()).body) == actions


def test_the_same_action_once_more_is_a_new_request() -> None:
    body = scene_of(CLUSTERS["canary-paused"]()).body
    body["status"]["requests"] = [{"request": "promote/22222222", "outcome": "promoted", "at": "2026-01-05T12:00:00Z"}]
    body["metadata"]["annotations"] = {"serving.slipway.dev/rollout": "promote/22222222@2"}
    assert acted(body, "promote") == "promote/22222222@3"
