"""The table of what Triton does names tests that exist."""

import pytest

from testbed.shell import ROOT
from tests.tables import assert_names_tests, rows_of

ROWS = rows_of(ROOT / "tests" / "guard" / "README.md")


def test_all_fifteen_are_there() -> None:
    assert [int(row[0]) for row in ROWS] == list(range(1, 16))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_names_tests_that_exist(row: list[str]) -> None:
    assert_names_tests(row[2])
