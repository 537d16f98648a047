"""From a pydantic model to a structural schema, the dialect of JSON Schema that a CRD may use.

pydantic writes references, unions with null and closed objects; a CRD allows none of them. What has no counterpart is
refused here, where the model is, and not by an API server later.
"""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

from slipway.api.base import RULES

Schema = dict[str, Any]

INT_OR_STRING: Final = "x-kubernetes-int-or-string"
PRESERVE_UNKNOWN: Final = "x-kubernetes-preserve-unknown-fields"

# Written in this order, so that the CRD reads from what a field is to what is in it.
_KEPT: Final = (
    "type",
    INT_OR_STRING,
    PRESERVE_UNKNOWN,
    "format",
    "description",
    "default",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    RULES,
    "required",
)
_CONVERTED: Final = {"$defs", "$ref", "title", "anyOf", "const", "properties", "items", "additionalProperties"}


def structural(model: type[BaseModel], *, defaults: bool = True) -> Schema:
    """The structural schema of a model. `defaults=False` for what only we write: the writer says everything."""
    document = model.model_json_schema(by_alias=True)
    return _Converter(document.get("$defs", {}), defaults=defaults).convert(document, model.__name__, ())


class _Converter:
    """Walks one pydantic schema. `where` is the path so far, for messages; `inside` the definitions that are open."""

    def __init__(self, definitions: Mapping[str, Schema], *, defaults: bool) -> None:
        self.definitions = definitions
        self.defaults = defaults

    def convert(self, node: Schema, where: str, inside: tuple[str, ...]) -> Schema:
        node, inside = self._inline(node, where, inside)
        node = _without_null(node, where)
        node, inside = self._inline(node, where, inside)
        if unknown := set(node) - set(_KEPT) - _CONVERTED:
            raise ValueError(f"{where}: a structural schema has no {', '.join(sorted(unknown))}")
        return _tidied(node, self.defaults) | self._content(node, where, inside)

    def _inline(self, node: Schema, where: str, inside: tuple[str, ...]) -> tuple[Schema, tuple[str, ...]]:
        """The node with the definition that it refers to; what stands beside the reference wins."""
        if "$ref" not in node:
            return node, inside
        name = node["$ref"].removeprefix("#/$defs/")
        if name in inside:
            raise ValueError(f"{where}: {name} contains itself, which a structural schema cannot say")
        beside = {key: value for key, value in node.items() if key != "$ref"}
        return self.definitions[name] | beside, (*inside, name)

    def _content(self, node: Schema, where: str, inside: tuple[str, ...]) -> Schema:
        """What is in an object, a map or a list."""
        if "properties" in node:
            fields = node["properties"].items()
            return {"properties": {key: self.convert(value, f"{where}.{key}", inside) for key, value in fields}}
        if "items" in node:
            return {"items": self.convert(node["items"], f"{where}[]", inside)}
        if isinstance(values := node.get("additionalProperties"), dict):
            return {"additionalProperties": self.convert(values, f"{where}.*", inside)}
        return {}


def _without_null(node: Schema, where: str) -> Schema:
    """An optional field is one that is not required; an integer or a string is Kubernetes' own kind of union."""
    if "anyOf" not in node:
        return node
    beside = {key: value for key, value in node.items() if key != "anyOf"}
    options = [option for option in node["anyOf"] if option.get("type") != "null"]
    if len(options) == 1:
        return {**options[0], **beside}
    if {option.get("type") for option in options} == {"integer", "string"}:
        merged = {key: value for option in options for key, value in option.items() if key != "type"}
        rules = [rule | {"rule": f"type(self) == int || {rule['rule']}"} for rule in merged.get(RULES, ())]
        return merged | {INT_OR_STRING: True, RULES: rules} | beside
    raise ValueError(f"{where}: a structural schema has no unions but of integer and string")


def _tidied(node: Schema, defaults: bool) -> Schema:
    """The node's own keywords, in order."""
    if "const" in node:
        node = node | {"enum": [node["const"]]}
    kept = {key: node[key] for key in _KEPT if key in node}
    if kept.get("default") is None or not defaults:
        kept.pop("default", None)
    if "description" in kept:
        kept["description"] = " ".join(kept["description"].split())
    if "type" not in kept and INT_OR_STRING not in kept:
        kept[PRESERVE_UNKNOWN] = True  # pydantic's Any
    if any(f"r'{kept.get('pattern')}'" in rule["rule"] for rule in kept.get(RULES, ())):
        del kept["pattern"]  # the rule says the same, with a reason
    return kept
