"""What a process and its children hold, as the kernel counts it."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes; pages that several share are counted in parts."""

    all: int
    shared: int
    """Of all, what is in shared memory (/dev/shm), which a pod has a limit of its own for."""


def memory_of(pid: int) -> Memory:
    """What a process and what it started hold; 0 where the system does not tell."""
    held = {"Pss": 0, "Pss_Shmem": 0}
    for each in [pid, *_children(pid)]:
        for line in _lines(each):
            name, _, rest = line.partition(":")
            if name in held:
                held[name] += int(rest.split()[0]) * 1024
    return Memory(all=held["Pss"], shared=held["Pss_Shmem"])


def _lines(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return []


def _children(pid: int) -> list[int]:
    children: list[int] = []
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, listed.read_text().split()):
            children += [child, *_children(child)]
    return children
