"""What the staircase bench makes of a run: plain data."""

from xml.etree import ElementTree as ET

import pytest

from bench.staircase.figures import Course, Moment, late_requests
from bench.staircase.models import MODELS, Model
from bench.staircase.scalers import manifest, scalers_of
from bench.staircase.table import chart, table
from load.latencies import Latencies, kept
from load.report import Report
from load.tally import Tally
from slipway.api.v1alpha1 import ModelDeploymentSpec

MODEL = Model("m", "one at a time", seconds=0.2)
STEPS = [(1, 60.0), (3, 120.0), (1, 600.0)]
KEPT_SECONDS = 300


def course(*moments: tuple[float, int, int], kept: float = KEPT_SECONDS) -> Course:
    return Course(MODEL, MODEL.stairs(STEPS), kept, [Moment(*each) for each in moments], answered=1000, late=12)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_the_rate_for_so_many_pods_needs_as_many(model: Model) -> None:
    assert [model.needs(model.rate(pods)) for pods in range(1, 9)] == list(range(1, 9))
    assert model.needs(model.rate(3) * 1.2) == 4
    for scaler in scalers_of(model, KEPT_SECONDS):
        ModelDeploymentSpec.model_validate(manifest(model, scaler, "s3://models/m")["spec"])


def test_pods_are_held_against_what_the_load_needed_at_that_second() -> None:
    run = course((0, 1, 1), (60, 1, 1), (90, 3, 1), (120, 3, 3), (180, 5, 3), (560, 1, 1), (780, 1, 1))
    assert run.pod_minutes == pytest.approx((90 * 1 + 90 * 3 + 380 * 5 + 220 * 1) / 60)
    assert run.missing_minutes == pytest.approx(60 * 2 / 60)
    assert (run.most_missing, run.most_beyond, run.turns) == (0, 2, 1)


def test_pods_that_still_lack_long_after_a_step_are_missed_and_those_that_are_kept_are_none_too_many() -> None:
    run = course((0, 1, 1), (100, 1, 1), (151, 2, 2), (200, 3, 3), (509, 3, 3), (511, 3, 3), (700, 2, 2), (780, 3, 3))
    assert (run.most_missing, run.most_beyond, run.turns) == (1, 2, 2)


@pytest.mark.parametrize(("kept", "beyond"), [(KEPT_SECONDS, 0), (60, 2)])
def test_pods_are_too_many_once_they_are_there_for_longer_than_they_are_to_be_kept(kept: float, beyond: int) -> None:
    assert course((0, 1, 1), (60, 3, 3), (271, 3, 3), (272, 1, 1), (780, 1, 1), kept=kept).most_beyond == beyond


def test_every_scaler_of_a_model_keeps_pods_for_the_same_time() -> None:
    slipway, *hpas = (scaler.autoscaling for scaler in scalers_of(MODEL, 45))
    assert slipway["load"]["stabilization"] == "45s"
    assert [hpa["behavior"]["scaleDown"]["stabilizationWindowSeconds"] for hpa in hpas] == [45, 45, 45]


def test_requests_after_the_objective_wrong_ones_and_failed_ones_are_over_it() -> None:
    tally = Tally()
    for seconds in (0.2, 1.4, 1.6, 9.0):
        tally.count_answer("1", latency_seconds=seconds, at=1)
    tally.count_wrong("[8.0]")
    tally.failed["timeout"] += 1
    report = Report(0, 10, 1, {"http": {0: tally}}, Latencies([kept(0)]), ())
    assert late_requests(report, MODEL) == (6, 4)


def test_table_and_chart_have_each_scaler() -> None:
    one = course((0, 1, 1), (60, 2, 1), (780, 1, 1))
    courses = {("m", "slipway"): one, ("m", "queue"): one}
    words = {"slipway": "Slipway, `load`", "queue": "HPA on queue time & more"}
    rows = table(courses, words).splitlines()
    assert len(rows) == 4
    assert rows[2].startswith("| m | Slipway, `load` | ")
    assert rows[2].endswith("| 1000 | 12 (1.2 %) |")
    drawn = ET.fromstring(chart(courses, words))
    assert sum(each.get("stroke-width") == "2" for each in drawn.iter()) == 2
