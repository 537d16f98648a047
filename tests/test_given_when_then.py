"""Stories say where they begin, what happens, and what comes of it, in this order."""

import ast
from collections.abc import Iterator

import pytest

from testbed.shell import ROOT

FILES = sorted((ROOT / "tests" / "stories").rglob("test_*.py"))
PARTS = ("given", "when", "then")


def steps(source: str) -> Iterator[tuple[str, list[str]]]:
    """Each test with the parts that its comments name."""
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            comments = (line.strip() for line in lines[node.lineno : node.end_lineno])
            yield node.name, [part for line in comments for part in PARTS if line.startswith(f"# {part}: ")]


def is_whole(parts: list[str]) -> bool:
    """It begins with what is given and ends with what then holds, and something happens."""
    return parts[:1] == ["given"] and parts[-1:] == ["then"] and {*parts} == {*PARTS}


@pytest.mark.parametrize(
    "parts",
    [[], ["given", "then"], ["when", "then"], ["given", "when"], ["when", "given", "then"]],
    ids=" ".join,
)
def test_a_story_without_one_of_its_parts_is_found(parts: list[str]) -> None:
    body = "".join(f"    # {part}: so\n    pass\n" for part in parts) or "    pass\n"
    ((_, found),) = steps(f"def test_it() -> None:\n{body}")
    assert found == parts
    assert not is_whole(found)


def test_each_story_has_all_its_parts() -> None:
    found = {(path.name, name): parts for path in FILES for name, parts in steps(path.read_text())}
    assert found
    assert {story: parts for story, parts in found.items() if not is_whole(parts)} == {}
