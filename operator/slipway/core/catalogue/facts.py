"""What is kept of the catalogue's objects. Of a version that is its digest, its name and its withdrawal: there may be
tens of thousands, and their cards are nobody's to decide by."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from sys import intern
from typing import Any, Final, Self

from slipway.api.v1alpha1 import RegisteredModelStatus
from slipway.api.v1alpha1.catalogue import WithdrawalAction
from slipway.core.body import instant, integer, mapping, mappings, within
from slipway.core.reasons import fit

MOST_ALIASES: Final = 32
"""Twice as many as the CRD lets through; status takes no more."""
_REASON: Final = 512
_LONGEST_NAME: Final = 64
_LONGEST_DIGEST: Final = 80


@dataclass(frozen=True, kw_only=True, slots=True)
class Withdrawal:
    """A version that should not be used any more."""

    namespace: str
    model: str
    version: str
    action: WithdrawalAction
    reason: str
    instead: str | None = None

    @property
    def words(self) -> str:
        """What people are told: which version, why, and what to use in its place."""
        use = f"; use version {self.instead}" if self.instead else ""
        return f"{self.model} {self.version} of namespace {self.namespace} is withdrawn: {self.reason}{use}"


@dataclass(frozen=True, kw_only=True, slots=True)
class VersionFacts:
    """A published version."""

    model: str
    version: str
    digest: str
    withdrawal: Withdrawal | None = None

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> Self:
        """Project a ModelVersion. An object that an older or later schema let through may lack anything."""
        spec = mapping(manifest.get("spec"))
        model, version = intern(_text(spec.get("model"))), _text(spec.get("version"))
        return cls(
            model=model,
            version=version,
            digest=_text(spec.get("digest"), _LONGEST_DIGEST),
            withdrawal=_withdrawal(manifest["metadata"]["namespace"], model, version, mapping(spec.get("withdrawn"))),
        )


def _text(value: object, longest: int = _LONGEST_NAME) -> str:
    """A name or digest; empty for anything else, and for one that is longer than status takes."""
    return value if isinstance(value, str) and len(value) <= longest else ""


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _withdrawal(namespace: str, model: str, version: str, withdrawn: Mapping[str, Any]) -> Withdrawal | None:
    """An action that is not known blocks nothing: it is told."""
    if not withdrawn:
        return None
    blocks = withdrawn.get("action") == WithdrawalAction.BLOCK
    instead = withdrawn.get("instead")
    return Withdrawal(
        namespace=namespace,
        model=model,
        version=version,
        action=WithdrawalAction.BLOCK if blocks else WithdrawalAction.WARN,
        reason=fit(str(withdrawn.get("reason") or "no reason is given"), _REASON),
        instead=str(instead) if instead else None,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class AliasFacts:
    """The version that an alias is given, by whom, and when as far as managedFields tell."""

    version: str
    manager: str
    at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class RegisteredModelFacts:
    """A registered model."""

    generation: int
    aliases: Mapping[str, AliasFacts]
    shared_with: frozenset[str]
    written_by: AliasFacts
    """Who wrote the object last: of an alias that was taken away nothing else tells. Its version means nothing."""
    status: RegisteredModelStatus
    """As it was written last: it holds the aliases' history."""

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> Self:
        """Project a RegisteredModel."""
        spec, meta = mapping(manifest.get("spec")), manifest["metadata"]
        writers = list(_writers(meta))
        return cls(
            generation=integer(meta.get("generation"), 1),
            aliases={
                name: _alias(version, [each for each in writers if f"f:{name}" in each[2]])
                for name, version in sorted(mapping(spec.get("aliases")).items())[:MOST_ALIASES]
                if name == _text(name) and version and version == _text(version)
            },
            shared_with=frozenset(filter(None, map(_text, _list(spec.get("sharedWith"))))),
            written_by=_alias("", writers),
            status=RegisteredModelStatus.of_readable(mapping(manifest.get("status"))),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Followed:
    """What the catalogue shows of an alias that is followed."""

    unseen: str = ""
    """Why nothing of it can be seen, in words."""
    model: RegisteredModelFacts | None = None
    version: VersionFacts | None = None
    """The one that the alias names, where it is published."""


_Writer = tuple[datetime | None, str, Mapping[str, Any]]
"""When, who, and which aliases are theirs."""


def _writers(meta: Mapping[str, Any]) -> Iterator[_Writer]:
    for entry in mappings(meta.get("managedFields")):
        if not entry.get("subresource"):
            owned = within(entry.get("fieldsV1"), "f:spec", "f:aliases")
            yield instant(entry.get("time")), fit(str(entry.get("manager", "")), 128), owned


def _alias(version: str, writers: list[_Writer]) -> AliasFacts:
    """Of several managers that agree on a version, the last."""
    timed = [(at, manager) for at, manager, _ in writers if at]
    at, manager = max(timed, default=(None, next((each[1] for each in writers), "")))
    return AliasFacts(version=version, manager=manager or "unknown", at=at)
