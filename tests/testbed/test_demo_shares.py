"""What the demo of canaries concludes from what it saw: stretches of equal weights, splits, and the way home."""

import math
from typing import Any

import pytest

from load.latencies import Latencies
from load.report import Report
from load.tally import Answered, Tally
from testbed.demo_shares import Seen, Story, so_far, splits

STATUS = {
    "stable": {"revision": "aaaa0000", "version": "1"},
    "candidate": {"revision": "bbbb0000", "version": "2"},
    "revisions": [{"revision": "aaaa0000", "version": "1"}],
}


def route(stable: int, candidate: int) -> dict[str, Any]:
    backends = [{"name": "line-aaaa0000", "weight": stable}, {"name": "line-bbbb0000", "weight": candidate}]
    return {"rules": [{"backendRefs": backends}, {"backendRefs": backends}]}


def story() -> Story:
    routes = [Seen(100, route(100, 0)), Seen(110, route(90, 10)), Seen(111, route(90, 10)), Seen(130, route(100, 0))]
    return Story([Seen(100, STATUS)], routes)


def report(counts: dict[str, int], seconds: range) -> Report:
    """So many answers of each version in every second, by each protocol; the run began at 100."""

    def tally() -> Tally:
        return Tally({version: Answered(0, 0, Latencies([1] * count)) for version, count in counts.items()})

    timeline = {protocol: {second: tally() for second in seconds} for protocol in ("http", "grpc", "stream")}
    return Report(100, float(seconds.stop), 100, timeline, Latencies(), ())


def test_a_route_that_is_written_again_with_the_same_weights_begins_no_new_stretch() -> None:
    told = story().stretches(140)

    assert [(s.start, s.end, s.weights["2"]) for s in told] == [(100, 110, 0), (110, 130, 10), (130, 140, 0)]


def test_a_split_counts_what_was_due_after_the_proxy_had_the_route() -> None:
    _, ramp, _ = story().stretches(140)

    http, grpc = splits(report({"1": 90, "2": 10}, range(40)), ramp, "2")

    assert (http.requests, grpc.requests) == (18 * 100, 2 * 18 * 100)
    assert (http.asked, http.seen, http.holds) == (0.1, 0.1, True)


def test_a_split_that_is_off_by_more_than_chance_does_not_hold() -> None:
    _, ramp, _ = story().stretches(140)

    assert not any(split.holds for split in splits(report({"1": 100}, range(40)), ramp, "2"))


def test_a_stretch_too_short_to_settle_says_nothing() -> None:
    first, *_ = story().stretches(140)

    assert splits(report({"1": 100}, range(4)), first, "2") == []


def test_the_way_home_goes_from_the_first_bad_measurement_to_the_route_without_the_share() -> None:
    bad = {"metric": "answers", "at": "1970-01-01T00:02:09.500000Z", "outcome": "Failure", "message": "1 of 1"}
    good = {**bad, "at": "1970-01-01T00:02:00Z", "outcome": "Success"}
    seen = story()
    for measured in ([good], [good, bad]):
        rollout = {"canary": {"analysis": {"phase": "Running", "measurements": measured}}}
        seen.statuses.append(Seen(130, {**STATUS, "rollout": rollout}))

    assert seen.breach() == (129.5, "1 of 1")
    assert seen.emptied("2") == 130


def test_without_a_bad_measurement_there_is_no_breach() -> None:
    assert math.isnan(story().breach()[0])


def test_looks_that_overlap_count_each_request_once() -> None:
    whole = so_far(so_far(None, report({"1": 5}, range(10))), report({"1": 5}, range(8, 12)))

    assert whole.total("http").counts == {"1": 60}


@pytest.mark.parametrize("kept", [STATUS, {**STATUS, "candidate": None}])
def test_a_revision_keeps_its_version_after_it_has_gone(kept: dict[str, Any]) -> None:
    seen = story()
    seen.statuses.append(Seen(140, {**kept, "revisions": []}))

    assert seen.versions == {"aaaa0000": "1", "bbbb0000": "2"}
