"""Draining: whether an old revision's pods have stopped getting requests (design §5; no proxy's progress can be asked).

A revision has drained when every one of its pods was looked at over the whole drain time and counted nothing in it but
what Slipway's own golden requests may be.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from slipway.core.analysis.samples import NO_GOLDEN, Golden, PodSample, Scrape

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


def not_drained(
    history: Sequence[Scrape], pods: Mapping[str, str], drain_time: timedelta, golden: Golden = NO_GOLDEN
) -> str | None:
    """Why an old revision's pods may not go yet, in words, or None when they may.

    `history`: looks at them, oldest first. `pods`: names by uid of those that are there now; a pod that has gone
    needs no requests any more. With no pods at all there is nothing to wait for.
    """
    for uid, name in pods.items():
        seen = [(scrape.at, sample) for scrape in history for sample in scrape.pods if sample.pod == uid]
        if not seen:
            return f"{name}: its request counters have not been read yet"
        since = flat_since(seen, golden)
        if since is None:
            return f"{name}: its request counters cannot be read: {seen[-1][1].missing}"
        quiet = history[-1].at - since
        if quiet < drain_time:
            return f"{name}: got its last requests less than {drain_time} ago; none for {quiet} so far"
    return None
