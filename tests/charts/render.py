"""The charts as Helm renders them."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from testbed import yamls
from testbed.kubectl import Kubectl
from testbed.shell import ROOT, run
from testbed.tools import KUBERNETES_VERSION, find

CHARTS = ROOT / "charts"
NAMESPACE = "slipway-system"
PEER = r"namespaceSelector.matchLabels.kubernetes\.io/metadata\.name"
SCRAPED = ("metrics.serviceMonitor.enabled=true", f"metrics.allowFrom[0].{PEER}=monitoring")
"""A ServiceMonitor, and a Prometheus that reaches what it names."""

ALLOWED = (
    "models.allowedGateways[0].name=public",
    "models.allowedGateways[0].hostnames={$(namespace).example}",
    "models.allowedSources={s3://models/}",
    "models.allowedS3Endpoints={https://minio.example}",
    "models.allowedServerImages={nvcr.io/nvidia/tritonserver:}",
    "models.allowedPrometheus={http://prometheus:9090}",
    "models.requireDigest=true",
)
"""What a platform says that models may use."""
CLOSED = ("models.networkPolicy=Namespace", f"models.allowFrom[0].{PEER}=gateways")
"""Models that nobody reaches but their namespace and some gateways."""

Manifest = dict[str, Any]


def helm(*argv: str) -> str:
    """Run helm; raises `CommandError` with its words when it refuses."""
    return run(find("helm"), *argv, cwd=CHARTS)


@cache
def text(chart: str, *values: str, release: str = "slipway") -> str:
    """`helm template`, each of `values` given with --set."""
    sets = [f"--set={value}" for value in values]
    return helm("template", release, chart, f"--namespace={NAMESPACE}", f"--kube-version={KUBERNETES_VERSION}", *sets)


def model_network(manifests: Iterable[Manifest]) -> Manifest:
    """What the rendered operator is told of the network of models."""
    (pod,) = (found["spec"]["template"]["spec"] for found in manifests if found["kind"] == "Deployment")
    environment = {entry["name"]: entry["value"] for entry in pod["containers"][0]["env"]}
    found: Manifest = json.loads(environment["SLIPWAY_MODEL_NETWORK"])
    return found


def objects(*values: str, chart: str = "slipway", release: str = "slipway") -> list[Manifest]:
    """The rendered objects."""
    return list(yamls.load_all(text(chart, *values, release=release)))


def of_kind(kind: str, *values: str, release: str = "slipway") -> list[Manifest]:
    """The rendered objects of one kind."""
    return [found for found in objects(*values, release=release) if found["kind"] == kind]


def rbac(*values: str, release: str = "slipway") -> list[Manifest]:
    """The rendered roles and bindings."""
    return [found for found in objects(*values, release=release) if found["apiVersion"].startswith("rbac.")]


@contextmanager
def granted(kubectl: Kubectl, rights: Sequence[Manifest]) -> Iterator[None]:
    """The rights for as long as the context lasts: other tests share the API server and its users."""
    kubectl.apply(*rights)
    try:
        yield
    finally:
        kubectl.delete(*rights)


def table(role: Manifest) -> dict[str, str]:
    """The verbs of a role by GROUP/RESOURCE, with =NAME where it is bound to one object."""
    found: dict[str, str] = {}
    for rule in role["rules"]:
        names = "=" + ",".join(rule["resourceNames"]) if "resourceNames" in rule else ""
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                key = f"{group}/{resource}{names}"
                assert key not in found, f"{key} stands in two rules"
                found[key] = " ".join(sorted(rule["verbs"]))
    return found
