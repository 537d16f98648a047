"""What cannot come: the real Job controller and admission say why, and status repeats it until it heals."""

from collections.abc import Iterator
from typing import Any, Final

import pytest

from testbed.api import Api
from testbed.operating import OperatorProcess
from testbed.plane import Plane
from tests.stories.story import Story, model_deployment

pytestmark = pytest.mark.plane

HEALED_SECONDS: Final = 150
"""The Job controller tries a refused pod ever more slowly."""


@pytest.fixture(scope="module")
def full(story_plane: Plane, story_api: Api) -> Iterator[Story]:
    """A namespace whose quota has no room for a pod."""
    begun = Story(story_plane, story_api).begin()
    begun.apply(_quota(pods=0))
    yield begun
    begun.kubectl("delete", "modeldeployments", "--all", "--wait=false")


@pytest.fixture(scope="module")
def jobless(story_plane: Plane, story_api: Api) -> Iterator[Story]:
    """A namespace whose quota has no room for a Job."""
    begun = Story(story_plane, story_api).begin()
    begun.apply(_quota(**{"count/jobs.batch": 0}))
    yield begun
    begun.kubectl("delete", "modeldeployments", "--all", "--wait=false")


@pytest.fixture(scope="module", autouse=True)
def all_at_once(story_plane: Plane, story: Story, full: Story, jobless: Story) -> Iterator[OperatorProcess]:
    """Side by side: a wait takes half a minute to be told, and some more to heal."""
    spaces = (story, full, jobless)
    limits = [{"type": "Container", "max": {"memory": "64Mi"}}]
    story.apply({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "tiny"}, "spec": {"limits": limits}})
    for space, resource in ((full, "pods"), (jobless, "count/jobs.batch")):
        space.until("the quota is counted", lambda space=space, of=resource: of in _hard(space))  # type: ignore[misc]
    with OperatorProcess(story_plane, namespaces=[space.namespace for space in spaces]) as running:
        story.apply(model_deployment("large"))
        full.apply(model_deployment("crowded"))
        jobless.apply(model_deployment("unasked"))
        yield running


def _hard(space: Story) -> dict[str, str]:
    return dict(space.get("resourcequotas", "small").get("status", {}).get("hard") or {})


def _quota(**hard: int) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "small"},
        "spec": {"hard": {resource: str(count) for resource, count in hard.items()}},
    }


def test_what_admission_has_against_a_pod_is_said_before_there_is_any_and_healed_by_itself(story: Story) -> None:
    # given: a namespace where no container may have as much memory as a server needs
    # when: a model asks for a server (`all_at_once`)
    said = story.until_says("large", "PodRefused", "maximum memory usage per Container is 64Mi, but limit is 512Mi")

    # then: it repeats what the API server says before there is a pod
    assert said.startswith("1: the API server refuses its pods: ")
    assert story.status("large")["phase"] == "Waiting"

    # when: the limit goes
    story.kubectl("delete", "limitrange", "tiny")

    # then: the model gets Ready
    story.until_ready("large", seconds=HEALED_SECONDS)


def test_a_full_quota_is_named_before_there_is_any_pod_and_raising_it_is_enough(full: Story) -> None:
    # given: a namespace whose quota has no room for a pod
    # then: a model there names the quota
    full.until_says("crowded", "QuotaExceeded", "exceeded quota: small")

    # when: the quota is raised
    full.apply(_quota(pods=9))

    # then: the model gets Ready
    full.until_ready("crowded", seconds=HEALED_SECONDS)


def test_a_quota_on_the_number_of_jobs_is_named_and_raising_it_is_enough(jobless: Story) -> None:
    # given: a namespace whose quota has no room for a Job
    # then: a model there names the quota
    jobless.until_says("unasked", "QuotaExceeded", "exceeded quota: small, requested: count/jobs.batch=1")

    # when: the quota is raised
    jobless.apply(_quota(**{"count/jobs.batch": 9}))

    # then: the model gets Ready
    jobless.until_ready("unasked", seconds=HEALED_SECONDS)
