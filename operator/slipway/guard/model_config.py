"""How a model is asked, as the server's own configuration of it says: by sequence, as a stream, past a cache.

Read from the server and not from a file, since the server is what will be asked.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any, Mapping, NamedTuple, Tuple

Shape = Tuple[int, ...]

MOST_DIMS = 64
"""Of a tensor, as in a bundle's configuration (triton/config.py); libraries for tensors end at 8 to 64."""
_LARGEST_DIM = 2**63 - 1

# Fits every type that config.pbtxt may give a correlation ID.
_LARGEST_ID = 2**31 - 1


class Execution(NamedTuple):
    """How much the server can do of a model at once."""

    instances: int = 1
    """0: it has none of its own, as an ensemble."""
    batch: int = 1
    """Requests that the server may put into one execution. Where it batches nothing, each is one of its own."""


@dataclass(frozen=True)
class ModelConfig:
    """What of a configuration matters to those who ask."""

    batched: bool = False
    sequences: bool = False
    """Every request belongs to a sequence, and names it."""
    text_ids: bool = False
    """Sequences are named by text."""
    decoupled: bool = False
    """A request has any number of responses."""
    response_cache: bool = False
    """Answers may come from the server's cache, where it has one."""
    execution: Execution = Execution()  # noqa: RUF009 - a tuple, which nobody changes
    inputs: Mapping[str, Shape] = field(default_factory=dict)
    """Declared shapes, with the batch; -1 is any size."""
    datatypes: Mapping[str, str] = field(default_factory=dict)
    """Of the inputs, as the V2 protocol names them."""
    outputs: Mapping[str, str] = field(default_factory=dict)
    """Datatypes of the outputs."""
    max_batch_size: int = 0
    """Rows in a request; 0 where it takes no batches."""


def read(document: Mapping[str, Any]) -> ModelConfig:
    """The configuration as `GET /v2/models/M/config` has it; ValueError for anything else."""
    try:
        batched = document.get("max_batch_size", 0) > 0
        batching = document.get("sequence_batching")
        return ModelConfig(
            batched=batched,
            # The server itself names the sequences of an iterative one.
            sequences=batching is not None and not batching.get("iterative_sequence", False),
            text_ids=_text_ids(batching or {}),
            decoupled=bool(document.get("model_transaction_policy", {}).get("decoupled", False)),
            response_cache=bool(document.get("response_cache", {}).get("enable", False)),
            execution=_execution(document),
            inputs={each["name"]: _shape(each["name"], each["dims"], batched) for each in document.get("input", ())},
            datatypes={each["name"]: _datatype(each["data_type"]) for each in document.get("input", ())},
            outputs={each["name"]: _datatype(each["data_type"]) for each in document.get("output", ())},
            max_batch_size=int(document.get("max_batch_size", 0)),
        )
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise ValueError(f"is no model configuration: {type(error).__name__}: {error}") from None


def new_sequence(config: ModelConfig) -> str | int:
    """A correlation ID that nobody else has."""
    if config.text_ids:
        return f"slipway-{secrets.token_hex(16)}"
    return secrets.randbelow(_LARGEST_ID) + 1


def step_parameters(sequence: str | int, index: int, steps: int) -> dict[str, Any]:
    """The parameters of the request at `index` of a sequence of so many."""
    return {"sequence_id": sequence, "sequence_start": index == 0, "sequence_end": index == steps - 1}


def _text_ids(batching: Mapping[str, Any]) -> bool:
    controls = [control for each in batching.get("control_input", ()) for control in each.get("control", ())]
    return any(
        control.get("kind") == "CONTROL_SEQUENCE_CORRID" and control.get("data_type") == "TYPE_STRING"
        for control in controls
    )


def _execution(document: Mapping[str, Any]) -> Execution:
    groups = [group for group in document.get("instance_group", ()) if not group.get("passive", False)]
    instances = sum(int(group.get("count", 1)) * max(1, len(group.get("gpus", ()))) for group in groups)
    if "ensemble_scheduling" in document:
        return Execution(instances=0)
    batch = int(document.get("max_batch_size", 0))
    batching = document.get("dynamic_batching")
    if batching is not None:
        # With sizes that are preferred it waits for no larger one.
        batch = max((int(size) for size in batching.get("preferred_batch_size", ())), default=batch)
    elif document.get("sequence_batching") is None:
        batch = 1
    return Execution(instances=max(1, instances), batch=max(1, batch))


def sizes_of(name: str, dims: Any) -> Shape:
    """The dims that somebody says of a tensor; ValueError where no tensor has so many, or so large ones: they end up in
    messages."""
    if len(dims) > MOST_DIMS:
        raise ValueError(f"{name!r} has {len(dims)} dims, and no tensor has more than {MOST_DIMS}")
    sizes = tuple(map(int, dims))
    if any(abs(size) > _LARGEST_DIM for size in sizes):
        raise ValueError(f"{name!r} has a dim that no 64 bits hold")
    return sizes


def _shape(name: str, dims: Any, batched: bool) -> Shape:
    return ((-1,) if batched else ()) + sizes_of(name, dims)


def _datatype(name: str) -> str:
    plain = name[len("TYPE_") :]
    return "BYTES" if plain == "STRING" else plain
