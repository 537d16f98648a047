"""The field references for people, made from the CRDs' schemas. `python -m slipway.api.reference [catalogue]` prints
that of ModelDeployment, or that of the catalogue's kinds."""

import json
import sys
from collections.abc import Iterator
from typing import Final

from slipway.api.base import RULES
from slipway.api.crd import MODEL_DEPLOYMENTS, MODEL_VERSIONS, REGISTERED_MODELS, Resource, schema
from slipway.api.structural import INT_OR_STRING, Schema
from slipway.api.v1alpha1 import API_VERSION, KIND

INTRODUCTION: Final = f"""\
<!-- Made by `python -m slipway.api.reference`. Change the models under operator/slipway/api instead. -->
# {KIND}

`apiVersion: {API_VERSION}`, `kind: {KIND}`, short name `md`.
A `metadata.name` has at most 54 lower-case letters, digits and `-`, with a letter in front.

Every field, its default and its rules; `kubectl explain md.spec` shows the same. The API server checks the rules when
an object is applied, and names the field that it refuses. What has no default stays absent, and its description says
what that means. Fields "as in a pod" are handed through, and checked when pods are made.
"""
CATALOGUE: Final = f"""\
<!-- Made by `python -m slipway.api.reference catalogue`. Change the models under operator/slipway/api instead. -->
# The catalogue's kinds

`apiVersion: {API_VERSION}`. What they are for: [catalogue.md](catalogue.md). `kubectl explain mv.spec` shows the same.
"""
_BOUNDS: Final = (
    ("minimum", "maximum", ""),
    ("minLength", "maxLength", " characters"),
    ("minItems", "maxItems", " items"),
)
_LARGEST: Final = 2**31 - 1


def render() -> str:
    """The reference as Markdown, as it stands in docs/api.md."""
    return INTRODUCTION + "".join(_sections(MODEL_DEPLOYMENTS, ""))


def render_catalogue() -> str:
    """The reference of the catalogue's kinds, as it stands in docs/api-catalogue.md."""
    parts = (
        f"\n# {resource.kind}\n\nShort name `{resource.short}`. {resource.description}\n"
        + "".join(_sections(resource, f"{resource.kind}."))
        for resource in (REGISTERED_MODELS, MODEL_VERSIONS)
    )
    return CATALOGUE + "".join(parts)


def _sections(resource: Resource, prefix: str) -> list[str]:
    fields = schema(resource)["properties"]
    sections: list[str] = []
    seen: dict[str, str] = {}
    for name in ("spec", "status"):
        _describe(fields[name], f"{prefix}{name}", seen, sections)
    return sections


def _describe(node: Schema, path: str, seen: dict[str, str], sections: list[str]) -> None:
    """A section for the object and, after it, one for each object in it; one that was described before is not again."""
    seen[_identity(node)] = path
    inner: list[tuple[Schema, str]] = []
    rows: list[str] = []
    for name, field in node["properties"].items():
        element, where = _element(field, f"{path}.{name}")
        if "properties" in element and _identity(element) not in seen:
            inner.append((element, where))
            seen[_identity(element)] = where
        required = name in node.get("required", ())
        cells = (f"`{name}`", _type(field, seen), _default(field), _meaning(field), _limits(field, required))
        rows.append(f"| {' | '.join(cells)} |\n")
    sections.append(_section(node, path, rows))
    for element, where in inner:
        _describe(element, where, seen, sections)


def _section(node: Schema, path: str, rows: list[str]) -> str:
    head = "| field | type | default | meaning | rules |\n|---|---|---|---|---|\n"
    rules = "".join(f"- {_at(rule)}{rule['message']}.\n" for rule in node.get(RULES, ()))
    return f"\n## {path}\n\n{node.get('description', '')}\n\n{head}{''.join(rows)}" + (f"\n{rules}" if rules else "")


def _at(rule: Schema) -> str:
    """Where the rule is shown, unless it says so itself."""
    field = rule.get("fieldPath", "").removeprefix(".")
    return "" if field in rule["message"] else f"`{field}`: "


def _identity(node: Schema) -> str:
    return json.dumps({key: node[key] for key in ("properties", RULES) if key in node}, sort_keys=True)


def _element(field: Schema, path: str) -> tuple[Schema, str]:
    """What a list or map is made of, or the field itself."""
    if "items" in field:
        return _element(field["items"], f"{path}[]")
    if "additionalProperties" in field:
        return _element(field["additionalProperties"], f"{path}.*")
    return field, path


def _type(field: Schema, seen: dict[str, str]) -> str:
    if "items" in field:
        return f"list of {_type(field['items'], seen)}"
    if "additionalProperties" in field:
        return f"map to {_type(field['additionalProperties'], seen)}"
    if "properties" in field:
        path = seen[_identity(field)]
        return f"[object](#{''.join(c for c in path.lower() if c.isalnum())})"
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    if INT_OR_STRING in field:
        return "integer or string"
    return "time" if field.get("format") == "date-time" else str(field.get("type", "any value"))


def _default(field: Schema) -> str:
    return f"`{json.dumps(field['default'])}`" if "default" in field else ""


def _meaning(field: Schema) -> str:
    return str(field.get("description", "")).replace("|", "\\|")


def _limits(field: Schema, required: bool) -> str:
    limits = ["required"] if required else []
    limits += _ranges(field)
    element, _ = _element(field, "")
    if element is not field and "properties" not in element:
        limits += [f"each {limit}" for limit in _ranges(element)]
    if "properties" not in element:
        limits += [rule["message"].removeprefix("is not ") for rule in element.get(RULES, ())]
    limits += [f"`{key}` is unique" for key in field.get("x-kubernetes-list-map-keys", ())]
    return "; ".join(limits).replace("|", "\\|")


def _ranges(field: Schema) -> Iterator[str]:
    for low, high, unit in _BOUNDS:
        least, most = field.get(low), field.get(high)
        if most is not None and most < _LARGEST:
            yield f"{least}–{most}{unit}" if least is not None else f"at most {most}{unit}"  # noqa: RUF001
        elif least is not None:
            yield f"at least {least}{unit}"


if __name__ == "__main__":
    sys.stdout.write(render_catalogue() if sys.argv[1:] == ["catalogue"] else render())
