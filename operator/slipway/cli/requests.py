"""What a person asks for by annotation: which revision a verb means just now, in which words, and what came of it."""

from dataclasses import dataclass

from slipway.api.v1alpha1.status import HandledRequest, RevisionRef
from slipway.cli.model import Model
from slipway.core.catalogue.refused_digests import short
from slipway.core.rollout.requests import Request, Verb, shortened


class NothingToAskError(Exception):
    """The verb fits nothing that is there; the message says what there is."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request that is ready to be written."""

    text: str
    """The annotation's value."""
    revision: str
    version: str
    """What people know the revision by."""


def asked(model: Model, verb: Verb, revision: str | None = None) -> Asked:
    """The request. `revision`: the one that somebody named; else the one that the verb can be about."""
    meant, version = _named(model, revision) if revision else _meant(model, verb)
    return Asked(text=_new_text(model, f"{verb}/{meant}"), revision=meant, version=version)


def answer(model: Model, text: str) -> HandledRequest | None:
    """What came of a request; None while nobody has looked at it."""
    last = next(reversed(model.status.requests or ()), None)
    return last if last and last.request == shortened(text) else None


def is_done(outcome: HandledRequest) -> bool:
    """Whether anything was done. The operator's words for the rest begin so, or have it after `stale`."""
    return "nothing done" not in outcome.outcome and not outcome.outcome.startswith("not a request")


def _meant(model: Model, verb: Verb) -> tuple[str, str]:
    status, rollout = model.status, model.status.rollout
    moving = status.candidate if rollout else None
    standing = status.stable if model.soaks else None
    match verb:
        case Verb.RESTART:
            ref: RevisionRef | None = status.stable
        case Verb.ROLLBACK:
            ref = moving or status.stable
        case Verb.RETRY if not (rollout and moving and (rollout.failure or rollout.resolve.retry_at)):
            return _refused(model)
        case Verb.ACCEPT:
            return _proposed(model)
        case Verb.ABORT | Verb.PROMOTE:
            ref = moving or standing
        case _:
            ref = moving
    if ref is None:
        raise NothingToAskError(f"{model.name}: nothing to {verb}: {_there(model)}")
    return _name(ref), ref.version


def _refused(model: Model) -> tuple[str, str]:
    refused = model.status.refused or next(reversed(model.status.also_refused), None)
    if refused is None:
        raise NothingToAskError(f"{model.name}: nothing to retry: no version was refused; {_there(model)}")
    return refused.revision or refused.ask[:8], refused.version


def _proposed(model: Model) -> tuple[str, str]:
    proposed = model.status.follow.proposed if model.status.follow else None
    if proposed is None:
        raise NothingToAskError(f"{model.name}: nothing to accept: no version is proposed; {_there(model)}")
    return short(proposed.digest), proposed.version


def _named(model: Model, revision: str) -> tuple[str, str]:
    """A revision that somebody names. The operator says whether it fits; what is no revision is said here."""
    try:
        Request.parse(f"{Verb.PAUSE}/{revision}")
    except ValueError:
        raise NothingToAskError(f"--revision {revision}: is no revision: name 8 hex digits, as history shows") from None
    refs = filter(None, (model.status.stable, model.status.candidate))
    versions = {ref.revision: ref.version for ref in refs if ref.revision}
    versions |= {each.revision: each.version for each in model.status.revisions}
    return revision, versions.get(revision, "-")


def _name(ref: RevisionRef) -> str:
    """A revision, or the beginning of its ask while it is being resolved."""
    return ref.revision or ref.ask[:8]


def _there(model: Model) -> str:
    refs = {"stable": model.status.stable, "candidate": model.status.candidate}
    there = [f"{what} {ref.version} ({_name(ref)})" for what, ref in refs.items() if ref]
    return f"it is {model.status.phase or 'Pending'}, with {', '.join(there) or 'no revision'}"


def _new_text(model: Model, text: str) -> str:
    """As a new request: with a nonce where the same was asked for before."""
    before = {each.request for each in model.status.requests or ()} | {model.request}
    numbered = (f"{text}@{number}" for number in range(2, len(before) + 3))
    return text if text not in before else next(each for each in numbered if each not in before)
