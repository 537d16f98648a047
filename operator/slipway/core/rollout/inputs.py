"""What the rollout machine is shown of a snapshot."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from fractions import Fraction

from slipway.api.scalars import share_of
from slipway.api.v1alpha1.spec import Accelerator
from slipway.api.v1alpha1.status import RevisionRef
from slipway.core.body import within
from slipway.core.catalogue.facts import Withdrawal
from slipway.core.children.accelerator import claims_devices
from slipway.core.children.resolve_job import demand
from slipway.core.identity import asked
from slipway.core.observed import history
from slipway.core.observed.device_capacity import Fit, would_do
from slipway.core.observed.devices import PodId
from slipway.core.observed.node_capacity import could_take
from slipway.core.observed.revision import ResolveFacts, RevisionFacts
from slipway.core.rollout import canary, refusals, strategy
from slipway.core.rollout.blocked import blocked
from slipway.core.rollout.bundle_check import answered
from slipway.core.rollout.draining import drains_until
from slipway.core.rollout.roles import RevisionRoles, roles_of
from slipway.core.rollout.state import Facts, Proof, State
from slipway.core.rollout.stopping import unanswered_since
from slipway.core.rollout.withdrawn import ways_back
from slipway.core.shares import Traffic, all_to
from slipway.core.snapshot import Snapshot


def facts_of(snapshot: Snapshot, state: State) -> Facts:
    """The facts about what takes part in the rollout of `state`, which has been retargeted."""
    roles = roles_of(snapshot, state)
    refs = [ref for ref in (state.stable, state.candidate) if ref and ref.revision]
    revisions = {ref.revision or "": snapshot.facts(ref) for ref in refs}
    revisions |= {entry.revision: snapshot.facts(entry) for entry in roles.superseded}
    resolve, reusable = _resolve(snapshot, _asked(snapshot, state)), _reusable(snapshot, state)
    digests = _digests(snapshot, state, resolve, reusable)
    previous, blocked_before = _previous(snapshot, state)
    return Facts(
        asked=snapshot.ask,
        asked_version=snapshot.spec.model.version_name,
        sources=_sources(snapshot, state),
        digests=digests,
        following=snapshot.following,
        withdrawals=_withdrawals(snapshot, digests),
        blocked_before=blocked_before,
        needed=snapshot.needed,
        traffic=_traffic(snapshot, state, revisions),
        landed=snapshot.traffic_as_decided and (snapshot.route is None or snapshot.route.settled),
        live_service=snapshot.selected & revisions.keys(),
        live_shares=_live_shares(snapshot, revisions),
        seen_shares=_seen_shares(snapshot, revisions),
        surge=_surge(snapshot),
        revisions=revisions,
        superseded=tuple(entry.revision for entry in roles.superseded),
        draining=_draining(snapshot, refs),
        standby=_standby(snapshot, roles),
        previous=previous,
        bystanders=snapshot.has_pods_beside(revisions.keys()),
        beside=_beside(snapshot, state, roles),
        makes_room=_makes_room(snapshot, state, revisions),
        unanswered_since=unanswered_since(snapshot.before),
        resolve=resolve,
        reusable=reusable,
        route=snapshot.route,
        evidence=snapshot.observed.evidence,
        golden={revision: snapshot.golden(revision) for revision in revisions} if _counts_requests(snapshot) else {},
        proofs=tuple(_proofs(snapshot, state)) if state.candidate else (),
        blocked_write=blocks.finding if (blocks := blocked(snapshot, state)) else None,
        sequences=tuple(_sequences(snapshot, state)) if canary.splits_requests(snapshot.policy) else (),
    )


def _traffic(snapshot: Snapshot, state: State, revisions: Mapping[str, RevisionFacts]) -> Traffic:
    """Who answers clients, as it was decided last; what reaches no client yet may be called off."""
    candidate, stable = (ref and revisions.get(ref.revision or "") for ref in (state.candidate, state.stable))
    decided, route = snapshot.traffic, snapshot.route
    if not (stable and candidate and state.rollout and candidate.revision in decided.reaches):
        return decided
    reached = snapshot.selected | (route.reaches if route else frozenset())
    unmade = reached == {stable.revision}
    return all_to(stable.revision) if unmade and _is_called_off(snapshot, state, stable, candidate) else decided


def _is_called_off(snapshot: Snapshot, state: State, stable: RevisionFacts, candidate: RevisionFacts) -> bool:
    """Whether what was decided for the candidate counts for nothing: steps begin, which say what it gets, as far as
    stable answers; or it was to have all, and has lost pods since, or its gateway. Where it had a share by what status
    lists, a hand has turned Service or route, and it is called off only for steps, if stable can carry all."""
    had_share = stable.revision in snapshot.traffic.reaches or snapshot.shares_before.get(candidate.revision)
    fails = candidate.carries < snapshot.needed or bool(snapshot.route and snapshot.route.wait.finding)
    if fails and not had_share and candidate.carries <= stable.carries:
        return True
    least, rollout = snapshot.needed if had_share else 1, state.rollout
    begins = rollout and strategy.by_steps(rollout, snapshot.policy) and canary.begins(rollout, snapshot.policy)
    return bool(begins) and stable.carries >= least > 0


def _draining(snapshot: Snapshot, refs: Sequence[RevisionRef]) -> dict[str, datetime]:
    ends = ((ref.revision or "", drains_until(snapshot, ref.revision or "")) for ref in refs)
    return {revision: until for revision, until in ends if until}


def _live_shares(snapshot: Snapshot, revisions: Mapping[str, RevisionFacts]) -> dict[str, Fraction]:
    route = snapshot.route
    return {name: route.exact_share(name) for name in route.weights if name in revisions} if route else {}


def _seen_shares(snapshot: Snapshot, revisions: Mapping[str, RevisionFacts]) -> dict[str, int]:
    route, listed = snapshot.route, snapshot.shares_before
    return {name: max(route.share(name) if route else 0, listed.get(name, 0)) for name in revisions}


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


def _reusable(snapshot: Snapshot, state: State) -> str | None:
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


def _digests(snapshot: Snapshot, state: State, resolve: ResolveFacts, reusable: str | None) -> dict[str, str]:
    """The digests of those that may be sent home. Of what is not resolved yet: what the manifest pins."""
    pinned, candidate = snapshot.spec.model.source.digest, state.candidate
    digests = {snapshot.ask: pinned} if pinned else {}
    if candidate and candidate.revision is None and (resolved := answered(resolve)):
        digests[candidate.ask] = resolved.digest
    revisions = {ref.ask: ref.revision for ref in (state.stable, candidate) if ref}
    if candidate and candidate.revision is None and reusable:
        revisions[candidate.ask] = reusable
    for ask, revision in revisions.items():
        record = snapshot.record(revision) if revision else None
        if record:
            digests[ask] = record.resolved.digest
    return digests


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


def _beside(snapshot: Snapshot, state: State, roles: RevisionRoles) -> int:
    home = refusals.revisions(state)
    return sum(snapshot.available(entry.revision) for entry in roles.retiring if entry.revision not in home)


def _makes_room(snapshot: Snapshot, state: State, revisions: dict[str, RevisionFacts]) -> bool:
    """Whether an old pod stands where a new one could. A quota is a place like any other, and so is one of a queue."""
    candidate = revisions.get((state.candidate and state.candidate.revision) or "")
    if candidate and candidate.replica_failure:
        return True
    accelerator, old = snapshot.spec.accelerator, [each for each in revisions.values() if each is not candidate]
    queues = {pod.queue for pod in candidate.pods if pod.gates and pod.queue} if candidate else set()
    if any(pod.queue in queues for revision in old for pod in revision.pods):
        return True
    if accelerator is None:
        return False
    if claims_devices(accelerator):
        return any(_would_do(snapshot, revision, accelerator) is not Fit.NO for revision in old)
    places = {pod.node for revision in old for pod in revision.pods}
    return any(could_take(node, accelerator) for node in snapshot.observed.nodes if node.name in places)


def _would_do(snapshot: Snapshot, old: RevisionFacts, accelerator: Accelerator) -> Fit:
    """Whether the devices of some old pod would do: the best that is known of any."""
    record = snapshot.record(old.revision)
    same = record is not None and record.asked.get("accelerator") == asked(snapshot.spec).get("accelerator")
    namespace, nodes = snapshot.owner.namespace, snapshot.observed.nodes
    fits = {
        would_do(snapshot.observed.devices, PodId(namespace, pod.uid), accelerator, same_ask=same, nodes=nodes)
        for pod in old.pods
    }
    return next((fit for fit in (Fit.YES, Fit.UNKNOWN) if fit in fits), Fit.NO)


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
