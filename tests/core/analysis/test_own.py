"""Slipway's own requests: whoever reads two counters one after the other knows a fewest and a most, and no number."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.api.v1alpha1.analysis import MeasurementOutcome
from slipway.core.analysis.measure import measure
from slipway.core.analysis.own import UNLIMITED, added, asked_by_guards, sent_by_look
from slipway.core.observed.evidence import Bounds, Evidence, Golden, GuardCount, GuardLook, Trials
from tests.core.analysis.samples import (
    CANDIDATE,
    MINUTE,
    NOON,
    STABLE,
    answer,
    built_in,
    counters,
    evidence,
    refusal,
    scrape,
    trial,
)

POD = "uid-new-1"


def look(before: GuardCount | None, after: GuardCount | None) -> GuardLook:
    return GuardLook(before={POD: before} if before else {}, after={POD: after} if after else {})


def count(sent: int, answered: int | None = None, *, asking: bool = False) -> GuardCount:
    return GuardCount(sent=sent, answered=sent if answered is None else answered, open=int(asking))


CASES: list[tuple[str, tuple[GuardLook, ...], Bounds | None]] = [
    ("one look alone", (look(count(3), count(3)),), None),
    ("nothing asked", (look(count(9), count(9)), look(count(9), count(9))), Bounds(0, 0)),
    ("all between", (look(count(9), count(9)), look(count(19), count(19))), Bounds(10, 10)),
    ("some while counters are read", (look(count(9), count(11)), look(count(19), count(20))), Bounds(8, 11)),
    ("before the first look, taken off once", (look(count(50), count(50)), look(count(52), count(52))), Bounds(2, 2)),
    (
        "one on its way",
        (look(count(9, 8, asking=True), count(9, 8, asking=True)), look(count(9), count(9))),
        Bounds(0, 1),
    ),
    ("refused by a full queue", (look(count(9), count(9)), look(count(19, 12), count(19, 12))), Bounds(3, 10)),
    ("started again", (look(count(50), count(50)), look(count(3), count(4))), Bounds(0, 4)),
    ("does not say", (look(count(50), count(50)), look(count(60), None)), Bounds(0, UNLIMITED)),
    ("did not say", (look(None, None), look(count(60), count(60))), Bounds(0, UNLIMITED)),
    ("did not say just before", (look(count(50), count(50)), look(None, count(60))), Bounds(0, 10)),
    (
        "an older guard, which does not say what was answered",
        (look(count(5, 0), count(5, 0)), look(count(9, 0), count(9, 0))),
        Bounds(0, 4),
    ),
]


@pytest.mark.parametrize(("looks", "bounds"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_guards_requests_between_two_looks(looks: tuple[GuardLook, ...], bounds: Bounds | None) -> None:
    assert asked_by_guards(looks).get(POD) == bounds


@given(st.lists(st.booleans(), max_size=12), st.lists(st.integers(0, 12), min_size=6, max_size=6))
def test_what_the_server_counted_lies_within_the_bounds(answered: list[bool], moments: list[int]) -> None:
    # given: requests one after the other, of which some are answered; guard, counters, guard are read, twice
    at = sorted(min(moment, len(answered)) for moment in moments)
    guard = [count(moment, sum(answered[:moment])) for moment in at]
    counted = [sum(answered[:moment]) for moment in at]

    # when
    bounds = asked_by_guards((look(guard[0], guard[2]), look(guard[3], guard[5])))[POD]

    # then
    assert bounds.least <= counted[4] - counted[1] <= bounds.most


def test_trials_count_where_they_were_answered_and_may_count_where_not() -> None:
    pods = {"a-pod": "uid-a"}
    seen = Evidence(
        history=(scrape(0),),
        sent={"uid-a": Bounds(4, 5)},
        trials={"m": Trials(trials=(trial(answer(1.0)), trial(refusal(503))))},
    )
    assert sent_by_look(seen, pods) == {"uid-a": Bounds(4 + 5, 5 + 6)}
    assert added({"a": Bounds(1, 2)}, {"a": Bounds(3, 3), "b": Bounds(0, 1)}) == {"a": Bounds(4, 5), "b": Bounds(0, 1)}


S, F, I = MeasurementOutcome.SUCCESS, MeasurementOutcome.FAILURE, MeasurementOutcome.INCONCLUSIVE  # noqa: E741
FEW = {"max": "0.05"}
ENOUGH = {"min": "20"}
BESIDE = {"maxRatio": "2"}

VERDICTS: list[tuple[str, str, Mapping[str, str], tuple[float, float], Bounds, MeasurementOutcome, str]] = [
    # what failed, and was sent home: rows that were asked before the window were taken off in it
    ("rows are no clients that fail", "ErrorRate", FEW, (40, 1), Bounds(0, 40), I, "1 of 1 to 41 requests failed"),
    ("clients' own failures condemn", "ErrorRate", FEW, (30, 10), Bounds(0, 30), F, "above max 0.05"),
    ("and acquit with what is surely theirs", "ErrorRate", FEW, (100, 1), Bounds(10, 40), S, "not above max 0.05"),
    ("nobody but us", "ErrorRate", FEW, (40, 0), Bounds(0, 40), I, "no requests but Slipway's own"),
    ("requests, for sure", "Requests", ENOUGH, (60, 0), Bounds(30, 40), S, "20 to 30 requests in 60 s; not below"),
    ("requests, perhaps", "Requests", ENOUGH, (50, 0), Bounds(20, 40), I, "10 to 30 requests in 60 s; as some"),
    ("requests, surely too few", "Requests", ENOUGH, (50, 0), Bounds(40, 45), F, "5 to 10 requests in 60 s; below"),
    ("beside stable's, perhaps", "ErrorRate", BESIDE, (40, 4), Bounds(0, 40), I, "perhaps above 2 times"),
    ("beside stable's, for sure", "ErrorRate", BESIDE, (400, 200), Bounds(0, 40), F, "above 2 times"),
]


@pytest.mark.parametrize(
    ("kind", "limits", "counted", "own", "outcome", "says"), [v[1:] for v in VERDICTS], ids=[v[0] for v in VERDICTS]
)
def test_the_fewest_own_requests_condemn_and_the_most_acquit(
    kind: str,
    limits: Mapping[str, str],
    counted: tuple[float, float],
    own: Bounds,
    outcome: MeasurementOutcome,
    says: str,
) -> None:
    seen = evidence(counters(*counted), counters(900, 100), asked={POD: own})
    measured = measure(built_in(kind, **limits), seen, CANDIDATE, STABLE)
    assert (measured.outcome, measured.at) == (outcome, NOON + MINUTE)
    assert says in measured.message


def test_golden_requests_that_were_surely_asked_do_not_hide_what_fails() -> None:
    golden = Golden(requests=10, interval=MINUTE / 6)
    assert (golden.at_least(MINUTE), golden.at_most(MINUTE)) == (30, 70)
