"""What the shell brings from a look at the pods, the answers and Prometheus: the facts that measurements are made from.

Whatever could not be had is there too, as a sentence: a fact that is missing must never pass for a good one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import floor

from slipway.core.load import LoadSample
from slipway.triton.load import StartFacts
from slipway.triton.metrics import ModelMetrics


@dataclass(frozen=True, kw_only=True)
class PodSample:
    """One server at one moment."""

    pod: str
    """Its uid: a name may come again."""
    name: str
    revision: str
    metrics: ModelMetrics | None = None
    missing: str = ""
    """Why there are none."""
    restarts: int = 0
    """How often the kubelet had started the server again, as far as was known."""


@dataclass(frozen=True, kw_only=True)
class Scrape:
    """All servers that were asked for, at about one moment."""

    at: datetime
    pods: tuple[PodSample, ...] = ()

    def of(self, revision: str) -> tuple[PodSample, ...]:
        """Those of one revision."""
        return tuple(sample for sample in self.pods if sample.revision == revision)


@dataclass(frozen=True, kw_only=True)
class Golden:
    """Requests that the guard asks the model inside each pod. Triton counts them with everybody's."""

    requests: int
    interval: timedelta
    """Zero: only when a server starts."""

    def at_most(self, within: timedelta, *, started: bool = False) -> int:
        """How many may have been asked within a time. `started`: the server started in it."""
        rounds = 1 if started else 0
        if self.interval:
            rounds += floor(within / self.interval) + 1
        return self.requests * rounds

    def at_least(self, within: timedelta) -> int:
        """How many have been asked within a time, if no round takes longer than the interval."""
        return self.requests * floor(within / (2 * self.interval)) if self.interval else 0


NO_GOLDEN = Golden(requests=0, interval=timedelta())


@dataclass(frozen=True)
class Bounds:
    """A count that is not known exactly: Triton's counters and ours are not read at one instant."""

    least: int = 0
    most: int = 0

    def __add__(self, other: "Bounds") -> "Bounds":
        return Bounds(self.least + other.least, self.most + other.most)


@dataclass(frozen=True, kw_only=True)
class GuardCount:
    """Requests for labelled rows that a pod has had from its guard since its start."""

    sent: int = 0
    answered: int = 0
    """Those that the server has counted as succeeded, whatever became of the others."""
    open: int = 0
    """Those that were on their way when the guard was asked: 0 or 1."""


@dataclass(frozen=True, kw_only=True)
class GuardLook:
    """What guards said just before one look at the pods' counters, and after it, by pod (uid)."""

    before: Mapping[str, GuardCount] = field(default_factory=dict)
    after: Mapping[str, GuardCount] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What Prometheus said: one number, or why there is none."""

    value: float | None = None
    trouble: str = ""


@dataclass(frozen=True, kw_only=True)
class Output:
    """One tensor of an answer. Elements are row-major; those of BYTES are bytes."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: tuple[float | int | bool | bytes, ...]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a pod answered to one request, or why it did not."""

    pod: str
    """The pod's name, for messages."""
    outputs: tuple[Output, ...] = ()
    status: int = 200
    """HTTP; 0 when no answer came."""
    trouble: str = ""

    @property
    def answered(self) -> bool:
        """Whether there is an answer to compare."""
        return not self.trouble


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What one request showed."""

    differs: str = ""
    """How the candidate's answer differs, with the request's name and the element."""
    unknown: str = ""
    """Why nothing can be said."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One request, asked of the candidate once and of stable twice: what stable differs by from itself is noise."""

    request: str
    """What messages call it, as `requests[0]`."""
    candidate: Answer
    stable: Answer
    again: Answer
    comparison: Comparison | None = None
    """Made when the answers came, which takes long: their tensors are not kept."""


@dataclass(frozen=True, kw_only=True)
class Trials:
    """The requests of one `answers` metric, or why none were asked."""

    trials: tuple[Trial, ...] = ()
    trouble: str = ""


@dataclass(frozen=True, kw_only=True)
class Readings:
    """A query's answers for both revisions. Stable is asked only where a ratio is wanted."""

    candidate: Reading
    stable: Reading | None = None


@dataclass(frozen=True, kw_only=True)
class Score:
    """How good one pod's answers to labelled rows are, or why that is not known."""

    pod: str
    """The pod's name, for messages."""
    value: float | None = None
    rows: int = 0
    digest: str = ""
    """Of the rows: numbers over others are not compared."""
    trouble: str = ""
    pending: bool = False
    """Its rows are still being asked."""


@dataclass(frozen=True, kw_only=True)
class Scores:
    """The scores of one `score` metric. Stable is asked only where a drop is limited."""

    candidate: tuple[Score, ...] = ()
    stable: tuple[Score, ...] = ()
    trouble: str = ""
    """Why nobody was asked."""


@dataclass(frozen=True, kw_only=True)
class EventFacts:
    """The newest of the Kubernetes Events on an object; nothing where there is none, or none may be read."""

    reason: str = ""
    message: str = ""
    warning: bool = False


@dataclass(frozen=True, kw_only=True)
class PodStart:
    """What one pod's start took."""

    name: str
    """The pod's."""
    revision: str
    facts: StartFacts


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What looks at one topic have brought so far."""

    history: tuple[Scrape, ...]
    """The looks at the pods, oldest first; never empty."""
    asked: Mapping[str, Bounds] = field(default_factory=dict)
    """Requests of ours that a pod (uid) counted between the last two looks, beside the guard's golden ones."""
    readings: Mapping[str, Readings] = field(default_factory=dict)
    """Of the last look, by the metric's name."""
    trials: Mapping[str, Trials] = field(default_factory=dict)
    """Of the last look, by the metric's name."""
    scores: Mapping[str, Scores] = field(default_factory=dict)
    """Of the last look, by the metric's name."""
    guards: tuple[GuardLook, ...] = ()
    """What guards had asked, at the last two looks."""
    sent_between: Mapping[str, Bounds] = field(default_factory=dict)
    """Of `asked`, those that were not the guard's."""
    sent: Mapping[str, Bounds] = field(default_factory=dict)
    """Requests for labelled rows that this look sent to a pod (uid)."""
    events: Mapping[str, EventFacts] = field(default_factory=dict)
    """Of the last look, by the object's uid."""
    loads: tuple[LoadSample, ...] = ()
    """How loaded the pods were, at the looks that asked for it, oldest first."""

    starts: tuple[PodStart, ...] = ()
    """What pods said of their starts, at the last look that asked how loaded they are."""

    @property
    def after(self) -> Scrape:
        """The last look."""
        return self.history[-1]

    @property
    def before(self) -> Scrape | None:
        """The one before it. One look alone counts nothing."""
        return self.history[-2] if len(self.history) > 1 else None
