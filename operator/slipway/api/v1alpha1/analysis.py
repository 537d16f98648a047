"""Analysis: what a candidate's numbers must be for a rollout to go on, and what is remembered of them.

Words are few here: a CRD has no references, and this schema takes a good part of its 80 KB.
"""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import AwareDatetime, Field

from slipway.api.base import ApiModel, StoredModel, checked, rule
from slipway.api.scalars import DECIMAL_PATTERN, Timeout, text
from slipway.api.v1alpha1.fields import Name, Passthrough, keyed_by

PLACEHOLDERS: Final = ("namespace", "name", "revision", "pods")
"""What stands for a value in a query, as `$(revision)`. core/analysis/query.py says what each one is."""

_QUERY: Final = rf"^([^$]|\$[^(]|\$\(({'|'.join(PLACEHOLDERS)})\))*\$?$"

_Number = Annotated[str, Field(pattern=DECIMAL_PATTERN, max_length=32)]

MEASUREMENTS: Final = 10
"""Kept in status, the newest last."""


class BuiltIn(StrEnum):
    """What Slipway takes from Triton's own counters in each pod, over the time since the measurement before."""

    ERROR_RATE = "ErrorRate"
    """Failed requests as a fraction of all: 0.01 is one in a hundred. Triton does not count a full queue's 503s, nor
    errors that a Python model answers with: what Slipway's own requests see is added, those of an `answers` metric or
    the golden ones. A gateway's counts can be had by `prometheus`."""
    LATENCY_P50 = "LatencyP50"
    """Milliseconds within which half of the requests were answered, of the worst pod, over Triton's last minute."""
    LATENCY_P90 = "LatencyP90"
    """The same for nine of ten."""
    LATENCY_P99 = "LatencyP99"
    """The same for 99 of 100."""
    QUEUE_TIME = "QueueTime"
    """Milliseconds that a request waited in Triton's queue, on average."""
    REQUESTS = "Requests"
    """How many requests were answered or failed; Slipway's own are not counted."""


class OnInconclusive(StrEnum):
    """What follows when too many rounds said nothing."""

    PAUSE = "Pause"
    FAIL = "Fail"


class Prometheus(ApiModel):
    """A question to a Prometheus."""

    address: Annotated[
        str,
        text(
            r"^https?://[^/@?#\x00-\x20]+(/[^?#\x00-\x20]*)?$",
            "is no address: write it like http://prometheus.monitoring:9090",
            max_length=256,
        ),
    ] = Field(description="Its URL; nothing is sent along.")
    query: Annotated[
        str,
        text(
            _QUERY,
            "may have $(namespace), $(name), $(revision) and $(pods) only",
            max_length=1024,
        ),
    ] = Field(
        description="PromQL that gives one number, with $(namespace), $(name), $(revision) and $(pods) filled in."
    )


class Answers(ApiModel):
    """Asks candidate and stable the same; the number is the share of requests whose answers differ."""

    requests: Annotated[list[Passthrough], Field(min_length=1, max_length=16)] | None = Field(
        None, description="V2 requests: objects with `inputs`. Absent: the golden ones."
    )
    tolerance: _Number = Field(
        "0.001", description="How far an element may be off: a fraction of stable's, or of 1 where that is larger."
    )


class ScoreMetric(StrEnum):
    """A measure of quality, by scikit-learn's name. Of the errors and the loss less is better, of the others more."""

    ACCURACY = "accuracy"
    BALANCED_ACCURACY = "balanced_accuracy"
    F1 = "f1"
    F1_MACRO = "f1_macro"
    LOG_LOSS = "log_loss"
    MEAN_ABSOLUTE_ERROR = "mean_absolute_error"
    MEAN_SQUARED_ERROR = "mean_squared_error"
    PRECISION = "precision"
    R2 = "r2"
    RECALL = "recall"
    ROC_AUC = "roc_auc"

    @property
    def less_is_better(self) -> bool:
        """Whether a version is worse where its number is larger."""
        return self in {self.LOG_LOSS, self.MEAN_ABSOLUTE_ERROR, self.MEAN_SQUARED_ERROR}


class Score(ApiModel):
    """Asks labelled rows; the number is how good the answers are."""

    metric: ScoreMetric = Field(description="scikit-learn's name.")
    output: Annotated[str, Field(min_length=1, max_length=256)] | None = Field(
        None, description="The output that is measured. Absent: the only one of floats, else the first."
    )
    config_map_name: Name | None = Field(
        None, description="Of rows, in keys that end in .jsonl. Absent: the bundle's labelled/*.jsonl."
    )


class Metric(ApiModel):
    """One number, and what it must be."""

    model_config = checked(
        rule(
            "(has(self.builtIn) ? 1 : 0) + (has(self.prometheus) ? 1 : 0) + (has(self.answers) ? 1 : 0) + "
            "(has(self.score) ? 1 : 0) == 1",
            "set exactly one of builtIn, prometheus, answers and score",
            ".builtIn",
        ),
        rule(
            "has(self.answers) || has(self.max) || has(self.min) || has(self.maxRatio) || has(self.maxDrop)",
            "nothing is decided without a condition: set max, min or maxRatio; for a score min, max or maxDrop",
            ".max",
        ),
        rule("!has(self.maxDrop) || has(self.score)", "only a score drops: set max or maxRatio", ".maxDrop"),
        rule("!has(self.maxRatio) || !has(self.score)", "set maxDrop for a score", ".maxRatio"),
        rule(
            "!has(self.answers) || !(has(self.min) || has(self.maxRatio))",
            "answers are compared with stable's already: set max only",
            ".answers",
        ),
        rule(
            "!has(self.maxRatio) || !has(self.prometheus) || "
            "self.prometheus.query.contains('$(revision)') || self.prometheus.query.contains('$(pods)')",
            "the query is asked for each revision: use $(revision) or $(pods) in it",
            ".maxRatio",
        ),
    )

    name: Annotated[
        str,
        text(
            r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
            "is no name: lower-case letters, digits and - between them",
            max_length=63,
        ),
    ] = Field(description="What messages call it.")
    built_in: BuiltIn | None = Field(
        None, description="From Triton's counters. ErrorRate is a fraction, latencies and QueueTime are milliseconds."
    )
    prometheus: Prometheus | None = None
    answers: Answers | None = None
    score: Score | None = None
    max: _Number | None = Field(None, description="The candidate's number must not be above it. For answers, 0.")
    min: _Number | None = Field(None, description="Nor below it.")
    max_ratio: _Number | None = Field(None, description="Nor above this many times stable's number.")
    max_drop: _Number | None = Field(None, description="Of a score: how much worse than stable's it may be.")


class Analysis(ApiModel):
    """Rounds of measurements that decide whether a rollout goes on."""

    model_config = checked(
        rule(
            "self.failureLimit < self.count",
            "it could never fail: set failureLimit below count",
            ".failureLimit",
        ),
    )

    interval: Timeout = Field("1m", description="From one round to the next, and what each one looks back on.")
    count: Annotated[int, Field(ge=1, le=1000)] = Field(5, description="Rounds with a result that it takes to pass.")
    failure_limit: Annotated[int, Field(ge=0, le=1000)] = Field(0, description="Rounds that may fail.")
    inconclusive_limit: Annotated[int, Field(ge=0, le=1000)] = Field(
        0, description="Rounds that may say nothing; each is made again."
    )
    on_inconclusive: OnInconclusive = Field(
        OnInconclusive.PAUSE, description="What follows beyond inconclusiveLimit: Pause or Fail."
    )
    metrics: Annotated[list[Metric], Field(min_length=1, max_length=8, json_schema_extra=keyed_by("name"))] = Field(
        description="A round is as bad as the worst of them."
    )


class AnalysisPhase(StrEnum):
    """Where an analysis stands."""

    RUNNING = "Running"
    PASSED = "Passed"
    FAILED = "Failed"
    INCONCLUSIVE = "Inconclusive"
    ENDED = "Ended"
    """Without a verdict: somebody went on or called the rollout off, or something else ended it."""


class MeasurementOutcome(StrEnum):
    """What one measurement, or a round of them, says."""

    SUCCESS = "Success"
    FAILURE = "Failure"
    INCONCLUSIVE = "Inconclusive"


class Measurement(StoredModel):
    """One metric in one round."""

    metric: Annotated[str, Field(max_length=63)]
    at: AwareDatetime
    outcome: MeasurementOutcome
    message: Annotated[str, Field(max_length=1024)]


class AnalysisStatus(StoredModel):
    """An analysis so far."""

    phase: AnalysisPhase
    started_at: AwareDatetime
    next_at: AwareDatetime | None = Field(None, description="When the next round is due.")
    runs: Annotated[int, Field(ge=0)] = Field(0, description="Rounds so far.")
    failures: Annotated[int, Field(ge=0)] = 0
    inconclusives: Annotated[int, Field(ge=0)] = 0
    message: Annotated[str, Field(max_length=8192)] = ""
    measurements: Annotated[list[Measurement], Field(max_length=MEASUREMENTS)] = Field([], description="The latest.")
