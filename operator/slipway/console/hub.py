"""The catalogue as Kubeflow Hub reads it from YAML (kubeflow/hub, catalog/README.md, "YAML Catalog")."""

import json
import re
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from slipway.console.market import Published, Version, with_aliased

VERSIONS: Final = 100
"""Of a model, beside those with an alias."""
ARTIFACTS: Final = 5_000
"""Of a namespace: one that publishes without an end keeps nobody from reading the others."""
_UNPRINTABLE: Final = re.compile("[^\n\x20-\x7e\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
"""What YAML takes only where it is escaped."""


def catalogue(models: Iterable[Published]) -> str:
    """The file, a model a line, which is YAML as JSON is. A model without a version is nothing that anybody could take,
    and is left out."""
    lines, room = list[str](), Counter[str]()
    for model in (each for each in models if each.versions):
        shown = with_aliased(model, model.versions[-VERSIONS:])
        artifacts = [_artifact(version, uri) for version in shown for uri in _addresses(version)]
        if room[model.namespace] + len(artifacts) > ARTIFACTS:
            lines.append(
                f"# {model.namespace}/{model.name} is left out: its namespace has more than {ARTIFACTS} artifacts"
            )
            continue
        room[model.namespace] += len(artifacts)
        if older := len(model.versions) - len(shown):
            lines.append(f"# {model.namespace}/{model.name}: {older} older versions are left out")
        lines.append(f"- {_UNPRINTABLE.sub(_escaped, json.dumps(_model(model, artifacts), ensure_ascii=False))}")
    return "\n".join(["source: Slipway", "models:" if room else "models: []", *lines, ""])


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def _model(model: Published, artifacts: list[dict[str, Any]]) -> dict[str, Any]:
    card = model.latest.card if model.latest else None
    entry = {
        "name": f"{model.namespace}/{model.name}",
        "description": model.spec.description or model.spec.title,
        "provider": model.spec.owner,
        "license": card.license if card else None,
        "tasks": [model.facet("task")] if model.facet("task") else None,
        "artifacts": artifacts,
    }
    return {name: value for name, value in entry.items() if value}


def _addresses(version: Version) -> list[str]:
    return [str(source.uri) for source in version.spec.sources]


def _artifact(version: Version, uri: str) -> dict[str, Any]:
    withdrawn = version.spec.withdrawn
    # What a publisher calls a metric stands in place of nothing that the object says.
    said = {
        **version.metrics,
        "version": version.spec.version,
        "digest": version.spec.digest,
        "aliases": ", ".join(version.aliases),
        "withdrawn": f"{withdrawn.action}: {withdrawn.reason}" if withdrawn else "",
    }
    properties = {
        name: {"metadataType": "MetadataStringValue", "string_value": text} for name, text in said.items() if text
    }
    return {"uri": uri, "createTimeSinceEpoch": _milliseconds(version.created), "customProperties": properties}


def _milliseconds(created: str) -> str:
    try:
        return str(int(datetime.fromisoformat(created).timestamp() * 1000))
    except ValueError:
        return "0"
