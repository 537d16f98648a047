"""docs/cli.md shows what the command draws, and names every command that looks at a cluster."""

import re

import click
import pytest
import yaml

from slipway.program import _COMMANDS, main
from testbed.shell import ROOT
from tests.cli.recording import canary
from tests.cli.scenes import GOLDEN

PAGE = (ROOT / "docs" / "cli.md").read_text()
SHOWN = {
    "slipway get churn": "get-canary-measured.80.txt",
    "slipway list -A": "list.80.txt",
    "slipway why churn": "why-sent-home.80.txt",
    "slipway history churn": "history-sent-home.80.txt",
    "slipway ask churn": "ask.80.txt",
}


@pytest.mark.parametrize("command", SHOWN)
def test_each_output_is_what_the_command_draws(command: str) -> None:
    shown = re.search(rf"(?ms)^```console\n\$ {re.escape(command)}\n(.*?)^```", PAGE)
    assert shown
    assert shown[1] == (GOLDEN / SHOWN[command]).read_text()


def test_a_recorded_canary_is_what_the_operator_decides_and_the_command_says() -> None:
    shown = re.search(r"(?ms)^```console\n\$ slipway get churn -w \| cat\n(.*?)^```", PAGE)
    assert shown
    assert shown[1] == canary(), "tests/cli/recording.py makes it"


def test_each_command_of_the_plugins_for_k9s_is_there_with_its_options() -> None:
    plugins = yaml.safe_load((ROOT / "examples" / "k9s" / "plugins.yaml").read_text())["plugins"]
    assert len({each["shortCut"] for each in plugins.values()}) == len(plugins)
    for each in plugins.values():
        words = re.findall(r"\S+", " ".join([each["command"], *each["args"]]).partition("slipway ")[2])
        command = main.get_command(click.Context(main), words[0])
        assert command, words
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if re.match(r"--?[a-z]+$", word)} - {"-R"} <= known


@pytest.mark.parametrize("name", [name for name, target in _COMMANDS.items() if target.startswith("slipway.cli.")])
def test_each_command_has_its_row(name: str) -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    assert any(f"`{name}`" in row or f"`{name} " in row for row in rows), name
