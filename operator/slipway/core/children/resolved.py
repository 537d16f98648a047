"""What the resolve Job found at a source: which bytes are there, and what they say about the model."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from slipway.api.base import StoredModel

Tensor = tuple[str, str, tuple[int, ...]]
"""Name, data type and shape, as config.pbtxt declares them."""


class ResolvedPart(StoredModel):
    """A model of the bundle that its entry model asks, in the same server."""

    name: str
    backend: str = ""
    max_batch_size: int = 0
    instances: Annotated[int, Field(ge=1)] = 1
    tensor_bytes: Annotated[int, Field(ge=0)] = 0
    """Of all inputs and outputs of one element of a batch."""


class ResolvedModel(StoredModel):
    """What the bundle's config.pbtxt declares, of the model that clients ask."""

    backend: str = ""
    max_batch_size: int = 0
    instances: Annotated[int, Field(ge=1)] = 1
    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()
    sequences: Literal[True] | None = None
    """It, or a part, has sequence_batching: all requests of a sequence must reach the same pod."""
    parts: tuple[ResolvedPart, ...] | None = None
    """The other models of the bundle."""


class ResolvedSignature(StoredModel):
    """What came of looking for a signature, where the spec asks for one."""

    signed_by: tuple[str, ...] = ()
    warning: str | None = None


class Resolved(StoredModel):
    """A source, resolved: `resolved` of the Job's termination message, and of a ControllerRevision's data."""

    digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
    unverified: bool = False
    """The digest is taken over a listing, because the bundle has no SHA256SUMS."""
    size: Annotated[int, Field(ge=0)]
    """Bytes of all files."""
    files: Annotated[int, Field(ge=0)] = 0
    golden: Annotated[int, Field(ge=0)] = 0
    """Golden requests that the bundle carries."""
    asks: tuple[dict[str, Any], ...] | None = None
    """Their inputs, of as many as a termination message takes: what two versions can be compared by."""
    model: ResolvedModel | None = None
    signature: ResolvedSignature | None = None
    encrypted: Annotated[int, Field(ge=0)] | None = None
    """Files that are decrypted in the pod."""

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Read it back from JSON values; ValueError when it is not one."""
        return cls.model_validate(body)

    @property
    def signed(self) -> str | None:
        """Who signed it, or what is wrong with its signature, for people."""
        if self.signature is None:
            return None
        return self.signature.warning or f"by {', '.join(self.signature.signed_by)}"
