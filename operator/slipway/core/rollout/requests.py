"""Requests from people: the annotation `serving.slipway.dev/rollout: VERB/REVISION[@nonce]`.

It names the revision that it is about, so it can never hit the next one, and it is not part of `spec`, so a GitOps
tool's self-heal leaves it. What came of it is kept in status: for as long as the annotation stays as it is, it is
carried out once. Another text is a new request, as is the same text after another one, or after the annotation was
taken away; taking it away undoes nothing. The nonce is any text; with another one the same request is a new one.

Where `status.requests` was lost, nobody can say whether the annotation was answered. What holds a version back is done
then, perhaps again: it leads to where the first time led. What has a version go on is not: somebody has to ask anew.

Annotation and status are read from one object, and status is written only where that object has not changed since: an
operator that looks at an older one, or a second operator, cannot answer a request again.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, Self

from slipway.api.v1alpha1.status import HandledRequest, RevisionRef, RolloutPhase, RolloutStatus
from slipway.core.catalogue.refused_digests import short
from slipway.core.policy import Policy
from slipway.core.reasons import Finding, Reason, finding, fit
from slipway.core.rollout import analysis_gate, canary, failure, refusals
from slipway.core.rollout.bundle_check import retry_due
from slipway.core.rollout.progress import paused, resumed, time_restarted
from slipway.core.rollout.state import Facts, State
from slipway.core.rollout.target import begun, restart_mark, started

KEPT: Final = 8
"""Requests that status remembers, for people. Only the newest tells whether the annotation is a new one."""

_FORM: Final = re.compile(
    r"(?P<verb>[a-z]+)/(?P<revision>[0-9a-f]{8}|[0-9a-f]{32})(@(?P<nonce>[\w.:-]{1,63}))?", re.ASCII
)


class Verb(StrEnum):
    """What can be asked for."""

    ABORT = "abort"
    """Send the candidate, or what has just taken over, home."""
    PROMOTE = "promote"
    """Go on past a pause; end the standby of the version before."""
    PAUSE = "pause"
    RESUME = "resume"
    RETRY = "retry"
    """Try again what was refused, or what waits for its next try."""
    ROLLBACK = "rollback"
    """From this revision back to the one before it."""
    RESTART = "restart"
    """New pods of the revision that serves, made by today's operator."""
    ACCEPT = "accept"
    """Ask for the version that an alias means, by the beginning of its digest."""


HOLDS_BACK: Final = frozenset({Verb.ABORT, Verb.ROLLBACK, Verb.PAUSE})
"""What may be carried out a second time."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request, read."""

    text: str
    verb: Verb
    revision: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the annotation; ValueError with what is wrong with it."""
        match = _FORM.fullmatch(text)
        if match is None or match["verb"] not in set(Verb):
            verbs = ", ".join(Verb)
            raise ValueError(f"not a request: write VERB/REVISION[@nonce], with VERB one of {verbs}")
        return cls(text=text, verb=Verb(match["verb"]), revision=match["revision"])


def is_new(text: str | None, handled: list[HandledRequest]) -> bool:
    """Whether the annotation is another one than what was answered last."""
    if not text:
        return False
    last = handled[-1] if handled else None
    return last is None or last.request != shortened(text) or bool(last.withdrawn)


def in_new_words(problem: Finding, handled: list[HandledRequest]) -> Finding:
    """What people are told they may ask for, as a new request: the same annotation once more is no change to the
    API server, and nobody would see it."""
    last = handled[-1] if handled else None
    if last is None or last.withdrawn or "@" in last.request:
        return problem
    offered = rf"\b{re.escape(last.request)}(?= (is asked for|goes on|accepts it|tries it anew|sends it home)\b)"
    return replace(problem, message=fit(re.sub(offered, f"{last.request}@2", problem.message)))


def shortened(text: str) -> str:
    """The annotation as status can keep it."""
    return fit(text, 128)


def remembered(handled: list[HandledRequest], text: str, outcome: str, now: datetime) -> list[HandledRequest]:
    """The requests with one more."""
    return [*handled, HandledRequest(request=shortened(text), outcome=fit(outcome, 512), at=now)][-KEPT:]


def withdrawn(handled: list[HandledRequest]) -> list[HandledRequest]:
    """The requests where the annotation of the last one is not there any more."""
    return [*handled[:-1], *(last.evolve(withdrawn=True) for last in handled[-1:])]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a request leads to."""

    state: State
    outcome: str
    """In words, for status."""
    done: bool = True
    """False: it does not fit what is there, and nothing was changed."""
    send_home: Finding | None = None
    """The candidate, or what soaks, has to go for this."""
    ends_standby: bool = False


def carry_out(
    state: State, request: Request, facts: Facts, policy: Policy, now: datetime, *, lost: bool = False
) -> Answer:
    """Do what somebody asks for, or say why it does not fit. `state` has been retargeted. `lost`: nobody can say
    whether it was done before."""
    answer = _WAYS[request.verb](state, request, facts, policy, now)
    if lost and request.verb is Verb.ACCEPT:  # of the alias nothing was decided by it
        return Answer(state=state, outcome=_perhaps_done(request), done=False)
    if answer is None:
        return Answer(state=state, outcome=_stale(state, request, facts, policy, now), done=False)
    if lost and request.verb not in HOLDS_BACK:
        return Answer(state=state, outcome=_perhaps_done(request), done=False)
    return answer


def _perhaps_done(request: Request) -> str:
    again = f"{request.verb}/{request.revision}@again"
    return (
        "nothing done: status.requests was lost, so nobody can say whether this was done before; if it was not, ask "
        f"with another nonce, as in {again}"
    )


def holding(text: str | None) -> Request | None:
    """The annotation, if it holds a version back."""
    try:
        request = Request.parse(text or "")
    except ValueError:
        return None
    return request if request.verb in HOLDS_BACK else None


def _stale(state: State, request: Request, facts: Facts, policy: Policy, now: datetime) -> str:
    named = [("stable", state.stable), ("candidate", state.candidate)]
    there = [f"{what} {_name(ref)}" for what, ref in named if ref]
    if state.refused:
        there.append(f"refused {state.refused.revision or state.refused.ask[:8]}")
    if facts.following and (proposed := facts.following.status.proposed):
        there.append(f"proposed {short(proposed.digest)}")
    words = f"stale, nothing done: {request.verb} does not fit {request.revision}; now: "
    return words + (", ".join(there) or "no revision") + _instead(state, request, facts, policy, now)


def _instead(state: State, request: Request, facts: Facts, policy: Policy, now: datetime) -> str:
    """What to ask for, where a request is about the right revision and another verb is meant."""
    stable, refused = state.stable, state.refused
    if request.verb is Verb.RESUME and (rollout := _moving(state, request, facts)):
        at_a_step = canary.skipped(rollout, policy, now) is not None
        return f"; nobody paused it, promote/{request.revision} goes on past a step's pause" if at_a_step else ""
    if request.verb is Verb.ROLLBACK and stable and stable.revision == request.revision and not state.candidate:
        retry = f"; retry/{refused.revision} tries {refused.version} again" if refused and refused.revision else ""
        return f"; there is no version before it to go back to{retry}"
    return ""


def _name(ref: RevisionRef) -> str:
    """What a request calls it: its revision, or the beginning of its ask while it has none."""
    return ref.revision or ref.ask[:8]


def _moving(state: State, request: Request, facts: Facts) -> RolloutStatus | None:
    """The rollout, if the request is about its candidate; of what is resolved anew history may know the revision."""
    rollout, candidate = state.rollout, state.candidate
    if rollout is None or candidate is None:
        return None
    if request.revision not in (_name(candidate), None if candidate.revision else facts.reusable):
        return None
    return None if rollout.phase is RolloutPhase.ROLLING_BACK else rollout


def _soaking(state: State, request: Request, facts: Facts) -> bool:
    stable, rollout = state.stable, state.rollout
    soaks = rollout is not None and rollout.phase is RolloutPhase.SOAKING and facts.standby is not None
    return soaks and stable is not None and stable.revision == request.revision


def _abort(state: State, request: Request, facts: Facts, policy: Policy, now: datetime) -> Answer | None:
    if not (_moving(state, request, facts) or _soaking(state, request, facts)):
        return None
    problem = finding(
        Reason.ABORTED, f"aborted as asked for by {request.text}; retry/{request.revision} tries it again"
    )
    return Answer(state=_with_revision(state, facts, now), outcome="aborted", send_home=problem)


def _with_revision(state: State, facts: Facts, now: datetime) -> State:
    """The state that names what is sent home by its revision, as far as history knows it."""
    candidate = state.candidate
    return (
        started(state, revision=facts.reusable, now=now)
        if candidate and not candidate.revision and facts.reusable
        else state
    )


def _pause(state: State, request: Request, facts: Facts, policy: Policy, now: datetime) -> Answer | None:
    rollout = _moving(state, request, facts)
    if rollout is None or rollout.clock.paused_at:
        return None
    return Answer(state=replace(state, rollout=paused(rollout, now)), outcome="paused")


def _resume(state: State, request: Request, facts: Facts, policy: Policy, now: datetime) -> Answer | None:
    rollout = _moving(state, request, facts)
    if rollout is None or not rollout.clock.paused_at:
        return None
    since = min(filter(None, (rollout.clock.paused_at, rollout.clock.waiting_since)))
    held = canary.stood_still(rollout, since, now)
    return Answer(state=replace(state, rollout=resumed(held, now)), outcome="resumed")


def _promote(state: State, request: Request, facts: Facts, policy: Policy, now: datetime) -> Answer | None:
    if _soaking(state, request, facts):
        return Answer(state=state, outcome="promoted: the standby of the version before ends", ends_standby=True)
    rollout = _moving(state, request, facts)
    if rollout and (failed := failure.standing(rollout)):
        gone_on = replace(state, rollout=analysis_gate.accepted(failure.accepted(resumed(rollout, now))))
        outcome = f"promoted in spite of {failed.reason}: goes on once its pods are available"
        return Answer(state=gone_on, outcome=outcome)
    if rollout and (further := canary.skipped(rollout, policy, now)):
        gone_on = replace(state, rollout=resumed(further, now))
        return Answer(state=gone_on, outcome="promoted: on to the next step")
    answer = _resume(state, request, facts, policy, now)
    return replace(answer, outcome="promoted: goes on once its pods are available") if answer else None


def _retry(state: State, request: Request, facts: Facts, policy: Policy, now: datetime) -> Answer | None:
    rollout = _moving(state, request, facts)
    if rollout and rollout.resolve.retry_at:
        return Answer(state=replace(state, rollout=retry_due(rollout, now)), outcome="tried again at once")
    if rollout and failure.standing(rollout):
        anew = failure.tried_anew(time_restarted(rollout, now), facts.of(state.candidate))
        return Answer(state=replace(state, rollout=analysis_gate.tried_anew(anew)), outcome="tried again")
    refused, stable = refusals.named(state, request.revision), state.stable
    if refused is None:
        return _of_alias(state, request, facts, policy, now)
    idle = state.candidate is None or state.candidate.revision == refused.revision
    if stable and stable.ask == refused.ask and stable.revision != refused.revision and idle:  # a restart failed
        state = refusals.lifted(state, refused, keeps_revision=True)
        state = begun(
            state, RevisionRef(ask=stable.ask, version=stable.version), now, restart=restart_mark(request.text, now)
        )
        return Answer(state=state, outcome="restarting again: a new revision of the same ask")
    if refused != state.refused:
        once = "" if refused.ask == facts.asked else " once the manifest asks for it"
        outcome = f"no longer refused: {refused.version} is tried again{once}"
        return Answer(state=refusals.lifted(state, refused), outcome=outcome)
    # What still rolls back does so no more: the same candidate starts over. An edit beside it is tried with it.
    asked = RevisionRef(ask=facts.asked or refused.ask, version=facts.asked_version or refused.version)
    return Answer(state=begun(refusals.lifted(state, refused), asked, now), outcome="tried again")


def _rollback(state: State, request: Request, facts: Facts, policy: Policy, now: datetime) -> Answer | None:
    stable = state.stable
    problem = finding(
        Reason.ROLLED_BACK, f"rolled back as asked for by {request.text}; retry/{request.revision} undoes it"
    )
    if _moving(state, request, facts) or _soaking(state, request, facts):
        return Answer(state=_with_revision(state, facts, now), outcome="rolled back", send_home=problem)
    if stable is None or stable.revision != request.revision or state.candidate:
        return None
    if facts.previous is None:
        return _barred(state, facts)
    state = begun(state, facts.previous.evolve(revision=None, number=None), now)
    state = started(state, revision=facts.previous.revision or "", now=now)
    rollout = state.rollout
    back = rollout.evolve(command=rollout.command.evolve(rollback=True)) if rollout else None
    refusal = refusals.refused_as(stable, problem, facts, now)
    return Answer(
        state=replace(refusals.with_refusal(state, refusal, facts), rollout=back),
        outcome=f"going back to {facts.previous.version} (revision {facts.previous.revision})",
    )


def _barred(state: State, facts: Facts) -> Answer | None:
    """There would be a version to go back to, were it not withdrawn."""
    withdrawal = facts.blocked_before
    return Answer(state=state, outcome=f"nothing done: {withdrawal.words}", done=False) if withdrawal else None


def _restart(state: State, request: Request, facts: Facts, policy: Policy, now: datetime) -> Answer | None:
    stable = state.stable
    if stable is None or stable.revision != request.revision or state.candidate:
        return None
    state = begun(
        state, RevisionRef(ask=stable.ask, version=stable.version), now, restart=restart_mark(request.text, now)
    )
    return Answer(state=state, outcome="restarting: a new revision of the same ask")


def _of_alias(state: State, request: Request, facts: Facts, policy: Policy, now: datetime) -> Answer | None:
    """What was decided of the alias already, before the rollout was looked at."""
    answer = facts.following.answer if facts.following else None
    return Answer(state=state, outcome=answer) if answer else None


_WAYS: Final[Mapping[Verb, Callable[[State, Request, Facts, Policy, datetime], Answer | None]]] = {
    Verb.ABORT: _abort,
    Verb.PAUSE: _pause,
    Verb.RESUME: _resume,
    Verb.PROMOTE: _promote,
    Verb.RETRY: _retry,
    Verb.ROLLBACK: _rollback,
    Verb.RESTART: _restart,
    Verb.ACCEPT: _of_alias,
}
