"""`spec.model.follow`: an alias of a registered model in the place of a version; and what status says of it."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import AwareDatetime, Field

from slipway.api.base import BY_ENTRY, ApiModel, StoredModel
from slipway.api.scalars import text
from slipway.api.v1alpha1.fields import Name

ALIAS_PATTERN: Final = r"^[a-z]([-a-z0-9]{0,30}[a-z0-9])?$"
MODEL_PATTERN: Final = r"^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$"
ALIAS_HINT: Final = "names an alias that is none: at most 32 lower-case letters, digits and -, with a letter in front"
PLACEHOLDER: Final = "$(version)"
"""Where the followed version stands in the uri."""

ModelName = Annotated[
    str,
    text(
        MODEL_PATTERN,
        "is not a registered model's name: at most 63 lower-case letters, digits and -, with a letter in front",
        max_length=63,
    ),
]


MOST_REFUSED: Final = 16
"""Refusals that are remembered. Whoever may move the alias makes them, and each is in every write of status."""


class FollowUpdate(StrEnum):
    """What becomes of a version that the alias has newly come to mean."""

    AUTOMATIC = "Automatic"
    PROPOSE = "Propose"


class Follow(ApiModel):
    """Which version is asked for: the one that an alias of a registered model means."""

    model: ModelName = Field(description="Name of the RegisteredModel.")
    namespace: Name | None = Field(
        None, description="Where it is; absent: here. Of another namespace its `sharedWith` has to name this one."
    )
    alias: Annotated[str, text(ALIAS_PATTERN, ALIAS_HINT, max_length=32)] = Field(description="As in its spec.aliases.")
    update: FollowUpdate = Field(
        FollowUpdate.AUTOMATIC,
        description="Automatic: the alias's version is asked for at once. Propose: it stands in status, and an "
        "annotation accepts it; the first one needs none.",
    )


class Proposal(StoredModel):
    """A version that waits for somebody to accept it."""

    version: Annotated[str, Field(max_length=64)]
    digest: Annotated[str, Field(max_length=80)]
    since: AwareDatetime


class RefusedDigest(StoredModel):
    """Bytes that were sent home. Under whatever name, they are not asked for again by themselves."""

    digest: Annotated[str, Field(max_length=80)]
    version: Annotated[str, Field(max_length=64)]
    reason: Annotated[str, Field(max_length=64)]
    at: AwareDatetime
    cleared_at: AwareDatetime | None = Field(
        None, description="Since when it counts no more: somebody has it tried again, or it serves."
    )


def _is_none(entries: list[RefusedDigest]) -> bool:
    return not entries


class FollowStatus(StoredModel):
    """Which version is asked for by following, and which one waits."""

    version: Annotated[str, Field(max_length=64)] | None = Field(
        None, description="What is asked for now; absent: nothing yet."
    )
    digest: Annotated[str, Field(max_length=80)] | None = Field(None, description="Of that version.")
    since: AwareDatetime | None = Field(None, description="Since when it is asked for.")
    changes: Annotated[int, Field(ge=0)] = Field(
        0, description="Changes in quick succession: the more, the longer the next one waits."
    )
    proposed: Proposal | None = Field(None, description="Waits for accept/DIGEST, its first 32 hex digits.")
    refusals: Annotated[int, Field(ge=0)] = Field(
        0, description="Versions refused one after another: after three, the next are proposed."
    )
    refused: Annotated[list[RefusedDigest], Field(max_length=MOST_REFUSED), BY_ENTRY] = Field(
        [],
        exclude_if=_is_none,
        description=f"The latest {MOST_REFUSED} bytes that were refused, newest last; what was refused before them may "
        "be asked for again.",
    )
