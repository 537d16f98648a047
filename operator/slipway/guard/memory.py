"""What the container's cgroup knows of processes that the kernel killed for memory."""

from __future__ import annotations

import re
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")


def kills(root: Path = _CGROUPS) -> int:
    """How many processes of this container have been killed for memory; 0 where the kernel does not say."""
    for file in (root / "memory.events", root / "memory" / "memory.oom_control"):
        try:
            found = re.search(r"^oom_kill (\d+)$", file.read_text(encoding="ascii"), re.MULTILINE)
        except OSError:
            continue
        if found:
            return int(found[1])
    return 0
