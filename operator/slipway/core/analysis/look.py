"""What the shell is asked to look at. A topic is looked at when it is due, and what was seen comes back as Evidence.

Looks are kept in the operator's memory alone. After a restart there are none, so the first one is made at once, and
what it takes two looks for waits one interval more.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from slipway.api.v1alpha1.analysis import Analysis, BuiltIn
from slipway.api.v1alpha1.model import GoldenRequest
from slipway.core.analysis.query import Subject

NO_REQUESTS: Final = (
    "has no requests: the bundle has no golden ones, or none is small enough to be told (4 KB); give answers.requests, "
    "or model.verification.requests"
)


@dataclass(frozen=True, kw_only=True)
class Target:
    """A server to look at."""

    pod: str
    """Its uid."""
    name: str
    revision: str
    ip: str
    restarts: int = 0
    """Of the server, as far as is known."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """A query, for each revision that it is asked for."""

    metric: str
    address: str
    candidate: str
    stable: str | None = None


@dataclass(frozen=True, kw_only=True)
class Exam:
    """Requests that candidate and stable are asked, as V2 JSON objects with `inputs`."""

    metric: str
    requests: tuple[Mapping[str, Any], ...]
    tolerance: float = 0
    """Of the comparison of their answers."""


@dataclass(frozen=True, kw_only=True)
class Grading:
    """Labelled rows that pods are asked, and what is made of their answers."""

    metric: str
    score: str
    """scikit-learn's name."""
    output: str | None = None
    """None: the one that the rows are measured on by default."""
    config_map: str | None = None
    """Where the rows are; None: each pod's guard has those of its bundle."""
    compared: bool = False
    """Stable's pods are asked as well."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """One topic to look at."""

    topic: str
    """What the looks are about, as `90be11d2/analysis-3`: looks at another topic are not compared with these."""
    at: datetime
    """A look is due that is no older than this."""
    model: str = ""
    """Triton's name for it."""
    targets: tuple[Target, ...] = ()
    candidate: str = ""
    """The revision that is asked, for an exam or a grading."""
    stable: str = ""
    questions: tuple[Question, ...] = ()
    exams: tuple[Exam, ...] = ()
    gradings: tuple[Grading, ...] = ()
    events_of: tuple[str, ...] = ()
    """Objects, by uid, whose Kubernetes Events are read."""
    request_timeout: timedelta = timedelta(seconds=30)
    load: bool = False
    """The targets are asked how loaded they are, and nothing else."""
    absent: Mapping[str, int] = field(default_factory=dict)
    """By revision, pods that should be there and cannot be asked: they are not ready, or have only just become so."""
    remembers: timedelta = timedelta()
    """Looks older than this before the last one are forgotten, but for the last of them."""


def questions(analysis: Analysis, candidate: Subject, stable: Subject) -> tuple[Question, ...]:
    """The queries of an analysis, filled in."""
    return tuple(
        Question(
            metric=metric.name,
            address=metric.prometheus.address,
            candidate=candidate.filled_in(metric.prometheus.query),
            stable=stable.filled_in(metric.prometheus.query) if metric.max_ratio is not None else None,
        )
        for metric in analysis.metrics
        if metric.prometheus
    )


def exams(analysis: Analysis, golden: Sequence[Mapping[str, Any]]) -> tuple[Exam, ...]:
    """The requests of an analysis; `golden` are for metrics that bring none. An error rate is asked about as well,
    where nothing else asks: not every error is in Triton's counters."""
    compared = tuple(
        Exam(
            metric=metric.name,
            requests=tuple(metric.answers.requests or golden),
            tolerance=float(metric.answers.tolerance),
        )
        for metric in analysis.metrics
        if metric.answers
    )
    rate = next((metric.name for metric in analysis.metrics if metric.built_in is BuiltIn.ERROR_RATE), None)
    return (Exam(metric=rate, requests=tuple(golden)),) if rate and golden and not compared else compared


def gradings(analysis: Analysis) -> tuple[Grading, ...]:
    """The labelled rows of an analysis."""
    return tuple(
        Grading(
            metric=metric.name,
            score=metric.score.metric,
            output=metric.score.output,
            config_map=metric.score.config_map_name,
            compared=metric.max_drop is not None,
        )
        for metric in analysis.metrics
        if metric.score
    )


def comparable(requests: Sequence[GoldenRequest]) -> Iterator[Mapping[str, Any]]:
    """Golden requests without those that have no answer by themselves: of a sequence the first is asked."""
    sequences: set[str] = set()
    for request in requests:
        if request.sequence not in sequences:
            yield request.to_dict()
        if request.sequence is not None:
            sequences.add(request.sequence)
