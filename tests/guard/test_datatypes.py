"""Every data type of the V2 protocol, from golden JSON through the guard's bytes and the real server and back."""

from typing import Any

import pytest

from slipway.guard import comparison, golden
from slipway.guard.tensors import DATATYPES
from tests.guard.pod import Container
from tests.triton import models

VALUES: dict[str, list[Any]] = {
    "BOOL": [True, True, False],
    "UINT8": [0, 1, 2**8 - 1],
    "UINT16": [0, 1, 2**16 - 1],
    "UINT32": [0, 1, 2**32 - 1],
    "UINT64": [0, 1, 2**64 - 1],
    "INT8": [-(2**7), 0, 2**7 - 1],
    "INT16": [-(2**15), 0, 2**15 - 1],
    "INT32": [-(2**31), 0, 2**31 - 1],
    "INT64": [-(2**63), 0, 2**63 - 1],
    "FP16": ["NaN", "-Infinity", 0.1],
    "BF16": ["NaN", "-Infinity", 0.1],
    "FP32": ["NaN", "-Infinity", 1e-38],
    "FP64": ["NaN", "Infinity", 1e-300],
    "BYTES": ["", "naïve", "a\nb"],
}


def _golden(types: list[str]) -> dict[str, Any]:
    def tensors(prefix: str) -> list[dict[str, Any]]:
        return [
            {"name": f"{prefix}_{kind}", "datatype": kind, "shape": [1, 3], "data": [VALUES[kind]]} for kind in types
        ]

    return {"inputs": tensors("in"), "outputs": tensors("out")}


@pytest.mark.triton
@pytest.mark.parametrize("without", ["BF16", "BYTES"])
def test_every_datatype_passes_through_unchanged(pod: Container, without: str) -> None:
    types = sorted(DATATYPES - {without})  # our ONNX backend takes strings or bfloat16, not both in one model
    models.identity(pod.repository, types)
    pod.golden(_golden(types))
    pod.start()
    pod.until_verified()


@pytest.mark.parametrize("kind", sorted(DATATYPES))
def test_one_wrong_element_of_any_datatype_is_found(kind: str) -> None:
    document = _golden([kind])
    request = golden.parse(document, "g")
    document["outputs"][0]["data"] = [[*VALUES[kind][:2], VALUES[kind][0]]]
    answer = golden.parse(document, "g").outputs
    assert comparison.wrong(request, request.outputs) is None
    found = comparison.wrong(request, answer)
    assert found is not None
    assert found.startswith(f"g: out_{kind}[0, 2] (element 2): expected ")
