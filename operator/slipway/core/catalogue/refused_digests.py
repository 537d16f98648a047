"""Refused digests: the bytes that a follower has sent home, whatever they are called."""

from collections.abc import Iterable, Set
from datetime import datetime
from typing import Final

from slipway.api.v1alpha1.follow import MOST_REFUSED, FollowStatus, RefusedDigest
from slipway.api.v1alpha1.status import Refused
from slipway.core.body import one_more

MOST_IN_A_ROW: Final = 3
"""Refused one after another: from then on a person accepts the next."""


def held(status: FollowStatus, digest: str) -> RefusedDigest | None:
    """The refusal for which a digest is not asked for."""
    return next((each for each in status.refused if each.digest == digest and each.cleared_at is None), None)


def named(status: FollowStatus, name: str) -> str | None:
    """The refused digest that begins with these hex digits."""
    return next((each.digest for each in reversed(status.refused) if short(each.digest) == name), None)


def short(digest: str) -> str:
    """Half of a digest's hex digits, by which requests name it: for so many nobody makes two bundles, of which a person
    accepts the one and gets the other. For sixteen whoever publishes and moves the alias could, in hours."""
    return digest.removeprefix("sha256:")[:32]


def remembered(
    status: FollowStatus, refusal: Refused | None, others: Iterable[Refused], *, serving: str | None, now: datetime
) -> FollowStatus:
    """The status with what has been refused since. `refusal` is that of what is asked for now. What serves is not
    refused."""
    entries, was_held = {each.digest: each for each in status.refused}, held(status, status.digest or "") is not None
    refusals = (*others, *((refusal,) if refusal else ()))
    for each in refusals:
        entry = entries.get(each.digest or "")
        if each.digest and (entry is None or _is_again(entry, each, in_sight=each is refusal)):
            entries.pop(each.digest, None)
            entries[each.digest] = RefusedDigest(
                digest=each.digest, version=each.version, reason=each.reason, at=each.at
            )
    if serving in entries and entries[serving].cleared_at is None:
        entries[serving] = entries[serving].evolve(cleared_at=now)
    changed = status.evolve(refused=_latest(list(entries.values()), {each.digest for each in refusals}))
    is_new = not was_held and held(changed, status.digest or "") is not None
    return changed.evolve(refusals=one_more(status.refusals)) if is_new else changed


def _latest(entries: list[RefusedDigest], in_sight: Set[str | None]) -> list[RefusedDigest]:
    """As many as status takes. What counts no more goes first, unless its refusal is still `in_sight`; then the
    oldest."""
    needed = [each for each in entries if each.cleared_at is None or each.digest in in_sight]
    kept = entries if len(entries) <= MOST_REFUSED else needed
    return kept[-MOST_REFUSED:]


def _is_again(entry: RefusedDigest, refusal: Refused, *, in_sight: bool) -> bool:
    """Whether a refusal is another one than that which was cleared."""
    cleared = entry.cleared_at
    return cleared is not None and (refusal.at > cleared or (in_sight and refusal.at == cleared))


def counted(status: FollowStatus, serving: str | None) -> FollowStatus:
    """The status in which a version that has taken over ends the row. A row of three is ended by a person alone."""
    ends = serving is not None and serving == status.digest and 0 < status.refusals < MOST_IN_A_ROW
    return status.evolve(refusals=0) if ends else status


def cleared(status: FollowStatus, digest: str, now: datetime) -> FollowStatus:
    """The status in which a digest may be asked for again."""
    return status.evolve(
        refused=[each.evolve(cleared_at=now) if each.digest == digest else each for each in status.refused]
    )
