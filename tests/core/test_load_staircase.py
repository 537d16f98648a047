"""The formula on stairs: pods with queues, a load that goes up and down in steps, and the number that comes of it.

A fluid in place of requests: each second every pod that is ready gets its part of what is offered, does one second of
work at most, and keeps the rest in a queue that no other pod works off. Guards say what they say on a server: the ratio
over thirty seconds, the backlog over five.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import ceil

import pytest

from slipway.api.v1alpha1.spec import Load
from slipway.core.load import LOOK_EVERY, LoadSample, RevisionLoad, calm, demand, kept

BEGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)
LOAD = Load()
SETTLES = 10
"""Seconds until a pod that is ready is asked."""


@dataclass
class Pod:
    """One pod, in seconds of work."""

    name: str
    ready_at: int
    queue: float = 0
    worked: deque[float] = field(default_factory=lambda: deque(maxlen=30))
    queues: deque[float] = field(default_factory=lambda: deque(maxlen=6))

    def gets(self, work: float) -> None:
        done = min(1.0, self.queue + work)
        self.queue += work - done
        self.worked.append(done)
        self.queues.append(self.queue)


@dataclass(frozen=True)
class Seen:
    """One look: what the load takes, the most that it took while pods are kept, and what was asked for."""

    at: int
    needed: int
    kept: int
    pods: int


def climb(steps: Sequence[tuple[float, int]], start: int) -> Iterator[Seen]:
    """`steps`: pods' worth of work a second, and for how many seconds; `start`: how long a pod takes to start."""
    now, serial, needs = 0, 1, deque[int](maxlen=int(calm(LOAD, timedelta(seconds=start)).total_seconds()) + 45)
    pods, samples = [Pod("pod-0", ready_at=-60)], tuple[LoadSample, ...]()
    for offered, seconds in steps:
        for _ in range(seconds):
            now += 1
            ready = [pod for pod in pods if pod.ready_at <= now]
            for pod in ready:
                pod.gets(offered / len(ready))
            needs.append(ceil(100 * offered / LOAD.target - 1e-9))
            if now % LOOK_EVERY.seconds:
                continue
            samples = (*samples, looked(pods, now))
            wanted = demand(
                LOAD,
                samples,
                count=len(pods),
                parts={"a": 1.0},
                start_time=timedelta(seconds=start),
                now=samples[-1].at,
            ).pods
            pods += [Pod(f"pod-{serial + n}", ready_at=now + start) for n in range(wanted - len(pods))]
            serial, pods = serial + len(pods), pods[:wanted]
            samples = kept(samples, calm(LOAD, timedelta(seconds=start)))
            yield Seen(now, needs[-1], max(needs), len(pods))


def looked(pods: Sequence[Pod], now: int) -> LoadSample:
    asked = [pod for pod in pods if pod.ready_at + SETTLES <= now]
    read = RevisionLoad(
        pods=len(asked),
        answered=len(asked),
        absent=len(pods) - len(asked),
        ratio=sum(sum(pod.worked) / len(pod.worked) for pod in asked),
        backlogs={pod.name: (pod.queues[0] + pod.queues[-1]) / 2 for pod in asked},
    )
    return LoadSample(at=BEGIN + timedelta(seconds=now), revisions={"a": read})


STAIRS: list[list[tuple[float, int]]] = [
    [(0.42, 60), (1.12, 120), (2.52, 150), (1.12, 400), (0.42, 400)],
    [(0.3, 60), (3.3, 300), (0.3, 500)],  # eleven times as much at once
    [(0.5, 30), (5.4, 400)],
    [(0.9, 400)],  # too much for one pod from the begin
    [(1.3, 600)],
    [(2.0, 100), (2.2, 100), (2.0, 100), (2.2, 100), (2.0, 500)],  # about the edge of three pods
]


@pytest.mark.parametrize(("start", "beyond"), [(5, 1), (20, 1), (60, 2)])
@pytest.mark.parametrize("steps", STAIRS, ids=lambda steps: "-".join(str(offered) for offered, _ in steps))
def test_pods_are_close_to_what_the_load_takes_and_go_down_once(
    steps: list[tuple[float, int]], start: int, beyond: int
) -> None:
    """Of pods that take a minute to start two: what has queued up for so long is work as well."""
    seen = list(climb(steps, start))
    assert all(each.pods <= each.kept + beyond for each in seen), seen
    # a second wave comes where the first is not enough to tell, and the third where it starts late
    late = 3 * start + 60
    for each in seen:
        long_since = [other for other in seen if each.at - late <= other.at <= each.at]
        if all(other.needed >= each.needed for other in long_since) and each.at >= late:
            assert each.pods >= each.needed, seen
    ways = [after.pods > before.pods for before, after in pairwise(seen) if after.pods != before.pods]
    assert sum(one != other for one, other in pairwise(ways)) <= 1, seen
