"""What the rollout machine is shown of a scene."""

from collections.abc import Iterator, Mapping

from slipway.api.scalars import share_of
from slipway.api.v1alpha1.status import RevisionRef
from slipway.core import history
from slipway.core.body import within
from slipway.core.hindrance import Hindrance, hindrance, unreadable
from slipway.core.inventory import could_take
from slipway.core.lineup import Lineup, line_up
from slipway.core.rollout import refusals
from slipway.core.rollout.canary import splits_requests
from slipway.core.rollout.facts import ResolveFacts, RevisionFacts
from slipway.core.rollout.state import Facts, Proof, State
from slipway.core.scene import Scene


def facts_of(scene: Scene, state: State) -> Facts:
    """The facts about what takes part in the rollout of `state`, which has been retargeted."""
    lineup = line_up(scene, state)
    refs = [ref for ref in (state.stable, state.candidate) if ref and ref.revision]
    revisions = {ref.revision or "": scene.facts(ref) for ref in refs}
    revisions |= {known.revision: scene.facts(known) for known in lineup.superseded}
    return Facts(
        asked=scene.ask,
        asked_version=scene.spec.model.version,
        sources=_sources(scene, state),
        needed=scene.needed,
        traffic=scene.traffic,
        landed=scene.landed and (scene.route is None or scene.route.settled),
        live_service=scene.selected & revisions.keys(),
        live_shares=_live_shares(scene, revisions),
        surge=_surge(scene),
        revisions=revisions,
        superseded=tuple(known.revision for known in lineup.superseded),
        standby=_standby(scene, lineup),
        previous=_previous(scene, state),
        bystanders=any(scene.count(revision) for revision in scene.deployed - revisions.keys()),
        makes_room=_makes_room(scene, state, revisions),
        resolve=ResolveFacts.gather(scene.observed, owner=scene.owner, ask=_asked(scene, state)),
        known=_known(scene, state),
        route=scene.route,
        evidence=scene.observed.evidence,
        golden={revision: scene.golden(revision) for revision in revisions} if _counts_requests(scene) else {},
        proofs=tuple(_proofs(scene, state)) if state.candidate else (),
        hindrance=blocked.finding if (blocked := _blocked(scene, state)) else None,
        sequences=tuple(_sequences(scene, state)) if splits_requests(scene.policy) else (),
    )


def _blocked(scene: Scene, state: State) -> Hindrance | None:
    return hindrance(scene.observed, scene.now) or unreadable(scene, state)


def _live_shares(scene: Scene, revisions: Mapping[str, RevisionFacts]) -> dict[str, int]:
    route = scene.route
    return {name: route.share(name) for name in route.weights if name in revisions} if route else {}


def _surge(scene: Scene) -> int:
    return max(1, share_of(scene.policy.max_surge, scene.needed, up=True))


def _counts_requests(scene: Scene) -> bool:
    """Whether anything counts requests, of which the guard's own are to be left out."""
    return scene.policy.analysis is not None or bool(scene.policy.canary_steps)


def _asked(scene: Scene, state: State) -> str:
    return state.candidate.ask if state.candidate else scene.ask


def _known(scene: Scene, state: State) -> str | None:
    """A revision of the candidate's ask to use again. A restart wants one that is newer than what serves."""
    ask, home = _asked(scene, state), refusals.revisions(state)
    entry = history.newest_of([each for each in scene.past if each.revision not in home], ask)
    if state.rollout is not None and state.rollout.command.restart is not None:
        newer = entry and (state.stable is None or entry.number > (state.stable.number or 0))
        return entry.revision if entry and newer else None
    # What was sent home is used again where it is tried again, and nothing else was ever made of its ask.
    held = state.refused.revision if state.refused else None
    entry = entry or history.newest_of([each for each in scene.past if each.revision != held], ask)
    return entry.revision if entry else None


def _sources(scene: Scene, state: State) -> dict[str, str]:
    """Where the models of those are that may be sent home."""
    uris = {scene.ask: scene.spec.model.source.uri}
    for ref in (state.stable, state.candidate):
        record = scene.record(ref.revision) if ref and ref.revision else None
        uri = within(record.asked, "model", "source").get("uri") if record else None
        if record and isinstance(uri, str):
            uris.setdefault(record.ask, uri)
    return uris


def _standby(scene: Scene, lineup: Lineup) -> RevisionRef | None:
    known = lineup.standby
    if known is None:
        return None
    record = scene.record(known.revision)
    if record is None:
        return None
    return RevisionRef(revision=known.revision, ask=record.ask, number=known.number, version=known.version)


def _previous(scene: Scene, state: State) -> RevisionRef | None:
    """The way back: the newest older revision of another ask."""
    stable = state.stable
    if stable is None or not scene.owner.request:
        return None
    home = refusals.revisions(state)
    before = (entry for entry in scene.past if entry.number < (stable.number or 0) and entry.revision not in home)
    older = (entry for entry in before if entry.ask != stable.ask)
    entry = next(older, None)
    record = scene.record(entry.revision) if entry else None
    if record is None:
        return None
    return RevisionRef(revision=record.revision, ask=record.ask, version=record.version)


def _makes_room(scene: Scene, state: State, revisions: dict[str, RevisionFacts]) -> bool:
    """Whether an old pod stands where a new one could. A quota is a place like any other."""
    candidate = revisions.get((state.candidate and state.candidate.revision) or "")
    if candidate and candidate.replica_failure:
        return True
    accelerator = scene.spec.accelerator
    old = {pod.node for revision in revisions.values() if revision is not candidate for pod in revision.pods}
    nodes = [node for node in scene.observed.nodes if node.name in old]
    return accelerator is not None and any(could_take(node, accelerator) for node in nodes)


def _sequences(scene: Scene, state: State) -> Iterator[str]:
    """The versions that take part and keep state by sequence."""
    for ref in (state.stable, state.candidate):
        record = scene.record(ref.revision) if ref and ref.revision else None
        if record and record.resolved.model and record.resolved.model.sequences:
            yield record.version


def _proofs(scene: Scene, state: State) -> Iterator[Proof]:
    """Of the candidate's bundle, then of the stable one's; what history has lost cannot be proved."""
    for ref in (state.candidate, state.stable):
        record = scene.record(ref.revision) if ref and ref.revision else None
        if ref and record:
            yield Proof(
                ask=ref.ask,
                version=ref.version,
                digest=record.resolved.digest,
                resolve=ResolveFacts.gather(scene.observed, owner=scene.owner, ask=ref.ask),
            )
