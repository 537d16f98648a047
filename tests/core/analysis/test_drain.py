"""Draining: when an old revision's pods have been quiet for long enough."""

from datetime import timedelta

import pytest

from slipway.core.analysis.drain import flat_since, kept, look_due, not_drained
from slipway.core.analysis.samples import Golden, Scrape
from tests.core.analysis.toy import MINUTE, NOON, OLD, counters, sample, scrape

DRAIN = timedelta(seconds=30)
PODS = {"uid-o": "o"}
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
    ("counts", "says"),
    [
        ((5, 5, 5, 5), None),
        ((5, 5, 5), "o: got its last requests less than 0:00:30 ago; none for 0:00:20 so far"),
        ((5, 5, 5, 6), "none for 0:00:00 so far"),
        ((1, 5, 5, 5, 5), None),
        ((5, 5, 5, "refused"), "o: its request counters cannot be read: refused"),
        ((), "o: its request counters have not been read yet"),
    ],
)
def test_old_pods_may_go_once_they_were_flat_for_the_drain_time(
    counts: tuple[float | str, ...], says: str | None
) -> None:
    found = not_drained(history(*counts), PODS, DRAIN)
    assert found == says if says is None else found is not None and says in found


def test_failed_requests_are_requests() -> None:
    looks = [scrape(0, sample("o", counters(5, 0), OLD)), scrape(30, sample("o", counters(5, 1), OLD))]
    assert not_drained(looks, PODS, DRAIN) is not None


def test_golden_requests_do_not_hold_a_pod_back() -> None:
    minutes = history(100, 102, 104, 106, every=60)
    assert not_drained(minutes, PODS, 3 * MINUTE, GOLDEN) is None
    assert not_drained(minutes, PODS, 3 * MINUTE) is not None


def test_more_than_golden_requests_do() -> None:
    busy = history(100, 110, 120, 130, every=60)
    found = not_drained(busy, PODS, 3 * MINUTE, GOLDEN)
    assert found is not None


def test_every_pod_has_to_be_flat_and_one_that_has_gone_is_not_waited_for() -> None:
    looks = [
        scrape(0, sample("o", counters(5), OLD), sample("p", counters(5), OLD)),
        scrape(30, sample("o", counters(5), OLD), sample("p", counters(6), OLD)),
    ]
    assert not_drained(looks, {"uid-o": "o", "uid-p": "p"}, DRAIN) is not None
    assert not_drained(looks, {"uid-o": "o"}, DRAIN) is None
    assert not_drained([], {}, DRAIN) is None


def test_looks_are_kept_for_the_drain_time_and_the_last_one_before_it() -> None:
    looks = history(*[5] * 10)
    assert [each.at for each in kept(looks, DRAIN)] == [each.at for each in looks[6:]]
    assert [each.at for each in kept(looks, timedelta(seconds=35))] == [each.at for each in looks[5:]]
    assert kept((), DRAIN) == ()
    assert not_drained(kept(looks, DRAIN), PODS, DRAIN) is None


def test_looks_are_due_every_few_seconds_and_more_rarely_for_long_drain_times() -> None:
    looks = history(5, 5)
    assert look_due((), DRAIN, NOON) == NOON
    assert look_due(looks, DRAIN, NOON) == NOON + timedelta(seconds=15)
    assert look_due(looks, timedelta(hours=1), NOON) == NOON + timedelta(minutes=5, seconds=10)
