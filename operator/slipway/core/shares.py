"""Shares: who answers the clients of the root Service and those of the gateway, and where that may go next.

What was decided of the traffic is kept in status and is what serves, as far as decisions go. A Service or a route that
is missing, edited or not ours is put back to it; that nobody can be seen to serve is never a reason to take pods away.
Three rules hold on every way, forward, back and standing still:

- a revision is never given a larger share than its available pods can carry, nor any without a Service of its own;
- a share that goes back never grows, and stable goes on carrying at least what it carries;
- what neither can carry stays where it is, but for what nobody answers there: that is stable's, if a pod of it answers;
  and for what a stranger would answer, who has the name of a Service of ours: that is stable's in any case.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Final, Self

from slipway.api.v1alpha1.status import TrafficTarget

WHOLE: Final = 100


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """Which revisions clients reach."""

    service: frozenset[str] = frozenset()
    """Those that the root Service selects: each of their pods gets the same."""
    shares: Mapping[str, int] | None = None
    """Percent of the gateway's requests by revision; None: as the available pods of `service` have it."""

    @property
    def reaches(self) -> frozenset[str]:
        """Every revision that some client reaches."""
        return self.service | {revision for revision, share in (self.shares or {}).items() if share}

    @property
    def alone(self) -> str | None:
        """The one revision that the root Service selects; None where it spans several."""
        return next(iter(self.service)) if len(self.service) == 1 else None

    @classmethod
    def of(cls, targets: Sequence[TrafficTarget]) -> Self:
        """The traffic as status keeps it."""
        shares = {target.revision: target.share for target in targets if target.share is not None}
        return cls(service=frozenset(t.revision for t in targets if t.selected), shares=shares or None)

    @property
    def targets(self) -> list[TrafficTarget]:
        """The traffic for status."""
        shares = self.shares or {}
        return [
            TrafficTarget(revision=name, selected=name in self.service, share=shares.get(name))
            for name in sorted(self.service | shares.keys())
        ]

    def without(self, gone: Iterable[str]) -> Self:
        """The traffic once these revisions are no more: what they had goes to the others by their shares."""
        lost = frozenset(gone)
        if not lost:
            return self
        shares = by_pods({name: share for name, share in (self.shares or {}).items() if name not in lost})
        return type(self)(service=self.service - lost, shares=shares or None)

    @property
    def is_whole(self) -> bool:
        """Whether the shares are all of the requests, where there are any."""
        return self.shares is None or sum(self.shares.values()) == WHOLE


NOBODY: Final = Traffic()


def all_to(revision: str) -> Traffic:
    """One revision answers everybody."""
    return Traffic(service=frozenset({revision}))


def by_pods(carries: Mapping[str, int], whole: int = WHOLE) -> dict[str, int]:
    """Percent by revision, `whole` together, where each available pod gets the same; what rounding lost goes to the
    largest."""
    pods = sum(carries.values())
    if not pods:
        return {}
    percent = {revision: whole * count // pods for revision, count in sorted(carries.items())}
    percent[max(percent, key=lambda revision: percent[revision])] += whole - sum(percent.values())
    return percent


def not_growing(carries: Mapping[str, int], *, home: Set[str], now: Mapping[str, int]) -> dict[str, int]:
    """Percent by revision where each available pod gets the same, but for those that go `home`: they keep at most what
    they have, even if pods of theirs get ready. What that leaves the others get, by their pods; where these have none,
    as they have it now. If all go home, their shares are parts of less than a hundred: stable has none yet."""
    wanted = by_pods(carries) or now
    kept = {name: min(wanted.get(name, 0), now.get(name, 0)) for name in carries if name in home}
    others = {name: pods for name, pods in carries.items() if name not in home}
    if not others:
        return kept if any(kept.values()) else dict(wanted)
    free = WHOLE - sum(kept.values())
    had = {name: now.get(name, 0) for name in others}
    return kept | (by_pods(others, free) or by_pods(had, free) or by_pods(dict.fromkeys(others, 1), free))


def can_carry(pods: int, needed: int) -> int:
    """Percent of the whole load that so many available pods can carry."""
    return min(WHOLE, WHOLE * pods // needed) if needed else 0


def split(wanted: Mapping[str, int], *, stable: str, now: Mapping[str, int], can: Mapping[str, int]) -> dict[str, int]:
    """Exact shares in percent: what is `wanted` for each other revision, the rest for the stable one, as far as they
    can carry it. `now` is what each has, `can` what its pods can carry. What stable lacks the others keep of what they
    have, in their order: first what they can carry, then, where nobody can, what they have as long as a pod of theirs
    answers or none of stable's does."""
    shares = {name: min(share, can.get(name, 0)) for name, share in wanted.items()}
    lacking = WHOLE - sum(shares.values()) - max(can.get(stable, 0), now.get(stable, 0))
    carried = {name: min(now.get(name, 0), can.get(name, 0)) for name in shares}
    answered = {name: now.get(name, 0) if can.get(name) or not can.get(stable) else 0 for name in shares}
    for most in (carried, answered):
        for name, limit in most.items():
            kept = max(0, min(lacking, limit - shares[name]))
            shares[name] += kept
            lacking -= kept
    return {stable: WHOLE - sum(shares.values()), **shares}
