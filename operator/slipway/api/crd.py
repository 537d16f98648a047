"""The CustomResourceDefinition of ModelDeployment, made from the models. `python -m slipway.api.crd` prints it."""

import json
import sys
from typing import Any

import yaml

from slipway.api.base import RULES, rule
from slipway.api.structural import Schema, structural
from slipway.api.v1alpha1 import GROUP, KIND, PLURAL, VERSION, ModelDeploymentSpec, ModelDeploymentStatus

_SHORT = 1000
_UNWRAPPED = 10**6  # a line that goes on in the next one begins with a hundred spaces at times
HEADER = "# Made by `python -m slipway.api.crd`. Change the models under operator/slipway/api instead.\n"

# Children append a dash and eight digits, and a Service's name may have 63 characters.
_NAME_RULE = rule(
    "self.metadata.name.matches(r'^[a-z]([-a-z0-9]{0,52}[a-z0-9])?$')",
    "cannot name a ModelDeployment, whose Services are named after it: at most 54 lower-case letters, digits and -, "
    "with a letter in front and no - at the end",
    ".metadata.name",
    found="self.metadata.name",
)


def schema() -> Schema:
    """The object as the API server checks it."""
    status = structural(ModelDeploymentStatus, defaults=False)
    # Without these a fresh object has no status, and kstatus takes it for finished.
    status["default"] = {"observedGeneration": -1}
    status["properties"]["observedGeneration"]["default"] = -1
    return {
        "type": "object",
        "description": "A model that should answer, and how: served by Triton, checked by golden requests, "
        "moved from version to version without a failed request.",
        "required": ["spec"],
        RULES: [_NAME_RULE],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object", "properties": {"name": {"type": "string"}}},
            "spec": structural(ModelDeploymentSpec),
            "status": status,
        },
    }


def _column(name: str, path: str, about: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "string", "jsonPath": path, "description": about} | more


def _columns() -> list[dict[str, Any]]:
    """What `kubectl get` shows; priority 1 only with `-o wide`."""
    ready = '.status.conditions[?(@.type=="Ready")]'
    return [
        _column("Version", ".spec.model.version", "The version that is asked for"),
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


def definition() -> dict[str, Any]:
    """The CustomResourceDefinition."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": KIND.lower(),
                "shortNames": ["md"],
                "categories": ["slipway"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {
                        "status": {},
                        "scale": {
                            "specReplicasPath": ".spec.replicas",
                            "statusReplicasPath": ".status.replicas",
                            "labelSelectorPath": ".status.selector",
                        },
                    },
                    "additionalPrinterColumns": _columns(),
                    "schema": {"openAPIV3Schema": _said_once(schema())},
                }
            ],
        },
    }


def render() -> str:
    """The definition as YAML, as it stands in crds/."""
    return HEADER + yaml.dump(definition(), Dumper=_Compact, sort_keys=False, width=_UNWRAPPED, allow_unicode=True)


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
    sys.stdout.write(render())
