"""What holds for every analysis: it is deterministic, never passes on nothing, and more failures never help."""

from collections.abc import Mapping
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from slipway.api.v1alpha1.analysis import Analysis, AnalysisPhase, BuiltIn, MeasurementOutcome, Metric
from slipway.core.analysis.answers import compare
from slipway.core.analysis.chance import may_be_chance
from slipway.core.analysis.course import advanced
from slipway.core.analysis.judge import begun, judge
from slipway.core.analysis.measure import measure
from slipway.core.analysis.window import window
from slipway.core.observed.evidence import Evidence, PodSample, Reading, Readings, Trials
from slipway.triton.metrics import ModelMetrics
from tests.core.analysis.samples import (
    CANDIDATE,
    MINUTE,
    NEW,
    NOON,
    OLD,
    STABLE,
    analysis,
    answer,
    answers,
    built_in,
    counters,
    evidence,
    measured,
    queried,
    sample,
    scrape,
    trial,
)

RANK = {MeasurementOutcome.SUCCESS: 0, MeasurementOutcome.INCONCLUSIVE: 1, MeasurementOutcome.FAILURE: 2}
WORSE = {AnalysisPhase.PASSED: 0, AnalysisPhase.RUNNING: 1, AnalysisPhase.INCONCLUSIVE: 2, AnalysisPhase.FAILED: 3}

counts = st.integers(0, 2000)
times = st.one_of(st.floats(0, 1e9), st.just(float("nan")))
ratios = st.sampled_from(["0", "0.5", "1", "1.5", "10"])
limits = st.sampled_from(["0", "0.001", "0.01", "0.5", "1"])


@st.composite
def servers(draw: st.DrawFn) -> ModelMetrics:
    quantiles: Mapping[float, float] = draw(st.dictionaries(st.sampled_from([0.5, 0.9, 0.99]), times))
    return counters(draw(counts), draw(counts), queue_us=draw(counts), quantiles_us=quantiles)


@st.composite
def pods(draw: st.DrawFn) -> list[PodSample]:
    names = draw(st.lists(st.sampled_from("abcd"), unique=True))
    return [sample(n, draw(st.one_of(servers(), st.just("refused"))), draw(st.sampled_from([NEW, OLD]))) for n in names]


@st.composite
def metrics(draw: st.DrawFn) -> Metric:
    conditions = draw(st.fixed_dictionaries({}, optional={"max": limits, "min": limits, "maxRatio": ratios}))
    if not conditions:
        conditions = {"max": "0.01"}
    return built_in(draw(st.sampled_from(list(BuiltIn))), **conditions)


@given(metrics(), pods(), pods())
def test_a_measurement_is_deterministic_and_speaks_of_its_metric(
    metric: Metric, before: list[PodSample], after: list[PodSample]
) -> None:
    seen = Evidence(history=(scrape(0, *before), scrape(60, *after)))
    once = measure(metric, seen, CANDIDATE, STABLE)
    assert measure(metric, seen, CANDIDATE, STABLE) == once
    assert once.message.startswith("m: 3: ")


@given(metrics(), pods(), pods())
def test_success_takes_a_pod_seen_twice_and_none_missing(
    metric: Metric, before: list[PodSample], after: list[PodSample]
) -> None:
    first, second = scrape(0, *before), scrape(60, *after)
    found = measure(metric, Evidence(history=(first, second)), CANDIDATE, STABLE)
    seen = window(first, second, NEW)
    if found.outcome is MeasurementOutcome.SUCCESS:
        assert seen.pods
        assert not seen.missing
        assert seen.fewest or metric.built_in is BuiltIn.REQUESTS


@given(pods(), pods())
def test_nothing_is_ever_counted_below_zero(before: list[PodSample], after: list[PodSample]) -> None:
    seen = window(scrape(0, *before), scrape(60, *after), NEW)
    assert (
        min(
            seen.succeeded,
            seen.own_least,
            seen.own_most - seen.own_least,
            seen.fewest,
            seen.queue_milliseconds,
            *seen.failed.values(),
            0,
        )
        == 0
    )


@given(counts, counts, st.integers(1, 500), counts, counts, limits, ratios)
def test_more_failures_never_make_a_measurement_better(
    succeeded: int, failed: int, more: int, stable: int, stable_failed: int, limit: str, ratio: str
) -> None:
    metric = built_in("ErrorRate", max=limit, maxRatio=ratio)
    old = counters(stable, stable_failed)
    few = measure(metric, evidence(counters(succeeded, failed), old), CANDIDATE, STABLE)
    many = measure(metric, evidence(counters(succeeded, failed + more), old), CANDIDATE, STABLE)
    if few.outcome is MeasurementOutcome.FAILURE or succeeded + failed:
        assert RANK[many.outcome] >= RANK[few.outcome]


@given(st.integers(0, 300), st.integers(1, 300), st.integers(0, 300), st.integers(1, 300), st.sampled_from([0.5, 1, 3]))
def test_an_excess_that_is_proved_stays_proved_with_one_failure_more(
    failures: int, requests: int, old: int, of: int, ratio: float
) -> None:
    failures, old = min(failures, requests), min(old, of)
    if failures / requests > ratio * old / of and not may_be_chance((failures, requests), (old, of), ratio):
        assert not may_be_chance((failures + 1, requests + 1), (old, of), ratio)


@given(st.text("SFI", max_size=12), st.integers(0, 11), st.integers(0, 3), st.integers(0, 3))
def test_a_failed_round_in_place_of_another_never_helps(rounds: str, at: int, failures: int, unsure: int) -> None:
    asked = analysis(count=4, failure_limit=failures, inconclusive_limit=unsure)
    worse = rounds[:at] + "F" + rounds[at + 1 :] if at < len(rounds) else rounds
    if _ended(rounds, asked) is AnalysisPhase.FAILED:
        assert _ended(worse, asked) is AnalysisPhase.FAILED
    if _ended(worse, asked) is AnalysisPhase.PASSED:
        assert WORSE[_ended(rounds, asked)] <= WORSE[AnalysisPhase.INCONCLUSIVE]


@given(st.integers(1, 30), st.integers(0, 1000), st.booleans())
def test_an_analysis_that_saw_nothing_never_passes(rounds: int, limit: int, endless: bool) -> None:
    asked = analysis(
        built_in("ErrorRate", max="1"),
        queried(max="1").evolve(name="q"),
        answers().evolve(name="a"),
        inconclusive_limit=limit,
        count=1,
    )
    status, now = begun(asked, NOON), NOON
    for n in range(1, rounds + 1):
        now = NOON + n * MINUTE
        seen = Evidence(
            history=(scrape(60 * n - 60, sample("a", "down")), scrape(60 * n, sample("a", "down"))),
            readings={"q": Readings(candidate=Reading(trouble="down"))},
            trials={"a": Trials(trouble="no pods")},
        )
        status = advanced(asked, status, seen, candidate=CANDIDATE, stable=STABLE, now=now, endless=endless)
    assert status.phase in (AnalysisPhase.RUNNING, AnalysisPhase.INCONCLUSIVE)
    assert status.runs == status.inconclusives <= limit + 1


@given(st.lists(st.floats(width=32), max_size=4), st.lists(st.floats(width=32), max_size=4), st.floats(0, 1))
def test_a_candidate_that_answers_as_stable_did_is_never_said_to_differ(
    one: list[float], other: list[float], tolerance: float
) -> None:
    first, second = answer(*one), answer(*other)
    for candidate in (first, second):
        assert not compare(trial(candidate, first, second), tolerance).differs


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(0, 1))
def test_a_wider_tolerance_never_finds_more(right: float, found: float, tolerance: float) -> None:
    asked = trial(answer(found), answer(right))
    if compare(asked, tolerance).differs == "":
        assert compare(asked, tolerance * 2).differs == ""


def _ended(rounds: str, asked: Analysis) -> AnalysisPhase:
    status, now = begun(asked, NOON), NOON
    for letter in rounds:
        now += timedelta(minutes=1)
        status = judge(asked, status, [measured(letter, now)], now)
    return status.phase
