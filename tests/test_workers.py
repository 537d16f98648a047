"""Workers take files so that few control planes are started, and nobody is idle while there is work."""

import pytest

from tests.workers import HOLDERS, PATIENT, ROLLOUTS, cost, patience, place_of, plane_of


@pytest.mark.parametrize(
    ("file", "plane"),
    [
        (f"{ROLLOUTS}test_gpus.py", "cluster"),
        ("tests/stories/test_gpus.py", "cluster"),
        ("tests/charts/test_rights.py", "cluster"),
        ("tests/controller/test_process.py", "cluster"),
        ("tests/controller/test_process_alone.py", "plane"),
        ("tests/controller/test_election.py", "plane"),
        ("tests/core/children/test_live.py", "gateways"),
        ("tests/guard/test_start.py", ""),
        ("tests/core/test_decide.py", ""),
    ],
)
def test_a_file_says_which_control_plane_it_needs(file: str, plane: str) -> None:
    assert plane_of(file) == plane


def test_what_waits_longest_comes_first() -> None:
    last, first = "tests/core/test_decide.py", f"{ROLLOUTS}test_gpus.py"
    between = [
        "tests/guard/test_start.py",
        "tests/controller/test_process_alone.py",
        "tests/stories/test_hostile_tenant.py",
    ]
    assert sorted([last, *between, first], key=place_of) == [first, *between, last]


@pytest.mark.parametrize(
    ("file", "niceness"),
    [
        (f"{ROLLOUTS}test_gpus.py", 0),
        ("tests/controller/test_election.py", 0),
        ("tests/guard/test_start.py", 0),
        ("tests/core/test_decide.py", PATIENT),
    ],
)
def test_what_only_computes_gives_way_to_what_has_deadlines(file: str, niceness: int) -> None:
    assert patience(file) == niceness


@pytest.mark.parametrize("plane", HOLDERS)
def test_a_control_plane_that_is_there_is_used_and_one_more_is_started_rather_than_that_somebody_is_idle(
    plane: str,
) -> None:
    some, enough = HOLDERS[plane] - 1, HOLDERS[plane]
    there = cost(plane, has_it=True, holders=enough)
    first = cost(plane, has_it=False, holders=some)
    none = cost("", has_it=False, holders=0)
    one_more = cost(plane, has_it=False, holders=enough)
    assert there < first < none < one_more
