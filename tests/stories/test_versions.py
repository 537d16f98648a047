"""What an edit of the spec leads to: another count, nothing at all, and the way out of a bad start or source."""

import pytest

from testbed.operating import OperatorProcess
from tests.stories.story import Story, model_deployment, verdict

pytestmark = pytest.mark.plane

BROKEN = verdict("LoadFailed", "onnxruntime: 1/model.onnx: invalid protobuf; export the model again")


@pytest.fixture(scope="module", autouse=True)
def running(story: Story, operator: OperatorProcess) -> None:
    """The operator, and all models at once: each story waits for its own."""
    seeks = model_deployment("seeks")
    seeks["spec"]["model"]["source"]["uri"] = "s3://refused/SourceNotFound/seeks"
    story.apply(
        model_deployment("grows"),
        model_deployment("sleeps", replicas=2),
        model_deployment("starts", podMetadata=BROKEN),
        model_deployment("holds"),
        seeks,
    )


def _new_version(name: str, version: str) -> dict[str, object]:
    return {"model": {"version": version, "source": {"uri": f"s3://models/{name}/{version}"}}}


def test_kubectl_scale_sets_the_count_and_makes_no_new_revision(story: Story) -> None:
    # given: a model with one pod
    story.until_ready("grows")
    revision = story.revision("grows")

    # when: somebody scales it to three
    story.kubectl("scale", "modeldeployment", "grows", "--replicas=3")

    # then: it has three pods of the same revision, and says so
    story.until("three pods are available", lambda: story.available(f"grows-{revision}") == 3)
    story.until("status says so", lambda: story.status("grows")["ready"] == "3/3")
    assert story.revision("grows") == revision
    assert story.status("grows")["replicas"] == 3
    selected = story.api.list("pods", story.namespace, story.status("grows")["selector"])
    assert len(selected) == 3


def test_suspending_takes_the_pods_and_resuming_brings_them_back(story: Story) -> None:
    # given: a model with two pods
    story.until_ready("sleeps")
    revision = story.revision("sleeps")

    # when: somebody suspends it
    story.edit("sleeps", suspend=True)

    # then: its pods go, and the revision stays
    story.until("it says that it is suspended", lambda: story.status("sleeps")["phase"] == "Suspended")
    story.until("its pods are gone", lambda: not story.children("sleeps", ("pods",)) or _only_jobs(story, "sleeps"))
    assert not story.children("sleeps", ("poddisruptionbudgets",))
    assert story.get("deployments", f"sleeps-{revision}")["spec"]["replicas"] == 0

    # when: somebody resumes it
    story.edit("sleeps", suspend=False)

    # then: the same revision serves
    story.until_ready("sleeps")
    assert story.revision("sleeps") == revision


def test_a_first_version_that_never_verifies_is_refused_and_its_fix_serves(story: Story) -> None:
    # given: a first version whose server fails
    # then: it is refused, and its pods go
    story.until_says("starts", "LoadFailed", "invalid protobuf")
    assert story.status("starts")["phase"] == "Refused"
    story.until("the refused pods are gone", lambda: _only_jobs(story, "starts"))

    # when: the field that made it fail is put right
    story.edit("starts", podMetadata={"annotations": {"testbed/server-says": None}})

    # then: it serves
    story.until_ready("starts")


def test_a_version_that_answers_wrongly_is_refused_while_the_old_one_serves_on(story: Story) -> None:
    # given: version 1 serves
    story.until_ready("holds")
    old = story.revision("holds")

    # when: version 2 is asked for, and answers wrongly
    wrong = verdict("WrongAnswer", "golden/one.json: y[0] is 8, expected 7 within 0.001")
    story.edit("holds", podMetadata=wrong, **_new_version("holds", "2"))

    # then: version 2 goes for that reason, and version 1 serves on
    story.until_says("holds", "WrongAnswer", "y[0] is 8, expected 7")
    assert story.selected("holds") == old
    assert story.available(f"holds-{old}") == 1
    assert story.condition("holds", "Available")["status"] == "True"
    assert story.condition("holds", "Ready")["status"] == "False"
    story.until("its pods are gone", lambda: len(story.children("holds", ("deployments",))) == 1)


def test_a_source_that_is_refused_says_why_and_heals_by_an_edit(story: Story) -> None:
    # given: a model whose source is not there
    # then: it says so, and nothing but its resolve Job was made
    story.until_says("seeks", "SourceNotFound", "s3://refused/SourceNotFound/seeks")
    assert set(story.children("seeks")) <= {key for key in story.children("seeks") if key[0] in ("jobs", "pods")}

    # when: another source is named
    story.edit("seeks", **_new_version("seeks", "1"))

    # then: it serves
    story.until_ready("seeks")


def _only_jobs(story: Story, name: str) -> bool:
    pods = story.children(name, ("pods",)).values()
    return all("batch.kubernetes.io/job-name" in pod["metadata"]["labels"] for pod in pods)
