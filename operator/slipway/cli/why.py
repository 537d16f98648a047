"""What `slipway why NAME` shows: how it stands in one reason, about what, in whose words, and what people can do."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from slipway.cli.awaited import Awaited, awaited
from slipway.cli.model import Model
from slipway.cli.scaling import scaling
from slipway.cli.tree import state_of
from slipway.core.body import integer, within
from slipway.core.reasons import BY_A_PERSON, About, Reason

_WARNINGS: Final = 3
_ABOUT: Final[Mapping[About | None, str]] = {
    None: "nothing is wrong",
    About.WORLD: "something outside the version; it heals without an edit",
    About.REVISION: "the version itself; it is not tried again until what it is made of changes",
}
_SENT_HOME: Final = "the version itself; retry tries it again, or another version or source is asked for"


@dataclass(frozen=True, kw_only=True)
class Why:
    """How a model stands, and why."""

    name: str
    namespace: str
    phase: str
    reason: str
    stalled: bool
    """Nothing goes on without somebody, or its time is up."""
    about: str
    words: str
    meaning: str
    what_to_do: str
    page: str
    """Where the docs have the reason."""
    serves: str
    """What the condition Available says meanwhile."""
    pods: tuple[str, ...] = ()
    """Those that are not ready, with what they are at."""
    warnings: tuple[str, ...] = ()
    """The latest Events that warn."""
    scaling: tuple[str, ...] = ()
    """Why there are so many pods, where their number follows a load."""
    awaited: Awaited | None = None


def why(model: Model, events: Iterable[Mapping[str, Any]] = ()) -> Why:
    """The answer, from status, pods and the Events about the object."""
    telling, available = model.telling, model.condition("Available")
    reason = _reason(telling.reason if telling else "")
    return Why(
        name=model.name,
        namespace=model.namespace,
        phase=str(model.status.phase or "Pending"),
        reason=telling.reason if telling else "NotLookedAt",
        stalled=telling is not None and telling.type == "Stalled",
        about=_about(reason),
        words=telling.message if telling else "the operator has not looked at it yet",
        meaning=text_of(reason.meaning) if reason else "",
        what_to_do=text_of(reason.what_to_do) if reason else _UNKNOWN if telling else _NOT_LOOKED_AT,
        page=f"docs/operations.md#{reason.lower()}" if reason else "docs/operations.md",
        serves=available.message if available else "nothing is known to serve",
        pods=tuple(_troubled(model)),
        warnings=tuple(_warnings(events)),
        scaling=scaling(model),
        awaited=awaited(model),
    )


def _about(reason: Reason | None) -> str:
    if reason is None:
        return "this version of the command does not know the reason"
    return _SENT_HOME if reason in BY_A_PERSON else _ABOUT[reason.about]


_UNKNOWN: Final = "see slipway version: the operator may be of a later one"
_NOT_LOOKED_AT: Final = "see that the operator runs and watches this namespace: slipway version"


def _reason(word: str) -> Reason | None:
    try:
        return Reason(word)
    except ValueError:
        return None


def text_of(markdown: str) -> str:
    """Words of a table in the docs, as plain text: links are their words."""
    return re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", markdown).replace("`", "")


def _troubled(model: Model) -> Iterator[str]:
    for pod in model.pods:
        if pod.facts.job is None and (state := state_of(pod)) != "ready":
            said = pod.facts.unschedulable or pod.facts.server.waiting_message or pod.facts.fetch.waiting_message or ""
            yield f"{pod.facts.name}: {state}{f': {said}' if said else ''}"


def _warnings(events: Iterable[Mapping[str, Any]]) -> list[str]:
    """Newest first."""
    warned = [each for each in events if each.get("type") == "Warning"]
    warned.sort(key=lambda each: str(each.get("lastTimestamp") or each.get("eventTime") or ""), reverse=True)
    return [_event(each) for each in warned[:_WARNINGS]]


def _event(event: Mapping[str, Any]) -> str:
    about = within(event, "involvedObject")
    times = integer(event.get("count"), 1)
    often = f" ({times} times)" if times > 1 else ""
    return f"{about.get('kind')}/{about.get('name')} {event.get('reason')}{often}: {event.get('message')}"
