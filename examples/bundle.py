"""Writes a bundle: one Triton model directory with golden answers and SHA256SUMS, ready to be uploaded.

    config.pbtxt      what the model takes and gives, complete
    1/model.onnx      the exported network
    golden/*.json     requests with the answers of the trained torch model itself
    SHA256SUMS        as `sha256sum` writes it; its own SHA-256 is the bundle's digest

A bundle needs nothing of Slipway's: docs/bundle.md makes one by hand with `sha256sum` alone.
"""

import hashlib
import inspect
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch

TOLERANCE = {"absolute": "0.0001", "relative": "0.001"}


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """A tensor of 32-bit floats that the model takes or gives; its first dimension is the batch."""

    name: str
    size: int


def write(
    out: Path,
    *,
    name: str,
    model: torch.nn.Module,
    answered_by: torch.nn.Module,
    takes: Tensor,
    gives: Tensor,
    max_batch_size: int,
    golden: dict[str, torch.Tensor],
) -> str:
    """Write the bundle of a trained model to the directory `out`, in place of what an earlier run wrote there.

    `golden` maps a request's name to its input; `answered_by`, the model as it was trained, computes the answers here.
    Returns the bundle's digest.
    """
    for folder in ("1", "golden"):
        shutil.rmtree(out / folder, ignore_errors=True)
        (out / folder).mkdir(parents=True)
    (out / "config.pbtxt").write_text(_config(name, takes, gives, max_batch_size))
    _export(model, out / "1" / "model.onnx", takes, gives)
    for request, given in golden.items():
        (out / "golden" / f"{request}.json").write_text(_golden(answered_by, given, takes, gives))
    return _sums(out)


def _config(name: str, takes: Tensor, gives: Tensor, max_batch_size: int) -> str:
    return f"""\
name: "{name}"
backend: "onnxruntime"
max_batch_size: {max_batch_size}
input [ {{ name: "{takes.name}" data_type: TYPE_FP32 dims: [ {takes.size} ] }} ]
output [ {{ name: "{gives.name}" data_type: TYPE_FP32 dims: [ {gives.size} ] }} ]
instance_group [ {{ count: 1 }} ]
dynamic_batching {{ }}
"""


def _export(model: torch.nn.Module, path: Path, takes: Tensor, gives: Tensor) -> None:
    # One file, whatever torch's default is: exporters since 2.5 would put the weights beside it.
    one_file = {"external_data": False} if "external_data" in inspect.signature(torch.onnx.export).parameters else {}
    torch.onnx.export(
        model,
        (torch.zeros(2, takes.size),),
        str(path),
        input_names=[takes.name],
        output_names=[gives.name],
        dynamic_axes={takes.name: {0: "batch"}, gives.name: {0: "batch"}},
        **one_file,
    )


def _golden(model: torch.nn.Module, given: torch.Tensor, takes: Tensor, gives: Tensor) -> str:
    with torch.no_grad():
        answer = model(given)
    request = {"inputs": [_tensor(takes, given)], "outputs": [_tensor(gives, answer)], "tolerance": TOLERANCE}
    return json.dumps(request) + "\n"


def _tensor(tensor: Tensor, value: torch.Tensor) -> dict[str, object]:
    return {
        "name": tensor.name,
        "datatype": "FP32",
        "shape": list(value.shape),
        "data": [round(number, 6) for number in value.flatten().tolist()],
    }


def _sums(out: Path) -> str:
    files = sorted(p for p in out.rglob("*") if p.is_file() and p.name != "SHA256SUMS")
    lines = [f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.relative_to(out).as_posix()}\n" for p in files]
    text = "".join(lines)
    (out / "SHA256SUMS").write_text(text)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
