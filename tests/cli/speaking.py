"""A kubectl that says what a healthy one cannot be made to say."""

import os
from pathlib import Path

import pytest

from testbed.shell import ROOT

PATH = os.environ["PATH"]


def kubectl_says(monkeypatch: pytest.MonkeyPatch, folder: Path, out: str = "", err: str = "", code: int = 0) -> None:
    """The same to everything, on the PATH."""
    (folder / "out").write_text(out)
    (folder / "err").write_text(err)
    script(monkeypatch, folder, f"cat '{folder}/out'; cat '{folder}/err' >&2; exit {code}\n")


def script(monkeypatch: pytest.MonkeyPatch, folder: Path, text: str) -> None:
    """What this shell script says, on the PATH."""
    (folder / "kubectl").write_text(f"#!/bin/sh\n{text}")
    (folder / "kubectl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{PATH}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "operator"))
