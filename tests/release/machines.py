"""For whom tests write the command: this machine, or nobody."""

import os
import sys
from typing import Final

from testbed.release.files import Command
from testbed.release.pyz import PLATFORMS

PYTHON: Final = f"{sys.version_info.major}.{sys.version_info.minor}"
ADDRESS: Final = "https://files.example/slipway/v0"
_ARCH: Final = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
HERE: Final = Command(
    ADDRESS, tuple(each for each in PLATFORMS if (each.os, each.arch) == (sys.platform, _ARCH)), (PYTHON,)
)
NOWHERE: Final = Command(platforms=())
