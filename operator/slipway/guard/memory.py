"""What the container's cgroup knows: processes that the kernel killed for memory, and what is in use."""

from __future__ import annotations

import re
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")


def kills(root: Path = _CGROUPS) -> int:
    """How many processes of this container have been killed for memory; 0 where the kernel does not say."""
    for file in (root / "memory.events", root / "memory" / "memory.oom_control"):
        try:
            match = re.search(r"^oom_kill (\d+)$", file.read_text(encoding="ascii"), re.MULTILINE)
        except OSError:
            continue
        if match:
            return int(match[1])
    return 0


def held(root: Path = _CGROUPS) -> int | None:
    """Bytes in use that the kernel cannot take back, as it can what it keeps of files; None where it does not say."""
    for file, names in (
        (root / "memory.stat", ("anon", "shmem")),
        (root / "memory" / "memory.stat", ("total_rss", "total_shmem")),
    ):
        try:
            lines = dict(line.split(" ", 1) for line in file.read_text(encoding="ascii").splitlines() if " " in line)
            return sum(int(lines[name]) for name in names if name in lines)
        except (OSError, ValueError):
            continue
    return None
