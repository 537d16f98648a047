"""What pages show in tests: the API's own samples, under other names."""

import json
from copy import deepcopy
from functools import cache
from typing import Any

import yaml

from testbed.kubectl import Kubectl
from testbed.shell import ROOT

SAMPLES = ROOT / "tests" / "api" / "samples"
STEPS = [{"weight": 10}, {"pause": {"duration": "5m"}}, {"weight": 25}, {"pause": {}}, {"weight": 50}]
DIGEST = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
"""Of the version that serves in `deployment`."""

Object = dict[str, Any]


@cache
def sample(path: str) -> Object:
    found: Object = yaml.safe_load((SAMPLES / path).read_text())
    return found


def deployment(name: str = "churn", namespace: str = "team-a", **status: Any) -> Object:
    """A canary at 25 %, before its fourth step."""
    made = deepcopy(sample("v1alpha1/with-status.yaml"))
    made["metadata"] = {"name": name, "namespace": namespace}
    made["spec"]["rollout"] = {"type": "Canary", "canary": {"steps": STEPS}}
    made["status"] |= status
    return made


def ready(name: str, namespace: str = "team-a") -> Object:
    """One that is done."""
    made = deployment(name, namespace, phase="Ready")
    for gone in ("candidate", "refused", "rollout"):
        made["status"].pop(gone)
    return made


def registered(namespace: str = "team-a", **spec: Any) -> Object:
    made = deepcopy(sample("catalogue/registered-model.yaml"))
    made["metadata"]["namespace"] = namespace
    made["spec"] |= spec
    return made


def version(number: str, f1: str = "0.9", digest: str = DIGEST, namespace: str = "team-a", **spec: Any) -> Object:
    made = deepcopy(sample("catalogue/model-version.yaml"))
    made["metadata"] = {
        "name": f"churn-{number}",
        "namespace": namespace,
        "creationTimestamp": f"2026-11-0{number}T10:00:00Z",
    }
    made["spec"] |= {"version": number, "digest": digest, **spec}
    if "withdrawn" not in spec:
        made["spec"].pop("withdrawn")
    made["spec"]["card"]["metrics"][0]["value"] = f1
    return made


def stored(kubectl: Kubectl, *objects: Object) -> None:
    """Write them with their status."""
    for each in objects:
        status = each.pop("status", None)
        each["metadata"].pop("creationTimestamp", None)
        kubectl.apply(each)
        if status is not None:
            name = f"{each['kind'].lower()}s/{each['metadata']['name']}"
            patch = json.dumps({"status": status})
            kubectl("patch", name, "--subresource=status", "--type=merge", f"--patch={patch}")


def churning(versions: int, metrics: int = 32, **spec: Any) -> list[Object]:
    """Versions with metric names of their own each."""
    made = [version("4", namespace="evil", **spec) for _ in range(versions)]
    for number, each in enumerate(made):
        each["metadata"] |= {"name": f"churn-{number}", "creationTimestamp": f"2026-11-01T10:{number:04}"}
        named = [{"name": f"m{number}-{metric}", "value": "0.9"} for metric in range(metrics)]
        each["spec"] |= {"version": str(number), "card": {"metrics": named}}
    return made
