"""The zipapp: the same bytes from the same sources, and nothing but the standard library of an old Python inside."""

import ast
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import slipway.guard
from slipway.guard import archive

SOURCES = sorted(Path(slipway.guard.__file__).parent.glob("*.py"))


def test_the_same_sources_make_the_same_bytes(tmp_path: Path) -> None:
    archive.write(tmp_path / "a")
    archive.write(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_it_runs_with_nothing_installed_and_says_what_it_misses(tmp_path: Path) -> None:
    archive.write(tmp_path / "guard.pyz")
    done = subprocess.run(
        [sys.executable, "-I", "-S", tmp_path / "guard.pyz"],
        env={"SLIPWAY_TERMINATION_LOG": str(tmp_path / "log")},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert (tmp_path / "log").read_text().startswith('{"reason":"SpecInvalid","message":"SLIPWAY_GUARD is not JSON')


def test_it_holds_no_tests_and_no_compiled_files(tmp_path: Path) -> None:
    archive.write(tmp_path / "guard.pyz")
    names = zipfile.ZipFile(tmp_path / "guard.pyz").namelist()
    assert names == ["__main__.py", *(f"guard/{file.name}" for file in SOURCES if file.name != "archive.py")]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_sources_are_python_3_8_and_import_only_what_it_has(source: Path) -> None:
    tree = ast.parse(source.read_text(encoding="utf-8"), feature_version=(3, 8))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level == 0}
    assert {name.split(".")[0] for name in imported} <= sys.stdlib_module_names
