"""Where a rule is: every file that pages and the code's own comments name is there, with what it is named for."""

import re
import tomllib
from pathlib import Path
from typing import Final

import pytest

from testbed.shell import ROOT

CODE: Final = ROOT / "operator" / "slipway"
ROLLOUT: Final = CODE / "core" / "rollout"
FOLDERS: Final = ("operator", "tests", "testbed", "e2e", "bench", "load", "images", "examples")
FILES: Final = frozenset(path.relative_to(ROOT).as_posix() for top in FOLDERS for path in (ROOT / top).rglob("*.py"))
PAGES: Final = sorted(
    [*ROOT.glob("*.md"), *(each for top in ("docs", *FOLDERS) for each in (ROOT / top).rglob("*.md"))]
)
ARCHITECTURE: Final = (ROOT / "docs" / "architecture.md").read_text()
RULES: Final = ARCHITECTURE.split("## A rule and its file", 1)[1].split("\n## ", 1)[0]
NAMED: Final = re.findall(r"`((?:\w+/)*\w+\.py)`(?: \((`[\w.]+`(?:, `[\w.]+`)*)\))?", RULES)
"""Each file that the table names, and in parentheses what of it."""


def is_there(name: str) -> bool:
    """Whether some file of ours has that path, or one that ends so."""
    return any(f"/{file}".endswith(f"/{name}") for file in FILES)


def file_of(name: str) -> Path:
    """A file by its path as the table has it."""
    return CODE / name if name.startswith(("api/", "controller/")) else CODE / "core" / name


@pytest.mark.parametrize(("name", "parts"), NAMED, ids=lambda each: each)
def test_the_table_of_rules_names_files_that_exist_and_what_is_in_them(name: str, parts: str) -> None:
    text = file_of(name).read_text()
    for part in re.findall(r"[\w.]+", parts):
        for word in part.split("."):
            assert re.search(rf"^ *(?:def|class) {word}\b|^{word}\b.* = ", text, re.MULTILINE), part


def test_the_layers_inside_the_core_are_those_that_are_checked() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    checked = next(each["layers"] for each in contracts if each.get("containers") == ["slipway.core"])
    table = ARCHITECTURE.split("| in `core/` |", 1)[1].split("\n\n", 1)[0]
    shown = [re.findall(r"`(\w+)`", line.split("|")[1]) for line in table.splitlines()[2:]]
    assert shown == [re.findall(r"\w+", line) for line in checked]


def test_the_table_of_rules_names_every_module_of_the_rollout() -> None:
    modules = {path.name for path in ROLLOUT.glob("*.py")} - {"__init__.py"}
    assert {Path(name).name for name, _ in NAMED if name.startswith("rollout/")} == modules


def test_the_simulators_page_names_each_of_its_files() -> None:
    page = (ROOT / "tests" / "core" / "README.md").read_text()
    files = [path.name for path in (ROOT / "tests" / "core" / "cluster").glob("*.py")]
    assert not [name for name in files if f"`cluster/{name}`" not in page]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_each_file_that_a_page_names_is_there(page: Path) -> None:
    named = re.findall(r"`((?:[\w-]+/)*\w+\.py)(?:::\w+)?`", page.read_text())
    assert not [name for name in named if not is_there(name)]


def test_each_file_that_a_comment_of_the_operator_names_is_there() -> None:
    named = {
        (path.name, name)
        for path in CODE.rglob("*.py")
        for name in re.findall(r"(?<![\w/.])(?:\w+/)*\w+\.py\b", path.read_text())
    }
    assert not sorted((path, name) for path, name in named if not is_there(name))


def test_no_source_cites_papers_that_are_not_here() -> None:
    cites = re.compile(r"\bdesign (?:rule )?[§\d]|\breference/[\w-]+\.md")
    assert not [file for file in sorted(FILES) if cites.search((ROOT / file).read_text())]
