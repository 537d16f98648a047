"""Bundles of several models: an ensemble that doubles a number and then adds one, and what it is easy to get wrong."""

from tests.fetch import bundles

TENSORS = """
input [{ name: "%s" data_type: TYPE_FP32 dims: [1] }]
output [{ name: "%s" data_type: TYPE_FP32 dims: [1] }]
"""
STEP = """
step { model_name: "%s" model_version: -1 input_map { key: "%s" value: "%s" } output_map { key: "%s" value: "%s" } }
"""
DOUBLE = STEP % ("double", "a", "x", "b", "twice")
ADD = STEP % ("add", "c", "twice", "d", "y")


def ensemble(
    *steps: str, head: str = 'platform: "ensemble" max_batch_size: 8', tensors: tuple[str, str] = ("x", "y")
) -> bytes:
    """An ensemble's config.pbtxt."""
    return f"{head} {TENSORS % tensors} ensemble_scheduling {{ {' '.join(steps)} }}".encode()


def part(takes: str, gives: str, more: str = "max_batch_size: 8", backend: str = "onnxruntime") -> bytes:
    """A part's config.pbtxt."""
    return f'backend: "{backend}" {more} {TENSORS % (takes, gives)}'.encode()


def files(**changed: bytes | None) -> dict[str, bytes]:
    """A bundle's files without SHA256SUMS; a keyword by path replaces one, and None leaves it out."""
    whole = {
        "config.pbtxt": ensemble(DOUBLE, ADD),
        "1/model.onnx": None,
        "labels.txt": None,
        "models/double/config.pbtxt": part("a", "b"),
        "models/double/1/model.onnx": b"double",
        "models/add/config.pbtxt": part("c", "d"),
        "models/add/1/model.onnx": b"add",
        **changed,
    }
    return bundles.files(**whole)
