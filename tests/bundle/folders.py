"""Bundles on disk."""

from pathlib import Path

import numpy as np

from slipway.bundle import pack
from tests.bundle import graphs


def packed(out: Path, x: float = 1.0) -> Path:
    """A small bundle; another `x` makes another one."""
    file = graphs.linear(out.with_suffix(".onnx"))
    return pack.onnx(file, np.array([[x], [2.0]]), out=out, name="m").directory


def files(folder: Path) -> dict[str, bytes]:
    """What is in a directory."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
