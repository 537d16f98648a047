"""Coverage: which kinds could not be listed where, why, and when that is tried again.

Where a kind was never listed in a namespace, absence means nothing. One that was listed before is kept as it was at
the last listing. Pure: times come in as arguments.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from slipway.controller.kinds import Kind
from slipway.controller.kube import ForbiddenError, KubeError, NotFoundError

FIRST_RETRY_SECONDS: Final = 5
LONGEST_RETRY_SECONDS: Final = 120
NEW_KINDS_SECONDS: Final = 15
"""How soon a gateway that is installed later is noticed."""

Place = str | None
"""A namespace, or None for all of them."""


@dataclass(frozen=True, kw_only=True)
class Gap:
    """A kind that cannot be listed in a place."""

    kind: Kind
    namespace: Place
    error: KubeError
    tries: int
    tried_at: float
    """When it was tried last."""
    was_listed: bool

    @property
    def next_at(self) -> float:
        """When it is tried again. What nobody refuses may be installed at any time."""
        delay = NEW_KINDS_SECONDS if self.missing else FIRST_RETRY_SECONDS * 2 ** min(self.tries - 1, 10)
        return self.tried_at + min(LONGEST_RETRY_SECONDS, delay)

    @property
    def missing(self) -> bool:
        """Whether the cluster does not know the kind, and need not."""
        return self.kind.optional and not self.was_listed and isinstance(self.error, NotFoundError)

    @property
    def lasting(self) -> bool:
        """Whether a try again at once would not help."""
        return self.missing or isinstance(self.error, ForbiddenError)


class Coverage:
    """Keeps account of listings, by kind and place."""

    def __init__(self) -> None:
        self._listed: set[tuple[str, Place]] = set()
        self._gaps: dict[tuple[str, Place], Gap] = {}

    def record_listing(self, kind: Kind, namespace: Place) -> Gap | None:
        """Record a listing that succeeded. Answers the gap that it closes."""
        self._listed.add((kind.name, namespace))
        return self._gaps.pop((kind.name, namespace), None)

    def record_failure(self, kind: Kind, namespace: Place, error: KubeError, now: float) -> Gap | None:
        """Record a listing that failed. Answers the gap to report: one that is new, or has another reason than before.
        A kind that the cluster does not know is missing in all namespaces, and reported once."""
        unknown = self.unknown_kinds
        before = self._gaps.get((kind.name, namespace))
        tries = before.tries if before else 0
        was_listed = (kind.name, namespace) in self._listed
        gap = Gap(kind=kind, namespace=namespace, error=error, tries=tries + 1, tried_at=now, was_listed=was_listed)
        self._gaps[kind.name, namespace] = gap
        if gap.missing and kind.name in unknown:
            return None
        return gap if before is None or before.error.status != error.status else None

    def retry_soon(self, namespace: Place) -> None:
        """Try a namespace's gaps again soon: something of it can be listed by now."""
        for place, gap in self._gaps.items():
            if gap.namespace == namespace and not gap.missing:
                self._gaps[place] = replace(gap, tries=0)

    def gaps(self) -> tuple[Gap, ...]:
        """Every gap."""
        return tuple(self._gaps.values())

    def has_gap(self, kind: Kind, namespace: Place) -> bool:
        """Whether the last listing failed."""
        return (kind.name, namespace) in self._gaps

    @property
    def unknown_kinds(self) -> frozenset[str]:
        """Kinds that the cluster does not know."""
        return frozenset(gap.kind.name for gap in self._gaps.values() if gap.missing)

    def unlisted_kinds(self, namespace: Place) -> frozenset[str]:
        """Kinds of which it is not known what there is in a namespace, though the cluster may have them."""
        return frozenset(gap.kind.name for gap in self._never_listed(namespace) if not gap.missing)

    def is_blind(self, namespace: Place) -> bool:
        """Whether something that no decision can do without was never listed in a namespace."""
        return any(gap.kind.without is None for gap in self._never_listed(namespace))

    def why_blind(self, namespace: Place) -> str | None:
        """Why a namespace stays blind until somebody grants a right, in words; None where it is not, or where the next
        try may do."""
        needed = [gap for gap in self._never_listed(namespace) if gap.kind.without is None]
        refused = sorted(gap.kind.plural for gap in needed if isinstance(gap.error, ForbiddenError))
        if not refused:
            return None
        kinds = ", ".join(refused)
        return f"the operator may not list {kinds} in namespace {namespace}: nothing is done here until it may"

    def _never_listed(self, namespace: Place) -> Iterator[Gap]:
        return (g for g in self._gaps.values() if g.namespace in (None, namespace) and not g.was_listed)
