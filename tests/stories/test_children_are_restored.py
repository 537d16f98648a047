"""S2: whatever becomes of a child, it comes back as it was made, and what is not ours is left alone."""

from functools import partial
from typing import Any

import pytest

from testbed.operating import OperatorProcess
from tests.stories.story import REVISION, Story, whole

pytestmark = pytest.mark.plane

STANDING = (
    "deployments",
    "services",
    "configmaps",
    "controllerrevisions",
    "horizontalpodautoscalers",
    "poddisruptionbudgets",
    "networkpolicies",
)
EDITS: dict[str, dict[str, Any]] = {
    "deployments": {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 3600}}}},
    "services": {"spec": {"selector": {REVISION: "ffffffff"}}},
    "configmaps": {"metadata": {"labels": {"app.kubernetes.io/component": "other"}}},
    "controllerrevisions": {"revision": 99},
    "horizontalpodautoscalers": {"spec": {"maxReplicas": 50}},
    "poddisruptionbudgets": {"spec": {"maxUnavailable": 0}},
    "networkpolicies": {"spec": {"ingress": []}},
}


@pytest.fixture(scope="module", autouse=True)
def served(story: Story, operator: OperatorProcess) -> None:
    """A model that is Ready, with a child of every kind."""
    story.apply(whole("churn"))
    story.until_ready("churn")


def test_a_ready_model_has_exactly_the_children_that_the_design_names(story: Story) -> None:
    # given: a model that is Ready (`served`)
    revision = f"churn-{story.revision('churn')}"

    # when: its children are listed
    # then: it has these children and no others
    assert {key for key in story.children("churn") if key[0] not in ("pods", "jobs")} == {
        ("deployments", revision),
        ("services", revision),
        ("services", "churn"),
        ("configmaps", revision),
        ("controllerrevisions", revision),
        ("horizontalpodautoscalers", revision),
        ("poddisruptionbudgets", revision),
        ("networkpolicies", "churn"),
    }


@pytest.mark.parametrize("plural", STANDING)
def test_a_child_that_was_deleted_is_made_again_as_it_was(story: Story, plural: str) -> None:
    # given: the children of one kind
    before = story.children("churn", (plural,))

    # when: they are deleted
    for _, name in before:
        story.api.delete(plural, story.namespace, name)

    # then: they are made again, as they were
    def back() -> bool:
        now = story.children("churn", (plural,))
        return now.keys() == before.keys() and all(
            now[key]["metadata"]["uid"] != before[key]["metadata"]["uid"] for key in now
        )

    story.until(f"{plural} are made again", back)
    for key, found in story.children("churn", (plural,)).items():
        assert _asked(found) == _asked(before[key])


@pytest.mark.parametrize("plural", STANDING)
def test_a_child_that_was_edited_is_put_right_and_keeps_a_users_label(story: Story, plural: str) -> None:
    # given: the children of one kind
    before = story.children("churn", (plural,))

    # when: a user puts a label on them, and somebody edits what is ours
    labelled = {"metadata": {"labels": {"team": "risk"}}}
    for _, name in before:
        story.api.patch(plural, story.namespace, name, labelled)
        story.api.patch(plural, story.namespace, name, EDITS[plural])

    # then: what is ours is put right, and the user's label stays
    def right() -> bool:
        now = story.children("churn", (plural,))
        return now.keys() == before.keys() and all(_asked(now[key]) == _asked(before[key]) for key in now)

    story.until(f"{plural} are put right", right)
    for found in story.children("churn", (plural,)).values():
        assert found["metadata"]["labels"]["team"] == "risk"


def test_the_count_that_an_autoscaler_owns_is_left_alone(story: Story, operator: OperatorProcess) -> None:
    # given: an autoscaler has set another count
    deployment = f"churn-{story.revision('churn')}"
    story.kubectl("scale", "deployment", deployment, "--replicas=5")
    story.until("the autoscaler's pods are available", lambda: story.available(deployment) == 5)

    # when: there is something else to repair, so that a pass has surely looked at the Deployment since
    story.api.delete("services", story.namespace, "churn")
    story.until("the Service is back", lambda: story.api.get("services", story.namespace, "churn"))

    # then: the count is as the autoscaler set it
    assert story.get("deployments", deployment)["spec"]["replicas"] == 5


def test_a_child_whose_labels_were_taken_off_gets_them_back_and_is_then_left_in_peace(
    story: Story, operator: OperatorProcess
) -> None:
    # given: a Service with our labels (`served`)
    mark = story.plane.audit.mark()

    # when: they are taken off
    story.kubectl("label", "service", "churn", "app.kubernetes.io/managed-by-", f"{REVISION}-")

    def labelled() -> bool:
        labels: dict[str, str] = story.get("services", "churn")["metadata"]["labels"]
        return labels.get("app.kubernetes.io/managed-by") == "slipway"

    # then: they come back with a single write
    story.until("the label is back", labelled)
    for _ in range(2):  # two repairs elsewhere: passes in which a write that repeats itself would show
        budget = f"churn-{story.revision('churn')}"
        story.api.delete("poddisruptionbudgets", story.namespace, budget)
        story.until("the budget is back", partial(story.api.get, "poddisruptionbudgets", story.namespace, budget))
    writes = [
        call
        for call in story.plane.audit.calls(mark, story.plane.user("operator"))
        if call.verb == "patch" and call.resource == "services" and call.name == "churn" and call.code < 400
    ]  # a first write that finds it there after all is a conflict, and changes nothing
    assert len(writes) == 1


def _asked(found: dict[str, Any]) -> Any:
    """What an object asks for: no counts that others own, nothing that the API server fills in per object."""
    spec = {k: v for k, v in found.get("spec", {}).items() if k not in ("clusterIP", "clusterIPs", "replicas")}
    ours = {k: v for k, v in found["metadata"]["labels"].items() if "/" in k}
    owners = [(owner["kind"], owner["name"]) for owner in found["metadata"].get("ownerReferences", ())]
    return spec, found.get("data"), found.get("revision"), ours, owners
