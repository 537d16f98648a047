"""Which rate is asked next: by tables, and by whatever a server may be like."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.cli.rates import Ask, Ended, Round, answer_time, best, held, limit, next_round

OBJECTIVE = 0.05
Server = Callable[[Ask], float]
"""The 99th percentile of its latencies at a rate, in seconds."""


def made(ask: Ask, p99: float, *, p50: float = 0.01, failed: int = 0, late: float = 0, left: float = 0) -> Round:
    sent = max(1, round((ask.rate or 1 / p50) * ask.seconds))
    kinds = {"status 500": failed} if failed else {}
    return Round(
        rate=ask.rate,
        confirming=ask.confirming,
        sent=sent,
        answered=sent - failed,
        failed=kinds,
        seconds=ask.seconds + left,
        sending=ask.seconds,
        p50=p50,
        p99=p99,
        late=late,
    )


def of(rate: float, p99: float, *, confirming: bool = False, failed: int = 0) -> Round:
    return made(Ask(rate=rate, seconds=3, confirming=confirming), p99, failed=failed)


def run(server: Server, left: float = 300) -> tuple[list[Round], Ended]:
    """Until there is no next round."""
    rounds: list[Round] = []
    while True:
        step = next_round(rounds, OBJECTIVE, left)
        if isinstance(step, Ended):
            return rounds, step
        assert step.seconds <= left
        assert step.rate >= 0
        left -= step.seconds
        rounds.append(made(step, server(step)))


ALONE = of(0, 0.011)


@pytest.mark.parametrize(
    ("rounds", "left", "step"),
    [
        ([], 100, Ask(rate=0, seconds=3)),
        ([], 0, Ended.TIME),
        ([of(0, 0.06)], 100, Ended.UNREACHABLE),
        ([of(0, 0.01, failed=1)], 100, Ended.FAILED),
        ([ALONE], 100, Ask(rate=50, seconds=4)),  # half of what one at a time comes to, 200 requests
        ([ALONE], 2, Ended.TIME),
        ([ALONE, of(50, 0.02)], 100, Ask(rate=100, seconds=3)),  # it holds: twice
        ([ALONE, of(50, 0.02)], 2, Ended.HELD),  # as far as the time went
        ([ALONE, of(50, 0.02), of(100, 0.06)], 100, Ask(rate=100, seconds=3)),  # once more: it may be the machine
        ([ALONE, of(50, 0.02), of(100, 0.06), of(100, 0.04)], 100, Ask(rate=200, seconds=3)),
        ([ALONE, of(64, 0.02), of(100, 0.06), of(100, 0.06)], 100, Ask(rate=80, seconds=3)),
        ([ALONE, of(64, 0.02), of(100, 0.02, failed=1), of(100, 0.06)], 100, Ask(rate=80, seconds=3)),
        ([ALONE, of(50, 0.06), of(50, 0.06)], 100, Ask(rate=25, seconds=8)),
        ([ALONE, of(10, 0.06), of(10, 0.06)], 100, Ended.UNREACHABLE),  # too much, and one in ten seconds is no rate
        ([ALONE, of(95, 0.02), of(100, 0.06), of(100, 0.06)], 100, Ask(rate=95, seconds=9, confirming=True)),
        ([ALONE, of(95, 0.02), of(100, 0.06), of(100, 0.06), of(95, 0.03, confirming=True)], 100, Ended.HELD),
    ],
)
def test_what_is_asked_next(rounds: Sequence[Round], left: float, step: Ask | Ended) -> None:
    assert next_round(rounds, OBJECTIVE, left) == step


def test_a_rate_that_did_not_hold_for_longer_is_not_answered_with() -> None:
    rounds = [ALONE, of(80, 0.02), of(95, 0.02), of(100, 1), of(100, 1)]
    rounds += [of(95, 1, confirming=True), of(95, 1, confirming=True)]
    assert limit(rounds, OBJECTIVE) == 95
    found = held(rounds, OBJECTIVE)
    assert found
    assert found.rate == 80


@pytest.mark.parametrize(("left", "holds"), [(0, True), (0.15, True), (0.17, False), (2, False)])
def test_a_rate_holds_where_answers_come_as_fast_as_requests(left: float, *, holds: bool) -> None:
    """Else a queue grows, and an objective of ten seconds sees none of it within a round of three."""
    rounds = [made(Ask(rate=0, seconds=3), 0.01), made(Ask(rate=50, seconds=3), 2, left=left)]
    assert (held(rounds, objective=10) is not None) == holds


def test_when_the_time_is_up_a_rate_that_ever_failed_is_not_answered_with() -> None:
    rounds = [ALONE, of(80, 0.02), of(95, 0.02), of(100, 1), of(100, 1), of(95, 1, confirming=True)]
    assert next_round(rounds, OBJECTIVE, 2) is Ended.HELD
    found = best(rounds, OBJECTIVE)
    assert found
    assert found.rate == 80


@given(capacity=st.floats(0.3, 20_000))
def test_of_any_server_the_rate_is_within_ten_percent_of_what_it_holds(capacity: float) -> None:
    alone = 1 / capacity / 2 if capacity > 20 else 0.04

    def server(ask: Ask) -> float:
        return min(alone, OBJECTIVE) if ask.rate <= capacity else 1

    rounds, ended = run(server, left=10_000)
    if ended is Ended.UNREACHABLE:  # one at a time is so fast beside it that chance alone is too much
        assert capacity <= 0.05 / 0.01 * 2
        return
    found = held(rounds, OBJECTIVE)
    assert found
    assert found.confirming
    assert capacity / 1.1 <= found.rate <= capacity


@given(chance=st.randoms(use_true_random=False), left=st.floats(0, 400))
def test_whatever_a_server_does_there_is_an_end_in_time_and_no_rate_that_failed_twice(
    chance: object, left: float
) -> None:
    draw = chance.random  # type: ignore[attr-defined]
    rounds, ended = run(lambda _: draw() * 2 * OBJECTIVE, left)
    assert sum(each.seconds for each in rounds) <= left
    found = held(rounds, OBJECTIVE)
    assert (ended is Ended.HELD) <= (found is not None)
    if found:
        bad = [each.rate for each in rounds if not each.holds(OBJECTIVE, answer_time(rounds))]
        assert all(bad.count(rate) < 2 for rate in bad if rate <= found.rate)


def test_who_claims_to_hold_whatever_comes_and_at_once_is_not_asked_for_ever() -> None:
    """No time passes: the pod's program is not ours."""
    rounds: list[Round] = []
    while not isinstance(step := next_round(rounds, OBJECTIVE, left=300), Ended):
        rounds.append(made(step, 0.001))
    assert (step, len(rounds)) == (Ended.HELD, 100)
