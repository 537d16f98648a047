"""S6: a model that cannot load, one that answers wrongly, a malformed golden file: each said in its finder's words."""

from e2e import bundles
from e2e.space import Space


def test_what_is_wrong_with_a_model_is_said_in_the_words_of_who_found_it(space: Space) -> None:
    # given: three bundles, each wrong in its own way, and whole as files
    faults = {
        "unloadable": bundles.linear({"1/model.onnx": b"no network at all"}),
        "wrong": bundles.linear(bundles.WRONG),
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

    # and: what the model itself is at fault for is refused once it was seen twice
    for name in ("wrong", "unloadable"):
        space.until_phase(name, "Refused")
