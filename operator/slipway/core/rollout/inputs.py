"""What the rollout machine is shown of a snapshot."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from fractions import Fraction

from slipway.api.scalars import share_of
from slipway.api.v1alpha1.status import RevisionRef
from slipway.core.body import within
from slipway.core.catalogue.facts import Withdrawal
from slipway.core.children.resolve_job import demand
from slipway.core.observed import history
from slipway.core.observed.node_capacity import could_take
from slipway.core.observed.revision import ResolveFacts, RevisionFacts
from slipway.core.rollout import refusals
from slipway.core.rollout.blocked import blocked
from slipway.core.rollout.bundle_check import answered
from slipway.core.rollout.canary import splits_requests
from slipway.core.rollout.draining import drains_until
from slipway.core.rollout.roles import RevisionRoles, roles_of
from slipway.core.rollout.state import Facts, Proof, State
from slipway.core.rollout.withdrawn import ways_back
from slipway.core.snapshot import Snapshot


def facts_of(snapshot: Snapshot, state: State) -> Facts:
    """The facts about what takes part in the rollout of `state`, which has been retargeted."""
    roles = roles_of(snapshot, state)
    refs = [ref for ref in (state.stable, state.candidate) if ref and ref.revision]
    revisions = {ref.revision or "": snapshot.facts(ref) for ref in refs}
    revisions |= {entry.revision: snapshot.facts(entry) for entry in roles.superseded}
    resolve, known = _resolve(snapshot, _asked(snapshot, state)), _known(snapshot, state)
    digests = _digests(snapshot, state, resolve, known)
    previous, blocked_before = _previous(snapshot, state)
    return Facts(
        asked=snapshot.ask,
        asked_version=snapshot.spec.model.version,
        sources=_sources(snapshot, state),
        digests=digests,
        withdrawals=_withdrawals(snapshot, digests),
        blocked_before=blocked_before,
        needed=snapshot.needed,
        traffic=snapshot.traffic,
        landed=snapshot.traffic_as_decided and (snapshot.route is None or snapshot.route.settled),
        live_service=snapshot.selected & revisions.keys(),
        live_shares=_live_shares(snapshot, revisions),
        surge=_surge(snapshot),
        revisions=revisions,
        superseded=tuple(entry.revision for entry in roles.superseded),
        draining=_draining(snapshot, refs),
        standby=_standby(snapshot, roles),
        previous=previous,
        bystanders=snapshot.has_pods_beside(revisions.keys()),
        makes_room=_makes_room(snapshot, state, revisions),
        resolve=resolve,
        known=known,
        route=snapshot.route,
        evidence=snapshot.observed.evidence,
        golden={revision: snapshot.golden(revision) for revision in revisions} if _counts_requests(snapshot) else {},
        proofs=tuple(_proofs(snapshot, state)) if state.candidate else (),
        blocked_write=blocks.finding if (blocks := blocked(snapshot, state)) else None,
        sequences=tuple(_sequences(snapshot, state)) if splits_requests(snapshot.policy) else (),
    )


def _draining(snapshot: Snapshot, refs: Sequence[RevisionRef]) -> dict[str, datetime]:
    ends = ((ref.revision or "", drains_until(snapshot, ref.revision or "")) for ref in refs)
    return {revision: until for revision, until in ends if until}


def _live_shares(snapshot: Snapshot, revisions: Mapping[str, RevisionFacts]) -> dict[str, Fraction]:
    route = snapshot.route
    return {name: route.exact_share(name) for name in route.weights if name in revisions} if route else {}


def _surge(snapshot: Snapshot) -> int:
    return max(1, share_of(snapshot.policy.max_surge, snapshot.needed, up=True))


def _counts_requests(snapshot: Snapshot) -> bool:
    """Whether anything counts requests, of which the guard's own are to be left out."""
    return snapshot.policy.analysis is not None or bool(snapshot.policy.canary_steps)


def _asked(snapshot: Snapshot, state: State) -> str:
    return state.candidate.ask if state.candidate else snapshot.ask


def _resolve(snapshot: Snapshot, ask: str) -> ResolveFacts:
    """What became of resolving an ask. Of an earlier one no signature is demanded: its digest is known."""
    wanted = demand(snapshot.spec) if ask == snapshot.ask else None
    return ResolveFacts.gather(snapshot.observed, owner=snapshot.owner, ask=ask, demand=wanted)


def _known(snapshot: Snapshot, state: State) -> str | None:
    """A revision of the candidate's ask to use again. A restart wants one that is newer than what serves."""
    ask, home = _asked(snapshot, state), refusals.revisions(state)
    entry = history.newest_of([each for each in snapshot.past if each.revision not in home], ask)
    if state.rollout is not None and state.rollout.command.restart is not None:
        newer = entry and (state.stable is None or entry.number > (state.stable.number or 0))
        return entry.revision if entry and newer else None
    # What was sent home is used again where it is tried again, and nothing else was ever made of its ask.
    held = state.refused.revision if state.refused else None
    entry = entry or history.newest_of([each for each in snapshot.past if each.revision != held], ask)
    return entry.revision if entry else None


def _sources(snapshot: Snapshot, state: State) -> dict[str, str]:
    """Where the models of those are that may be sent home."""
    uris = {snapshot.ask: snapshot.spec.model.source.uri}
    for ref in (state.stable, state.candidate):
        record = snapshot.record(ref.revision) if ref and ref.revision else None
        uri = within(record.asked, "model", "source").get("uri") if record else None
        if record and isinstance(uri, str):
            uris.setdefault(record.ask, uri)
    return uris


def _digests(snapshot: Snapshot, state: State, resolve: ResolveFacts, known: str | None) -> dict[str, str]:
    """The digests of those that may be sent home. Of what is not resolved yet: what the manifest pins."""
    pinned, candidate = snapshot.spec.model.source.digest, state.candidate
    found = {snapshot.ask: pinned} if pinned else {}
    if candidate and candidate.revision is None and (resolved := answered(resolve)):
        found[candidate.ask] = resolved.digest
    revisions = {ref.ask: ref.revision for ref in (state.stable, candidate) if ref}
    if candidate and candidate.revision is None and known:
        revisions[candidate.ask] = known
    for ask, revision in revisions.items():
        record = snapshot.record(revision) if revision else None
        if record:
            found[ask] = record.resolved.digest
    return found


def _withdrawals(snapshot: Snapshot, digests: Mapping[str, str]) -> dict[str, Withdrawal]:
    there = snapshot.observed.withdrawals
    return {ask: there[digest] for ask, digest in digests.items() if digest in there}


def _standby(snapshot: Snapshot, roles: RevisionRoles) -> RevisionRef | None:
    entry = roles.standby
    if entry is None:
        return None
    record = snapshot.record(entry.revision)
    if record is None:
        return None
    return RevisionRef(revision=entry.revision, ask=record.ask, number=entry.number, version=entry.version)


def _previous(snapshot: Snapshot, state: State) -> tuple[RevisionRef | None, Withdrawal | None]:
    """The way back: the newest older revision of another ask; and a withdrawal that bars one from being it."""
    if not snapshot.owner.request:
        return None, None
    older, barred = ways_back(snapshot, state)
    record = snapshot.record(older[0]) if older else None
    if record is None:
        return None, barred
    return RevisionRef(revision=record.revision, ask=record.ask, version=record.version), barred


def _makes_room(snapshot: Snapshot, state: State, revisions: dict[str, RevisionFacts]) -> bool:
    """Whether an old pod stands where a new one could. A quota is a place like any other."""
    candidate = revisions.get((state.candidate and state.candidate.revision) or "")
    if candidate and candidate.replica_failure:
        return True
    accelerator = snapshot.spec.accelerator
    old = {pod.node for revision in revisions.values() if revision is not candidate for pod in revision.pods}
    nodes = [node for node in snapshot.observed.nodes if node.name in old]
    return accelerator is not None and any(could_take(node, accelerator) for node in nodes)


def _sequences(snapshot: Snapshot, state: State) -> Iterator[str]:
    """The versions that take part and keep state by sequence."""
    for ref in (state.stable, state.candidate):
        record = snapshot.record(ref.revision) if ref and ref.revision else None
        if record and record.resolved.model and record.resolved.model.sequences:
            yield record.version


def _proofs(snapshot: Snapshot, state: State) -> Iterator[Proof]:
    """Of the candidate's bundle, then of the stable one's; what history has lost cannot be proved."""
    for ref in (state.candidate, state.stable):
        record = snapshot.record(ref.revision) if ref and ref.revision else None
        if ref and record:
            yield Proof(
                ask=ref.ask,
                version=ref.version,
                digest=record.resolved.digest,
                resolve=_resolve(snapshot, ref.ask),
            )
