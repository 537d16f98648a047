"""How many pods a load takes: the formula by tables, and what must hold of whatever pods may say."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from slipway.api.v1alpha1.spec import Load
from slipway.core.load import (
    LOOK_EVERY,
    LoadSample,
    RevisionLoad,
    calm,
    demand,
    described,
    kept,
    pods_for,
    queues_between,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
CALM = timedelta(minutes=5)
"""By default."""
SERVES = {"90be11d2": 1.0}


def read(*, pods: int, ratio: float = 0, backlog: float = 0, silent: int = 0, absent: int = 0) -> RevisionLoad:
    """Each pod that answers with the same ratio and backlog."""
    answered = pods - silent
    backlogs = {f"p-{number}": backlog for number in range(answered)}
    return RevisionLoad(pods=pods, answered=answered, absent=absent, ratio=ratio * answered, backlogs=backlogs)


def rated(ratio: float, *, rate: float, uncounted: float = 0, backlog: float = 0) -> RevisionLoad:
    """Two pods."""
    backlogs = {"p-1": backlog / 2, "p-2": backlog / 2}
    return RevisionLoad(pods=2, answered=2, ratio=ratio, rate=rate, uncounted=uncounted, backlogs=backlogs)


def looks(*reads: RevisionLoad, until: datetime = NOW) -> list[LoadSample]:
    """One look every ten seconds, the last one now."""
    ago = range(len(reads) - 1, -1, -1)
    return [
        LoadSample(at=until - n * LOOK_EVERY, revisions={"90be11d2": each}, missing="p-1: silent")
        for n, each in zip(ago, reads, strict=True)
    ]


def wanted(samples: list[LoadSample], count: int, load: Load | None = None, *, start_time: timedelta = MINUTE) -> int:
    load = load or Load()
    return demand(load, samples, count=count, parts=SERVES, start_time=start_time, now=NOW).pods


@pytest.mark.parametrize(
    ("load", "of", "pods"),
    [
        (Load(), read(pods=3, ratio=0.7), 3),
        (Load(), read(pods=3, ratio=0.71), 4),
        (Load(), read(pods=3, ratio=0.84), 4),
        (Load(), read(pods=3, ratio=0), 1),  # nobody asks: one stays, since nothing here puts a model to sleep
        (Load(target=100), read(pods=10, ratio=0.7), 7),
        (Load(), read(pods=2, ratio=0.1, backlog=0.6), 3),  # the queue is longer than the load is high
        (Load(backlog="2s"), read(pods=2, ratio=0.1, backlog=0.6), 1),
        (Load(headroom=2), read(pods=3, ratio=0.7), 5),
        (Load(headroom=2), read(pods=3, ratio=0), 3),
    ],
)
def test_the_formula_is_the_sum_of_the_load_over_the_target_or_of_the_backlogs(
    load: Load, of: RevisionLoad, pods: int
) -> None:
    assert pods_for(load, of, missing_is_full=False) == pods


@pytest.mark.parametrize(
    ("of", "pods", "because"),
    [
        (rated(0.2, rate=210), 3, "load 105 % of 2 pods, target 70 %; by 210 requests/s, 100 a pod"),
        (rated(2, rate=70), 1, "load 35 % of 2 pods, target 70 %; by 70 requests/s, 100 a pod"),
        # one of the two has a guard that does not say its rate: full
        (rated(1, rate=90, uncounted=1), 3, "load 95 % of 2 pods, target 70 %; by 90 requests/s, 100 a pod"),
        (rated(0.2, rate=70, backlog=1.2), 3, None),  # requests that cost more than golden ones do
    ],
)
def test_with_a_measured_capacity_load_is_the_rate_of_it(of: RevisionLoad, pods: int, because: str | None) -> None:
    assert pods_for(Load(capacity="100"), of, missing_is_full=False) == pods
    assert because in (None, described(Load(capacity="100"), of))


@pytest.mark.parametrize("missing_is_full", [False, True])
@given(rate=st.floats(0, 1e9), capacity=st.decimals("0.001", "9999999", places=3))
def test_any_capacity_gives_a_number_of_pods(*, missing_is_full: bool, rate: float, capacity: Decimal) -> None:
    read = RevisionLoad(pods=1, answered=1, rate=rate)
    assert pods_for(Load(capacity=f"{capacity:f}"), read, missing_is_full=missing_is_full) >= 1


def test_one_pod_that_idles_hides_nothing_of_another_that_is_full() -> None:
    mixed = RevisionLoad(pods=4, answered=4, ratio=1.0, backlogs={"a": 0.9, "b": 0.6, "c": 0.6})
    assert pods_for(Load(), mixed, missing_is_full=False) == 5


@pytest.mark.parametrize(
    ("samples", "count", "pods"),
    [
        ([], 3, 3),  # nobody has looked yet
        (looks(read(pods=3, ratio=0.84)), 3, 4),  # up at once
        (looks(read(pods=1, ratio=1, backlog=60)), 1, 2),  # one more than answer: it takes two looks to know more
        (looks(read(pods=10, ratio=1, backlog=60)), 10, 15),  # ten full ones are at 70 % as fifteen
        (looks(read(pods=1), read(pods=1, ratio=1, backlog=60)), 1, 5),  # four more
        (looks(read(pods=10), read(pods=10, ratio=1, backlog=60)), 10, 20),  # twice
        (looks(read(pods=1), read(pods=1, ratio=1, backlog=600)), 5, 5),  # four start: they do not work it off yet
        (looks(*[read(pods=5, ratio=0.3)] * 29), 5, 5),  # not calm for five minutes
        (looks(*[read(pods=5, ratio=0.3)] * 31), 5, 3),
        (looks(read(pods=5, ratio=0.5), *[read(pods=5, ratio=0.3)] * 30), 5, 4),  # what was needed five minutes ago
        (looks(read(pods=5, ratio=0.5), *[read(pods=5, ratio=0.3)] * 31), 5, 3),
        (looks(*[read(pods=5, ratio=0.3)] * 15, read(pods=0), *[read(pods=5, ratio=0.3)] * 20), 5, 5),  # an outage
        (looks(read(pods=5, ratio=1, silent=1)), 5, 6),  # one is silent, and empty for going up
        (looks(*[read(pods=5, ratio=0.3, silent=1)] * 31), 5, 4),  # and full for going down: ceil(2.2 / 0.7)
        (looks(*[read(pods=6, ratio=0, silent=2)] * 31), 6, 6),  # two of six: nobody can say
        (looks(read(pods=6, ratio=1, silent=2)), 6, 6),
        (looks(read(pods=6, ratio=1, silent=2)), 5, 6),  # whatever those would say: more is needed
        (looks(read(pods=6, ratio=1, silent=4)), 6, 6),
        # not ready, which nobody asks: full for going down, empty for going up
        (looks(*[read(pods=2, ratio=1, absent=8)] * 40), 10, 10),
        (looks(*[read(pods=2, ratio=0, absent=8)] * 40), 10, 10),
        (looks(*[read(pods=8, ratio=0.1, absent=2)] * 40), 10, 4),  # ceil(2.8 / 0.7)
        (looks(read(pods=5, ratio=0.3, absent=1), *[read(pods=5, ratio=0.3)] * 30), 6, 4),  # within the calm
        (looks(read(pods=2, ratio=1, absent=1)), 3, 3),
        (looks(read(pods=3, silent=3)), 3, 3),
        (looks(read(pods=0)), 2, 2),
        (looks(read(pods=3, ratio=1), until=NOW - timedelta(seconds=30)), 3, 5),
        (looks(read(pods=3, ratio=1), until=NOW - timedelta(seconds=31)), 3, 3),
        (looks(*[read(pods=3)] * 31, until=NOW - timedelta(seconds=31)), 3, 3),
    ],
)
def test_up_at_once_and_down_after_a_calm_and_never_on_what_is_not_known(
    samples: list[LoadSample], count: int, pods: int
) -> None:
    assert wanted(samples, count) == pods


def test_a_gap_between_two_looks_is_no_calm() -> None:
    before = looks(*[read(pods=5)] * 31, until=NOW - timedelta(seconds=50))
    assert wanted([*before, *looks(read(pods=5))], 5) == 5
    assert wanted([*before, *looks(*[read(pods=5)] * 3)], 5) == 1  # 30 s apart


def test_a_candidate_that_is_silent_keeps_nobody_elses_pods_from_growing() -> None:
    sample = LoadSample(
        at=NOW,
        revisions={"90be11d2": read(pods=3, ratio=1), "3f2a91bc": read(pods=1, silent=1)},
        missing="new-1: does not say it yet",
    )
    parts = {"90be11d2": 1.0, "3f2a91bc": 1.0}
    up = demand(Load(), [sample], count=4, parts=parts, start_time=MINUTE, now=NOW)
    assert (up.pods, up.unknown, up.because) == (5, False, "load 100 % of 3 pods, target 70 %")
    for seconds, unknown in ((20, False), (30, True)):
        since = [replace(sample, at=NOW - timedelta(seconds=ago)) for ago in range(seconds, -1, -10)]
        stays = demand(Load(), since, count=5, parts=parts, start_time=MINUTE, now=NOW)
        assert (stays.pods, stays.unknown) == (5, unknown)


@pytest.mark.parametrize(("part", "pods"), [(1.0, 6), (0.5, 5), (0.2, 4), (0.0, 3)])
def test_of_a_revision_that_is_mirrored_to_its_share_alone_counts(part: float, pods: int) -> None:
    revisions = {"90be11d2": read(pods=3, ratio=0.7), "3f2a91bc": read(pods=3, ratio=0.7)}
    sample = LoadSample(at=NOW, revisions=revisions)
    parts = {"90be11d2": 1.0, "3f2a91bc": part}
    assert demand(Load(), [sample], count=1, parts=parts, start_time=MINUTE, now=NOW).pods == pods


@pytest.mark.parametrize(("share", "pods"), [(0.1, 1), (0.5, 5), (1, 10)])
def test_whoever_gets_the_whole_traffic_keeps_what_all_together_needed(share: float, pods: int) -> None:
    """After a promotion, or an abort, it has only its step's share in the looks so far."""
    ours = RevisionLoad(pods=pods, answered=pods, ratio=7 * share)
    theirs = RevisionLoad(pods=10, answered=10, ratio=7 * (1 - share))
    both = [
        LoadSample(at=NOW - n * LOOK_EVERY, revisions={"90be11d2": ours, "3f2a91bc": theirs}) for n in range(60, -1, -1)
    ]
    assert wanted(both, 10) == 10


def test_pods_that_take_long_to_start_go_later() -> None:
    idle = looks(*[read(pods=5)] * 31)
    assert wanted(idle, 5, start_time=timedelta(minutes=2)) == 1
    assert wanted(idle, 5, start_time=timedelta(minutes=4)) == 5
    assert (calm(Load(), timedelta()), calm(Load(), timedelta(minutes=4))) == (CALM, timedelta(minutes=8))
    assert calm(Load(), timedelta(days=3)) == timedelta(hours=1)
    assert calm(Load(stabilization="99999h"), timedelta()) == timedelta(hours=1)  # kept looks stay few
    assert wanted(looks(*[read(pods=5)] * 4), 5, Load(stabilization="30s"), start_time=timedelta(seconds=15)) == 1
    assert wanted(looks(*[read(pods=5)] * 4), 5, Load(stabilization="31s"), start_time=timedelta(seconds=15)) == 5


def test_what_is_not_known_is_told_with_the_pod_and_its_reason() -> None:
    told = demand(Load(), looks(*[read(pods=4, silent=1)] * 4), count=4, parts=SERVES, start_time=MINUTE, now=NOW)
    assert told.unknown
    assert told.because == "1 of 4 pods do not say how loaded they are (p-1: silent)"


def test_a_pod_that_misses_a_look_or_two_holds_the_number_and_is_no_alarm() -> None:
    silent, speaks = read(pods=4, silent=1), read(pods=4)
    for reads in (
        [silent],
        [silent] * 3,
        [silent, speaks, silent, speaks] * 6,
        [*[silent] * 9, speaks, silent, silent],
    ):
        told = demand(Load(), looks(*reads), count=4, parts=SERVES, start_time=MINUTE, now=NOW)
        assert (told.pods, told.unknown) == (4, False)


SILENT, SPEAKS, NONE = read(pods=4, silent=4), read(pods=4), read(pods=0)


@pytest.mark.parametrize(
    ("reads", "because"),
    [
        ([], "the pods' load was not looked at yet"),  # the operator was killed, and begins anew
        ([SILENT], "4 of 4 pods do not say how loaded they are (p-1: silent)"),
        ([NONE], "no pod is available to say how loaded it is"),  # they end, and come again
        ([SPEAKS] * 9 + [SILENT], "4 of 4 pods do not say how loaded they are (p-1: silent)"),
        ([SPEAKS], ""),
    ],
)
def test_that_nobody_can_say_stays_told_until_somebody_says(reads: list[RevisionLoad], because: str) -> None:
    for told in (False, True):
        said = demand(Load(), looks(*reads), count=4, parts=SERVES, start_time=MINUTE, now=NOW, was_unknown=told)
        assert (said.pods, said.unknown) == (4, told and bool(because))
        assert because in said.because


@pytest.mark.parametrize(
    ("reads", "unknown"),
    [
        ([SILENT, NONE, SILENT, NONE], True),  # they start again and again, and never say anything
        ([SPEAKS, SILENT, NONE, NONE], True),
        ([SPEAKS, NONE, SILENT, NONE], False),
        ([NONE] * 9 + [SILENT], False),  # they only start
        ([SILENT, SPEAKS, NONE, SILENT], False),
    ],
)
def test_pods_that_end_say_no_more_than_silent_ones(reads: list[RevisionLoad], *, unknown: bool) -> None:
    said = demand(Load(), looks(*reads, SILENT), count=4, parts=SERVES, start_time=MINUTE, now=NOW)
    assert (said.pods, said.unknown) == (4, unknown)


def test_headroom_is_for_pods_that_say_something() -> None:
    """Else a number that nobody knows would grow, and with fewer pods at most it would never be told."""
    silent = read(pods=2, silent=2)
    held = demand(Load(headroom=3), looks(*[silent] * 4), count=2, parts=SERVES, start_time=MINUTE, now=NOW)
    assert (held.pods, held.unknown) == (2, True)


@pytest.mark.parametrize("calm_for", [timedelta(seconds=1), timedelta(seconds=10), timedelta(seconds=29), CALM])
def test_however_short_the_calm_silence_is_told_once_it_has_lasted(calm_for: timedelta) -> None:
    samples: tuple[LoadSample, ...] = ()
    told = []
    for sample in looks(*[SPEAKS] * 6, *[SILENT] * 6):
        samples = kept((*samples, sample), calm_for)
        load = Load(stabilization=f"{calm_for.seconds}s")
        said = demand(load, samples, count=4, parts=SERVES, start_time=timedelta(), now=sample.at)
        told.append(said.unknown)
    assert told == [False] * 9 + [True] * 3


# -- queues


@pytest.mark.parametrize(
    ("before", "after", "pods"),
    [
        # a full pod says no more than that; its queue grows by what comes beyond
        (read(pods=1, ratio=0.6), read(pods=1, ratio=1, backlog=2), 2),  # 1.2 pods are offered
        (read(pods=1, ratio=1, backlog=2), read(pods=1, ratio=1, backlog=4), 2),
        (read(pods=1, ratio=1, backlog=2), read(pods=1, ratio=1, backlog=18), 4),  # 2.6
        (read(pods=2, ratio=1, backlog=9), read(pods=2, ratio=1, backlog=12), 4),  # 2.6, of two queues
        # and shrinks by what is worked off: full pods need no others for that
        (read(pods=5, ratio=1, backlog=12), read(pods=5, ratio=1, backlog=9.6), 6),  # 3.8 are offered; gone in 40 s: +1
        (read(pods=5, ratio=1, backlog=5), read(pods=5, ratio=1, backlog=2.6), 6),  # gone in 11 s: a start takes 5
        (read(pods=5, ratio=1, backlog=3), read(pods=5, ratio=1, backlog=0.6), 6),  # gone in 3 s
        (read(pods=5, ratio=1, backlog=4), read(pods=5, ratio=1, backlog=0.5), 5),  # 3.25
        # a queue that stays as it is asks for one pod more than answer
        (read(pods=3, ratio=0.5, backlog=2), read(pods=3, ratio=0.5, backlog=2), 4),
        # short ones say nothing: that is how batches are filled
        (read(pods=3, ratio=0.6), read(pods=3, ratio=0.6, backlog=0.5), 3),
    ],
)
def test_what_is_offered_is_what_is_in_use_and_what_long_queues_grow_by(
    before: RevisionLoad, after: RevisionLoad, pods: int
) -> None:
    assert wanted(looks(before, after), 1, start_time=timedelta(seconds=5)) == pods


@pytest.mark.parametrize("pods", [2, 3, 10])
@pytest.mark.parametrize("backlog", [1.1, 60, 1e6])
def test_the_queue_of_one_pod_asks_for_no_pods_without_end(pods: int, backlog: float) -> None:
    """It hangs, or what it says is forged: none of the others can work it off."""
    hangs = RevisionLoad(pods=pods, answered=pods, ratio=0.6 * pods, backlogs={"p-0": backlog, "p-1": 0.1})
    assert wanted(looks(*[hangs] * 40), pods) == {2: 3, 3: 3, 10: 9}[pods]


def test_of_pods_that_did_not_answer_both_times_no_queue_has_grown() -> None:
    before = RevisionLoad(pods=2, answered=1, ratio=1, backlogs={"a": 0.2})
    after = RevisionLoad(pods=2, answered=2, ratio=1.2, backlogs={"a": 0.2, "b": 40})
    assert queues_between(Load(), looks(before, after), SERVES, MINUTE).growth == 0
    assert wanted(looks(before, after), 2) == 3
    far_apart = [*looks(before, until=NOW - timedelta(seconds=31)), *looks(after)]
    assert queues_between(Load(), far_apart, SERVES, MINUTE).growth == 0


# -- clocks, and what is forged


def test_a_look_counts_in_the_pass_that_it_brings_whose_clock_is_cut_to_seconds() -> None:
    (last,) = looks(read(pods=3, ratio=1))
    assert wanted([replace(last, at=NOW + timedelta(milliseconds=999))], 3) == 5


def test_looks_of_a_time_that_lies_ahead_are_none() -> None:
    """The clock was set back by an hour: until now it was looked at by another."""
    ahead = looks(*[read(pods=3, ratio=1)] * 31, until=NOW + timedelta(hours=1))
    assert wanted(ahead, 3) == 3
    assert wanted([*ahead, *looks(read(pods=3, ratio=0.9))], 3) == 4
    assert wanted([*ahead, *looks(*[read(pods=3, ratio=0)] * 30)], 3) == 3
    assert wanted([*ahead, *looks(*[read(pods=3, ratio=0)] * 31)], 3) == 1
    assert kept([*ahead, *looks(read(pods=3))], CALM) == tuple(looks(read(pods=3)))


@pytest.mark.parametrize("forged", [0.0, 1.0])
def test_what_one_pod_forges_moves_the_number_by_its_own_part(forged: float) -> None:
    """It says that it idles, or that it is full, all the while."""
    four = RevisionLoad(pods=5, answered=5, ratio=4 * 0.6 + forged)
    assert wanted(looks(*[four] * 31), 5) == {0.0: 4, 1.0: 5}[forged]


@pytest.mark.parametrize(
    "forged", [lambda look: 1e6 * 0.9**look, lambda look: 1e6 - 1e4 * look, lambda look: max(0.0, 3000 - 300 * look)]
)
def test_a_queue_that_is_forged_to_shrink_hides_no_more_than_one_pods_work(forged: Callable[[int], float]) -> None:
    """A candidate's pod says it: five others are full all the while, and have no queue."""
    reads = [
        RevisionLoad(pods=6, answered=6, ratio=5, backlogs={"liar": forged(look), "p-1": 0.1}) for look in range(40)
    ]
    assert wanted(looks(*reads[:2]), 1) >= 6, "as many come as four full ones take"
    assert wanted(looks(*reads), 6) >= 6, "and none goes"


@given(
    others=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 60), st.floats(0, 60)), min_size=1, max_size=6),
    said=st.tuples(st.floats(0, 1), st.floats(0, 1e6), st.floats(0, 1e6)),
    count=st.integers(1, 20),
)
def test_whatever_one_pod_says_one_pods_work_of_the_others_is_hidden_at_most(
    others: list[tuple[float, float, float]], said: tuple[float, float, float], count: int
) -> None:
    def read(at: int, pods: list[tuple[float, float, float]]) -> RevisionLoad:
        backlogs = {f"p-{n}": pod[at] for n, pod in enumerate(pods)}
        return RevisionLoad(pods=len(pods), answered=len(pods), ratio=sum(pod[0] for pod in pods), backlogs=backlogs)

    def offered(pods: list[tuple[float, float, float]]) -> float:
        after, growth = (
            read(2, pods),
            queues_between(Load(), looks(read(1, pods), read(2, pods)), SERVES, MINUTE).growth,
        )
        return after.ratio + growth

    assert offered([*others, said]) >= offered(others) - 1 - 1e-6


def test_the_number_is_explained() -> None:
    of = looks(read(pods=3, ratio=0.84))
    told = demand(Load(), of, count=3, parts=SERVES, start_time=MINUTE, now=NOW)
    assert (told.because, told.unknown) == ("load 84 % of 3 pods, target 70 %", False)
    of = looks(read(pods=3, ratio=0.84, absent=2))
    told = demand(Load(), of, count=5, parts=SERVES, start_time=MINUTE, now=NOW)
    assert told.because == "load 84 % of 3 pods (2 not ready), target 70 %"
    of = looks(read(pods=1, ratio=1, backlog=2), read(pods=1, ratio=1, backlog=2))
    told = demand(Load(headroom=1), of, count=1, parts=SERVES, start_time=MINUTE, now=NOW)
    assert told.because == "load 100 % of 1 pod, target 70 %; backlog 2.0 s, target 500ms; headroom 1"


READS = st.builds(
    lambda pods, silent, absent, ratio, backlog: read(
        pods=pods, silent=min(silent, pods), absent=absent, ratio=ratio, backlog=backlog
    ),
    st.integers(0, 12),
    st.integers(0, 12),
    st.integers(0, 12),
    st.floats(0, 1),
    st.floats(0, 1000),
)


@given(reads=st.lists(READS, max_size=45), count=st.integers(1, 20))
def test_fewer_pods_are_never_wanted_than_any_look_within_the_calm_needed(
    reads: list[RevisionLoad], count: int
) -> None:
    samples = looks(*reads)
    pods = wanted(samples, count)
    if pods < count:
        within = [each.of(SERVES) for each in samples if each.at >= NOW - CALM]
        assert samples[0].at <= NOW - CALM
        assert all(each.pods for each in within)
        assert pods >= max(pods_for(Load(), each, missing_is_full=True) for each in within)
        assert 5 * (within[-1].pods - within[-1].answered) <= within[-1].pods


@given(reads=st.lists(READS, min_size=1, max_size=45), count=st.integers(1, 20))
def test_more_pods_are_never_wanted_than_twice_those_that_answer_or_four_more(
    reads: list[RevisionLoad], count: int
) -> None:
    answered = reads[-1].answered
    assert wanted(looks(*reads), count) <= max(count, 2 * answered, answered + 4)


@given(reads=st.lists(READS, min_size=1, max_size=45), count=st.integers(1, 20), silent=st.integers(1, 3))
def test_a_pod_that_falls_silent_changes_nothing_upwards_and_takes_none_away(
    reads: list[RevisionLoad], count: int, silent: int
) -> None:
    last = reads[-1]
    fewer = min(silent, last.answered)
    part = (last.answered - fewer) / last.answered if last.answered else 0
    quiet = RevisionLoad(
        pods=last.pods,
        answered=last.answered - fewer,
        absent=last.absent,
        ratio=last.ratio * part,
        backlogs=dict(list(last.backlogs.items())[fewer:]),
    )
    before, after = wanted(looks(*reads), count), wanted(looks(*reads[:-1], quiet), count)
    assert after <= max(before, count)
    assert after >= min(before, count)


@given(st.lists(READS, min_size=1, max_size=90), st.integers(1, 20))
@example([read(pods=3)] * 60, 3)
def test_what_is_forgotten_changes_no_decision(reads: list[RevisionLoad], count: int) -> None:
    samples = looks(*reads)
    assert wanted(list(kept(samples, CALM)), count) == wanted(samples, count)
