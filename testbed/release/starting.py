"""The command `slipway`, whole: any CPython that this file is for starts it, with nothing installed.

Compiled parts cannot be loaded out of a zip file, so all is unpacked once, into a folder of the reader's own that is
called by its content. This is the `__main__.py` of `slipway-OS-ARCH.pyz`, and speaks to older Pythons, too.
"""

import atexit
import os
import shutil
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

SITE = "site/"
PROBE = SITE + "pydantic_core/_pydantic_core"
"""The compiled part whose name tells for which Pythons the file is."""
_ARCHS = {"x86_64": "amd64", "aarch64": "arm64"}
_REFUSES = (
    "slipway: this file is for {}; this is {} and Python {} ({}): take another python3, or install the release's "
    "wheel: pipx install './slipway_serving-VERSION-py3-none-any.whl[cli]'"
)


def main(archive: str) -> None:
    """Unpack what is not there, and become the command that the file is called as."""
    sys.path[0] = str(_unpacked(archive))
    from slipway.cli import plugin
    from slipway.program import main as command

    called = Path(sys.argv[0]).name
    if called.startswith("kubectl_complete-"):
        plugin.complete()
    elif called.startswith("kubectl-"):
        plugin.main()
    else:
        command(prog_name="slipway")


def _unpacked(archive: str) -> Path:
    with zipfile.ZipFile(archive) as opened:
        made_for, suffix = opened.read("for").decode(), str(sysconfig.get_config_var("EXT_SUFFIX"))
        here = sys.platform + "/" + _ARCHS.get(os.uname().machine, os.uname().machine)
        if not made_for.startswith(here + " ") or PROBE + suffix not in opened.namelist():
            sys.exit(_REFUSES.format(made_for, here, sys.version.split()[0], suffix))
        kept = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        try:
            return _within(Path(kept, "slipway-command"), opened)
        except OSError:  # nobody may write there, or somebody else has: for this once
            scratch = tempfile.mkdtemp(prefix="slipway-command-")
            atexit.register(shutil.rmtree, scratch, ignore_errors=True)
            return _within(Path(scratch), opened)


def _within(folder: Path, opened: zipfile.ZipFile) -> Path:
    """The content's folder, which is there whole or not at all."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    place = folder / opened.read("digest").decode()
    if not place.is_dir():
        part = tempfile.mkdtemp(dir=str(folder))
        opened.extractall(part, [name for name in opened.namelist() if name.startswith(SITE)])
        try:
            Path(part, SITE).rename(place)
        except OSError:
            if not place.is_dir():  # else another was first
                raise
        finally:
            shutil.rmtree(part, ignore_errors=True)
    if place.stat().st_uid != os.getuid():
        raise OSError("it is somebody else's")
    return place


if __name__ == "__main__":
    main(sys.path[0])
