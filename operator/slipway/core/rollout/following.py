"""Following: the situation in which an alias is followed, read from status, history and the annotation.

It is decided before all else: everything after goes by the version in the alias's place.
"""

from contextlib import suppress
from dataclasses import replace
from typing import Final

from pydantic import ValidationError

from slipway.api.v1alpha1 import ModelDeploymentStatus
from slipway.api.v1alpha1.follow import PLACEHOLDER, FollowStatus
from slipway.api.v1alpha1.model import Model
from slipway.api.v1alpha1.source import Source
from slipway.core.body import within
from slipway.core.catalogue import refused_digests
from slipway.core.catalogue.alias import unfit
from slipway.core.catalogue.facts import Followed
from slipway.core.catalogue.follow import Situation, followed
from slipway.core.identity import ask
from slipway.core.owner import Owner
from slipway.core.reasons import Finding, Reason, finding
from slipway.core.rollout import refusals
from slipway.core.rollout.recovery import remembered
from slipway.core.rollout.requests import Request, Verb, in_new_words, is_new
from slipway.core.rollout.state import State
from slipway.core.snapshot import Snapshot


def unfollowable(model: Model) -> Finding | None:
    """Why a manifest that follows an alias cannot be acted upon. The API server refuses the same, unless its CRD is of
    another version."""
    if model.follow is None:
        return None
    address, problem = model.source.uri.partition("://")[2], None
    if PLACEHOLDER not in address:
        problem = (
            f"has no {PLACEHOLDER}, where the followed version stands; write it like s3://models/churn/{PLACEHOLDER}"
        )
    elif PLACEHOLDER in address.partition("/")[0]:
        problem = f"has {PLACEHOLDER} in the host, bucket or claim; put it into the path"
    return finding(Reason.SPEC_INVALID, f"spec.model.source.uri: {problem}") if problem else None


def as_followed(snapshot: Snapshot) -> Snapshot:
    """The snapshot in which the manifest asks for the version that is followed, if that is known yet."""
    follow, before = snapshot.spec.model.follow, snapshot.before
    if follow is None:
        return snapshot
    status = _remembered(snapshot)
    seen = snapshot.observed.followed or Followed(unseen=_UNSEEN)
    following = followed(follow, seen, status, _situation(snapshot, status), snapshot.now)
    following = replace(following, says=in_new_words(following.says, before.requests or []))
    spec, asked = snapshot.spec, _asked(snapshot, following.status)
    if asked:
        spec = spec.evolve(model=asked)
    return replace(snapshot, spec=spec, ask=ask(spec), following=following)


_UNSEEN: Final = "the catalogue was not looked at yet"
_NO_VERSION: Final = finding(
    Reason.SPEC_INVALID,
    "spec.model.version: is missing; write it, or follow an alias by spec.model.follow",
)


def _situation(snapshot: Snapshot, status: FollowStatus) -> Situation:
    before, request = snapshot.before, _request(snapshot.owner, snapshot.before)
    return Situation(
        namespace=snapshot.owner.namespace,
        uri=snapshot.spec.model.source.uri,
        serving=_serving(before),
        refusal=before.refused,
        also_refused=before.also_refused,
        withdrawals=snapshot.observed.withdrawals,
        suspended=snapshot.suspended,
        accepted=request.revision if request and request.verb is Verb.ACCEPT else None,
        retried=_retried(before, status, request.revision) if request and request.verb is Verb.RETRY else None,
    )


def nothing_asked(snapshot: Snapshot) -> Finding | None:
    """Why nothing is asked for."""
    if snapshot.spec.model.version:
        return None
    return snapshot.following.says if snapshot.following else _NO_VERSION


def _request(owner: Owner, before: ModelDeploymentStatus) -> Request | None:
    """What somebody asks for that nobody has answered. Where status was lost nobody can say."""
    if before.requests is None or not owner.request or not is_new(owner.request, before.requests):
        return None
    try:
        return Request.parse(owner.request)
    except ValueError:
        return None


def _retried(before: ModelDeploymentStatus, status: FollowStatus, name: str) -> str | None:
    """The digest of what somebody has tried again, by a name of its refusal or by its own."""
    state = State(refused=before.refused, also_refused=before.also_refused)
    refusal = refusals.named(state, name)
    return refusal.digest if refusal and refusal.digest else refused_digests.named(status, name)


def _serving(before: ModelDeploymentStatus) -> str | None:
    """The digest of what serves, unless somebody has sent it home and something else is to take over."""
    leaves = before.rollout is not None and before.rollout.command.rollback
    stable = before.stable.revision if before.stable and not leaves else None
    return next((each.digest for each in before.revisions if each.revision == stable), None)


def _remembered(snapshot: Snapshot) -> FollowStatus:
    """What was asked for before; what history tells where status says nothing of it, or what cannot be asked for."""
    stored = snapshot.before.follow or FollowStatus()
    if not unfit(stored.version or "", stored.digest or "", snapshot.spec.model.source.uri):
        return stored
    served = _served(snapshot)
    return stored.evolve(version=served.version, digest=served.digest, since=None)


def _served(snapshot: Snapshot) -> FollowStatus:
    """What serves is what was asked for, as far as history tells; where nothing does, whatever has pods."""
    stable = remembered(snapshot).stable
    revision = (stable.revision if stable else None) or snapshot.most_available(snapshot.deployed)
    record = snapshot.record(revision) if revision else None
    said = {"version": record.version, "digest": record.resolved.digest} if record else {}
    return FollowStatus.of_readable(said)


def _asked(snapshot: Snapshot, status: FollowStatus) -> Model | None:
    """The model that is asked for. What was asked for before an alias was followed stays where it was: its name and
    address need not be those that following gives."""
    model, version, digest = snapshot.spec.model, status.version, status.digest
    if not version or not digest:
        return None
    if status.since is None and (before := _asked_before(snapshot, version, digest)):
        return before
    return None if unfit(version, digest, model.source.uri) else model.pinned(version, digest)


def _asked_before(snapshot: Snapshot, version: str, digest: str) -> Model | None:
    """The manifest's model with version and source of a revision, by its history."""
    model, records = snapshot.spec.model, (snapshot.record(entry.revision) for entry in snapshot.past)
    for record in records:
        if record and (record.version, record.resolved.digest) == (version, digest):
            with suppress(ValidationError):  # of a field that is none any more, or that somebody else wrote
                source = Source.model_validate(within(record.asked, "model", "source"))
                source = source.evolve(signature=model.source.signature)
                return model.evolve(version=version, source=source, follow=None)
    return None
