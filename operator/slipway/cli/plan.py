"""What `slipway plan` says of a manifest before it is applied: whether pods are made anew, for which fields, and how.

It goes by what the API server would store, and by the operator's own rules. What only pods and gateways can tell, such
as whether there is room, it does not say.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml
from pydantic import ValidationError

from slipway.api.v1alpha1 import KIND, ModelDeploymentSpec
from slipway.api.v1alpha1.spec import RolloutType
from slipway.cli.model import Model, UnreadableError
from slipway.core.body import mappings, within
from slipway.core.identity import ASKED, ask
from slipway.core.policy import policy_of
from slipway.core.rollout.refusals import Asked, holding_back
from slipway.core.rollout.state import State


@dataclass(frozen=True, kw_only=True)
class Planned:
    """What would follow."""

    name: str
    version: str
    outcome: str
    """In a sentence."""
    restarts: bool
    """Whether pods are made anew."""
    type: str | None = None
    way: str | None = None
    """How versions change by that type."""
    revision_fields: tuple[str, ...] = ()
    """Changes that a new revision is made for."""
    other_fields: tuple[str, ...] = ()
    """Changes that act on what is there."""


_WAYS: Final[Mapping[RolloutType, str]] = {
    RolloutType.AUTO: "pod by pod beside the old ones; without room for one more, one old pod at a time makes room",
    RolloutType.ROLLING_UPDATE: "pod by pod, both versions answer meanwhile",
    RolloutType.RECREATE: "the old version stops, then the new one starts: a gap",
    RolloutType.BLUE_GREEN: "a whole set of pods beside the old one, and one switch",
    RolloutType.CANARY: "step by step",
}


def planned(
    before: Mapping[str, Any] | None, after: Mapping[str, Any], written: Mapping[str, Any] | None = None
) -> Planned:
    """From the object that there is, None where there is none, and the one that the API server would store. `written`:
    the manifest of it; of what is new that is shown which it says, and no default.

    UnreadableError where this version of the command cannot read that one."""
    try:
        spec = ModelDeploymentSpec.model_validate(within(after, "spec"))
    except ValidationError as error:
        raise UnreadableError(f"the spec is of another version than this command: {error.errors()[0]['msg']}") from None
    model = Model.read(before or {})
    spec = _as_followed(spec, model)
    old, new = within(before, "spec"), within(after, "spec")
    paths = tuple(_differences(old, new, "spec", within(written, "spec") if written else new)) if before else ()
    follow = spec.model.follow  # not known yet
    meant = f"the version that {follow.alias} of {follow.model} means is resolved, and asked for" if follow else None
    outcome, restarts = (meant, True) if meant else _outcome(model, spec)
    kind = policy_of(spec).type
    several = restarts and model.status.stable is not None
    return Planned(
        name=str(within(after, "metadata").get("name", "")),
        version=spec.model.version_name,
        outcome=outcome,
        restarts=restarts,
        type=str(kind) if several else None,
        way=_WAYS[kind] if several else None,
        revision_fields=tuple(path for path in paths if path.split(".")[1].split(":")[0] in ASKED),
        other_fields=tuple(path for path in paths if path.split(".")[1].split(":")[0] not in ASKED),
    )


def _as_followed(spec: ModelDeploymentSpec, model: Model) -> ModelDeploymentSpec:
    """The spec with the version that it has come to by following an alias, as far as that is known here."""
    follows = model.status.follow
    if spec.model.follow is None or follows is None or not (follows.version and follows.digest):
        return spec
    return spec.evolve(model=spec.model.pinned(follows.version, follows.digest))


def _outcome(model: Model, spec: ModelDeploymentSpec) -> tuple[str, bool]:
    status, version, wanted = model.status, spec.model.version_name, ask(spec)
    if status.stable and status.stable.ask == wanted:
        if status.candidate and status.candidate.ask != wanted:
            return f"{version} serves already; the rollout of {status.candidate.version} ends", False
        return f"{version} serves already: no pod is made anew", False
    state = State(stable=status.stable, refused=status.refused, also_refused=status.also_refused)
    refused = holding_back(state, Asked(ask=wanted, version=version, source=str(spec.model.source.uri)))
    if refused:
        return f"not tried: {refused.version} was sent home ({refused.reason}); retry has it tried again", False
    if status.candidate and status.candidate.ask == wanted:
        return f"the rollout of {version} goes on", False
    if status.stable is None:
        return f"a first version: {version} is resolved, and serves once its pods have answered", True
    beside = f"; the rollout of {status.candidate.version} ends" if status.candidate else ""
    return f"new pods: {version} is resolved, and takes over from {status.stable.version}{beside}", True


def written_in(text: str) -> list[Mapping[str, Any]]:
    """The ModelDeployments of a manifest: of its documents, and of the lists among them. None where this YAML is
    kubectl's alone to read."""
    try:
        documents = mappings(list(yaml.safe_load_all(text)))
    except yaml.YAMLError:
        return []
    objects = [
        one for each in documents for one in (mappings(each.get("items")) if each.get("kind") == "List" else [each])
    ]
    return [each for each in objects if each.get("kind") == KIND]


def _differences(old: Any, new: Any, path: str, written: Any) -> Iterator[str]:
    """Each value that differs, by its path: `spec.model.version: 3 → 4`. Of a block that is new each that is
    written."""
    names: Iterable[str] = ()
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        names = {*old, *new}
    elif old is None and isinstance(new, Mapping) and isinstance(written, Mapping) and written:
        old, names = {}, written.keys() & new.keys()
    elif old != new:
        yield f"{path}: {_shown(old)} → {_shown(new)}"
    said = written if isinstance(written, Mapping) else {}
    for name in sorted(names):
        yield from _differences(old.get(name), new.get(name), f"{path}.{name}", said.get(name, new.get(name)))


def _shown(value: Any) -> str:
    """A value as YAML has it, in one line."""
    if value is None:
        return "absent"
    if isinstance(value, str):
        return value
    return (
        yaml.safe_dump(value, default_flow_style=True, width=sys.maxsize, sort_keys=False).removesuffix("...\n").strip()
    )
