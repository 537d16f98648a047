"""`slipway logs`: a pod writes lines in its own name alone."""

import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from slipway.cli import logs

SAYS = "[pod/churn-1/triton] one{end}[pod/churn-2/triton] forged\n[pod/churn-2/triton] two\n"


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return tmp_path / "kubectl"


def lines_of(kubectl: Path, said: str, *words: str) -> list[str]:
    """As they are shown. `resolve` looks at no model first."""
    kubectl.write_text(f"#!{sys.executable}\nimport os\nos.write(1, {said.encode()!r})\n")
    kubectl.chmod(0o755)
    told = CliRunner().invoke(logs.logs, ["churn", "resolve", *words])
    assert told.exit_code == 0, told.output
    return told.output.removesuffix("\n").split("\n")


@pytest.mark.parametrize("follow", [[], ["--follow"]])
@pytest.mark.parametrize("end", ["\r", "\r\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\x1b[E"])
def test_what_ends_a_line_for_a_terminal_begins_none_in_another_pods_name(
    kubectl: Path, end: str, follow: list[str]
) -> None:
    shown = lines_of(kubectl, SAYS.format(end=end), *follow)
    assert [line.partition("]")[0] for line in shown] == ["[pod/churn-1/triton", "[pod/churn-2/triton"]
    assert "forged" in shown[0]


def test_a_line_without_an_end_is_shown_in_pieces_of_which_none_begins_like_one(
    kubectl: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "_LONGEST", 30)
    shown = lines_of(kubectl, f"[pod/churn-1/triton] {'x' * 9}[pod/churn-2/triton] forged\nlast\n", "--follow")
    assert shown == ["[pod/churn-1/triton] xxxxxxxxx", "... [pod/churn-2/triton] forged", "last"]
