"""What makes an API server refuse a schema, or makes its CEL cost unbounded."""

from collections.abc import Iterator
from typing import Any, Final

Schema = dict[str, Any]

FORBIDDEN: Final = {"$ref", "$defs", "anyOf", "oneOf", "allOf", "not", "const", "title", "uniqueItems", "nullable"}


def offences(node: Schema, path: str = "") -> Iterator[str]:
    """Each thing that is wrong with a schema, as a sentence that starts with its path."""
    yield from (f"{path}: {keyword} is not allowed" for keyword in sorted(FORBIDDEN & set(node)))
    yield from _shape(node, path)
    yield from _bounds(node, path)
    yield from _list_keys(node, path)
    for name, field in node.get("properties", {}).items():
        yield from offences(field, f"{path}.{name}")
    for inner in ("items", "additionalProperties"):
        if isinstance(node.get(inner), dict):
            yield from offences(node[inner], f"{path}.{inner}")


def _open(node: Schema) -> bool:
    return bool(node.get("x-kubernetes-preserve-unknown-fields"))


def _shape(node: Schema, path: str) -> Iterator[str]:
    if "type" not in node and not node.get("x-kubernetes-int-or-string") and not _open(node):
        yield f"{path}: has no type"
    if "additionalProperties" in node and ("properties" in node or isinstance(node["additionalProperties"], bool)):
        yield f"{path}: additionalProperties beside properties, or a boolean"
    if node.get("default", 0) is None or None in node.get("enum", ()):
        yield f"{path}: null"
    if any(type(node.get(bound)) in (int, float) for bound in ("exclusiveMinimum", "exclusiveMaximum")):
        yield f"{path}: a number for an exclusive bound"
    if missing := set(node.get("required", ())) - set(node.get("properties", {})):
        yield f"{path}: requires {sorted(missing)}, which it does not have"


def _bounds(node: Schema, path: str) -> Iterator[str]:
    kind = node.get("type")
    if kind == "array" and "maxItems" not in node:
        yield f"{path}: a list without maxItems"
    if "additionalProperties" in node and "maxProperties" not in node:
        yield f"{path}: a map without maxProperties"
    text = kind == "string" or node.get("x-kubernetes-int-or-string")
    closed = "maxLength" in node or "enum" in node or "format" in node
    if text and not closed:
        yield f"{path}: a string without maxLength"


def _list_keys(node: Schema, path: str) -> Iterator[str]:
    item = node.get("items", {})
    for key in node.get("x-kubernetes-list-map-keys", ()):
        if key not in item.get("required", ()) and "default" not in item.get("properties", {}).get(key, {}):
            yield f"{path}: list key {key} is neither required nor has a default"
