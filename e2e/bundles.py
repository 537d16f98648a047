"""Bundles for stories: the tests' small models with golden answers, as files by path, easy to spoil."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy
import onnx
from onnx import numpy_helper

from tests.fetch.bundles import listed
from tests.triton import models

Bundle = dict[str, bytes]
IN_A_POD = 'Path("/tmp")'
"""Where an obedient model finds its orders in a pod, whose model repository is read-only."""


def linear(changed: Mapping[str, bytes] | None = None, *, slope: float = 2) -> Bundle:
    """y = slope * x + 1 as an ONNX graph, some of its files replaced before they are listed."""
    with tempfile.TemporaryDirectory() as folder:
        files = read(models.linear(Path(folder)))
    files["1/model.onnx"] = _with_slope(files["1/model.onnx"], slope)
    return listed({**_with_golden(files, models.golden(y=3 * slope + 1)), **(changed or {})})


WRONG: Final = {"golden/three.json": json.dumps(models.golden(y=8.0)).encode()}
"""The golden request of another model: 2 * 3 + 1 is not 8."""


def obedient(*, load_seconds: float = 0, lives_seconds: float = 0, instances: int = 1, seconds: float = 0) -> Bundle:
    """A Python model of y = 2x + 1 that takes orders from /tmp/orders of its pod (`tests.triton.models.OBEDIENT`).

    `lives_seconds` after its first request it ends its server; 0: it never does. An execution takes `seconds`.
    """
    with tempfile.TemporaryDirectory() as folder:
        files = read(models.obedient(Path(folder), instances=instances))
    program = files["1/model.py"].decode().replace('Path(args["model_repository"])', IN_A_POD)
    program = program.replace('.get("load_seconds", 0)', f'.get("load_seconds", {load_seconds})')
    program = program.replace('.get("seconds", 0)', f'.get("seconds", {seconds})')
    if lives_seconds:
        program = program.replace("import json, os, signal,", "import json, os, signal, threading,")
        ends = f"threading.Timer({lives_seconds}, os.kill, (os.getppid(), signal.SIGKILL)).start()"
        program = program.replace("orders = self.read()\n", f"orders = self.read(); {ends}\n")
    plain = {"config.pbtxt": files["config.pbtxt"], "1/model.py": program.encode()}
    return listed(_with_golden(plain, models.golden()))


def read(model: Path) -> Bundle:
    """The files of a folder."""
    return {found.relative_to(model).as_posix(): found.read_bytes() for found in model.rglob("*") if found.is_file()}


def _with_golden(files: Bundle, request: dict[str, Any]) -> Bundle:
    return {**files, "golden/three.json": json.dumps(request).encode()}


def _with_slope(graph: bytes, slope: float) -> bytes:
    model = onnx.load_from_string(graph)
    constant = next(tensor for tensor in model.graph.initializer if tensor.name == "a")
    constant.CopyFrom(numpy_helper.from_array(numpy.array([slope], numpy.float32), "a"))
    return bytes(model.SerializeToString())
