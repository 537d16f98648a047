"""Tables in READMEs that say which test shows what: their rows, and whether each test that they name is there."""

import ast
import re
from pathlib import Path

from testbed.shell import ROOT


def rows_of(page: Path) -> list[list[str]]:
    """The cells of each row that begins with a number."""
    return [line.strip("| ").split(" | ") for line in page.read_text().splitlines() if re.match(r"\| \d", line)]


def assert_names_tests(cell: str) -> None:
    """A cell names at least one test as `file.py::test`, and each is defined there."""
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", cell)
    assert named
    for path, test in named:
        tree = ast.parse((ROOT / re.sub(r"^rollouts/", "tests/stories/rollouts/", path)).read_text())
        defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert test in defined, f"{path}::{test}"
