"""The quality gate: answers to labelled rows beside a limit, and beside what stable reaches on the same rows."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.api.v1alpha1.analysis import AnalysisPhase, MeasurementOutcome, Metric
from slipway.core.analysis.course import ASK_AGAIN, LONGEST_ASKED, advanced, compared_with
from slipway.core.analysis.judge import begun
from slipway.core.analysis.look import Grading, gradings
from slipway.core.analysis.measure import measure
from slipway.core.observed.evidence import Evidence, GuardLook, Score, Scores
from tests.core.analysis.samples import CANDIDATE, MINUTE, NOON, STABLE, analysis, scrape

S, F, I = MeasurementOutcome.SUCCESS, MeasurementOutcome.FAILURE, MeasurementOutcome.INCONCLUSIVE  # noqa: E741


def gate(score: str = "f1", **conditions: str) -> Metric:
    return Metric.model_validate({"name": "quality", "score": {"metric": score}, **conditions})


def of(value: float | None, pod: str = "new-1", digest: str = "aa", **more: Any) -> Score:
    return Score(pod=pod, value=value, rows=800, digest=digest, **more)


def seen(*candidate: Score, stable: tuple[Score, ...] = (), trouble: str = "") -> Evidence:
    scores = Scores(candidate=candidate, stable=stable, trouble=trouble)
    return Evidence(history=(scrape(60),), scores={"quality": scores})


OLD = of(0.9, "old-1")
DROP, LEAST = gate(maxDrop="0.01"), gate(min="0.80")
CASES: list[tuple[str, Metric, Evidence, MeasurementOutcome, str]] = [
    ("enough", LEAST, seen(of(0.91)), S, "quality: 3: f1 0.91, at least 0.80 (800 labelled rows, new-1)"),
    ("too little", LEAST, seen(of(0.71)), F, "quality: 3: f1 0.71, at least 0.80 (800 labelled rows, new-1)"),
    ("better", DROP, seen(of(0.95), stable=(OLD,)), S, "f1 0.95, 0.9 in the version that serves, may drop by 0.01"),
    ("equal", gate(maxDrop="0"), seen(of(0.9), stable=(OLD,)), S, "f1 0.9, 0.9 in the version that serves"),
    ("equal but for noise", gate(maxDrop="0"), seen(of(0.9 - 1e-9), stable=(OLD,)), S, "may drop by 0"),
    ("a little worse", DROP, seen(of(0.892), stable=(OLD,)), S, "f1 0.892, 0.9 in the version that serves"),
    ("worse", DROP, seen(of(0.71), stable=(OLD,)), F, "f1 0.71, 0.9 in the version that serves, may drop by 0.01"),
    (
        "a larger error is worse",
        gate("mean_absolute_error", maxDrop="0.5"),
        seen(of(3.1), stable=(of(2.0, "old-1"),)),
        F,
        "mean_absolute_error 3.1, 2 in the version that serves, may rise by 0.5",
    ),
    (
        "a smaller error is better",
        gate("mean_absolute_error", maxDrop="0"),
        seen(of(1.0), stable=(of(2.0, "old-1"),)),
        S,
        "mean_absolute_error 1, 2 in",
    ),
    ("too large an error", gate("log_loss", max="0.5"), seen(of(0.7)), F, "log_loss 0.7, at most 0.5"),
    (
        "both, and one is broken",
        gate(min="0.8", maxDrop="0.01"),
        seen(of(0.85), stable=(OLD,)),
        F,
        "quality: 3: f1 0.85, 0.9 in the version that serves, may drop by 0.01 (",
    ),
    (
        "the worst pod counts",
        LEAST,
        seen(of(0.9), of(0.7, "new-2")),
        F,
        "f1 0.7, at least 0.80 (800 labelled rows, new-2)",
    ),
    (
        "stable's best pod counts",
        DROP,
        seen(of(0.85), stable=(of(0.7, "old-1"), of(0.9, "old-2"))),
        F,
        "0.9 in the version that serves",
    ),
    ("no labels", LEAST, seen(of(None, trouble="the bundle has no labelled rows")), I, "3: new-1: the bundle has no"),
    ("silent", LEAST, seen(of(None, pending=True)), I, "3: new-1: labelled rows are still being asked"),
    ("nobody", LEAST, seen(), I, "3: has no pod that could be asked"),
    ("no ConfigMap", LEAST, seen(trouble="ConfigMap rows: cannot be read"), I, "3: ConfigMap rows: cannot be read"),
    ("never looked at", LEAST, Evidence(history=(scrape(60),)), I, "3: no labelled rows were asked"),
    (
        "one pod cannot be asked: it does not acquit",
        LEAST,
        seen(of(0.9), of(None, "new-2", trouble="refused")),
        I,
        "new-2: refused",
    ),
    ("but condemns", LEAST, seen(of(0.7), of(None, "new-2", trouble="refused")), F, "f1 0.7, at least 0.80"),
    ("a pod that is new waits for nobody", LEAST, seen(of(0.9), of(None, "new-2", pending=True)), S, "f1 0.9"),
    (
        "stable has no labels",
        DROP,
        seen(of(0.9), stable=(of(None, "old-1", trouble="the bundle has no labelled rows"),)),
        I,
        "nothing to compare with: 2: old-1: the bundle has no labelled rows",
    ),
    (
        "other rows",
        DROP,
        seen(of(0.99), stable=(of(0.9, "old-1", digest="bb"),)),
        I,
        "2 has other labelled rows (bb) than these (aa); give both versions the same, by score.configMapName",
    ),
    (
        "too little whatever stable's rows are",
        gate(min="0.8", maxDrop="0.01"),
        seen(of(0.7), stable=(of(0.9, "old-1", digest="bb"),)),
        F,
        "f1 0.7, at least 0.8",
    ),
]


@pytest.mark.parametrize(
    ("metric", "evidence", "outcome", "says"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_a_score_and_what_it_must_be(
    metric: Metric, evidence: Evidence, outcome: MeasurementOutcome, says: str
) -> None:
    measured = measure(metric, evidence, CANDIDATE, STABLE)
    assert measured.outcome is outcome
    assert says in measured.message


SCORES = st.builds(
    of,
    st.none() | st.floats(0, 1),
    st.just("a-pod"),
    digest=st.sampled_from(["aa", "bb"]),
    trouble=st.just("cannot be asked"),
    pending=st.booleans(),
)


@given(st.lists(SCORES, max_size=4), st.lists(SCORES, max_size=4), st.floats(0, 1))
def test_nothing_passes_that_is_worse_than_stable_may_be_or_was_not_measured(
    new: list[Score], old: list[Score], drop: float
) -> None:
    metric = gate(maxDrop=f"{drop:.3f}")
    outcome = measure(metric, seen(*new, stable=tuple(old)), CANDIDATE, STABLE).outcome
    known, others = ([each.value for each in scores if each.value is not None] for scores in (new, old))
    if outcome is S:
        assert known
        assert others
        assert max(others) - min(known) <= float(metric.max_drop or 0) + 2e-6


def test_what_is_asked_for() -> None:
    metric = Metric.model_validate(
        {"name": "q", "score": {"metric": "r2", "output": "y", "configMapName": "rows"}, "maxDrop": "0.1"}
    )
    assert gradings(analysis(metric, LEAST)) == (
        Grading(metric="q", score="r2", output="y", config_map="rows", compared=True),
        Grading(metric="quality", score="f1"),
    )


def test_while_rows_are_asked_no_round_is_made_and_then_it_is() -> None:
    asked = analysis(LEAST, interval="1m", count=1)
    started = begun(asked, NOON)
    waits = advanced(
        asked, started, seen(of(None, pending=True)), candidate=CANDIDATE, stable=STABLE, now=NOON + MINUTE
    )
    assert (waits.runs, waits.phase) == (0, AnalysisPhase.RUNNING)
    assert waits.next_at == NOON + MINUTE + ASK_AGAIN
    assert waits.message == "new-1: labelled rows are still being asked"

    later = Evidence(history=(scrape(70),), scores=seen(of(0.71)).scores)
    failed = advanced(asked, waits, later, candidate=CANDIDATE, stable=STABLE, now=NOON + timedelta(seconds=70))
    assert failed.phase is AnalysisPhase.FAILED
    assert "f1 0.71, at least 0.80" in failed.message


def test_rows_that_are_never_answered_hold_it_only_for_so_long() -> None:
    asked, now = analysis(LEAST, count=1), NOON + LONGEST_ASKED
    late = Evidence(history=(scrape(LONGEST_ASKED.total_seconds()),), scores=seen(of(None, pending=True)).scores)
    ended = advanced(asked, begun(asked, NOON), late, candidate=CANDIDATE, stable=STABLE, now=now)
    assert ended.phase is AnalysisPhase.INCONCLUSIVE


WAITS = {"q": Scores(candidate=(of(None, pending=True),))}
SAID = {"q": Scores(candidate=(of(0.9),))}


@pytest.mark.parametrize(
    ("ends", "scores", "compared"),
    [
        ((0,), WAITS, (0,)),
        ((0, 60), WAITS, (0,)),  # what is counted while rows are asked belongs to the round after it
        ((0, 60), SAID, (0, 60)),
        ((0, 60), {}, (0, 60)),
        ((0, LONGEST_ASKED.total_seconds()), WAITS, (0, LONGEST_ASKED.total_seconds())),  # rounds are made all the same
    ],
)
def test_a_round_that_waited_for_rows_looks_back_to_the_round_before_it(
    ends: tuple[float, ...], scores: Mapping[str, Scores], compared: tuple[float, ...]
) -> None:
    looks = tuple(GuardLook() for _ in ends)
    base = compared_with(Evidence(history=tuple(scrape(end) for end in ends), scores=scores, guards=looks))
    assert base
    assert base.history == tuple(scrape(end) for end in compared)
    assert len(base.guards) == len(compared)
