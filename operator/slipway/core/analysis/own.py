"""Slipway's own requests between two looks at a pod's counters: how many of what it counted are nobody else's.

Each guard is asked just before the counters are read and after it, so that what it had sent at that instant lies
between its two answers. What lies between two looks then has a least and a most.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from slipway.core.observed.evidence import Bounds, Evidence, GuardCount, GuardLook

UNLIMITED: Final = 2**53
"""Of a pod whose guard does not say what it sent: all that the pod counted may be its own."""


def asked_by_guards(looks: Sequence[GuardLook]) -> dict[str, Bounds]:
    """How many requests each pod (uid) counted from its guard between the last two looks."""
    if len(looks) < 2:
        return {}
    first, second = looks[-2:]
    pods = first.before.keys() | first.after.keys() | second.before.keys() | second.after.keys()
    return {pod: _between(pod, first, second) for pod in sorted(pods)}


def sent_by_look(evidence: Evidence, pods: Mapping[str, str]) -> dict[str, Bounds]:
    """How many of the requests that a look sent each pod (uid) counts as succeeded. `pods`: uids by name."""
    sent = dict(evidence.sent)
    for trials in evidence.trials.values():
        for trial in trials.trials:
            for answer in (trial.candidate, trial.stable, trial.again):
                one = Bounds(int(answer.answered), 1)
                sent[pods[answer.pod]] = sent.get(pods[answer.pod], Bounds()) + one
    return sent


def added(one: Mapping[str, Bounds], other: Mapping[str, Bounds]) -> dict[str, Bounds]:
    """The sum of both, by pod."""
    return {pod: one.get(pod, Bounds()) + other.get(pod, Bounds()) for pod in one.keys() | other.keys()}


def _between(pod: str, first: GuardLook, second: GuardLook) -> Bounds:
    start, end = first.before.get(pod), second.after.get(pod)
    if start is None or end is None:
        return Bounds(0, UNLIMITED)
    if end.sent < start.sent:  # it has started again
        return Bounds(0, end.sent)
    return Bounds(_least(first.after.get(pod), second.before.get(pod)), end.sent - start.sent + start.open)


def _least(start: GuardCount | None, end: GuardCount | None) -> int:
    if start is None or end is None or end.sent < start.sent:
        return 0
    return max(0, end.answered - start.answered - start.open)
