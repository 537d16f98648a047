"""The bundle of the bench: mixed files, as a large model with shards, a tokenizer and odds and ends has them."""

import hashlib
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

MIB = 1024 * 1024
_CONFIG = """
backend: "onnxruntime"
max_batch_size: 8
input [{ name: "x" data_type: TYPE_FP32 dims: [1] }]
output [{ name: "y" data_type: TYPE_FP32 dims: [1] }]
"""
_GOLDEN = {
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [3]}],
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [1, 1], "data": [7]}],
}


def sizes(total_mib: int) -> Iterator[tuple[str, int]]:
    """Half in one file, a quarter in four, the rest in shards of 16 MiB, files of 1 MiB and 200 small ones."""
    total = total_mib * MIB
    yield "1/model.onnx.data", total // 2
    yield from ((f"1/shard-{n}.bin", total // 16) for n in range(4))
    small = 200 * 50_000
    ones = total // 16 // MIB
    yield from ((f"1/part/{n:03}.bin", MIB) for n in range(ones))
    yield from ((f"assets/{n:03}.json", 50_000) for n in range(200))
    left = total - total // 2 - 4 * (total // 16) - ones * MIB - small
    for n in range(0, left, 16 * MIB):
        yield f"1/weights-{n // MIB:04}.bin", min(16 * MIB, left - n)


@dataclass(frozen=True)
class Made:
    """A bundle in a directory."""

    directory: Path
    digest: str
    size: int
    """Bytes of all its files, as the fetcher counts them."""

    @classmethod
    def of(cls, directory: Path) -> Self:
        """The one that is there, which has its list."""
        content = (directory / "SHA256SUMS").read_bytes()
        files = (path for path in directory.rglob("*") if path.is_file() and path.name != "model.sig")
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        return cls(directory=directory, digest=digest, size=sum(path.stat().st_size for path in files))


def make(directory: Path, total_mib: int) -> Made:
    """Write the bundle."""
    numbers = random.Random(3)
    block = numbers.randbytes(MIB)
    files = {
        "config.pbtxt": _CONFIG.encode(),
        "golden/three.json": json.dumps(_GOLDEN).encode(),
        "1/model.onnx": b"its weights are in the file beside it",
    }
    for path, content in files.items():
        _write(directory / path, iter([content]))
    for path, size in sizes(total_mib):
        _write(directory / path, _blocks(block, size, numbers.randbytes(16)))
    lines = [
        f"{hashlib.file_digest(path.open('rb'), 'sha256').hexdigest()}  {path.relative_to(directory)}\n"
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    ]
    (directory / "SHA256SUMS").write_text("".join(lines))
    return Made.of(directory)


def _blocks(block: bytes, size: int, salt: bytes) -> Iterator[bytes]:
    for start in range(0, size, len(block)):
        yield (salt + start.to_bytes(8) + block)[: min(len(block), size - start)]


def _write(path: Path, blocks: Iterator[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for block in blocks:
            file.write(block)
