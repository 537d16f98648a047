"""The card: README.md with front matter in the Hugging Face Hub's words, and how the bundle was made below it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from slipway.bundle import config
from slipway.bundle.errors import BundleError
from slipway.bundle.tensors import FREE, Declared, Signature

NAME: Final = "README.md"
_FENCE: Final = "---\n"


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a person says of the model. Every field may be left out."""

    title: str = ""
    description: str = ""
    license: str = ""
    """An identifier of the Hub's list, such as apache-2.0."""
    task: str = ""
    """The Hub's pipeline_tag, such as tabular-classification."""
    tags: Sequence[str] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    dataset: str = ""
    """What the metrics were measured on."""


def render(card: Card, *, name: str, library: str, signature: Signature, batched: bool, facts: Sequence[str]) -> str:
    """The whole README.md of a packed model."""
    body = [f"# {card.title or name}"]
    if card.description:
        body.append(card.description)
    body += [_interface(signature, batched=batched), "## How it was packed", "\n".join(f"- {fact}" for fact in facts)]
    return with_front_matter(_front(card, name, library), "\n\n".join(body) + "\n")


def with_front_matter(front: Mapping[str, Any], body: str) -> str:
    """The two parts as one file."""
    return f"{_FENCE}{yaml.safe_dump(dict(front), sort_keys=False, allow_unicode=True)}{_FENCE}\n{body}"


def split(text: str) -> tuple[dict[str, Any], str]:
    """Front matter and body of a card; a file without front matter is all body."""
    if not text.startswith(_FENCE) or f"\n{_FENCE}" not in text[len(_FENCE) :]:
        return {}, text
    head, _, body = text[len(_FENCE) :].partition(f"\n{_FENCE}")
    try:
        front = yaml.safe_load(head)
    except yaml.YAMLError as error:
        raise BundleError(f"{NAME}: its front matter is not YAML: {error}; correct it") from None
    if not isinstance(front, dict):
        raise BundleError(f"{NAME}: its front matter is no mapping; correct it")
    return front, body.removeprefix("\n")


def _front(card: Card, name: str, library: str) -> dict[str, Any]:
    front: dict[str, Any] = {"license": card.license, "pipeline_tag": card.task, "library_name": library}
    front["tags"] = list(card.tags)
    front["metrics"] = list(card.metrics)
    if card.metrics:
        front["model-index"] = [{"name": card.title or name, "results": [_result(card)]}]
    return {key: value for key, value in front.items() if value}


def _result(card: Card) -> dict[str, Any]:
    dataset = card.dataset or "not said"
    return {
        "task": {"type": card.task or "other"},
        "dataset": {"name": dataset, "type": dataset},
        "metrics": [{"type": metric, "value": value} for metric, value in card.metrics.items()],
    }


def _interface(signature: Signature, *, batched: bool) -> str:
    rows = ["| | name | type | shape |", "|---|---|---|---|"]
    rows += [_row("takes", tensor, batched=batched) for tensor in signature.inputs]
    rows += [_row("gives", tensor, batched=batched) for tensor in signature.outputs]
    return "\n".join(rows)


def _row(what: str, tensor: Declared, *, batched: bool) -> str:
    dims = config.shape_for_clients(tensor.dims or (), batched=batched)
    shape = ", ".join("?" if dim == FREE else str(dim) for dim in dims)
    return f"| {what} | `{tensor.name}` | {tensor.datatype} | [{shape}] |"
