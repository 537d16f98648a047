"""How much memory, disk and time a Triton server needs: formulas, and where their numbers come from."""

from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import Final

MIB: Final = 2**20
GIB: Final = 2**30

_ELEMENT_BYTES: Final = {
    "BOOL": 1, "UINT8": 1, "INT8": 1, "UINT16": 2, "INT16": 2, "FP16": 2, "BF16": 2,
    "UINT32": 4, "INT32": 4, "FP32": 4, "UINT64": 8, "INT64": 8, "FP64": 8,
    "BYTES": 256,
}  # fmt: skip
"""BYTES elements have no fixed size; 256 is a long line of text."""

_UNKNOWN_DIMENSION: Final = 1024
"""Taken for a dimension of -1: a sequence of a thousand tokens."""

PRE_STOP: Final = timedelta(seconds=10)
"""A stopping Triton refuses new connections at once; endpoints need this long to spread first."""


def tensor_bytes(datatype: str, shape: tuple[int, ...]) -> int:
    """Size of one element of a batch, from what the model declares."""
    elements = 1
    for dimension in shape:
        elements *= dimension if dimension >= 0 else _UNKNOWN_DIMENSION
    return elements * _ELEMENT_BYTES.get(datatype, 8)


@dataclass(frozen=True, kw_only=True)
class Pool:
    """What a model's share of /dev/shm comes of. `tensors`: bytes of inputs and outputs of one element of a batch."""

    instances: int
    tensors: int
    max_batch_size: int


def shared_memory(*pools: Pool) -> int:
    """Bytes of /dev/shm: the python backend's pool starts at 1 MiB an instance and grows to twice its largest request.

    Measured on 2.51: 40 MiB of tensors left a pool of 85 MiB. It never shrinks, and a request that finds no room fails
    while the server stays ready.
    """
    return _round_up(64 * MIB + sum(_pool(pool) for pool in pools))


def _pool(pool: Pool) -> int:
    return pool.instances * (MIB + ceil(2.2 * pool.tensors * max(1, pool.max_batch_size)))


def memory_request(*, size: int) -> int:
    """Bytes that the scheduler sets aside when the user says nothing: the server and one copy of the bundle."""
    return _round_up(512 * MIB + size)


def memory_limit(*, size: int, shared: int) -> int:
    """Bytes at which the kernel ends the server: room for a load's copies, and for /dev/shm, which counts as memory."""
    return _round_up(2 * GIB + 3 * size + shared)


def bundle_storage(*, size: int) -> int:
    """Bytes of the volume that a bundle is fetched into: itself, a tenth more, and the guard."""
    return _round_up(size + size // 10 + 64 * MIB)


def plain_storage(*, size: int) -> int:
    """Bytes of the volume in memory that a bundle is decrypted into: plaintext is smaller than what was resolved."""
    return _round_up(size + 16 * MIB)


def temporary_storage(*, size: int) -> int:
    """Bound of /tmp: the python backend unpacks a model's environment there, several times its packed size."""
    return _round_up(GIB + 4 * size)


def termination_grace(*, request_timeout: timedelta, instances: int) -> timedelta:
    """The time a stopping pod gets: endpoints spread, requests in flight end, instances stop one after another.

    Measured on 2.51: the instances of one model take 1.2 s each. Five seconds are the guard's own.
    """
    stopping = PRE_STOP + request_timeout + timedelta(seconds=1.2 * instances + 5)
    return timedelta(seconds=ceil(stopping.total_seconds()))


def _round_up(size: int) -> int:
    """To whole MiB, so that manifests stay readable."""
    return ceil(size / MIB) * MIB
