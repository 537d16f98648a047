"""Small samples for analysis: two versions, `2` that serves and `3` that wants to."""

from datetime import UTC, datetime, timedelta
from typing import Any

from slipway.api.v1alpha1.analysis import Analysis, Measurement, MeasurementOutcome, Metric
from slipway.core.analysis.measure import Contender
from slipway.core.observed.evidence import Answer, Evidence, Output, PodSample, Scrape, Trial
from slipway.triton.metrics import ModelMetrics

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NEW, OLD = "90be11d2", "3f2a91bc"
CANDIDATE, STABLE = Contender(revision=NEW, version="3"), Contender(revision=OLD, version="2")

QUANTILES = {0.5: 2000.0, 0.9: 5000.0, 0.99: 9000.0}


def counters(succeeded: float = 0, failed: float = 0, **more: Any) -> ModelMetrics:
    return ModelMetrics(succeeded=succeeded, failed={"BACKEND": failed, "REJECTED": 0.0}, **more)


def sample(pod: str, metrics: ModelMetrics | str, revision: str = NEW, *, restarts: int = 0) -> PodSample:
    """A pod's counters, or why there are none."""
    known = metrics if isinstance(metrics, ModelMetrics) else None
    missing = metrics if isinstance(metrics, str) else ""
    return PodSample(pod=f"uid-{pod}", name=pod, revision=revision, metrics=known, missing=missing, restarts=restarts)


def scrape(seconds: float, *pods: PodSample) -> Scrape:
    return Scrape(at=NOON + timedelta(seconds=seconds), pods=pods)


def evidence(new: ModelMetrics | str, old: ModelMetrics | str | None = None, **more: Any) -> Evidence:
    """One pod of each version that counted from zero within a minute."""
    zero = counters(quantiles_us=QUANTILES)
    before, after = [sample("new-1", zero)], [sample("new-1", new)]
    if old is not None:
        before.append(sample("old-1", zero, OLD))
        after.append(sample("old-1", old, OLD))
    return Evidence(history=(scrape(0, *before), scrape(60, *after)), **more)


def built_in(kind: str, **conditions: str) -> Metric:
    return Metric.model_validate({"name": "m", "builtIn": kind, **conditions})


def queried(**conditions: str) -> Metric:
    source = {"address": "http://prometheus:9090", "query": 'sum(x{pod=~"$(pods)"})'}
    return Metric.model_validate({"name": "m", "prometheus": source, **conditions})


def answers(tolerance: str = "0.001", **conditions: str) -> Metric:
    return Metric.model_validate({"name": "m", "answers": {"tolerance": tolerance}, **conditions})


def analysis(*metrics: Metric, **fields: Any) -> Analysis:
    return Analysis(metrics=list(metrics) or [built_in("Requests", min="1")], **fields)


def answer(*data: float | bytes, datatype: str = "FP32", pod: str = "a-pod", **more: Any) -> Answer:
    return Answer(pod=pod, outputs=(Output(name="y", datatype=datatype, shape=(1, len(data)), data=data),), **more)


def refusal(status: int, trouble: str = "answered 503: the queue is full") -> Answer:
    return Answer(pod="a-pod", status=status, trouble=trouble)


def trial(candidate: Answer, stable: Answer | None = None, again: Answer | None = None) -> Trial:
    right = stable or answer(1.0)
    return Trial(request="requests[0]", candidate=candidate, stable=right, again=again or right)


LETTERS = {"S": MeasurementOutcome.SUCCESS, "F": MeasurementOutcome.FAILURE, "I": MeasurementOutcome.INCONCLUSIVE}


def measured(letter: str, at: datetime = NOON, metric: str = "m") -> Measurement:
    return Measurement(metric=metric, at=at, outcome=LETTERS[letter], message=f"{metric} says {letter}")
