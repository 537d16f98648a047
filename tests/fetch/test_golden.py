"""Golden requests of a bundle against what its config.pbtxt declares."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from slipway.fetch import model
from slipway.fetch.verdict import FetchError, Reason
from tests.fetch import bundles

CONFIG = b"""
backend: "onnxruntime"
max_batch_size: 4
input [
  { name: "x" data_type: TYPE_FP32 dims: [2] },
  { name: "hint" data_type: TYPE_STRING dims: [1] optional: true }
]
output [{ name: "y" data_type: TYPE_INT64 dims: [-1] }]
"""
REQUEST: dict[str, Any] = {
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [2, 2], "data": [1, 2.5, 3, 4]}],
    "outputs": [{"name": "y", "datatype": "INT64", "shape": [2, 3], "data": [1, 2, 3, 4, 5, 6]}],
    "tolerance": {"absolute": "0.5"},
}


def check(content: bytes, config: bytes = CONFIG) -> None:
    model.check_golden({"golden/a.json": content}, model.configure(config, None, "churn"))


def test_a_request_that_fits_is_accepted() -> None:
    check(json.dumps(REQUEST).encode())


def test_nested_data_counts_its_elements() -> None:
    request = copy.deepcopy(REQUEST)
    request["inputs"][0]["data"] = [[1, 2.5], [3, 4]]
    check(json.dumps(request).encode())


def _set(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(request: dict[str, Any]) -> None:
        target: Any = request
        *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
        for step in way:
            target = target[step]
        target[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_set("inputs", []), r"golden/a\.json: inputs"),
        (_set("outputs", "y"), r"golden/a\.json: outputs"),
        (_set("output", []), "output"),
        (_set("inputs.0.name", "z"), r"inputs\[0\]\.name: the model has no 'z'; config.pbtxt declares x, hint"),
        (_set("inputs.0.datatype", "FP16"), r"inputs\[0\]\.datatype: FP16, and config.pbtxt has 'x' as FP32"),
        (_set("inputs.0.datatype", "FLOAT"), r"inputs\[0\]\.datatype"),
        (_set("inputs.0.shape", [2, 3]), r"inputs\[0\]\.data"),
        (
            _set("inputs.0.shape", [4]),
            r"inputs\[0\]\.shape: \[4\], and config.pbtxt declares dims \[2\] after the batch",
        ),
        (_set("inputs.0.shape", [1, 4]), r"inputs\[0\]\.shape"),
        (_set("inputs.0.data", [1, 2, 3]), r"inputs\[0\]\.data"),
        (_set("inputs.0.data.1", "two"), r"inputs\[0\]\.data\[1\]"),
        (_set("outputs.0.data.2", 1.5), r"outputs\[0\]\.data\[2\]"),
        (_set("outputs.0.data.2", 2**63), r"outputs\[0\]\.data\[2\]"),
        (_set("tolerance.absolute", "-1"), "tolerance.absolute"),
        (_set("inputs.0.name", "hint"), r"inputs\[0\]\.datatype"),
    ],
)
def test_what_does_not_fit_is_refused_with_file_and_field(change: Callable[[dict[str, Any]], None], said: str) -> None:
    request = copy.deepcopy(REQUEST)
    change(request)
    with pytest.raises(FetchError, match=said) as refused:
        check(json.dumps(request).encode())
    assert refused.value.reason is Reason.BUNDLE_INVALID


def test_a_batch_larger_than_the_models_is_refused() -> None:
    request = copy.deepcopy(REQUEST)
    request["inputs"][0] |= {"shape": [5, 2], "data": [0] * 10}
    with pytest.raises(FetchError, match=r"must begin with a batch of 1 to 4"):
        check(json.dumps(request).encode())


def test_an_input_that_is_declared_and_not_given_is_named() -> None:
    config = CONFIG.replace(b" optional: true", b"")
    with pytest.raises(FetchError, match="inputs: 'hint' is missing"):
        check(json.dumps(REQUEST).encode(), config)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_not_json_is_refused_with_the_file(content: bytes) -> None:
    with pytest.raises(FetchError, match=r"golden/a\.json: not JSON"):
        check(content)


@pytest.mark.parametrize("content", [b"[]", b"3", b"null"])
def test_what_is_no_request_is_refused_with_the_file(content: bytes) -> None:
    with pytest.raises(FetchError, match=r"golden/a\.json: expected an object"):
        check(content)


def test_the_overlay_is_laid_on_and_the_name_is_tritons_directory() -> None:
    configured = model.configure(bundles.CONFIG, {"maxBatchSize": 2}, "churn")
    assert configured.declared["maxBatchSize"] == 2
    assert 'name: "churn"' in configured.text


def test_an_overlay_that_does_not_fit_is_the_specs_fault() -> None:
    with pytest.raises(FetchError, match=r"spec\.model\.config\.maxBatchSize") as refused:
        model.configure(bundles.CONFIG, {"maxBatchSize": 0}, "churn")
    assert refused.value.reason is Reason.SPEC_INVALID


@pytest.mark.parametrize(
    ("config", "said"),
    [(b"name: ", "config.pbtxt: line 1"), (b"\xff", "not UTF-8"), (b'backend: "onnxruntime"', "config.pbtxt: input")],
)
def test_a_configuration_that_cannot_be_served_is_the_bundles_fault(config: bytes, said: str) -> None:
    with pytest.raises(FetchError, match=said) as refused:
        model.configure(config, None, "churn")
    assert refused.value.reason is Reason.BUNDLE_INVALID
