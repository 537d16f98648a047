"""What kubectl and a plugin that signs in say to people reaches them while kubectl waits for them."""

import os
import sys
from pathlib import Path

import pytest

from slipway.cli import complaints
from slipway.cli.kubectl import Kubectl, KubectlError
from tests.cli.speaking import script

CODE = 'printf "open https://login.example and type 1234\\033[2J" >&2\n'


def until_shown(folder: Path) -> str:
    """A shell's words that wait for `shown`, as somebody who signs in does."""
    return f'n=0; while [ ! -e "{folder}/shown" ] && [ $n -lt 200 ]; do sleep 0.1; n=$((n+1)); done\n'


def test_how_to_sign_in_is_shown_while_kubectl_waits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Terminal:
        text = ""

        def write(self, text: str) -> None:
            self.text += text
            (tmp_path / "shown").touch()

        def flush(self) -> None:
            pass

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(complaints, "PATIENCE_SECONDS", 0.05)
    script(monkeypatch, tmp_path, f"{CODE}{until_shown(tmp_path)}echo answer\n")
    assert Kubectl()("get") == "answer\n"
    assert terminal.text == "open https://login.example and type 1234\\x1b[2J"


def test_of_what_is_over_at_once_nothing_is_shown_but_the_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    script(monkeypatch, tmp_path, "echo no >&2\nexit 1\n")
    with pytest.raises(KubectlError, match="kubectl: no"):
        Kubectl()("get")
    script(monkeypatch, tmp_path, "echo deprecated >&2\necho answer\n")
    assert Kubectl()("get") == "answer\n"
    assert capfd.readouterr().err == ""


def test_what_a_plugin_leaves_running_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script(monkeypatch, tmp_path, f'sleep 30 >/dev/null </dev/null &\necho $! >"{tmp_path}/left"\necho answer\n')
    try:
        assert Kubectl()("get") == "answer\n"
        os.kill(int((tmp_path / "left").read_text()), 0)
    finally:
        os.kill(int((tmp_path / "left").read_text()), 9)


def test_what_is_said_at_length_is_all_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "long").write_text("x" * 500_000)
    script(monkeypatch, tmp_path, f'cat "{tmp_path}/long" >&2\nexit 1\n')
    with pytest.raises(KubectlError) as told:
        Kubectl()("get")
    assert str(told.value).count("x") == 500_000
