"""How many pods a load takes: one formula, for whoever sets the number.

Pods say how much of themselves is in use, and how long their queues take. Sums come before divisions, so that pods that
idle hide nothing. A pod that is full says no more than that: what comes beyond it makes its queue grow, and what it
works off makes it shrink. So what is offered is what is in use and what the queues grow by, in seconds each second.

What is not known never takes pods away: a pod that does not answer, or that should be there and is not ready, counts as
full for going down, and as empty for going up. More pods are wanted whoever else is silent; where too many are, no pods
go, and that is told.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import ceil
from typing import Final, Self

from slipway.api.scalars import duration
from slipway.api.v1alpha1.spec import Load
from slipway.api.v1alpha1.status import Condition
from slipway.core.shares import Traffic

LOAD_TOPIC: Final = "load"
"""Looks at how loaded the pods are that clients reach."""
LOAD_UNKNOWN: Final = "LoadUnknown"
"""The condition that is there for as long as nobody can say how many pods the load takes."""
LOOK_EVERY: Final = timedelta(seconds=10)
"""From one look at the pods' load to the next."""
STALE_AFTER: Final = timedelta(seconds=30)
"""Numbers that old say nothing of now; two looks further apart say nothing of what was between."""
MOST_MISSING: Final = 5
"""More than one pod in so many that does not answer, and the number stays."""
LONGEST_CALM: Final = timedelta(hours=1)
"""However long pods take to start, and whatever `stabilization` says, as an HPA has it: what is kept of looks stays
small, and a pass goes through all of it."""
_GROWS_BY: Final = 4
_QUEUE_OF_ONE: Final = 2
"""Pods that one pod's queue asks for at most: none works off what waits for another, however long that takes."""
_ROUNDING: Final = 1e-9
"""Of a sum of floats: 0.7 + 0.7 of a target of 0.7 are two pods."""


@dataclass(frozen=True, kw_only=True)
class RevisionLoad:
    """One revision's pods at one look."""

    pods: int
    """Available ones: those that should answer."""
    answered: int
    absent: int = 0
    """Those that should be there as well, and are not ready: what they would carry, nobody can say."""
    ratio: float = 0
    """Summed over those that answered: each is 0 to 1 of a pod."""
    rate: float = 0
    """Requests a second, summed over those that say it."""
    uncounted: float = 0
    """Of `ratio`, that of pods that do not say their rate: a guard of an earlier operator's."""
    backlogs: Mapping[str, float] = field(default_factory=dict)
    """Seconds that the queue of each of them takes, by the pod's uid."""

    @property
    def backlog(self) -> float:
        """Seconds that all their queues take."""
        return sum(self.backlogs.values())


@dataclass(frozen=True, kw_only=True)
class LoadSample:
    """All pods that were asked how loaded they are, at about one moment."""

    at: datetime
    revisions: Mapping[str, RevisionLoad] = field(default_factory=dict)
    missing: str = ""
    """The first pod that did not answer, and why."""

    def of(self, parts: Mapping[str, float]) -> RevisionLoad:
        """Several revisions together. `parts`: how much of each one's load is to count, 0 to 1."""
        loads = [(parts[name], load) for name, load in self.revisions.items() if parts.get(name)]
        return RevisionLoad(
            pods=sum(load.pods for _, load in loads),
            answered=sum(load.answered for _, load in loads),
            absent=sum(load.absent for _, load in loads),
            ratio=sum(part * load.ratio for part, load in loads),
            backlogs={pod: part * seconds for part, load in loads for pod, seconds in load.backlogs.items()},
            rate=sum(part * load.rate for part, load in loads),
            uncounted=sum(part * load.uncounted for part, load in loads),
        )


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What the load takes."""

    pods: int
    because: str
    at: datetime | None = None
    """When the numbers were read."""
    unknown: bool = False
    """Nobody can say, so the number stays, and that is told."""

    def at_least(self, pods: int) -> Self:
        """The demand while versions change: what shrinks then is no revision's own load."""
        return replace(self, pods=max(self.pods, pods))


def parts_of_clients(traffic: Traffic, shadow: tuple[str, int] | None) -> dict[str, float]:
    """How much of its load each revision has from clients: what is mirrored to one comes on top of its share. `shadow`:
    who gets copies, and of how many percent of the requests."""
    parts = dict.fromkeys(traffic.reaches, 1.0)
    if shadow and (mirrored := shadow[0]) in parts:
        share, copies = (traffic.shares or {}).get(mirrored, 0), shadow[1]
        parts[mirrored] = share / (share + copies) if share else 0.0
    return parts


def start_time(took: Iterable[timedelta]) -> timedelta:
    """How long a pod takes from being made to being ready, by the fastest that there is: one that was not ready for a
    while would look slower than it started. Nothing while there is none."""
    return max(min(took, default=timedelta()), timedelta())


@dataclass(frozen=True, kw_only=True)
class Queues:
    """What the long queues of some pods do."""

    growth: float = 0
    """Seconds of work that they grow by each second: so many pods are missing. Below zero: they are worked off."""
    gone_soon: bool = False
    """They will be gone before a pod that starts now could take a part."""


def pods_for(load: Load, read: RevisionLoad, queues: Queues = Queues(), *, missing_is_full: bool) -> int:
    """The formula. At least one: a model that nobody asks is no model that is asleep."""
    missing = read.pods - read.answered + read.absent if missing_is_full else 0
    offered = max(0.0, used(load, read) + queues.growth) + missing
    by_load = ceil(offered * 100 / load.target - _ROUNDING)
    by_queues = 0 if queues.gone_soon else min(_by_queues(load, read), read.answered + 1)
    return max(1, by_load, by_queues) + load.headroom


def used(load: Load, read: RevisionLoad) -> float:
    """How many pods' whole work is being done: their rates by the capacity that was measured, else their ratios."""
    if load.capacity is None:
        return read.ratio
    return read.rate / float(load.capacity) + read.uncounted


def _by_queues(load: Load, read: RevisionLoad) -> int:
    allowed = duration(load.backlog).total_seconds()
    asked = sum(min(seconds, _QUEUE_OF_ONE * allowed) for seconds in read.backlogs.values())
    return ceil(asked / allowed - _ROUNDING)


def queues_between(
    load: Load, samples: Sequence[LoadSample], parts: Mapping[str, float], start_time: timedelta
) -> Queues:
    """What the queues did from the last look but one to the last one, of those that were longer than they may be; none
    of a pod that did not answer both times. No pod works off more than a second of its queue each second: what went
    beside that was given up, or forged. `start_time`: how long a pod takes to start, which the next look sees."""
    if len(samples) < 2:
        return Queues()
    (before, after), soon = samples[-2:], (start_time + LOOK_EVERY).total_seconds()
    seconds = (after.at - before.at).total_seconds()
    if not 0 < seconds <= STALE_AFTER.total_seconds():
        return Queues()
    was, now = before.of(parts).backlogs, after.of(parts).backlogs
    allowed = duration(load.backlog).total_seconds()
    long = [pod for pod in was.keys() & now.keys() if max(was[pod], now[pod]) > allowed]
    left = sum(now[pod] for pod in long)
    growth = sum(max((now[pod] - was[pod]) / seconds, -1.0) for pod in long)
    return Queues(growth=growth, gone_soon=growth < 0 and left + growth * soon <= 0)


def calm(load: Load, start_time: timedelta) -> timedelta:
    """For how long fewer pods must have been enough: what goes takes that long to come again."""
    return min(max(duration(load.stabilization), 2 * start_time), LONGEST_CALM)


def kept(samples: Sequence[LoadSample], calm_for: timedelta) -> tuple[LoadSample, ...]:
    """The looks that may still matter, and the last two before those: what a queue grew by takes two. However short the
    calm, they tell how long pods have been silent. One that is later than the last was made before the clock was set
    back."""
    if not samples:
        return ()
    last = samples[-1].at
    since = last - max(calm_for, STALE_AFTER)
    older = [sample for sample in samples if sample.at <= since]
    return (*older[-2:], *(sample for sample in samples if since < sample.at <= last))


def is_load_unknown(conditions: Iterable[Condition]) -> bool:
    """Whether status says that nobody can say how many pods the load takes."""
    return any(condition.type == LOAD_UNKNOWN for condition in conditions)


def demand(
    load: Load,
    samples: Sequence[LoadSample],
    *,
    count: int,
    parts: Mapping[str, float],
    start_time: timedelta,
    now: datetime,
    was_unknown: bool = False,
) -> Demand:
    """How many pods the revisions that clients reach should have together. `samples`: the looks so far, oldest first;
    `parts`: how much of each revision's load is clients', the rest being copies; `count`: the pods that they have;
    `was_unknown`: status says that nobody can say, which holds until somebody does, whoever has ended or begun since.

    Up at once, to twice the pods that answer, or four more: those that start do not work off a backlog yet, and it
    goes on growing. Down to the most of all looks within the calm. A look of a time that lies ahead was made before the
    clock was set back, and says nothing.
    """
    samples = [sample for sample in samples if sample.at.replace(microsecond=0) <= now]  # as `now` is cut
    if not samples:
        return Demand(pods=count, because="the pods' load was not looked at yet", unknown=was_unknown)
    last = samples[-1]
    read = last.of(parts)
    if now - last.at > STALE_AFTER:
        because = f"the pods' last numbers are older than {STALE_AFTER.seconds} s"
        return Demand(pods=count, because=because, at=last.at, unknown=True)
    if not read.pods:
        because = "no pod is available to say how loaded it is"
        return Demand(pods=count, because=because, at=last.at, unknown=was_unknown)
    queues = queues_between(load, samples, parts, start_time)
    wanted = pods_for(load, read, queues, missing_is_full=False)
    up = min(wanted, max(2 * read.answered, read.answered + _GROWS_BY))
    if up > count and read.answered:
        return Demand(pods=up, because=described(load, read), at=last.at)
    if silence := _silence(last, read):
        lasts = last.at - _silent_since(samples, parts) >= STALE_AFTER
        return Demand(pods=count, because=silence, at=last.at, unknown=was_unknown or lasts)
    enough = _enough(load, samples, start_time)
    pods = count if enough is None else min(enough, count)
    return Demand(pods=pods, because=described(load, read), at=last.at)


def described(load: Load, read: RevisionLoad) -> str:
    """What the pods said, beside what was asked for."""
    ratio = round(100 * used(load, read) / read.answered) if read.answered else 0
    pods = "1 pod" if read.answered == 1 else f"{read.answered} pods"
    waits = read.backlog / read.answered if read.answered else 0
    backlog = f"; backlog {waits:.1f} s, target {load.backlog}" if waits * 10 >= 1 else ""
    spare = f"; headroom {load.headroom}" if load.headroom else ""
    by = f"; by {read.rate:.3g} requests/s, {load.capacity} a pod" if load.capacity else ""
    absent = f" ({read.absent} not ready)" if read.absent else ""
    return f"load {ratio} % of {pods}{absent}, target {load.target} %{by}{backlog}{spare}"


def _silence(last: LoadSample, read: RevisionLoad) -> str:
    """Why the last look takes no pods away; empty where it may."""
    silent = read.pods - read.answered
    if silent * MOST_MISSING <= read.pods:
        return ""
    return f"{silent} of {read.pods} pods do not say how loaded they are ({last.missing or 'no reason given'})"


def _silent_since(samples: Sequence[LoadSample], parts: Mapping[str, float]) -> datetime:
    """The first of the last looks in a row at which too many pods did not answer. One at which there was none to ask
    brought no answer either."""
    since = samples[-1].at
    for sample in reversed(samples):
        read = sample.of(parts)
        if not read.pods:
            continue
        if not _silence(sample, read):
            break
        since = sample.at
    return since


def _enough(load: Load, samples: Sequence[LoadSample], start_time: timedelta) -> int | None:
    """The most pods that were needed at any look within the calm, by all that clients reached then: whoever gets the
    whole traffic now may have had a tenth of it. None where not all of the calm was looked at."""
    newest, newer, most = samples[-1], samples[-1], 0
    for index in reversed(range(len(samples))):
        sample = samples[index]
        everyone = dict.fromkeys(sample.revisions, 1.0)
        read = sample.of(everyone)
        if newer.at - sample.at > STALE_AFTER or not read.pods:
            return None
        queues = queues_between(load, samples[max(0, index - 1) : index + 1], everyone, start_time)
        most = max(most, pods_for(load, read, queues, missing_is_full=True))
        if newest.at - sample.at >= calm(load, start_time):
            return most
        newer = sample
    return None
