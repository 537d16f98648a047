"""Test modules are no libraries: what two of them need stands in a module of test support beside them."""

import ast
from collections.abc import Iterator

import pytest

from testbed.shell import ROOT

FILES = sorted(path for folder in ("tests", "e2e") for path in (ROOT / folder).rglob("*.py"))


def from_tests(source: str) -> Iterator[str]:
    """The dotted names that are imported from, or are, test modules."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                found = [alias.name for alias in names]
            case ast.ImportFrom(module=module, names=names):
                found = [f"{module or ''}.{alias.name}" for alias in names]
            case _:
                continue
        yield from (name for name in found if any(part.startswith("test_") for part in name.split(".")))


@pytest.mark.parametrize(
    "source",
    [
        "from tests.core.test_canary import GATEWAY",
        "from tests.core import test_canary",
        "from . import test_canary",
        "import tests.core.test_canary as canary",
        "def late():\n    from e2e.test_canary import ask",
    ],
)
def test_each_form_of_import_is_seen(source: str) -> None:
    assert list(from_tests(source))


def test_no_file_imports_from_a_test_module() -> None:
    files = {path: list(from_tests(path.read_text())) for path in FILES}
    assert {str(path.relative_to(ROOT)): names for path, names in files.items() if names} == {}
