"""The command where not all of its packages are installed: an extra brings some subcommands, and the others say so."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from slipway.program import main
from tests.cli.speaking import script

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


@pytest.mark.parametrize(
    "scope", [["-n", "shop"], ["-nshop"], ["--namespace=shop", "--context", "c"], ["--kubeconfig", "k"]]
)
@pytest.mark.parametrize("words", [["get", "churn"], ["get", "churn", "-n", "later"], ["list", "-A"], ["why", "churn"]])
def test_which_cluster_may_be_said_before_the_command_as_to_kubectl(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, scope: list[str], words: list[str]
) -> None:
    script(monkeypatch, tmp_path, 'echo "error: asked $*" >&2; exit 1\n')
    command, *rest = words
    before, after = (CliRunner().invoke(main, said).output for said in ([*scope, *words], [command, *scope, *rest]))
    assert "asked" in before
    assert before == after


def test_before_the_command_they_are_its_own_options_still() -> None:
    ended = CliRunner().invoke(main, ["-n", "shop", "check", "bundle"])
    assert (ended.exit_code, "No such option" in ended.output) == (2, True)
    ended = CliRunner().invoke(main, ["--context", "c", "import", "mlflow", "--help"])
    assert (ended.exit_code, "import mlflow" in ended.output) == (0, True)


def _without(package: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    program = f"import sys; sys.modules[{package!r}] = None; from slipway.program import main; main()"
    return subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
