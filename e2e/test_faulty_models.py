"""S6: a model that cannot load, one that answers wrongly, a malformed golden file; and what serves meanwhile."""

import json

from e2e import bundles
from e2e.space import Space, total_restarts
from tests.triton import models

WRONG = {"golden/three.json": json.dumps(models.golden(y=8.0)).encode()}


def test_what_is_wrong_with_a_model_is_said_in_the_words_of_who_found_it(space: Space) -> None:
    # given: three bundles, each wrong in its own way, and whole as files
    faults = {
        "unloadable": bundles.linear({"1/model.onnx": b"no network at all"}),
        "wrong": bundles.linear(WRONG),
        "malformed": bundles.linear({"golden/three.json": b'{"inputs": [{"name": "x", "shape": [1, 1]}]}'}),
    }

    # when: all are asked for
    for name, bundle in faults.items():
        space.apply(name, space.upload(name, bundle))

    # then: Triton's own words; the tensor, its element, what was expected and what came; the file and the field
    said = space.until_reason("malformed", "BundleInvalid")
    assert "golden/three.json" in said
    assert "inputs[0]" in said
    said = space.until_reason("wrong", "WrongAnswer")
    for part in ("three.json", "y", "[0, 0]", "8", "7"):
        assert part in said, said
    said = space.until_reason("unloadable", "LoadFailed")
    assert "onnx" in said.lower()
    assert space.kubectl("logs", space.pod("unloadable")["metadata"]["name"], "--container=triton")

    # and: what the model itself is at fault for is refused once it was seen twice
    for name in ("wrong", "unloadable"):
        space.until_phase(name, "Refused")


def test_a_new_version_that_answers_wrongly_never_touches_the_one_that_serves(space: Space) -> None:
    # given: version 1 serves
    space.apply("line", space.upload("1", bundles.linear()))
    space.until_ready("line")
    serving = space.pod("line")

    # when: version 2 answers wrongly
    with space.client.load(space.host("line"), "line") as load:
        space.apply("line", space.upload("2", bundles.linear(WRONG)), version="2")
        said = space.until_reason("line", "WrongAnswer")
        space.until_phase("line", "Refused")
        space.until("its pods are gone", lambda: len(space.pods("line")) == 1)

    # then: version 1 answered all the while, from the pod that it had, and goes on
    load.assert_nothing_failed()
    assert load.versions == {"1"}
    pod, status = space.pod("line"), space.model("line")["status"]
    assert (pod["metadata"]["uid"], total_restarts(pod)) == (serving["metadata"]["uid"], 0)
    assert (status["stable"]["version"], status["refused"]["version"]) == ("1", "2")
    assert "2:" in said
    assert "WrongAnswer" in space.events("line")
