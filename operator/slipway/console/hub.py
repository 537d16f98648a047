"""The catalogue as Kubeflow Hub reads it from YAML (kubeflow/hub, catalog/README.md, "YAML Catalog")."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import yaml

from slipway.console.market import Published, Version


def catalogue(models: Iterable[Published]) -> str:
    """The file. A model without a version is nothing that anybody could take, and is left out."""
    entries = [_model(each) for each in models if each.versions]
    return yaml.safe_dump({"source": "Slipway", "models": entries}, sort_keys=False, allow_unicode=True)


def _model(model: Published) -> dict[str, Any]:
    card = model.latest.card if model.latest else None
    entry = {
        "name": f"{model.namespace}/{model.name}",
        "description": model.spec.description or model.spec.title,
        "provider": model.spec.owner,
        "license": card.license if card else None,
        "tasks": [model.facet("task")] if model.facet("task") else None,
        "artifacts": [_artifact(version, uri) for version in model.versions for uri in _addresses(version)],
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
