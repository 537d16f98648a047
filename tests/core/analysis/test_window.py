"""Windows: what is counted between two looks when pods come, go and start again."""

from datetime import timedelta

import pytest

from slipway.core.analysis.window import Slowest, window
from slipway.core.observed.evidence import Bounds, Golden
from slipway.triton.metrics import ModelMetrics
from tests.core.analysis.samples import MINUTE, NEW, OLD, counters, sample, scrape


def test_counts_are_summed_over_pods_and_reasons_kept() -> None:
    before = scrape(0, sample("a", counters(100, 1)), sample("b", counters(10)), sample("o", counters(7), OLD))
    after = scrape(60, sample("a", counters(150, 4)), sample("b", counters(40)), sample("o", counters(9, 9), OLD))
    seen = window(before, after, NEW)
    assert (seen.pods, seen.succeeded, seen.failures, seen.fewest) == (2, 80, 3, 83)
    assert seen.failed == {"BACKEND": 3}
    assert seen.length == MINUTE


def test_a_pod_that_was_not_there_before_counts_nothing_yet() -> None:
    before = scrape(0, sample("a", counters(100)))
    after = scrape(60, sample("a", counters(101)), sample("b", counters(5000, 5000)))
    assert window(before, after, NEW).fewest == 1


def test_a_pod_that_has_gone_counts_nothing_and_is_not_missed() -> None:
    before = scrape(0, sample("a", counters(100)), sample("b", counters(5000)))
    seen = window(before, scrape(60, sample("a", counters(103))), NEW)
    assert (seen.fewest, seen.missing) == (3, ())


@pytest.mark.parametrize(
    "fell",
    [counters(3, 2), counters(300, 2), counters(3, 30)],
    ids=["both counters lower", "only failures lower", "only successes lower"],
)
def test_a_server_that_started_again_counts_from_zero(fell: ModelMetrics) -> None:
    before = scrape(0, sample("a", counters(100, 20)))
    after = scrape(60, sample("a", fell))
    seen = window(before, after, NEW)
    assert (seen.succeeded, seen.failures) == (fell.succeeded, fell.failed["BACKEND"])


def test_a_server_that_started_again_and_counted_past_where_it_was_counts_from_zero_too() -> None:
    before = scrape(0, sample("a", counters(100, 20)))
    after = scrape(60, sample("a", counters(150, 30), restarts=1))
    seen = window(before, after, NEW)
    assert (seen.succeeded, seen.failures) == (150, 30)


def test_a_pod_that_cannot_be_looked_at_is_missing_with_its_reason() -> None:
    before = scrape(0, sample("a", counters(100)), sample("b", counters(0)))
    seen = window(before, scrape(60, sample("a", counters(101)), sample("b", "refused")), NEW)
    assert seen.fewest == 1
    assert seen.missing == ("b: refused",)


def test_a_pod_that_could_not_be_looked_at_before_counts_nothing_yet() -> None:
    seen = window(scrape(0, sample("a", "refused")), scrape(60, sample("a", counters(50))), NEW)
    assert (seen.pods, seen.fewest, seen.missing) == (0, 0, ())


@pytest.mark.parametrize(
    ("golden", "asked", "left"),
    [
        (Golden(requests=2, interval=MINUTE), 0, 6),  # two rounds fit into a minute, at both its ends
        (Golden(requests=2, interval=timedelta(seconds=30)), 0, 4),
        (Golden(requests=2, interval=timedelta()), 0, 10),  # only at the start
        (Golden(requests=2, interval=MINUTE), 3, 3),
        (Golden(requests=99, interval=MINUTE), 0, 0),
    ],
)
def test_requests_that_may_be_our_own_are_taken_off(golden: Golden, asked: int, left: int) -> None:
    before, after = scrape(0, sample("a", counters(100))), scrape(60, sample("a", counters(110)))
    seen = window(before, after, NEW, golden=golden, asked={"uid-a": Bounds(asked, asked)})
    assert (seen.fewest, seen.own_most) == (left, 10 - left)


def test_a_server_that_started_again_was_verified_again() -> None:
    before, after = scrape(0, sample("a", counters(100))), scrape(60, sample("a", counters(5)))
    golden = Golden(requests=3, interval=timedelta())
    assert window(before, after, NEW, golden=golden).fewest == 2


def test_of_quantiles_the_slowest_pod_counts() -> None:
    before = scrape(0)
    fast, slow = counters(quantiles_us={0.99: 4000.0}), counters(quantiles_us={0.99: 9500.0})
    idle = counters(quantiles_us={0.99: float("nan")})
    seen = window(before, scrape(60, sample("a", fast), sample("b", slow), sample("c", idle)), NEW)
    assert seen.slowest == {0.99: Slowest(milliseconds=9.5, pod="b")}
    assert seen.keeps_quantiles


def test_time_in_the_queue_is_summed_in_milliseconds() -> None:
    before = scrape(0, sample("a", counters(0, queue_us=1000)), sample("b", counters(0)))
    after = scrape(60, sample("a", counters(3, queue_us=7000)), sample("b", counters(1, queue_us=500)))
    assert window(before, after, NEW).queue_milliseconds == pytest.approx(6.5)
