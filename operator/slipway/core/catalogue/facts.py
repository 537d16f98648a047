"""What is kept of the catalogue's objects. Of a version that is its digest, its name and its withdrawal: there may be
tens of thousands, and their cards are nobody's to decide by."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from sys import intern
from typing import Any, Self

from slipway.api.v1alpha1 import RegisteredModelStatus
from slipway.api.v1alpha1.catalogue import WithdrawalAction
from slipway.core.body import instant, integer, mapping, mappings, within
from slipway.core.reasons import fit

_REASON = 512


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
        model, version = intern(str(spec.get("model", ""))), str(spec.get("version", ""))
        return cls(
            model=model,
            version=version,
            digest=str(spec.get("digest", "")),
            withdrawal=_withdrawal(manifest["metadata"]["namespace"], model, version, mapping(spec.get("withdrawn"))),
        )


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
                str(name): _alias(str(version), [each for each in writers if f"f:{name}" in each[2]])
                for name, version in mapping(spec.get("aliases")).items()
            },
            shared_with=frozenset(str(each) for each in spec.get("sharedWith") or ()),
            written_by=_alias("", writers),
            status=RegisteredModelStatus.of_readable(mapping(manifest.get("status"))),
        )


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
