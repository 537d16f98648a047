"""What a ModelDeployment awaits next, until when, and what happens then; by the same limits that the operator has.

Who decides is asked of the core: whether a canary stands for a person or a time of rollout/canary.py and
rollout/analysis_gate.py, how long pods may take of rollout/progress.py. `until` stands only where something happens at
that time by itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from slipway.api.scalars import duration
from slipway.api.v1alpha1.analysis import AnalysisPhase, AnalysisStatus
from slipway.api.v1alpha1.canary import CanaryStep
from slipway.api.v1alpha1.status import Phase, RevisionState, RolloutPhase, RolloutStatus
from slipway.cli.model import Model
from slipway.cli.requests import NothingToAskError, asked
from slipway.cli.steps import words
from slipway.core.catalogue.follow import hold
from slipway.core.observed.revision import RevisionFacts
from slipway.core.policy import Policy
from slipway.core.reasons import About, Reason
from slipway.core.rollout import analysis_gate, failure
from slipway.core.rollout.bundle_check import STALLED_AFTER
from slipway.core.rollout.progress import deadline
from slipway.core.rollout.requests import Verb
from slipway.core.rollout.stopping import comes_back_at, unanswered_since
from slipway.core.status.conditions import FOLLOWING


@dataclass(frozen=True, kw_only=True)
class Awaited:
    """What is awaited."""

    what: str
    until: datetime | None = None
    """None: for as long as it takes."""
    then: str = ""
    """What happens at `until`, or meanwhile."""


_STALLS: Final = "Stalled, and the trying goes on"
_OF_A_ROUTE: Final = frozenset(
    {
        Reason.GATEWAY_API_MISSING,
        Reason.ENVOY_GATEWAY_MISSING,
        Reason.GATEWAY_NOT_FOUND,
        Reason.GATEWAY_NOT_READY,
        Reason.ROUTE_NOT_ACCEPTED,
        Reason.ROUTE_UNRESOLVED,
        Reason.POLICY_NOT_ACCEPTED,
        Reason.HOSTNAME_TAKEN,
    }
)
"""What a gateway says: who serves waits for it as long as for pods."""
_NOTHING_DECIDED: Final = frozenset({Reason.FORBIDDEN, Reason.TOO_MUCH_STORED})
"""The operator sees a part alone, or may not write: it looks again by itself."""
_FOR_A_PERSON: Final = frozenset({Reason.PAUSED, Reason.ANALYSIS_INCONCLUSIVE})
_PROVES: Final = frozenset({Reason.PROVING, Reason.RESOLVE_QUEUED})
"""Before capacity is taken away, a resolve Job looks at both bundles."""


def awaited(model: Model) -> Awaited | None:
    """The next thing that something waits for; None where nothing does."""
    try:
        return next(_each(model), None)
    except OverflowError:
        return Awaited(what="a time that no calendar has: see the times in status")


def _each(model: Model) -> Iterator[Awaited]:
    """In the order in which one hides the others."""
    rollout = model.status.rollout
    if not model.is_looked_at:
        yield Awaited(what=f"the operator's look at generation {model.generation}", then="is the operator running?")
        return
    yield from _left_as_is(model)
    if model.status.phase is Phase.SUSPENDED:
        yield Awaited(what="suspend: false, and replicas of 1 or more")
    elif rollout is None:
        yield from _at_rest(model)
    elif rollout.phase is RolloutPhase.ROLLING_BACK:
        yield _going_back(model, rollout)
    elif model.soaks:
        yield from _outage(model)
        yield from _soaking(model)
    else:
        yield from _held(model, rollout)
        yield from _moving(model, rollout)
    yield from _follows(model)


def _left_as_is(model: Model) -> Iterator[Awaited]:
    """Nothing is decided, or nothing can come of it."""
    reason, rollout = _reason(model), model.status.rollout
    looks_again = rollout is not None and rollout.resolve.reason == reason and model.policy is not None
    if reason is Reason.SPEC_INVALID and not looks_again:
        yield Awaited(what="another manifest: correct the field that the message names")
    elif reason in _NOTHING_DECIDED and _is_stalled(model):
        yield Awaited(what=f"{reason} to end", then="the operator looks again by itself")


# -- nothing moves


def _at_rest(model: Model) -> Iterator[Awaited]:
    """No version is on its way."""
    status, reason = model.status, _reason(model)
    if status.refused:
        what = f"another manifest, or {_request(model, Verb.RETRY)}"
        yield Awaited(what=what, then=f"{status.refused.version} is not tried again by itself")
    elif reason in _OF_A_ROUTE and not status.outage_since:
        yield Awaited(what=f"{reason} to end", until=_worried_at(model, _unready_since(model)), then=_STALLS)
    elif status.phase is Phase.SHIFTING:
        yield Awaited(what="its gateway to take up the route")
    else:
        yield from _outage(model)


def _outage(model: Model) -> Iterator[Awaited]:
    """Pods of what serves are missing, or something is in the way of it."""
    status, reason = model.status, _reason(model)
    until = _worried_at(model, status.outage_since)
    if status.phase not in (Phase.DEGRADED, Phase.STALLED) or reason in _OF_FOLLOWING:
        return
    if reason is Reason.QUEUED:
        yield _queue()
    elif reason and reason.about is About.WORLD:
        yield Awaited(what=f"{reason} to end", until=until, then=_STALLS if until else "the trying goes on")
    else:
        yield Awaited(what="pods that answer", until=until, then="it is Stalled" if until else "")


def _soaking(model: Model) -> Iterator[Awaited]:
    standby = model.in_state(RevisionState.STANDBY)
    if standby:
        goes, stays = _request(model, Verb.PROMOTE), _request(model, Verb.ABORT)
        then = f"the pods of {standby.version} go; {goes} has them go now, {stays} goes back to them"
        yield Awaited(what="the end of the standby", until=standby.retire_at, then=then)


def _going_back(model: Model, rollout: RolloutStatus) -> Awaited:
    """What a person or a failure sent home goes; nothing but the world is waited for."""
    version = model.status.stable.version if model.status.stable else "what was there before"
    hindered = _reason(model) not in (Reason.ROLLING_BACK, None)
    until = _worried_at(model, rollout.phase_started_at) if hindered else None
    return Awaited(what=f"{version} to have all the traffic again", until=until, then=_STALLS if until else "")


# -- towards a version


def _held(model: Model, rollout: RolloutStatus) -> Iterator[Awaited]:
    """Somebody's decision, or a time that stands in status."""
    if failure.standing(rollout):
        yield _somebody(model, Verb.PROMOTE, Verb.RETRY, Verb.ABORT, then="nothing moves meanwhile")
    if rollout.clock.paused_at:
        stands = model.policy and any(_by_steps(model, rollout, model.policy))
        past = f"; {_request(model, Verb.PROMOTE)} goes past its step, too" if stands else ""
        yield _somebody(model, Verb.RESUME, then=f"paused: no deadline counts{past}")
    if rollout.resolve.retry_at:
        then = f"{_request(model, Verb.RETRY)} looks at once"
        yield Awaited(what="another look at the source", until=rollout.resolve.retry_at, then=then)


def _moving(model: Model, rollout: RolloutStatus) -> Iterator[Awaited]:
    """What is in the way; else the source, a step, the traffic, pods."""
    status, policy, reason = model.status, model.policy, _reason(model)
    if rollout.phase is RolloutPhase.RESOLVING or not (status.candidate and status.candidate.revision):
        yield _resolving(model, rollout)
    if policy and reason in _FOR_A_PERSON:
        yield from _by_steps(model, rollout, policy)
    if policy:
        yield from _what_was_stopped(model, rollout, policy)
    if rollout.clock.queued:
        yield _queue()
    elif policy and rollout.clock.waiting_since:
        what = f"{reason or 'what is in the way'} to end"
        yield Awaited(what=what, until=_worried_at(model, rollout.clock.waiting_since), then=_STALLS)
    elif reason in _PROVES or rollout.resolve.reason:
        yield Awaited(what="the resolve Job's answer", then="both bundles have to be there first")
    elif reason in (Reason.SOURCE_CHANGED, Reason.UNAVAILABLE) and _is_stalled(model):
        yield Awaited(what="somebody to do what the message says", then="no share moves meanwhile")
    if policy:
        yield from _by_steps(model, rollout, policy)
        yield _pods(model, rollout, policy)


def _what_was_stopped(model: Model, rollout: RolloutStatus, policy: Policy) -> Iterator[Awaited]:
    """The version that was stopped comes back where nothing answers and the candidate finds no place in time."""
    status, reason = model.status, _reason(model)
    stable, candidate = status.stable, status.candidate
    shown = model.revision(stable.revision or "") if stable else None
    if not (stable and candidate and shown) or shown.replicas or any(each.available for each in status.revisions):
        return
    until = comes_back_at(rollout, policy, unanswered_since=unanswered_since(status))
    if until and reason is not Reason.DRAINING and reason not in _OF_A_ROUTE:
        then = f"{stable.version} comes back, and {candidate.version} is sent home"
        yield Awaited(what=f"{reason or 'what is in the way'} to end", until=until, then=then)


def _resolving(model: Model, rollout: RolloutStatus) -> Awaited:
    """The source is looked at, for ever."""
    reason = _reason(model)
    if reason is Reason.QUEUED:
        return _queue()
    if reason and reason.about is About.WORLD and not rollout.resolve.reason:
        until = None if _is_stalled(model) else rollout.phase_started_at + STALLED_AFTER
        return Awaited(what=f"{reason} to end", until=until, then=_STALLS)
    return Awaited(what="the resolve Job's answer", then="a failed look is tried again")


def _by_steps(model: Model, rollout: RolloutStatus, policy: Policy) -> Iterator[Awaited]:
    """The analysis or the pause that a canary stands in. An analysis holds a pause, too."""
    status, steps = rollout.canary, policy.canary_steps
    if status is None or status.step >= len(steps):
        return
    step, run = steps[status.step], status.analysis
    if run and policy.analysis and analysis_gate.holds(status, policy):
        if run.phase is AnalysisPhase.INCONCLUSIVE:
            yield _somebody(model, Verb.PROMOTE, Verb.ABORT, then="no further round is made")
        else:
            yield _analysis(run, policy.analysis.count)
    elif step.pause and step.pause.duration:
        until = status.since + duration(step.pause.duration)
        yield Awaited(what="the end of the pause", until=until, then=_next(steps, status.step))
    elif step.pause:
        yield _somebody(model, Verb.PROMOTE, Verb.ABORT)


def _analysis(status: AnalysisStatus, count: int) -> Awaited:
    good = status.runs - status.failures - status.inconclusives
    return Awaited(
        what=f"the analysis, {max(0, good)} of {count} rounds passed",
        until=status.next_at,
        then=f"the next round ({status.failures} failed, {status.inconclusives} said nothing)",
    )


def _next(steps: tuple[CanaryStep, ...], at: int) -> str:
    return f"then {words(steps[at + 1])}" if at + 1 < len(steps) else "then it takes over"


def _pods(model: Model, rollout: RolloutStatus, policy: Policy) -> Awaited:
    """Its pods, by the deadline that the operator has; none counts where a canary has all that its step asks for."""
    candidate = model.status.candidate
    revision = candidate.revision or "" if candidate else ""
    shown = model.revision(revision)
    have, wanted = (shown.available, shown.replicas) if shown else (0, 0)
    pods = tuple(pod.facts for pod in model.pods_of(revision) if not pod.facts.deleting and not pod.facts.over)
    version = candidate.version if candidate else "-"
    facts = RevisionFacts(revision=revision, version=version, wanted=wanted, count=wanted, available=have, pods=pods)
    if not wanted:
        return Awaited(what=f"room for pods of {version}")
    if have >= wanted:
        return Awaited(what=_goal(version, rollout, policy), then=f"{have} of {wanted} pods are available")
    field = "progressDeadline" if facts.fetched else "fetchTimeout"
    ends = "is sent home" if policy.automatic_rollback else "stands still until somebody decides"
    return Awaited(
        what=f"pods of {version}: {have} of {wanted} available",
        until=deadline(rollout, facts, policy),
        then=f"without progress {version} {ends} (rollout.{field})",
    )


def _goal(version: str, rollout: RolloutStatus, policy: Policy) -> str:
    """What its pods are there for."""
    steps, at = policy.canary_steps, rollout.canary.step if rollout.canary else None
    return f"{version} to take over" if at is None or at >= len(steps) else f"{version} to be at {words(steps[at])}"


# -- an alias


_OF_FOLLOWING: Final = frozenset({Reason.PROPOSED, Reason.SETTLING, Reason.REFUSED_BEFORE, Reason.NOTHING_TO_FOLLOW})


def _follows(model: Model) -> Iterator[Awaited]:
    """What the alias means is not asked for yet."""
    says, status = model.condition(FOLLOWING), model.status.follow
    if says is None or status is None:
        return
    match says.reason:
        case Reason.PROPOSED:
            stays = f"{status.version} stays asked for" if status.version else "nothing is asked for yet"
            yield _somebody(model, Verb.ACCEPT, then=stays)
        case Reason.SETTLING if status.since:
            until = status.since + hold(status.changes)
            yield Awaited(what="the alias to stay as it is", until=until, then="its version is asked for")
        case Reason.REFUSED_BEFORE:
            yield Awaited(what="another version under the alias, or retry", then="as condition Following has it")
        case Reason.NOTHING_TO_FOLLOW:
            yield Awaited(what="the alias to show a version", then="as condition Following has it")


# -- words and times


def _reason(model: Model) -> Reason | None:
    """The one that says how things stand; None where this version does not know it."""
    said = model.telling.reason if model.telling else ""
    return Reason(said) if said in Reason.__members__.values() else None


def _is_stalled(model: Model) -> bool:
    return model.telling is not None and model.telling.type == "Stalled"


def _worried_at(model: Model, since: datetime | None) -> datetime | None:
    """When it is called Stalled; None where it is, or that is not known."""
    if since is None or model.policy is None or _is_stalled(model):
        return None
    return since + model.policy.progress_deadline


def _unready_since(model: Model) -> datetime | None:
    ready = model.condition("Ready")
    return ready.last_transition_time if ready and ready.status == "False" else None


def _queue() -> Awaited:
    return Awaited(what="the queue to let its pods go", then="no deadline counts: it takes as long as it does")


def _somebody(model: Model, *verbs: Verb, then: str = "") -> Awaited:
    """A person, with the requests to choose from."""
    *first, last = verbs
    choice = f"{', '.join(first)} or {last}" if first else last
    ways = ", ".join(f"{_request(model, verb)} {_WAYS[verb]}" for verb in verbs)
    return Awaited(what=f"somebody: {choice}", then=f"{ways}; {then}" if then else ways)


_WAYS: Final = {
    Verb.PROMOTE: "goes on",
    Verb.ABORT: "sends it home",
    Verb.RETRY: "tries it anew",
    Verb.RESUME: "lets it go on",
    Verb.ACCEPT: "accepts it",
}


def _request(model: Model, verb: Verb) -> str:
    """What the command of that name would ask for; the verb alone where it fits nothing."""
    try:
        return asked(model, verb).text
    except NothingToAskError:
        return str(verb)
