"""Schemas, walked through."""

from typing import Any

from tests.api.lint import Schema


def described(node: Schema, path: str) -> list[tuple[str, Schema]]:
    """Every object of a schema, with its path."""
    found = [(path, node)]
    for name, field in node.get("properties", {}).items():
        found += described(field, f"{path}.{name}")
    for inner in ("items", "additionalProperties"):
        if inner in node:
            found += described(node[inner], f"{path}[]")
    return found


def missing(node: Schema, values: list[Any], path: str) -> list[str]:
    """Paths of the schema at which no value has anything."""
    if not values:
        return [path]
    if "items" in node:
        return missing(node["items"], [item for value in values for item in value], f"{path}[]")
    found: list[str] = []
    for name, field in node.get("properties", {}).items():
        found += missing(field, [value[name] for value in values if name in value], f"{path}.{name}")
    return found
