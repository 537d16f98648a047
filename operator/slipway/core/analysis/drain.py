"""Draining: whether an old revision's pods still get requests, by their own counters: no proxy's progress can be asked.

A revision has drained when none of its pods has counted anything over the drain time but what Slipway's own golden
requests may be.
"""

from collections.abc import Sequence, Set
from datetime import datetime, timedelta
from typing import Final

from slipway.core.observed.evidence import NO_GOLDEN, Golden, PodSample, Scrape

LOOK_EVERY: Final = timedelta(seconds=5)
"""From one look at an old revision's counters to the next, at least."""
_LOOKS: Final = 12
"""Within a drain time, at most: what is kept of them stays small, however long requests may take."""


def look_due(history: Sequence[Scrape], drain_time: timedelta, now: datetime) -> datetime:
    """When to look at an old revision's counters again."""
    return history[-1].at + max(LOOK_EVERY, drain_time / _LOOKS) if history else now


def kept(history: Sequence[Scrape], drain_time: timedelta) -> tuple[Scrape, ...]:
    """The looks that may still matter: those within the drain time, and the last one before it."""
    if not history:
        return ()
    since = history[-1].at - drain_time
    older = [scrape for scrape in history if scrape.at <= since]
    return (*older[-1:], *(scrape for scrape in history if scrape.at > since))


def flat_since(samples: Sequence[tuple[datetime, PodSample]], golden: Golden = NO_GOLDEN) -> datetime | None:
    """Since when one pod has counted nothing but what may be golden requests, by the looks at it, oldest first.

    None: it is not known, because the last look found nothing. A server that started again counts from there.
    """
    if not samples or samples[-1][1].metrics is None:
        return None
    newest, flat, latest = samples[-1][0], samples[-1][0], samples[-1][1].metrics.requests
    for at, sample in reversed(samples):
        if sample.metrics is None:
            continue
        if not 0 <= latest - sample.metrics.requests <= golden.at_most(newest - at):
            break
        flat = at
    return flat


def last_counted(history: Sequence[Scrape], pods: Set[str], golden: Golden = NO_GOLDEN) -> datetime | None:
    """By when one of these pods (uids) was last seen to have counted a request; None where none was.

    `history`: looks at them, oldest first. A pod that cannot be looked at says nothing: others may be in the way.
    """
    totals = (
        flat_since([(look.at, sample) for look in history for sample in look.pods if sample.pod == uid], golden)
        for uid in pods
    )
    return max((since for since in totals if since and since > history[0].at), default=None)
