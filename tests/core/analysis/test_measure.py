"""Measurements: numbers in, an outcome and the sentence that people read out."""

from typing import Any

import pytest

from slipway.api.v1alpha1.analysis import MeasurementOutcome, Metric
from slipway.core.analysis.measure import Contender, measure
from slipway.core.observed.evidence import Evidence, Golden, Reading, Readings, Trials
from tests.core.analysis.samples import (
    CANDIDATE,
    MINUTE,
    NEW,
    QUANTILES,
    STABLE,
    answer,
    answers,
    built_in,
    counters,
    evidence,
    queried,
    refusal,
    sample,
    scrape,
    trial,
)

S, F, I = MeasurementOutcome.SUCCESS, MeasurementOutcome.FAILURE, MeasurementOutcome.INCONCLUSIVE  # noqa: E741


def read(value: float | None = None, trouble: str = "", stable: Reading | None = None) -> Evidence:
    readings = Readings(candidate=Reading(value=value, trouble=trouble), stable=stable)
    return Evidence(history=(scrape(0), scrape(60)), readings={"m": readings})


def compared(*trials: Any, trouble: str = "") -> Evidence:
    return Evidence(history=(scrape(60),), trials={"m": Trials(trials=trials, trouble=trouble)})


CASES: list[tuple[str, Metric, Evidence, MeasurementOutcome, str]] = [
    # error rate
    (
        "few errors",
        built_in("ErrorRate", max="0.01"),
        evidence(counters(999, 1)),
        S,
        "m: 3: 1 of 1000 requests failed in 60 s (BACKEND 1), 0.10%; not above max 0.01",
    ),
    (
        "many errors",
        built_in("ErrorRate", max="0.01"),
        evidence(counters(98, 2)),
        F,
        "m: 3: 2 of 100 requests failed in 60 s (BACKEND 2), 2.00%; above max 0.01",
    ),
    ("only errors", built_in("ErrorRate", max="0.01"), evidence(counters(0, 5)), F, "5 of 5 requests failed"),
    ("no requests", built_in("ErrorRate", max="0.01"), evidence(counters(0)), I, "m: 3: no requests in 60 s"),
    ("pod does not answer", built_in("ErrorRate", max="0.01"), evidence("refused"), I, "new-1: refused"),
    (
        "no look before",
        built_in("ErrorRate", max="0.01"),
        Evidence(history=(scrape(60, sample("new-1", counters(9))),)),
        I,
        "it takes two looks",
    ),
    ("no pods", built_in("ErrorRate", max="0.01"), Evidence(history=(scrape(0), scrape(60))), I, "no pod was there"),
    (
        "errors beside stable's",
        built_in("ErrorRate", maxRatio="1.5"),
        evidence(counters(90, 10), counters(990, 10)),
        F,
        "above 1.5 times 2's (10 of 1000 requests failed in 60 s (BACKEND 10), 1.00%)",
    ),
    (
        "as many errors as stable",
        built_in("ErrorRate", maxRatio="1"),
        evidence(counters(90, 10), counters(90, 10)),
        S,
        "not above 1 times 2's",
    ),
    (
        "no errors on either side",
        built_in("ErrorRate", maxRatio="1"),
        evidence(counters(90), counters(90)),
        S,
        "not above 1 times 2's",
    ),
    (
        "one error where stable has none",
        built_in("ErrorRate", maxRatio="1.5"),
        evidence(counters(199, 1), counters(1800)),
        I,
        "which so few failures may be by chance",
    ),
    (
        "stable has no requests",
        built_in("ErrorRate", maxRatio="1.5"),
        evidence(counters(199), counters(0)),
        I,
        "nothing to compare with: 2: no requests in 60 s",
    ),
    (
        "above the maximum, and nothing to compare with",
        built_in("ErrorRate", max="0.01", maxRatio="1.5"),
        evidence(counters(90, 10), counters(0)),
        F,
        "above max 0.01",
    ),
    (
        "a full queue turns our own requests away",
        built_in("ErrorRate", max="0.01"),
        evidence(counters(100), trials={"other": Trials(trials=(trial(refusal(503)), trial(answer(1.0))))}),
        F,
        "0 of 100 requests failed in 60 s and 1 of 2 of Slipway's own were answered 5xx, 50.00%; above max 0.01",
    ),
    # requests
    ("enough requests", built_in("Requests", min="5"), evidence(counters(5)), S, "m: 3: 5 requests in 60 s; not below"),
    ("too few requests", built_in("Requests", min="5"), evidence(counters(4)), F, "4 requests in 60 s; below min 5"),
    # times
    (
        "fast enough",
        built_in("LatencyP99", max="10"),
        evidence(counters(9, quantiles_us=QUANTILES)),
        S,
        "m: 3: p99 9 ms on its slowest pod new-1; not above max 10",
    ),
    (
        "too slow",
        built_in("LatencyP50", max="1.5"),
        evidence(counters(9, quantiles_us=QUANTILES)),
        F,
        "p50 2 ms on its slowest pod new-1; above max 1.5",
    ),
    (
        "slower than stable",
        built_in("LatencyP90", maxRatio="2"),
        evidence(counters(9, quantiles_us={0.9: 9000.0}), counters(9, quantiles_us={0.9: 4000.0})),
        F,
        "p90 9 ms on its slowest pod new-1; above 2 times 2's (p90 4 ms on its slowest pod old-1)",
    ),
    (
        "servers without quantiles",
        built_in("LatencyP99", max="10"),
        evidence(counters(9)),
        I,
        "its servers keep no latencies",
    ),
    (
        "quantiles of nothing",
        built_in("LatencyP99", max="10"),
        evidence(counters(9, quantiles_us={0.99: float("nan")})),
        I,
        "no pod has a p99 of the last 60 s",
    ),
    (
        "no requests, but quantiles of our own",
        built_in("LatencyP99", max="10"),
        evidence(counters(0, quantiles_us=QUANTILES)),
        I,
        "no requests in 60 s",
    ),
    (
        "a short queue",
        built_in("QueueTime", max="2"),
        evidence(counters(10, queue_us=15000)),
        S,
        "1.5 ms in the queue over 10 requests; not above max 2",
    ),
    ("a long queue", built_in("QueueTime", max="1"), evidence(counters(10, queue_us=15000)), F, "above max 1"),
    (
        "nothing out of the queue",
        built_in("QueueTime", max="1"),
        evidence(counters(0, 3)),
        I,
        "no request was answered",
    ),
    # Prometheus
    ("a number", queried(max="5"), read(4.5), S, "m: 3: 4.5; not above max 5"),
    ("a number too high", queried(max="5"), read(5.5), F, "m: 3: 5.5; above max 5"),
    ("NaN", queried(max="5"), read(float("nan")), I, "Prometheus says nan, which is no number to go by"),
    ("infinite", queried(max="5"), read(float("inf")), I, "Prometheus says inf"),
    ("minus infinite", queried(max="5"), read(float("-inf")), I, "Prometheus says -inf"),
    ("no reading", queried(max="5"), read(trouble="gave no answer within 10 s"), I, "gave no answer within 10 s"),
    ("not asked", queried(max="5"), Evidence(history=(scrape(0),)), I, "the query was not asked"),
    ("a ratio", queried(maxRatio="2"), read(4, stable=Reading(value=2)), S, "not above 2 times 2's (2)"),
    ("a ratio too high", queried(maxRatio="2"), read(5, stable=Reading(value=2)), F, "above 2 times 2's (2)"),
    (
        "stable not known",
        queried(maxRatio="2"),
        read(5, stable=Reading(trouble="no series")),
        I,
        "nothing to compare with: 2: no series",
    ),
    ("stable is NaN", queried(maxRatio="2"), read(5, stable=Reading(value=float("nan"))), I, "nothing to compare with"),
    # answers
    ("the same answers", answers(), compared(trial(answer(1.0))), S, "0 of 1 answers differ from stable's; not above"),
    (
        "another answer",
        answers(),
        compared(trial(answer(1.0)), trial(answer(1.5))),
        F,
        "1 of 2 answers differ from stable's (requests[0]: y[0] is 1.5, stable's 1, more than 0.001 off",
    ),
    ("some may differ", answers(max="0.5"), compared(trial(answer(1.0)), trial(answer(1.5))), S, "not above max 0.5"),
    (
        "one unknown among the same",
        answers(),
        compared(trial(answer(1.0)), trial(answer(1.0), refusal(0, "no answer within 30 s"))),
        I,
        "requests[0]: stable's a-pod: no answer within 30 s",
    ),
    (
        "one unknown beside one that differs",
        answers(),
        compared(trial(answer(9.0)), trial(answer(1.0), refusal(0, "no answer within 30 s"))),
        F,
        "1 of 1 answers differ",
    ),
    ("no requests to ask", answers(), compared(trouble="has no requests"), I, "m: 3: has no requests"),
    ("no trials", answers(), Evidence(history=(scrape(0),)), I, "no requests were asked"),
]


@pytest.mark.parametrize(("metric", "seen", "outcome", "says"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_a_measurement(metric: Metric, seen: Evidence, outcome: MeasurementOutcome, says: str) -> None:
    measured = measure(metric, seen, CANDIDATE, STABLE)
    assert (measured.outcome, measured.at) == (outcome, seen.after.at)
    assert says in measured.message
    assert measured.message.startswith("m: 3: ")


def test_golden_requests_alone_are_no_requests() -> None:
    candidate = Contender(revision=NEW, version="3", golden=Golden(requests=2, interval=MINUTE))
    measured = measure(built_in("ErrorRate", max="0.01"), evidence(counters(4)), candidate, STABLE)
    assert (measured.outcome, measured.message) == (I, "m: 3: no requests but Slipway's own in 60 s")


@pytest.mark.parametrize("kind", ["ErrorRate", "LatencyP99", "QueueTime", "Requests"])
def test_a_pod_that_cannot_be_measured_lets_nothing_pass(kind: str) -> None:
    good = counters(10, quantiles_us=QUANTILES)
    before = scrape(0, sample("a", counters(0)), sample("b", counters(0)))
    after = scrape(60, sample("a", good), sample("b", "timed out"))
    measured = measure(built_in(kind, max="99"), Evidence(history=(before, after)), CANDIDATE, STABLE)
    assert measured.outcome is I
    assert "not measured: b: timed out" in measured.message


def test_a_pod_of_stable_that_cannot_be_measured_does_not_hold_the_candidate_up() -> None:
    before = scrape(0, sample("a", counters(0)), sample("o", counters(0), "3f2a91bc"))
    after = scrape(60, sample("a", counters(9)), sample("o", "timed out", "3f2a91bc"))
    measured = measure(built_in("ErrorRate", max="1"), Evidence(history=(before, after)), CANDIDATE, STABLE)
    assert measured.outcome is S


def test_a_message_is_cut_to_what_status_takes() -> None:
    measured = measure(queried(max="5"), read(trouble="é\udc00" * 2000), CANDIDATE, STABLE)
    assert len(measured.message) == 1024
    measured.message.encode()
