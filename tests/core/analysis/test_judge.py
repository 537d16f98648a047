"""Rounds: when an analysis goes on, passes, fails or cannot tell; and how it gets from look to look."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from slipway.api.v1alpha1.analysis import Analysis, AnalysisPhase, AnalysisStatus
from slipway.core.analysis.course import advanced, looks_at
from slipway.core.analysis.judge import begun, judge
from slipway.core.observed.evidence import Evidence, Reading, Readings
from tests.core.analysis.samples import (
    CANDIDATE,
    MINUTE,
    NOON,
    STABLE,
    analysis,
    built_in,
    counters,
    measured,
    queried,
    sample,
    scrape,
)


def after(rounds: Sequence[str], asked: Analysis, *, endless: bool = False) -> AnalysisStatus:
    """The analysis after rounds of measurements, each written as letters, a minute apart."""
    status, now = begun(asked, NOON), NOON
    for letters in rounds:
        now += MINUTE
        made = [measured(letter, now, f"m{i}") for i, letter in enumerate(letters)]
        status = judge(asked, status, made, now, endless=endless)
    return status


@pytest.mark.parametrize(
    ("rounds", "fields", "phase"),
    [
        ("", {}, "Running"),
        ("SSSS", {}, "Running"),
        ("SSSSS", {}, "Passed"),
        ("F", {}, "Failed"),
        ("SSF", {}, "Failed"),
        ("F", {"failure_limit": 1}, "Running"),
        ("FF", {"failure_limit": 1}, "Failed"),
        ("FSSSS", {"failure_limit": 1}, "Passed"),
        ("I", {}, "Inconclusive"),
        ("I", {"on_inconclusive": "Fail"}, "Failed"),
        ("I", {"inconclusive_limit": 1}, "Running"),
        ("II", {"inconclusive_limit": 1}, "Inconclusive"),
        ("SISSS", {"inconclusive_limit": 1}, "Running"),
        ("SISSSS", {"inconclusive_limit": 1}, "Passed"),
        ("IIIII", {"inconclusive_limit": 9}, "Running"),
        ("IF", {"inconclusive_limit": 9}, "Failed"),
        ("S", {"count": 1}, "Passed"),
    ],
)
def test_the_course_of_an_analysis(rounds: str, fields: dict[str, Any], phase: str) -> None:
    assert after(list(rounds), analysis(**fields)).phase == phase


@pytest.mark.parametrize(("letters", "phase"), [("SSS", "Passed"), ("SIS", "Inconclusive"), ("SIF", "Failed")])
def test_a_round_is_as_bad_as_its_worst_measurement(letters: str, phase: str) -> None:
    assert after([letters], analysis(count=1)).phase == phase


def test_in_the_background_it_goes_on_until_something_is_wrong() -> None:
    assert after("S" * 40, analysis(), endless=True).phase == AnalysisPhase.RUNNING
    assert after("S" * 40 + "F", analysis(), endless=True).phase == AnalysisPhase.FAILED


def test_its_message_counts_and_quotes_what_is_worst() -> None:
    failed = after(["S", "FSF"], analysis(failure_limit=0))
    assert failed.message == "round 2 failed, 1 in all (failureLimit 0): m0 says F · m2 says F"
    unsure = after(["I"], analysis())
    assert unsure.message == "round 1 says nothing, 1 in all (inconclusiveLimit 0): m0 says I"
    assert after(["S"], analysis()).message == "round 1 passed, 1 of 5 with a result: m0 says S"
    assert (failed.runs, failed.failures, failed.inconclusives) == (2, 1, 0)


def test_only_the_latest_measurements_are_kept() -> None:
    status = after(["SSSS"] * 4, analysis())
    assert len(status.measurements) == 10
    assert status.measurements[-1].at == NOON + 4 * MINUTE
    assert AnalysisStatus.model_validate(status.to_dict()) == status


def test_a_round_before_its_time_or_after_the_end_changes_nothing() -> None:
    running = begun(analysis(), NOON)
    assert judge(analysis(), running, [measured("F")], NOON + timedelta(seconds=59)) == running
    ended = after("F", analysis())
    assert ended.next_at is None
    assert judge(analysis(), ended, [measured("S")], NOON + 9 * MINUTE) == ended


def test_the_next_round_is_due_an_interval_after_this_one_was_made() -> None:
    late = judge(analysis(interval="30s"), begun(analysis(), NOON), [measured("S")], NOON + 5 * MINUTE)
    assert late.next_at == NOON + 5 * MINUTE + timedelta(seconds=30)


# -- from look to look

COUNTED = analysis(built_in("ErrorRate", max="0.01"), count=1)


def looks(*seconds: float) -> Evidence:
    return Evidence(history=tuple(scrape(at, sample("new-1", counters(at * 10))) for at in seconds))


def course(asked: Analysis, status: AnalysisStatus | None, seen: Evidence | None, seconds: float) -> AnalysisStatus:
    now = NOON + timedelta(seconds=seconds)
    return advanced(asked, status, seen, candidate=CANDIDATE, stable=STABLE, now=now)


def test_it_begins_with_a_look_and_is_judged_by_the_next() -> None:
    status = course(COUNTED, None, None, 0)
    assert (status.phase, looks_at(status, None)) == ("Running", NOON)
    assert course(COUNTED, status, looks(0), 1) == status
    assert looks_at(status, looks(0)) == NOON + MINUTE
    assert course(COUNTED, status, looks(0), 60) == status, "the look is from before it was due"
    passed = course(COUNTED, status, looks(0, 60.2), 61)
    assert passed.phase == "Passed"
    assert "0 of 602 requests failed in 60.2 s" in passed.message
    assert looks_at(passed, looks(0, 60.2)) is None


def test_looks_that_a_restart_lost_put_the_round_off_and_count_as_none() -> None:
    status = course(COUNTED, None, None, 0)
    later = course(COUNTED, status, looks(90), 91)
    assert (later.runs, later.inconclusives, later.next_at) == (0, 0, NOON + timedelta(seconds=150))
    assert course(COUNTED, later, looks(90, 150), 150).phase == "Passed"


def test_a_query_needs_no_look_before() -> None:
    asked = analysis(queried(max="5"), count=1)
    seen = Evidence(history=(scrape(60),), readings={"m": Readings(candidate=Reading(value=1))})
    assert course(asked, begun(asked, NOON), seen, 60).phase == "Passed"


def test_the_same_facts_give_the_same_answer_again() -> None:
    status = begun(COUNTED, NOON)
    once = course(COUNTED, status, looks(0, 60), 60)
    assert course(COUNTED, status, looks(0, 60), 60) == once
    assert course(COUNTED, once, looks(0, 60), 61) == once
