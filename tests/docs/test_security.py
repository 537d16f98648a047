"""docs/security.md: each row names a test that there is, and what it says of CVEs is what the guard enforces."""

import re
import tomllib

import pytest

from slipway.guard import versions
from testbed.shell import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text()
TESTS = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))
CVES = [
    [cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| CVE-20")
]
BULLETINS = {
    *("CVE-2025-23310", "CVE-2025-23311", "CVE-2025-23319", "CVE-2025-23320", "CVE-2025-23334", "CVE-2025-33201"),
    *("CVE-2026-24146", "CVE-2026-24173", "CVE-2026-24206", "CVE-2026-24207", "CVE-2026-24208", "CVE-2026-24209"),
}
"""What NVIDIA has told of Triton since 2025-08: whoever reads of another adds it, and then the page needs a row."""


@pytest.mark.parametrize(("file", "name"), TESTS)
def test_each_row_names_a_test_that_there_is(file: str, name: str) -> None:
    assert re.search(rf"^(async )?def {name}\(", (ROOT / file).read_text(), re.MULTILINE)


ACTORS = [line for line in PAGE.splitlines() if re.match(r"\| (tenant|token|caller|store|bundle|pod)", line)]


@pytest.mark.parametrize("line", ACTORS)
def test_each_row_has_one(line: str) -> None:
    assert "::" in line


def test_the_page_and_the_guard_know_one_least_version() -> None:
    assert f"The least Triton that is let serve is **{versions.shown(versions.LEAST)}**" in PAGE


def test_the_newest_version_gets_fixes() -> None:
    policy = (ROOT / "SECURITY.md").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert re.findall(r"\| ([0-9.]+) \| yes", policy) == [project.rpartition(".")[0]]


def test_every_cve_has_one_row() -> None:
    assert sorted(cve for row in CVES for cve in row[0].split(", ")) == sorted(BULLETINS)


@pytest.mark.parametrize("row", CVES, ids=[row[0] for row in CVES])
def test_what_a_cve_needs_is_what_the_guard_enforces_and_no_critical_one_is_open(row: list[str]) -> None:
    _, what, held = row
    assert held.startswith(("needs ", "blocked: ", "open"))
    if needs := re.match(r"needs (2\.[0-9.]+\d)", held):
        assert versions.parsed(needs[1]) <= versions.LEAST
    assert not (what.startswith("critical") and held.startswith("open"))
