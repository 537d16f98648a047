"""What `kubectl get`, `kubectl describe` and `kubectl wait` tell of one healthy model and three broken ones."""

import pytest

from testbed.operating import OperatorProcess
from tests.stories.story import Story, model_deployment, verdict

pytestmark = pytest.mark.plane


@pytest.fixture(scope="module", autouse=True)
def four(story: Story, operator: OperatorProcess) -> None:
    """One that serves, one whose source is not there, one that answers wrongly, one that finds no GPU."""
    missing = model_deployment("missing", version="7")
    missing["spec"]["model"]["source"]["uri"] = "s3://refused/SourceNotFound/missing/7"
    wrong = verdict("WrongAnswer", "golden/one.json: output y[0] is 8, expected 7 within 0.001; check the export")
    story.apply(
        model_deployment("healthy", version="3", replicas=2),
        missing,
        model_deployment("wrong", version="2", podMetadata=wrong),
        model_deployment("waiting", accelerator={"products": ["NVIDIA-H100-80GB-HBM3"]}),
    )
    story.until_ready("healthy")
    story.until_says("missing", "SourceNotFound")
    story.until_says("wrong", "WrongAnswer")
    story.until_says("waiting", "InsufficientCapacity")


def _row(story: Story, name: str, *wide: str) -> dict[str, str]:
    """One line of `kubectl get`, by its header."""
    header, line = story.kubectl("get", "md", name, *wide).splitlines()
    starts = [header.index(word) for word in header.split()]
    ends = [*starts[1:], None]
    return {header[a:b].strip(): line[a:b].strip() for a, b in zip(starts, ends, strict=True)}


def test_get_shows_version_phase_and_readiness(story: Story) -> None:
    # given: a model that serves (`four`)
    # when: somebody gets it
    row = _row(story, "healthy")

    # then: there are its version, its phase and its readiness
    assert (row["VERSION"], row["PHASE"], row["READY"]) == ("3", "Ready", "2/2")
    assert row["STABLE"] == "3"


def test_get_wide_shows_the_reason_of_each_that_is_broken(story: Story) -> None:
    # given: one model that serves and three that do not (`four`)
    # when: somebody gets them with `-o wide`
    reasons = {name: _row(story, name, "-o", "wide")["REASON"] for name in ("healthy", "missing", "wrong", "waiting")}

    # then: each has its reason
    assert reasons == {
        "healthy": "Ready",
        "missing": "SourceNotFound",
        "wrong": "WrongAnswer",
        "waiting": "InsufficientCapacity",
    }


def test_describe_tells_the_whole_sentence_and_the_events(story: Story) -> None:
    # given: one model that serves and three that do not (`four`)
    # when: somebody describes them
    assert "Promoted" in story.kubectl("describe", "md", "healthy")
    told = story.kubectl("describe", "md", "wrong")

    # then: there are the whole sentence and one Event
    assert "golden/one.json: output y[0] is 8, expected 7 within 0.001; check the export" in told
    (event,) = [
        event
        for event in story.api.list("events", story.namespace)
        if event["involvedObject"]["name"] == "wrong" and event["involvedObject"]["kind"] == "ModelDeployment"
    ]
    assert (event["type"], event["reason"], event["count"]) == ("Warning", "WrongAnswer", 1)
    assert "no node has a GPU" in story.kubectl("describe", "md", "waiting")


def test_kubectl_wait_ends_for_the_one_that_is_ready(story: Story) -> None:
    # given: a model that serves (`four`)
    # when: somebody waits for it
    # then: that ends
    assert "condition met" in story.kubectl("wait", "md/healthy", "--for=condition=Ready", "--timeout=10s")
