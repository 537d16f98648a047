"""Schedules, latencies, tallies and what a report makes of them: plain data."""

import pytest

from load.latencies import Latencies, described, kept, percentile
from load.report import Report
from load.schedule import Schedule, Stairs
from load.table import table
from load.tally import WRONG_ANSWERS_KEPT, Tally, total


def test_arrivals_follow_the_rate_and_protocols_take_turns() -> None:
    schedules = Schedule.interleaved(("http", "grpc"), 10)
    due = {name: [round(schedule.due(number), 3) for number in range(3)] for name, schedule in schedules.items()}
    assert due == {"http": [0.0, 0.1, 0.2], "grpc": [0.05, 0.15, 0.25]}


def test_on_stairs_one_rate_follows_the_other_and_the_last_goes_on() -> None:
    stairs = Stairs.parse("2:1.5,10:0.5,1:4")
    due = [round(stairs.due(number), 2) for number in range(11)]
    assert due == [0, 0.5, 1, 1.5, 1.6, 1.7, 1.8, 1.9, 2, 3, 4]
    assert stairs.due(20) == 14
    assert stairs.seconds == 6


@pytest.mark.parametrize("text", ["", "5", "0:10", "5:0", "x:1", "5:1,,"])
def test_stairs_that_nobody_can_climb_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"zero|could not convert"):
        Stairs.parse(text)


@pytest.mark.parametrize(
    ("seconds", "microseconds"),
    [(0, 0), (-0.001, 0), (0.000_999, 999), (0.001_234, 1230), (0.012_345, 12_300), (10.0, 10_000_000)],
)
def test_a_latency_is_kept_to_three_digits(seconds: float, microseconds: int) -> None:
    assert kept(seconds) == microseconds


def test_percentiles_are_those_of_the_single_latencies() -> None:
    latencies = Latencies(kept(milliseconds / 1000) for milliseconds in range(1, 101))
    assert described(latencies) == {"p50_ms": 50, "p90_ms": 90, "p99_ms": 99, "max_ms": 100}
    assert percentile(Latencies([5000]), 50) == 5
    assert described(Latencies()) == {}


def test_what_one_slow_request_among_a_hundred_took_is_its_maximum_and_among_fifty_its_p99() -> None:
    for quick, p99 in ((99, 1.0), (49, 900.0)):
        latencies = Latencies([1000] * quick + [900_000])
        assert described(latencies)["p99_ms"] == p99
        assert described(latencies)["max_ms"] == 900


def test_tallies_of_stretches_add_up() -> None:
    whole = total(
        (
            _answers(("v1", 0.1), ("v1", 0.2)),
            _answers(("v1", 1.5), ("v2", 1.1)),
            Tally(failed=_failed("timeout").failed, reconnected=2),
        )
    )
    assert (whole.counts, whole.sent, dict(whole.failed), whole.reconnected) == (
        {"v1": 3, "v2": 1},
        5,
        {"timeout": 1},
        2,
    )
    assert (whole.answered["v1"].first, whole.answered["v1"].last) == (0.1, 1.5)
    assert whole.latencies.total() == 4


def test_wrong_answers_beyond_some_are_counted_and_no_longer_named() -> None:
    tally = Tally()
    for answer in range(WRONG_ANSWERS_KEPT + 5):
        tally.count_wrong(str(answer))
    tally.count_wrong("0")
    assert (tally.wrong["0"], tally.wrong["others"], tally.sent) == (2, 5, WRONG_ANSWERS_KEPT + 6)


@pytest.mark.parametrize(
    ("answered", "asked", "in_order"),
    [
        ([("v1", 1), ("v2", 2)], ("v1", "v2"), True),
        ([("v1", 1), ("v2", 2), ("v1", 3), ("v2", 4)], ("v1", "v2"), True),
        ([("v1", 1), ("v2", 2), ("v1", 3)], ("v1", "v2"), False),
        ([("v2", 1), ("v1", 2)], ("v1", "v2"), False),
        ([("v1", 1)], ("v1", "v2"), False),
        ([("v1", 1)], ("v1",), True),
        ([("v1", 1), ("v2", 2)], ("v1",), False),
        ([("v1", 1), ("v2", 2), ("v3", 3)], ("v1", "v2", "v3"), True),
    ],
)
def test_versions_switched_when_each_began_and_ended_after_the_one_before(
    answered: list[tuple[str, float]], asked: tuple[str, ...], in_order: bool
) -> None:
    assert _report(*answered).switched(*asked) is in_order


def test_one_wrong_answer_means_that_it_was_no_switch() -> None:
    report = _report(("v1", 1), ("v2", 2))
    report.timeline["http"][1].count_wrong("[9.0]")
    assert not report.switched("v1", "v2")


def test_every_protocol_must_have_switched() -> None:
    one = _report(("v1", 1), ("v2", 2)).timeline["http"]
    other = _report(("v1", 1)).timeline["http"]
    report = Report(0, 3, 1, {"http": one, "grpc": other}, Latencies(), ())
    assert not report.switched("v1", "v2")


def test_before_during_and_after_a_switch_are_told_apart() -> None:
    answered = [("v1", t + 0.5) for t in range(14)] + [("v2", t + 0.5) for t in range(10, 30)]
    report = _report(*answered)
    report.timeline["http"][12].add(_failed("closed"))
    phases = report.phases("v1", "v2")
    assert {name: phase.counts for name, phase in phases.items()} == {
        "before": {"v1": 9},
        "during": {"v1": 5, "v2": 5},
        "after": {"v2": 15},
    }
    assert {name: phase.failed.total() for name, phase in phases.items()} == {"before": 0, "during": 1, "after": 0}


def test_the_timeline_can_be_cut_to_its_last_seconds() -> None:
    report = _report(("v1", 1.5), ("v1", 5.5), ("v2", 6.5))
    assert list(report.since(5.2)["http"]) == [5, 6]


def test_a_report_is_read_back_as_it_was_written() -> None:
    report = _report(("v1", 1.25), ("v2", 2.5))
    report.timeline["http"][1].add(_failed("status 503"))
    report.timeline["http"][2].count_wrong("[9.0]")
    assert Report.from_json(report.to_json()) == report


def test_what_people_read_names_versions_failures_and_percentiles() -> None:
    report = _report(("v1", 1.25), ("v2", 2.5))
    report.timeline["http"][1].add(_failed("status 503"))
    text = table(report)
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines()[2:] if line}
    assert rows["http"][:4] == ["2", "1", "0", "0"]
    assert (rows["v1"], rows["v2"]) == (["1", *["10.0"] * 4], ["1", *["10.0"] * 4])
    assert report.describe()["each_second"] == [
        {"second": 1, "answered": {"v1": 1}, "failed": 1, "wrong": 0, "p99_ms": 10},
        {"second": 2, "answered": {"v2": 1}, "failed": 0, "wrong": 0, "p99_ms": 10},
    ]


def _answers(*answered: tuple[str, float]) -> Tally:
    tally = Tally()
    for version, at in answered:
        tally.count_answer(version, latency_seconds=0.01, at=at)
    return tally


def _failed(kind: str) -> Tally:
    tally = Tally()
    tally.failed[kind] += 1
    return tally


def _report(*answered: tuple[str, float]) -> Report:
    seconds: dict[int, Tally] = {}
    for version, at in answered:
        seconds.setdefault(int(at), Tally()).add(_answers((version, at)))
    return Report(0, 30, 1, {"http": seconds}, Latencies([1000]), ())
