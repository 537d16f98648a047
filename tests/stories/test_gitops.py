"""What a GitOps tool would trip over: whose fields are whose, what is copied down, and how a deletion ends."""

from typing import Any

import pytest

from testbed.api import Manifest
from testbed.operating import OperatorProcess
from tests.stories.story import Story, model_deployment, whole

pytestmark = pytest.mark.plane

TRACKING = {"argocd.argoproj.io/instance": "shop", "kustomize.toolkit.fluxcd.io/name": "shop"}
TRACKED = {"argocd.argoproj.io/tracking-id": "shop:serving.slipway.dev/ModelDeployment:shop/churn"}
NOT_OURS = {"kube-controller-manager", "kube-scheduler", "kwok", "before-first-apply"}


@pytest.fixture(scope="module", autouse=True)
def tracked(story: Story, operator: OperatorProcess) -> Manifest:
    """A model that has a child of every kind, as a GitOps tool applies it: with its marks on it."""
    asked = whole("churn")
    asked["metadata"] |= {"labels": TRACKING, "annotations": TRACKED}
    story.apply(asked)
    story.until_ready("churn")
    return asked


def test_a_fresh_object_is_looked_at_within_two_seconds(story: Story) -> None:
    # given: an operator that has work already (`tracked`)
    # when: somebody creates a ModelDeployment
    story.api.create("modeldeployments", story.namespace, model_deployment("fresh"))

    # then: it has a status within two seconds
    story.until("it has a status", lambda: story.status("fresh")["observedGeneration"] == 1, 2)


def test_the_operator_owns_the_status_of_a_model_and_nothing_else_of_it(story: Story, tracked: Manifest) -> None:
    # given: a model that a GitOps tool applied (`tracked`)
    # when: it is read when it is Ready
    found = story.get("modeldeployments", "churn")

    # then: the operator wrote its status, and all else is as it was applied
    assert _writers(found) == {("slipway", "status"), ("kubectl", "")}
    assert {**found["metadata"]["labels"], **found["metadata"]["annotations"]} == {**TRACKING, **TRACKED}
    assert found["metadata"]["generation"] == 1
    assert {key: found["spec"][key] for key in tracked["spec"]} == tracked["spec"]


def test_every_child_has_one_writer_of_ours_and_one_owner_and_no_mark_of_a_gitops_tool(story: Story) -> None:
    # given: a model that a GitOps tool applied (`tracked`)
    owner = story.get("modeldeployments", "churn")["metadata"]["uid"]

    # when: its children are read
    for (plural, name), child in story.children("churn").items():
        meta = child["metadata"]

        # then: each has one owner, one writer of ours, and no mark of the tool
        assert not {*TRACKING, *TRACKED} & {*meta.get("labels", {}), *meta.get("annotations", {})}, (plural, name)
        if plural == "pods":  # they belong to a ReplicaSet or a Job
            continue
        assert [(o["uid"], o["controller"]) for o in meta["ownerReferences"]] == [(owner, True)], (plural, name)
        ours = {who for who, part in _writers(child) if part == ""} - NOT_OURS
        assert ours == {"slipway"}, (plural, name)


def test_a_deletion_in_the_foreground_waits_for_every_child_and_ends(story: Story) -> None:
    # given: a model with a child of every kind (`tracked`)
    # when: it is deleted in the foreground
    story.kubectl("delete", "modeldeployment", "churn", "--cascade=foreground", "--timeout=60s")

    # then: the deletion has ended, and no child is left
    assert story.children("churn", ("deployments", "controllerrevisions", "horizontalpodautoscalers")) == {}


def _writers(found: dict[str, Any]) -> set[tuple[str, str]]:
    """Field managers, with the subresource that each writes."""
    return {(entry["manager"], entry.get("subresource", "")) for entry in found["metadata"]["managedFields"]}
