"""The command where not all of its packages are installed: an extra brings some subcommands, and the others say so."""

import re
import subprocess
import sys

import pytest

NEEDS = {"console": ("jinja2", "console"), "get": ("rich", "cli"), "pack": ("numpy", "bundle")}
ARGUMENTS = {
    "console": ["--port=1"],
    "get": ["churn"],
    "pack": ["onnx", __file__, "--out=anywhere", f"--inputs={__file__}"],
}


@pytest.mark.parametrize("command", NEEDS)
def test_a_command_without_its_packages_is_listed_and_says_what_brings_them(command: str) -> None:
    package, extra = NEEDS[command]
    listed = _without(package, "--help")
    assert (listed.returncode, f"\n  {command} " in listed.stdout) == (0, True), listed.stderr
    ended = _without(package, command, *ARGUMENTS[command])
    assert ended.returncode != 0
    assert "Traceback" not in ended.stderr
    assert re.search(rf"{package}(\.\w+)*: not installed", ended.stderr), ended.stderr
    assert f"pip install 'slipway-serving[{extra}]'" in ended.stderr


def _without(package: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    program = f"import sys; sys.modules[{package!r}] = None; from slipway.program import main; main()"
    return subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
