"""What pages say of ModelDeployments: plain data in, plain data out."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from slipway.api.v1alpha1.spec import ModelDeploymentSpec
from slipway.api.v1alpha1.status import ModelDeploymentStatus, Refused, RevisionStatus
from slipway.cli.model import Model, telling
from slipway.cli.requests import NothingToAskError, asked
from slipway.cli.tree import ModelTree, tree
from slipway.cli.why import Why, why
from slipway.console.api_server import Object
from slipway.console.paging import Facet, facet, page_of
from slipway.core.body import within
from slipway.core.catalogue.alias import asked_version
from slipway.core.rollout.requests import Verb

PAGE_ROWS: Final = 100


@dataclass(frozen=True)
class Row:
    """One ModelDeployment among all."""

    namespace: str
    name: str
    version: str
    phase: str
    ready: str
    stable: str
    candidate: str
    share: int | None
    """Percent of the traffic on the candidate; None: there is none."""
    reason: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Filter:
    """What somebody looks for; empty: everything."""

    text: str = ""
    namespace: str = ""
    phase: str = ""
    page: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Filter":
        """Out of an address' query."""
        return cls(
            text=query.get("text", "").strip(),
            namespace=query.get("namespace", ""),
            phase=query.get("phase", ""),
            page=query.get("page", ""),
        )

    def takes(self, row: Row) -> bool:
        """Whether a row is looked for."""
        words = " ".join((row.namespace, row.name, row.version, row.reason, row.message)).lower()
        return self.text.lower() in words and self.namespace in ("", row.namespace) and self.phase in ("", row.phase)


@dataclass(frozen=True)
class Overview:
    """A page of rows, and how many there are by phase and namespace among all."""

    rows: list[Row]
    matching: int
    page: int
    pages: int
    phases: Facet
    namespaces: Facet


def overview(rows: Sequence[Row], wanted: Filter) -> Overview:
    """The rows that are looked for. Those that do not go well come first."""
    matching = sorted(filter(wanted.takes, rows), key=lambda row: (row.phase == "Ready", row.namespace, row.name))
    shown, page, pages = page_of(matching, wanted.page, PAGE_ROWS)
    return Overview(
        rows=shown,
        matching=len(matching),
        page=page,
        pages=pages,
        phases=facet(Counter(row.phase for row in rows)),
        namespaces=facet(Counter(row.namespace for row in rows)),
    )


def row_of(each: Object) -> Row:
    """A ModelDeployment as the row of it."""
    meta, status = within(each, "metadata"), status_of(each)
    candidate, says = status.candidate, telling(status)
    shares = [revision.share for revision in status.revisions if candidate and revision.revision == candidate.revision]
    return Row(
        namespace=str(meta.get("namespace") or ""),
        name=str(meta.get("name") or ""),
        version=asked_version(each),
        phase=status.phase or "Pending",
        ready=status.ready or "",
        stable=status.stable.version if status.stable else "",
        candidate=candidate.version if candidate else "",
        share=shares[0] if shares else (0 if candidate else None),
        reason=says.reason if says else "",
        message=says.message if says else "",
    )


@dataclass(frozen=True)
class Action:
    """A request, as the annotation has it, and what it would do."""

    request: str
    label: str
    what: str
    grave: bool
    """It takes traffic from a version."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """One ModelDeployment, whole: as the command `slipway get` and `slipway why` say it, and what they leave out."""

    tree: ModelTree
    why: Why
    status: ModelDeploymentStatus
    refusals: list[Refused]
    actions: list[Action]

    def details(self, revision: str | None) -> RevisionStatus | None:
        """What status says of a revision beyond its line in the tree."""
        return next((each for each in self.status.revisions if each.revision == revision), None)


def page(each: Object, pods: Iterable[Object] = (), events: Iterable[Object] = ()) -> Page:
    """All that a page says of a ModelDeployment."""
    model = Model.read(each, pods)
    status = model.status
    refusals = [*([status.refused] if status.refused else []), *reversed(status.also_refused)]
    unlike = {(refusal.ask, refusal.at): refusal for refusal in refusals}
    return Page(
        tree=tree(model), why=why(model, events), status=status, refusals=list(unlike.values()), actions=actions(model)
    )


_SAYS: Final = {
    Verb.PROMOTE: ("Promote", "goes on with version {} past a pause"),
    Verb.PAUSE: ("Pause", "holds pods and traffic of version {} as they are"),
    Verb.RESUME: ("Resume", "goes on with version {}"),
    Verb.ABORT: ("Abort", "sends version {} home"),
    Verb.RETRY: ("Retry", "tries version {} again"),
    Verb.RESTART: ("Restart", "makes new pods of version {}"),
    Verb.ROLLBACK: ("Roll back", "goes from version {} to the one before"),
    Verb.ACCEPT: ("Accept", "asks for version {}, which the followed alias means"),
}


def actions(model: Model) -> list[Action]:
    """What fits now. Whether it is done is for `status.requests` to say."""
    rollout = model.status.rollout
    if rollout:
        held = Verb.RESUME if rollout.clock.paused_at else Verb.PAUSE
        verbs = (
            Verb.PROMOTE,
            held,
            Verb.ABORT,
            *((Verb.RETRY,) if rollout.failure or rollout.resolve.retry_at else ()),
        )
    else:
        verbs = (*((Verb.RETRY,) if model.status.refused else ()), Verb.RESTART, Verb.ROLLBACK)
    return [action for verb in (Verb.ACCEPT, *verbs) if (action := _action(model, verb))]


def _action(model: Model, verb: Verb) -> Action | None:
    try:
        wanted = asked(model, verb)
    except NothingToAskError:
        return None
    label, what = _SAYS[verb]
    return Action(wanted.text, label, what.format(wanted.version), grave=verb in (Verb.ABORT, Verb.ROLLBACK))


@dataclass(frozen=True)
class Event:
    """An Event about a model."""

    at: str
    kind: str
    reason: str
    message: str


def events(stored: Iterable[Object]) -> list[Event]:
    """Newest first."""
    read = [
        Event(
            at=str(each.get("lastTimestamp") or each.get("eventTime") or each.get("firstTimestamp") or ""),
            kind=str(each.get("type") or ""),
            reason=str(each.get("reason") or ""),
            message=str(each.get("message") or ""),
        )
        for each in stored
    ]
    return sorted(read, key=lambda event: event.at, reverse=True)


def as_written(each: Object) -> Object:
    """What people have written of it, and the rest left out."""
    named: Object = {key: each[key] for key in ("apiVersion", "kind") if key in each}
    meta = {key: str(within(each, "metadata").get(key) or "") for key in ("name", "namespace")}
    return {**named, "metadata": meta, "spec": within(each, "spec")}


def as_read(each: Object) -> dict[str, Any] | str:
    """The spec as the operator reads it, with defaults; or what is wrong with it."""
    try:
        return ModelDeploymentSpec.model_validate(within(each, "spec")).to_dict()
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False, include_context=False)
        return "\n".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults)


def status_of(each: Object) -> ModelDeploymentStatus:
    """Its status, as far as it can be read."""
    return ModelDeploymentStatus.of_readable(within(each, "status"))
