"""Draining: when an old revision's pods have been quiet for long enough."""

from datetime import timedelta

import pytest

from slipway.core.analysis.drain import flat_since, kept, last_counted, look_due
from slipway.core.observed.evidence import Golden, Scrape
from tests.core.analysis.samples import MINUTE, NOON, OLD, counters, sample, scrape

DRAIN = timedelta(seconds=30)
PODS = {"uid-o"}
GOLDEN = Golden(requests=2, interval=MINUTE)


def history(*counts: float | str, every: float = 10) -> tuple[Scrape, ...]:
    """One old pod's requests, look by look; text where it could not be looked at."""
    return tuple(
        scrape(i * every, sample("o", counters(count) if not isinstance(count, str) else count, OLD))
        for i, count in enumerate(counts)
    )


@pytest.mark.parametrize(
    ("counts", "since"),
    [
        ((5,), 0),
        ((5, 5, 5), 0),
        ((1, 5, 5, 5), 10),
        ((5, 5, 5, 6), 30),
        ((5, "refused", 5), 0),
        ((1, "refused", 5), 20),
        ((9, 2, 2), 10),
    ],
    ids=["one look", "flat", "flat since the second", "not flat", "a gap", "grown in a gap", "started again"],
)
def test_a_pod_is_flat_since_the_first_look_that_counted_the_same(counts: tuple[float | str, ...], since: int) -> None:
    seen = [(each.at, each.pods[0]) for each in history(*counts)]
    assert flat_since(seen) == NOON + timedelta(seconds=since)


@pytest.mark.parametrize("counts", [(), ("refused",), (5, "refused")])
def test_a_pod_that_could_not_be_looked_at_last_is_not_known_to_be_flat(counts: tuple[float | str, ...]) -> None:
    assert flat_since([(each.at, each.pods[0]) for each in history(*counts)]) is None


@pytest.mark.parametrize(
    ("counts", "last"),
    [
        ((), None),
        ((5,), None),
        ((5, 5, 5, 5), None),
        ((5, 5, 5, 6), 30),
        ((1, 5, 5, 5, 5), 10),
        ((5, 6, 5, "refused"), None),
    ],
    ids=["no look", "one look", "quiet", "busy", "quiet since", "unknown"],
)
def test_when_an_old_pod_was_last_seen_to_count_a_request(counts: tuple[float | str, ...], last: int | None) -> None:
    found = last_counted(history(*counts), PODS)
    assert found == (None if last is None else NOON + timedelta(seconds=last))


def test_failed_requests_are_requests() -> None:
    looks = [scrape(0, sample("o", counters(5, 0), OLD)), scrape(30, sample("o", counters(5, 1), OLD))]
    assert last_counted(looks, PODS) == looks[1].at


def test_golden_requests_are_none_and_more_than_those_are() -> None:
    minutes = history(100, 102, 104, 106, every=60)
    assert last_counted(minutes, PODS, GOLDEN) is None
    assert last_counted(minutes, PODS) == minutes[-1].at
    busy = history(100, 110, 120, 130, every=60)
    assert last_counted(busy, PODS, GOLDEN) == busy[-1].at


def test_the_busiest_pod_counts_and_one_that_has_gone_does_not() -> None:
    looks = [
        scrape(0, sample("o", counters(5), OLD), sample("p", counters(5), OLD)),
        scrape(30, sample("o", counters(5), OLD), sample("p", counters(6), OLD)),
    ]
    assert last_counted(looks, {"uid-o", "uid-p"}) == looks[1].at
    assert last_counted(looks, {"uid-o"}) is None
    assert last_counted(looks, set()) is None


def test_looks_are_kept_for_the_drain_time_and_the_last_one_before_it() -> None:
    looks = history(*[5] * 10)
    assert [each.at for each in kept(looks, DRAIN)] == [each.at for each in looks[6:]]
    assert [each.at for each in kept(looks, timedelta(seconds=35))] == [each.at for each in looks[5:]]
    assert kept((), DRAIN) == ()


def test_looks_are_due_every_few_seconds_and_more_rarely_for_long_drain_times() -> None:
    looks = history(5, 5)
    assert look_due((), DRAIN, NOON) == NOON
    assert look_due(looks, DRAIN, NOON) == NOON + timedelta(seconds=15)
    assert look_due(looks, timedelta(hours=1), NOON) == NOON + timedelta(minutes=5, seconds=10)
