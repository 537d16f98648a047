"""The table of scenarios names tests that exist."""

import ast
import re
from typing import Final

import pytest

from testbed.shell import ROOT

TABLE: Final = (ROOT / "tests" / "README.md").read_text()
ROWS: Final = [line.strip("| ").split(" | ") for line in TABLE.splitlines() if re.match(r"\| \d", line)]


def test_all_thirty_are_there() -> None:
    assert [int(row[0]) for row in ROWS] == list(range(1, 31))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_names_tests_that_exist(row: list[str]) -> None:
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", row[2])
    assert named
    for path, test in named:
        tree = ast.parse((ROOT / re.sub(r"^rollouts/", "tests/stories/rollouts/", path)).read_text())
        assert test in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, f"{path}::{test}"
