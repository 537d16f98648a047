"""S14: an object that has a child's name and is not ours is named and left alone."""

from typing import Any, Final

import pytest

from testbed.api import Api, Manifest
from testbed.operating import OperatorProcess
from testbed.plane import Plane
from tests.stories.story import Story, whole

pytestmark = pytest.mark.plane

_LABELS: Final = {"mine": "own"}
_POD: Final = {
    "metadata": {"labels": _LABELS},
    "spec": {"restartPolicy": "Never", "containers": [{"name": "own", "image": "own"}]},
}
_RUNNING: Final = {
    "metadata": {"labels": _LABELS},
    "spec": {"containers": [{"name": "own", "image": "own"}]},
}
_SCALES: Final = {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "own"}, "maxReplicas": 2}
STRANGERS: Final[dict[str, tuple[str, str, dict[str, Any]]]] = {
    "jobs": ("Job", "batch/v1", {"spec": {"suspend": True, "template": _POD}}),
    "controllerrevisions": ("ControllerRevision", "apps/v1", {"revision": 1, "data": {"own": "1"}}),
    "configmaps": ("ConfigMap", "v1", {"data": {"own": "1"}}),
    "services": ("Service", "v1", {"spec": {"selector": _LABELS, "ports": [{"port": 80}]}}),
    "deployments": (
        "Deployment",
        "apps/v1",
        {"spec": {"replicas": 0, "selector": {"matchLabels": _LABELS}, "template": _RUNNING}},
    ),
    "poddisruptionbudgets": ("PodDisruptionBudget", "policy/v1", {"spec": {"selector": {"matchLabels": _LABELS}}}),
    "horizontalpodautoscalers": ("HorizontalPodAutoscaler", "autoscaling/v2", {"spec": _SCALES}),
    "networkpolicies": ("NetworkPolicy", "networking.k8s.io/v1", {"spec": {"podSelector": {}}}),
}
"""A stranger of each kind: what it is, and the least that makes one."""


def _stranger(plural: str, name: str) -> Manifest:
    kind, version, body = STRANGERS[plural]
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **body}


@pytest.fixture(scope="module")
def names(story_plane: Plane, story: Story) -> dict[str, str]:
    """What each child of `churn` is called. The same spec gives the same names in every namespace."""
    story.apply(whole("churn"))
    with OperatorProcess(story_plane, namespaces=[story.namespace]):
        story.until_ready("churn")
        found = {plural: name for plural, name in story.children("churn") if plural != "pods"}
    return {**found, "services": "churn"}


@pytest.fixture(scope="module")
def occupied(story_plane: Plane, story_api: Api, names: dict[str, str]) -> dict[str, tuple[Story, str]]:
    """For each kind a namespace where a stranger has that child's name, and the stranger's version."""
    found = {}
    for plural in STRANGERS:
        story = Story(story_plane, story_api).begin()
        story.api.create(plural, story.namespace, _stranger(plural, names[plural]))
        found[plural] = (story, story.get(plural, names[plural])["metadata"]["uid"])
    return found


@pytest.fixture(scope="module", autouse=True)
def busy(story_plane: Plane, occupied: dict[str, tuple[Story, str]]) -> Any:
    """One operator for all of them, and the same ModelDeployment in each."""
    with OperatorProcess(story_plane, namespaces=[story.namespace for story, _ in occupied.values()]) as running:
        for story, _ in occupied.values():
            story.apply(whole("churn"))
        yield running


@pytest.mark.parametrize("plural", STRANGERS)
def test_a_stranger_with_a_childs_name_is_named_and_left_alone(
    plural: str, occupied: dict[str, tuple[Story, str]], names: dict[str, str]
) -> None:
    # given: a stranger that has a child's name (`occupied`)
    story, uid = occupied[plural]

    # when: a model needs that name (`busy`)
    message = story.until_says("churn", "NameConflict")

    # then: it says whose name it is, and the stranger is as it was
    assert message.startswith(f"{STRANGERS[plural][0]} {names[plural]} exists and is not ours")
    assert story.condition("churn", "Stalled")["status"] == "True"
    stranger = story.get(plural, names[plural])
    assert stranger["metadata"]["uid"] == uid
    assert "slipway" not in {entry["manager"] for entry in stranger["metadata"]["managedFields"]}


def test_once_the_stranger_has_gone_the_model_becomes_ready(
    occupied: dict[str, tuple[Story, str]], names: dict[str, str]
) -> None:
    # given: a model whose child's name is taken
    story, _ = occupied["configmaps"]
    story.until_says("churn", "NameConflict")

    # when: the stranger goes
    story.kubectl("delete", "configmap", names["configmaps"])

    # then: the model is Ready
    story.until_ready("churn", seconds=120)
