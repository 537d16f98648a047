"""The catalogue: `RegisteredModel` says what a model is and what its aliases mean, `ModelVersion` names the bytes of
one version by their digest.

What serves is joined to a version by digest, so that a lost catalogue stops nothing. A ModelDeployment names neither
kind, unless it follows an alias.
"""

import re
from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, Field

from slipway.api.base import BY_ENTRY, RULES, ApiModel, StoredModel, checked, rule
from slipway.api.scalars import Quantity, text
from slipway.api.v1alpha1.fields import ShortText, keyed_by
from slipway.api.v1alpha1.follow import ALIAS_HINT, ALIAS_PATTERN, ModelName
from slipway.api.v1alpha1.model import DataType
from slipway.api.v1alpha1.source import Digest, Uri

PUBLISHED_VERSION_PATTERN: Final = r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$"
METRIC_VALUE_PATTERN: Final = r"^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?$"

PublishedVersion = Annotated[
    str,
    text(
        PUBLISHED_VERSION_PATTERN,
        "is not a version of the catalogue: letters, digits, ., _ and -, with a letter or digit at both ends",
        max_length=64,
    ),
]
Sentence = Annotated[str, Field(min_length=1, max_length=512)]


def object_name(model: str, version: str) -> str:
    """What a version's object is called: one name for one version, so that of two publishers one is told."""
    return f"{model}-{version}".lower().replace("_", "-")


def _named(aliases: dict[str, str]) -> dict[str, str]:
    """Aliases whose names fit; the CRD's rule says the same."""
    if unfit := [name for name in aliases if not re.fullmatch(ALIAS_PATTERN, name) or name.endswith("\n")]:
        raise ValueError(f"{unfit[0]!r} {ALIAS_HINT}")
    return aliases


Aliases = Annotated[
    dict[str, PublishedVersion],
    Field(
        max_length=16,
        json_schema_extra={RULES: [rule(f"self.all(name, name.matches(r'{ALIAS_PATTERN}'))", ALIAS_HINT)]},
    ),
    AfterValidator(_named),
]


class RegisteredModelSpec(ApiModel):
    """What a model is, who answers for it, and what its aliases mean."""

    title: ShortText | None = Field(None, description="Its name for people.")
    description: Annotated[str, Field(min_length=1, max_length=2048)] | None = Field(
        None, description="What it is for, in a few sentences."
    )
    owner: ShortText | None = Field(None, description="Who answers questions about it: a team, an address.")
    task: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        None, description="The Hugging Face Hub's pipeline_tag, such as tabular-classification."
    )
    aliases: Aliases | None = Field(
        None,
        description="Versions by what people call them, as in champion: '3'. In git, or moved by whoever may patch "
        "this object. A version that is not published yet is allowed, and status says so.",
    )
    shared_with: (
        Annotated[
            list[
                Annotated[
                    str,
                    text(
                        r"^(\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?)$",
                        "is not a namespace: write its name, or '*' for all",
                        max_length=63,
                    ),
                ]
            ],
            Field(max_length=64),
        ]
        | None
    ) = Field(
        None,
        description="Namespaces that may follow it, whose uses are counted here, and whose people see it in the "
        "cluster's console; '*' = all. Absent = its own alone.",
    )


class AliasMove(StoredModel):
    """An alias was given a version, or taken away."""

    version: Annotated[str, Field(max_length=64)] | None = Field(None, description="Absent: it was taken away.")
    at: AwareDatetime = Field(description="When, by the API server's clock.")
    manager: Annotated[str, Field(max_length=128)] = Field(description="Field manager of who moved it.")


class AliasStatus(StoredModel):
    """What an alias means."""

    name: Annotated[str, Field(max_length=64)] = Field(description="As in spec.aliases.")
    version: Annotated[str, Field(max_length=64)] | None = Field(None, description="Absent: it was taken away.")
    digest: Annotated[str, Field(max_length=80)] | None = Field(
        None, description="Of that version; absent where it is not published."
    )
    since: AwareDatetime | None = Field(None, description="When it was moved last.")
    message: Annotated[str, Field(max_length=512)] | None = Field(None, description="What is wrong with it.")
    moves: Annotated[list[AliasMove], Field(max_length=10)] = Field([], description="The latest, newest last.")


class RegisteredModelStatus(StoredModel):
    """What is known of a model's versions and aliases."""

    observed_generation: int = Field(-1, description="The generation that all this speaks of.")
    versions: Annotated[int, Field(ge=0)] = Field(0, description="How many are published in this namespace.")
    withdrawn: Annotated[int, Field(ge=0)] = Field(0, description="How many of them are withdrawn.")
    aliases: Annotated[list[AliasStatus], Field(max_length=32, json_schema_extra=keyed_by("name")), BY_ENTRY] = Field(
        [], description="Those of spec.aliases, and the latest that were taken away."
    )


class VersionSource(ApiModel):
    """An address at which the bundle is."""

    uri: Uri = Field(description="As in spec.model.source.uri of a ModelDeployment. Keys are the reader's own.")


class CardTensor(ApiModel):
    """A tensor that the model takes or gives."""

    name: Annotated[str, Field(min_length=1, max_length=128)] = Field(description="As requests name it.")
    datatype: DataType = Field(description="Type of its elements.")
    shape: Annotated[list[Annotated[int, Field(ge=-1, le=2**31 - 1)]], Field(max_length=16)] = Field(
        description="-1 is any number; where the model takes batches, the first is the number of rows."
    )


class CardMetric(ApiModel):
    """A measurement, as whoever published it made it."""

    name: Annotated[str, Field(min_length=1, max_length=64)] = Field(
        description="By scikit-learn's name, if it has one."
    )
    value: Annotated[
        str,
        text(METRIC_VALUE_PATTERN, "is not a number: write it as a string like '0.91' or '-1.2e-3'", max_length=32),
    ] = Field(description="A decimal, as a string.")
    dataset: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        None, description="What it was measured on: a name or a digest."
    )


class Lineage(ApiModel):
    """What a version was made from."""

    commit: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        None, description="Of the training code."
    )
    data: Annotated[str, Field(min_length=1, max_length=256)] | None = Field(
        None, description="The training data: a name or a digest."
    )
    version: PublishedVersion | None = Field(None, description="The version of this model that it continues.")


_TENSORS: Final = Field(max_length=32)


class ModelCard(ApiModel):
    """What the bundle says of itself, copied by `slipway publish`: at most 8 KiB, and never acted upon."""

    license: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        None, description="An identifier of the Hugging Face Hub's list, such as apache-2.0."
    )
    task: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        None, description="The Hugging Face Hub's pipeline_tag."
    )
    backend: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(None, description="Triton's backend.")
    size: Quantity | None = Field(None, description="Of all files.")
    inputs: Annotated[list[CardTensor], _TENSORS] | None = Field(None, description="What the model takes.")
    outputs: Annotated[list[CardTensor], _TENSORS] | None = Field(None, description="What the model gives.")
    metrics: Annotated[list[CardMetric], Field(max_length=32)] | None = Field(
        None, description="How good it is, by whoever published it."
    )
    lineage: Lineage | None = Field(None, description="What it was made from.")


class WithdrawalAction(StrEnum):
    """What follows from a withdrawal."""

    WARN = "Warn"
    BLOCK = "Block"


class Withdrawn(ApiModel):
    """This version should not be used any more. What serves it goes on: a catalogue makes no outage."""

    reason: Sentence = Field(description="Why, for whoever uses it.")
    action: WithdrawalAction = Field(
        description="Warn: status and an Event say so. Block: no new ask and no rollback to it, either."
    )
    instead: PublishedVersion | None = Field(None, description="The version to use in its place.")


_IMMUTABLE: Final = "is immutable, for others rely on it: publish another version"


class ModelVersionSpec(ApiModel):
    """One version of a registered model. Only `sources` and `withdrawn` may change."""

    model_config = checked(
        rule("self.model == oldSelf.model", f"model {_IMMUTABLE}", ".model"),
        rule("self.version == oldSelf.version", f"version {_IMMUTABLE}", ".version"),
        rule("self.digest == oldSelf.digest", f"digest {_IMMUTABLE}", ".digest"),
        rule(
            "has(self.card) == has(oldSelf.card) && (!has(self.card) || self.card == oldSelf.card)",
            f"card {_IMMUTABLE}",
            ".card",
        ),
        rule(
            "!has(self.withdrawn) || !has(self.withdrawn.instead) || self.withdrawn.instead != self.version",
            "withdrawn.instead names the version itself: name another, or take it out",
            ".withdrawn.instead",
        ),
    )

    model: ModelName = Field(description="Name of the RegisteredModel, in the same namespace.")
    version: PublishedVersion = Field(description="Its name among the model's versions.")
    digest: Digest = Field(description="SHA-256 of the bundle's SHA256SUMS: what the version is, wherever it is.")
    sources: Annotated[list[VersionSource], Field(min_length=1, max_length=8)] = Field(
        description="Where the bundle is: the same bytes at each of them."
    )
    card: ModelCard | None = None
    withdrawn: Withdrawn | None = None


class Uses(StoredModel):
    """How many ModelDeployments have the digest."""

    serving: Annotated[int, Field(ge=0)] = Field(0, description="It answers clients.")
    candidate: Annotated[int, Field(ge=0)] = Field(0, description="It is on its way.")
    standby: Annotated[int, Field(ge=0)] = Field(0, description="Its pods are still there.")
    refused: Annotated[int, Field(ge=0)] = Field(0, description="It was tried and sent home.")


class UsedBy(StoredModel):
    """A ModelDeployment of this namespace that has the digest."""

    name: Annotated[str, Field(max_length=63)] = Field(description="Of the ModelDeployment.")
    state: Annotated[str, Field(max_length=16)] = Field(description="Serving, Candidate, Standby or Refused.")


class LastRefusal(StoredModel):
    """The latest refusal in this namespace."""

    name: Annotated[str, Field(max_length=63)] = Field(description="Of the ModelDeployment.")
    reason: Annotated[str, Field(max_length=64)] = Field(description="As in the ModelDeployment's status.")
    message: Annotated[str, Field(max_length=512)] = Field(description="The same as a sentence, cut to fit.")
    at: AwareDatetime = Field(description="When it was sent home.")


class ModelVersionStatus(StoredModel):
    """Where the version is used. Written at most once a minute."""

    uses: Uses = Field(Uses(), description="In namespaces that the model is shared with.")
    used_by: Annotated[list[UsedBy], Field(max_length=32)] = Field(
        [], description="In this namespace, the first 32 by name; of other namespaces there are counts alone."
    )
    last_refusal: LastRefusal | None = Field(None, description="The latest refusal in this namespace.")
