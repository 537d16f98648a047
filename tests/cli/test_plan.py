"""What a plan says is what the operator then does."""

import copy
from functools import reduce
from typing import Any

import pytest

from slipway.cli.draw_pages import plan_of
from slipway.cli.model import UnreadableError
from slipway.cli.plan import Planned, planned, written_in
from slipway.cli.screen import Screen, drawn
from tests.cli.scenes import CLUSTERS, scene_of
from tests.core.cluster.simulator import Simulator
from tests.gitops.states import aborted, refused


def edited(cluster: Simulator, **fields: Any) -> tuple[Planned, bool]:
    """The plan for an edit, and whether the operator then looks at a source for it: what comes before new pods."""
    body = scene_of(cluster).body
    after = copy.deepcopy(body)
    for path, value in fields.items():
        *parents, last = path.split("__")
        for spec in (after["spec"], cluster.spec):
            reduce(lambda place, parent: place.setdefault(parent, {}), parents, spec)[last] = value
    cluster.generation += 1
    jobs = {key for key in cluster.objects if key[0] == "Job"}
    asks = _asks(cluster)
    cluster.settle()
    anew = _asks(cluster) - asks
    return planned(body, after), bool(anew) or bool({key for key in cluster.objects if key[0] == "Job"} - jobs)


def _asks(cluster: Simulator) -> set[str]:
    return {cluster.status[name]["ask"] for name in ("stable", "candidate") if name in cluster.status}


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("serving", {"model__version": "4"}),
        ("serving", {"server__args": ["--log-verbose=1"]}),
        ("serving", {"podMetadata__labels": {"team": "risk"}}),
        ("serving", {"replicas": 3}),
        ("serving", {"rollout__type": "Recreate"}),
        ("serving", {"server__requestTimeout": "30s"}),
        ("canary-paused", {"model__version": "3"}),
        ("canary-paused", {"model__version": "5"}),
        ("canary-paused", {"replicas": 6}),
        ("resolving", {"model__version": "5"}),
    ],
)
def test_new_pods_are_planned_where_the_operator_makes_them(name: str, fields: dict[str, Any]) -> None:
    view, anew = edited(CLUSTERS[name](), **fields)
    assert view.restarts == anew, view.outcome


def test_what_was_sent_home_is_planned_not_to_be_tried() -> None:
    view, anew = edited(refused(), replicas=2)
    assert (view.restarts, anew) == (False, False)
    assert view.outcome == "not tried: 4 was sent home (WrongAnswer); retry has it tried again"
    view, anew = edited(aborted(), server__requestTimeout="40s")
    assert (view.restarts, anew) == (False, False)
    assert view.outcome.startswith("not tried: 4 was sent home (Aborted)")


def test_each_change_is_named_with_what_it_acts_on() -> None:
    body = scene_of(CLUSTERS["serving"]()).body
    after = copy.deepcopy(body)
    after["spec"]["model"]["version"] = "4"
    after["spec"]["replicas"] = 4
    after["spec"]["rollout"] = {"type": "Canary", "canary": {"steps": [{"weight": 10}]}}
    view = planned(body, after)
    assert view.revision_fields == ("spec.model.version: 3 → 4",)
    assert view.other_fields == (
        "spec.replicas: 12 → 4",
        "spec.rollout.canary.steps: absent → [{weight: 10}]",
        "spec.rollout.type: absent → Canary",
    )
    text = drawn(plan_of(view), Screen(width=60))
    assert "then     new pods: 4 is resolved, and takes over from 3" in text
    assert "type     Canary: step by step" in text


def test_of_a_new_block_what_is_written_is_named_and_no_default() -> None:
    body = scene_of(CLUSTERS["serving"]()).body
    after = copy.deepcopy(body)
    after["spec"]["autoscaling"] = {"minReplicas": 1, "maxReplicas": 4, "load": {"target": 70}}
    (written,) = written_in(
        "kind: List\nitems:\n- {kind: ModelDeployment, metadata: {name: churn},"
        " spec: {autoscaling: {maxReplicas: 4, load: {}}}}\n---\nkind: Secret\n"
    )
    assert planned(body, after, written).other_fields == (
        "spec.autoscaling.load: absent → {target: 70}",
        "spec.autoscaling.maxReplicas: absent → 4",
    )
    assert written_in("3\n---\n[]\n---\n") == written_in("a: b: c") == []


def test_a_first_version_has_no_way() -> None:
    after = scene_of(CLUSTERS["serving"]()).body
    view = planned(None, after)
    assert (view.restarts, view.type, view.revision_fields) == (True, None, ())


def test_a_spec_of_a_later_api_is_not_guessed_at() -> None:
    after = scene_of(CLUSTERS["serving"]()).body
    after["spec"]["antigravity"] = True
    with pytest.raises(UnreadableError, match="the spec is of another version than this command"):
        planned(None, after)
