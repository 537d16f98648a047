"""The table of statements names tests that exist."""

import ast
import re
from pathlib import Path

import pytest

from testbed.shell import ROOT

TABLE = (Path(__file__).parent / "README.md").read_text()
ROWS = [line.strip("| ").split(" | ") for line in TABLE.splitlines() if re.match(r"\| \d", line)]


def defined_in(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_all_twenty_are_there() -> None:
    assert [int(row[0]) for row in ROWS] == list(range(1, 21))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_names_tests_that_exist(row: list[str]) -> None:
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", row[2])
    assert named
    for path, test in named:
        assert test in defined_in(path), f"{path}::{test}"
