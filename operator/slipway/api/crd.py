"""The CustomResourceDefinitions, made from the models. `python -m slipway.api.crd [PLURAL]` prints one of them."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from slipway.api.base import RULES, rule
from slipway.api.structural import Schema, structural
from slipway.api.v1alpha1 import (
    GROUP,
    KIND,
    MODEL_VERSION,
    PLURAL,
    REGISTERED_MODEL,
    VERSION,
    ModelDeploymentSpec,
    ModelDeploymentStatus,
    ModelVersionSpec,
    ModelVersionStatus,
    Named,
    RegisteredModelSpec,
    RegisteredModelStatus,
)
from slipway.api.v1alpha1.follow import MODEL_PATTERN

_SHORT = 1000
_UNWRAPPED = 10**6  # a line that goes on in the next one begins with a hundred spaces at times
HEADER = "# Made by `python -m slipway.api.crd`. Change the models under operator/slipway/api instead.\n"

# Children append a dash and eight digits, and a Service's name may have 63 characters.
_NAME_RULE = rule(
    "self.metadata.name.matches(r'^[a-z]([-a-z0-9]{0,52}[a-z0-9])?$')",
    "cannot name a ModelDeployment, whose Services are named after it: at most 54 lower-case letters, digits and -, "
    "with a letter in front and no - at the end",
    ".metadata.name",
    quoted="self.metadata.name",
)


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A kind of the API, and all that its definition says."""

    kind: str
    plural: str
    short: str
    description: str
    schemas: Callable[[], tuple[Schema, Schema]]
    """Of spec and status."""
    name_rule: dict[str, Any]
    columns: Callable[[], list[dict[str, Any]]]
    more: dict[str, Any] = field(default_factory=dict)
    """Subresources beside status."""


def _model_deployment_schemas() -> tuple[Schema, Schema]:
    status = structural(ModelDeploymentStatus, defaults=False)
    # Without these a fresh object has no status, and kstatus takes it for finished.
    status["default"] = {"observedGeneration": -1}
    status["properties"]["observedGeneration"]["default"] = -1
    return structural(ModelDeploymentSpec), status


def _column(name: str, path: str, about: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "string", "jsonPath": path, "description": about} | more


_ASKED_VERSION: Final = ".*['model.version','follow.version']"
"""In spec by the manifest, or else in status by what it has come to by following an alias: never in both for longer
than until the next pass. A column has one path, which cannot begin with a choice."""


def _model_deployment_columns() -> list[dict[str, Any]]:
    """What `kubectl get` shows; priority 1 only with `-o wide`."""
    ready = '.status.conditions[?(@.type=="Ready")]'
    return [
        _column("Version", _ASKED_VERSION, "The version that is asked for"),
        _column("Phase", ".status.phase", "Where it stands"),
        _column("Ready", ".status.ready", "Available of wanted pods"),
        _column("Stable", ".status.stable.version", "The version that answers"),
        _column("Candidate", ".status.candidate.version", "The version on its way"),
        _column(
            "Share",
            '.status.revisions[?(@.state=="Candidate")].share',
            "Percent of traffic on the candidate",
            type="integer",
        ),
        _column("Age", ".metadata.creationTimestamp", "Time since it was made", type="date"),
        _column("Reason", f"{ready}.reason", "Why it is ready or not", priority=1),
        _column("Message", f"{ready}.message", "The same as a sentence", priority=1),
    ]


_AGE: Final = _column("Age", ".metadata.creationTimestamp", "Time since it was made", type="date")


def _registered_model_columns() -> list[dict[str, Any]]:
    return [
        _column("Title", ".spec.title", "Its name for people"),
        _column("Aliases", ".spec.aliases", "Versions by alias"),
        _column("Versions", ".status.versions", "How many are published", type="integer"),
        _column("Withdrawn", ".status.withdrawn", "How many of them are withdrawn", type="integer"),
        _AGE,
        _column("Task", ".spec.task", "What it does", priority=1),
        _column("Owner", ".spec.owner", "Who answers questions about it", priority=1),
        _column("Alias-Problem", ".status.aliases[?(@.message)].message", "What is wrong with an alias", priority=1),
    ]


def _model_version_columns() -> list[dict[str, Any]]:
    return [
        _column("Model", ".spec.model", "The registered model"),
        _column("Version", ".spec.version", "The version"),
        _column("Serving", ".status.uses.serving", "How many ModelDeployments serve it", type="integer"),
        _column("Refused", ".status.uses.refused", "How many have refused it", type="integer"),
        _column("Withdrawn", ".spec.withdrawn.action", "What follows from its withdrawal"),
        _AGE,
        _column("Digest", ".spec.digest", "What it is", priority=1),
        _column("Source", ".spec.sources[0].uri", "Where it is", priority=1),
        _column("License", ".spec.card.license", "What one may do with it", priority=1),
        _column("Reason", ".spec.withdrawn.reason", "Why it is withdrawn", priority=1),
        _column("Last-Refusal", ".status.lastRefusal.message", "Why it was refused last", priority=1),
    ]


_MODEL_NAME_RULE = rule(
    f"self.metadata.name.matches(r'{MODEL_PATTERN}')",
    "cannot name a RegisteredModel: at most 63 lower-case letters, digits and -, with a letter in front and no - at "
    "the end",
    ".metadata.name",
    quoted="self.metadata.name",
)
# One name for one version: the API server then tells the second of two publishers.
_VERSION_NAME_RULE = rule(
    "self.metadata.name == (self.spec.model + '-' + self.spec.version).lowerAscii().replace('_', '-')",
    "is not this version's name: write MODEL-VERSION in lower case, with - for _",
    ".metadata.name",
    quoted="self.metadata.name",
)

MODEL_DEPLOYMENTS: Final = Resource(
    kind=KIND,
    plural=PLURAL,
    short="md",
    description="A model that should answer, and how: served by Triton, checked by golden requests, moved from version "
    "to version without a failed request.",
    schemas=_model_deployment_schemas,
    name_rule=_NAME_RULE,
    columns=_model_deployment_columns,
    more={
        "scale": {
            "specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        }
    },
)


def _of_catalogue(names: Named, **parts: Any) -> Resource:
    return Resource(kind=names.kind, plural=names.plural, short=names.short, **parts)


REGISTERED_MODELS: Final = _of_catalogue(
    REGISTERED_MODEL,
    description="A model of the catalogue: what it is, who answers for it, and which version each alias means.",
    schemas=lambda: (structural(RegisteredModelSpec), structural(RegisteredModelStatus, defaults=False)),
    name_rule=_MODEL_NAME_RULE,
    columns=_registered_model_columns,
)
MODEL_VERSIONS: Final = _of_catalogue(
    MODEL_VERSION,
    description="A published version of a registered model: its digest, where its bundle is, and whether it is "
    "withdrawn. Immutable but for that and for its sources.",
    schemas=lambda: (structural(ModelVersionSpec), structural(ModelVersionStatus, defaults=False)),
    name_rule=_VERSION_NAME_RULE,
    columns=_model_version_columns,
)
RESOURCES: Final = {each.plural: each for each in (MODEL_DEPLOYMENTS, REGISTERED_MODELS, MODEL_VERSIONS)}


def schema(resource: Resource = MODEL_DEPLOYMENTS) -> Schema:
    """The object as the API server checks it."""
    spec, status = resource.schemas()
    return {
        "type": "object",
        "description": resource.description,
        "required": ["spec"],
        RULES: [resource.name_rule],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object", "properties": {"name": {"type": "string"}}},
            "spec": spec,
            "status": status,
        },
    }


def definition(resource: Resource = MODEL_DEPLOYMENTS) -> dict[str, Any]:
    """The CustomResourceDefinition."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{resource.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": resource.kind,
                "listKind": f"{resource.kind}List",
                "plural": resource.plural,
                "singular": resource.kind.lower(),
                "shortNames": [resource.short],
                "categories": ["slipway"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}} | resource.more,
                    "additionalPrinterColumns": resource.columns(),
                    "schema": {"openAPIV3Schema": _said_once(schema(resource))},
                }
            ],
        },
    }


def render(resource: Resource = MODEL_DEPLOYMENTS) -> str:
    """The definition as YAML, as it stands in crds/."""
    written = yaml.dump(definition(resource), Dumper=_Compact, sort_keys=False, width=_UNWRAPPED, allow_unicode=True)
    return HEADER + written


class _Compact(yaml.SafeDumper):
    """What is short stands in one line: the whole CRD has to stay below 80 KB."""

    def represent_data(self, data: Any) -> yaml.Node:
        node = super().represent_data(data)
        if isinstance(node, yaml.CollectionNode):
            node.flow_style = len(json.dumps(data)) < _SHORT
        return node

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _said_once(value: Any) -> Any:
    """Without the messages that stand in a rule's messageExpression, too."""
    if isinstance(value, list):
        return [_said_once(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {k: _said_once(v) for k, v in value.items() if not (k == "message" and "messageExpression" in value)}


if __name__ == "__main__":
    sys.stdout.write(render(RESOURCES[sys.argv[1] if sys.argv[1:] else PLURAL]))
