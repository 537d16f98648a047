"""Numbers in the options of all commands: what is none, or has no end, is refused before anything is done."""

import math
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from slipway.option_types import Finite
from slipway.program import _COMMANDS, main

ODD = ("nan", "inf", "-inf", "1e308", "1e-999x")


def commands() -> Iterator[tuple[str, click.Command]]:
    """All of them, with those below them."""
    found = [(name, main.get_command(click.Context(main), name)) for name in _COMMANDS]
    while found:
        name, command = found.pop(0)
        assert command, name
        if isinstance(command, click.Group):
            found += [(f"{name} {below}", each) for below, each in command.commands.items()]
        else:
            yield name, command


def types(of: click.ParamType[object]) -> Iterator[click.ParamType[object]]:
    """A type, and where it is of several, each of them."""
    if isinstance(of, click.Tuple):
        for each in of.types:
            yield from types(each)
    else:
        yield of


NUMBERS = sorted(
    (name, parameter.opts[-1], each)
    for name, command in commands()
    for parameter in command.params
    for each in types(parameter.type)
    if "float" in each.name
)


@pytest.mark.parametrize("text", ODD)
def test_a_rate_that_is_none_is_refused_at_once_by_its_option_and_its_range(text: str) -> None:
    told = CliRunner().invoke(main, ["fit", "churn", f"--rps={text}", "--p99=50ms"])
    assert told.exit_code == 2, told.output
    assert "Invalid value for '--rps'" in told.output
    assert "is not in the range 0<x<=10000000000." in told.output or text == ODD[-1]


def test_the_options_that_are_numbers_are_found() -> None:
    there = {(name, option) for name, option, _ in NUMBERS}
    assert {("fit", "--rps"), ("wait", "--timeout"), ("run", "--resync-seconds"), ("pack onnx", "--tolerance")} <= there
    assert ("shrink", "--answers") in there


@pytest.mark.parametrize(("command", "option", "kind"), NUMBERS, ids=lambda each: str(each).replace(" ", "-"))
def test_no_option_takes_what_is_no_number_or_has_no_end(
    command: str, option: str, kind: click.ParamType[object]
) -> None:
    assert isinstance(kind, Finite), f"{command} {option}: one of slipway.option_types"
    for text in ODD:
        with pytest.raises(click.BadParameter):
            kind.convert(text, None, None)
    assert kind.max is not None
    assert math.isfinite(kind.convert(str(kind.max), None, None))
