"""The machine that a bench ran on."""

import os
import platform
from pathlib import Path


def machine() -> str:
    """In a sentence."""
    told = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in told if line.startswith("model name")), platform.machine())
    return f"{os.cpu_count()} cores ({model}), Python {platform.python_version()}"


def load_average() -> str:
    """Of the last one and five minutes."""
    return "{:.1f}, {:.1f}".format(*os.getloadavg()[:2])
