"""docs/pack.md: its program runs as it stands, and no page shows a command with an option that there is not."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from slipway.program import main
from testbed.shell import ROOT
from tests.docs.pages import PAGES

PACK = (ROOT / "docs" / "pack.md").read_text()


def commands(page: Path) -> list[list[str]]:
    """The words of each command of ours that a page shows, lines that go on in the next one joined."""
    consoles = re.findall(r"(?ms)^```console\n(.*?)^```", page.read_text())
    lines = [line for block in consoles for line in block.replace("\\\n", " ").splitlines()]
    return [shlex.split(line[2:], comments=True) for line in lines if line.startswith("$ slipway ")]


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=lambda page: page.name)
def test_each_command_and_option_of_a_page_is_there(page: Path) -> None:
    for _, *words in commands(page):
        command: click.Command = main
        names = iter(words)
        while isinstance(command, click.Group):
            name = next(names)
            found = command.get_command(click.Context(command), name)
            assert found, (command.name, name)
            command = found
        known = {option for parameter in command.params for option in [*parameter.opts, *parameter.secondary_opts]}
        assert [word for word in words if word.startswith("-") and word not in known] == [], (command.name, words)


def test_the_first_program_runs_as_it_stands_and_what_it_packs_is_what_the_page_says(tmp_path: Path) -> None:
    program = re.search(r"(?ms)^## In Python.*?^```python\n(.*?)^```", PACK)
    shown = re.search(r"(?ms)^\$ slipway check tumour\n(.*?)^```", PACK)
    assert program
    assert shown
    (tmp_path / "train.py").write_text(program[1])
    environment = {"PYTHONPATH": str(ROOT / "operator")}
    told = subprocess.run([sys.executable, "train.py"], cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert re.fullmatch(rb"sha256:[0-9a-f]{64}\n", told.stdout)
    slipway = [sys.executable, "-c", "from slipway.program import main; main()", "check", "tumour"]
    checked = subprocess.run(slipway, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True)

    def of_the_model(text: str) -> list[str]:
        """Digest and size are those of the versions that packed."""
        return [line for line in text.splitlines() if not line.startswith(("digest", "size"))]

    assert of_the_model(checked.stdout) == of_the_model(shown[1])
