"""Follow: which version is asked for where a manifest names an alias, by what the catalogue shows and what was before.

The answer is a version with its digest. Put into the manifest it is an ask like any other: it is resolved, checked,
rolled out, refused, rolled back and withdrawn as one that somebody wrote there. Where the catalogue shows nothing that
can be asked for, what was asked for stays.

What was sent home is remembered by its bytes and not asked for again by itself. The way back to what serves is free;
any other change waits the longer, the more of them have come in quick succession, so that an alias which flaps settles.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from slipway.api.v1alpha1.follow import Follow, FollowStatus, FollowUpdate, Proposal
from slipway.api.v1alpha1.status import Refused
from slipway.core.body import one_more
from slipway.core.catalogue import refused_digests
from slipway.core.catalogue.alias import label, offered
from slipway.core.catalogue.facts import Followed, VersionFacts, Withdrawal
from slipway.core.catalogue.refused_digests import MOST_IN_A_ROW, short
from slipway.core.reasons import Finding, Reason, finding

AT_ONCE: Final = 3
"""Changes in quick succession that do not wait."""
CALM: Final = timedelta(minutes=10)
"""Without a change for so long, the next is the first again."""
_FIRST_HOLD: Final = timedelta(minutes=1)
_LONGEST_HOLD: Final = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What else a decision about an alias goes by."""

    namespace: str
    """Of the ModelDeployment."""
    uri: str
    """Of its source, with the place for the version."""
    serving: str | None = None
    """Digest of what serves, and is not on its way out."""
    refusal: Refused | None = None
    """Of what is asked for."""
    also_refused: Sequence[Refused] = ()
    withdrawals: Mapping[str, Withdrawal] = field(default_factory=dict)
    """By digest."""
    suspended: bool = False
    accepted: str | None = None
    """The beginning of the digest that somebody accepts."""
    retried: str | None = None
    """The digest that somebody has tried again."""


@dataclass(frozen=True, kw_only=True)
class Following:
    """What is asked for, and what people are told of it."""

    status: FollowStatus
    says: Finding
    """The condition `Following`; true with the reason of that name."""
    until: datetime | None = None
    """When a change that waits is made."""
    answer: str | None = None
    """What came of a request, in words; None where it does not fit."""
    is_news: bool = True
    """Whether what it says is told by an Event, too."""


def hold(changes: int) -> timedelta:
    """How long the next change waits after so many in quick succession."""
    doublings = min(changes - AT_ONCE, 10)
    return min(_FIRST_HOLD * 2**doublings, _LONGEST_HOLD) if doublings >= 0 else timedelta()


def followed(follow: Follow, seen: Followed, before: FollowStatus, situation: Situation, now: datetime) -> Following:
    """What is asked for from now on."""
    status = refused_digests.remembered(
        before, situation.refusal, situation.also_refused, serving=situation.serving, now=now
    )
    retries, status = _retried(status, situation, now)
    offer = offered(follow, seen, namespace=situation.namespace, uri=situation.uri, withdrawals=situation.withdrawals)
    if isinstance(offer, Finding):
        said = finding(offer.reason, f"{offer.message}; {_stays(status)}")
        return Following(status=status.evolve(proposed=None), says=said, answer=retries)
    following = _followed(follow, offer, status, situation, now)
    counted = refused_digests.counted(following.status, situation.serving)
    return replace(following, status=counted, answer=following.answer or retries)


def _followed(
    follow: Follow, offer: VersionFacts, status: FollowStatus, situation: Situation, now: datetime
) -> Following:
    """What comes of a version that can be asked for."""
    named = f"{label(follow, situation.namespace)} is version {offer.version}"
    if refusal := refused_digests.held(status, offer.digest):
        says = f"{named}, which was refused here ({refusal.reason}): {_stays(status)}; "
        return Following(
            status=status.evolve(proposed=None),
            says=finding(Reason.REFUSED_BEFORE, f"{says}retry/{short(offer.digest)} tries it anew"),
            is_news=offer.digest != status.digest,
        )
    if offer.digest == status.digest:
        asked = status.evolve(proposed=None)
        if status.since is None:  # asked for before it was followed, under whatever name
            asked = asked.evolve(version=offer.version, since=now)
        same = f", of the same bytes as version {asked.version}: that one, at its address, stays"
        words = f"{named}{':' if asked.version == offer.version else same} asked for"
        return Following(status=asked, says=finding(Reason.FOLLOWING, words))
    accepted = situation.accepted == short(offer.digest)
    if accepted or status.digest in (None, offer.digest) or offer.digest == situation.serving:
        return _changed(offer, status, named, now, accepted=accepted, serves=offer.digest == situation.serving)
    return _held(follow, offer, status, situation, now)


def _held(follow: Follow, offer: VersionFacts, status: FollowStatus, situation: Situation, now: datetime) -> Following:
    """The version, unless something holds it."""
    named = f"{label(follow, situation.namespace)} is version {offer.version}"
    quiet = status.evolve(proposed=None)
    if situation.suspended:
        says = f"{named}: asked for once the suspension ends; {_stays(status)}"
        return Following(status=quiet, says=finding(Reason.SUSPENDED, says))
    if follow.update is FollowUpdate.PROPOSE or status.refusals >= MOST_IN_A_ROW:
        return _proposed(follow, offer, status, named, now)
    until = (status.since or now) + hold(status.changes)
    if until > now:
        says = f"{named}: asked for at {until:%H:%M:%S} UTC, for the alias has moved {status.changes} times, "
        says += f"or once accept/{short(offer.digest)} accepts it; "
        return Following(status=quiet, says=finding(Reason.SETTLING, f"{says}{_stays(status)}"), until=until)
    return _changed(offer, status, named, now)


def _proposed(follow: Follow, offer: VersionFacts, status: FollowStatus, named: str, now: datetime) -> Following:
    before = status.proposed
    since = before.since if before and before.digest == offer.digest else now
    why = "" if follow.update is FollowUpdate.PROPOSE else f" after {status.refusals} refusals one after another"
    says = f"{named}: proposed{why}, accept/{short(offer.digest)} accepts it; {_stays(status)}"
    proposal = Proposal(version=offer.version, digest=offer.digest, since=since)
    return Following(status=status.evolve(proposed=proposal), says=finding(Reason.PROPOSED, says))


def _changed(
    offer: VersionFacts,
    status: FollowStatus,
    named: str,
    now: datetime,
    *,
    accepted: bool = False,
    serves: bool = False,
) -> Following:
    """The version is asked for from now on. A way back to what serves is no change that others wait for."""
    quick = status.since is not None and now < status.since + max(CALM, 2 * hold(status.changes))
    changes = status.changes if serves else one_more(status.changes)
    changed = status.evolve(
        version=offer.version,
        digest=offer.digest,
        since=now,
        changes=changes if quick and not accepted else 1,
        proposed=None,
        refusals=0 if accepted else status.refusals,
    )
    words = f"accepted: version {offer.version} is asked for" if accepted else None
    return Following(status=changed, says=finding(Reason.FOLLOWING, f"{named}: asked for"), answer=words)


def _retried(status: FollowStatus, situation: Situation, now: datetime) -> tuple[str | None, FollowStatus]:
    """In words, what becomes of a digest that somebody has tried again. Whoever does that has looked: the refusals
    are counted anew."""
    refusal = refused_digests.held(status, situation.retried) if situation.retried else None
    if refusal is None:
        return None, status
    words = f"no longer refused: version {refusal.version} is followed again like any other"
    return words, refused_digests.cleared(status, refusal.digest, now).evolve(refusals=0)


def _stays(status: FollowStatus) -> str:
    return f"version {status.version} stays asked for" if status.version else "nothing is asked for yet"
