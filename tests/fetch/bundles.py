"""Bundles for tests: small, complete, and easy to spoil."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

from slipway.fetch import sums

CONFIG = b"""
name: "whatever"
backend: "onnxruntime"
max_batch_size: 8
input [{ name: "x" data_type: TYPE_FP32 dims: [1] }]
output [{ name: "y" data_type: TYPE_FP32 dims: [1] }]
instance_group [{ count: 1 }]
"""
GOLDEN = {
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [3]}],
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [1, 1], "data": [7]}],
    "tolerance": {"absolute": "0.0001", "relative": "0.001"},
}
MODEL = bytes(range(256)) * 1200  # 300 KiB: several ranges of the tests' policy


def files(**changed: bytes | None) -> dict[str, bytes]:
    """A bundle's files without SHA256SUMS; a keyword by path replaces one, and None leaves it out."""
    whole: dict[str, bytes | None] = {
        "config.pbtxt": CONFIG,
        "1/model.onnx": MODEL,
        "golden/three.json": json.dumps(GOLDEN).encode(),
        "labels.txt": b"no\nyes\n",
        **changed,
    }
    return {path: content for path, content in whole.items() if content is not None}


def sha256(content: bytes) -> str:
    """A file's hash."""
    return hashlib.sha256(content).hexdigest()


def listed(plain: dict[str, bytes]) -> dict[str, bytes]:
    """The files and their SHA256SUMS."""
    hashes = {path: sha256(content) for path, content in plain.items()}
    return {**plain, sums.NAME: b"".join(f"{digest}  {path}\n".encode() for path, digest in sorted(hashes.items()))}


def digest(bundle: dict[str, bytes]) -> str:
    """What `digest` is for a bundle with SHA256SUMS."""
    return f"sha256:{hashlib.sha256(bundle[sums.NAME]).hexdigest()}"


def write(directory: Path, bundle: dict[str, bytes]) -> Path:
    """Put the files on disk."""
    for path, content in bundle.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(content)
    return directory


def tar(files: dict[str, bytes], *more: tarfile.TarInfo, below: str = "") -> bytes:
    """An archive of the files, and of members of any kind."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as made:
        for path, content in files.items():
            info = tarfile.TarInfo(below + path)
            info.size = len(content)
            made.addfile(info, io.BytesIO(content))
        for info in more:
            made.addfile(info, io.BytesIO(bytes(info.size)))
    return out.getvalue()
