"""One story's world: a namespace of its own on a plane whose pods are kwok's, and the words to tell the story in.

The operator is a real process against a real API server. Pods are fakes: kwok says that they run, by the stages in
testbed/kwok.
"""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from testbed.api import Api, Manifest
from testbed.operating import until
from testbed.plane import Plane

OWNER = "serving.slipway.dev/model-deployment"
REVISION = "serving.slipway.dev/revision"
CHILDREN = (
    "deployments",
    "services",
    "configmaps",
    "controllerrevisions",
    "jobs",
    "horizontalpodautoscalers",
    "poddisruptionbudgets",
    "networkpolicies",
    "resourceclaimtemplates",
    "httproutes",
    "pods",
)
POLL_SECONDS = 0.25
"""Each question takes a hundredth of a second of a core, half of it the API server's, and many stories ask at once."""
ENOUGH = 60
"""Seconds. A Deployment counts a pod as available after 10 s of being ready, and the machine may be busy."""


def model_deployment(name: str, version: str = "1", **spec: Any) -> Manifest:
    """The least that a user writes, and what a story adds to it."""
    model = {"version": version, "source": {"uri": f"s3://models/{name}/{version}"}}
    return {
        "apiVersion": "serving.slipway.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": name},
        "spec": {"model": model, **spec},
    }


def whole(name: str, version: str = "1", **spec: Any) -> Manifest:
    """A ModelDeployment that has a child of every kind."""
    cpu = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}
    scaling = {"minReplicas": 1, "maxReplicas": 6, "metrics": [cpu]}
    peers = [{"podSelector": {"matchLabels": {"calls": "models"}}}]
    return model_deployment(
        name, version, **{"replicas": 2, "autoscaling": scaling, "traffic": {"allowFrom": peers}, **spec}
    )


def verdict(reason: str, message: str) -> Manifest:
    """`podMetadata` that makes every model pod fail with a verdict."""
    return {"annotations": {"testbed/server-says": json.dumps({"reason": reason, "message": message})}}


@dataclass
class Story:
    """A namespace and one user in it."""

    plane: Plane
    api: Api
    namespace: str = field(default_factory=lambda: f"story-{secrets.token_hex(3)}")

    def begin(self) -> "Story":
        """Make the namespace."""
        self.api.create("namespaces", "", {"metadata": {"name": self.namespace}})
        return self

    # -- what a user does

    def apply(self, *manifests: Manifest) -> None:
        """`kubectl apply --server-side`."""
        self.plane.kubectl().within(self.namespace).apply(*manifests)

    def edit(self, name: str, **spec: Any) -> None:
        """Change fields of a ModelDeployment's spec."""
        self.api.patch("modeldeployments", self.namespace, name, {"spec": spec})

    def kubectl(self, *argv: str, check: bool = True) -> str:
        """kubectl as the user."""
        return self.plane.kubectl().within(self.namespace)(*argv, check=check)

    # -- what there is

    def get(self, plural: str, name: str) -> Manifest:
        """An object that must be there."""
        found = self.api.get(plural, self.namespace, name)
        assert found is not None, f"{plural}/{name} is not there"
        return found

    def status(self, name: str) -> Manifest:
        """A ModelDeployment's status."""
        return dict(self.get("modeldeployments", name).get("status") or {})

    def condition(self, name: str, kind: str = "Ready") -> Manifest:
        """One condition; empty before there is one."""
        found = (c for c in self.status(name).get("conditions") or () if c["type"] == kind)
        return dict(next(found, {}))

    def children(self, name: str, plurals: tuple[str, ...] = CHILDREN) -> dict[tuple[str, str], Manifest]:
        """Everything that carries a ModelDeployment's label, by (plural, name)."""
        return {
            (plural, found["metadata"]["name"]): found
            for plural in plurals
            for found in self.api.list(plural, self.namespace, f"{OWNER}={name}")
        }

    def revision(self, name: str, of: str = "stable") -> str:
        """The stable or candidate revision; empty while there is none."""
        return str((self.status(name).get(of) or {}).get("revision") or "")

    def selected(self, name: str) -> str:
        """The revision that the root Service sends clients to."""
        return str(self.get("services", name)["spec"]["selector"][REVISION])

    def available(self, deployment: str) -> int:
        """Available pods of a Deployment; 0 when it is not there."""
        found = self.api.get("deployments", self.namespace, deployment)
        return int((found or {}).get("status", {}).get("availableReplicas", 0))

    # -- waiting for it

    def until(
        self, what: str, holds: Callable[[], object], seconds: float = ENOUGH, poll_seconds: float = POLL_SECONDS
    ) -> None:
        """Wait until something holds."""
        until(what, holds, seconds, poll_seconds)

    def until_ready(self, *names: str, version: str = "", seconds: float = ENOUGH) -> None:
        """Wait until ModelDeployments are Ready, at their generation, and serve that version."""
        for name in names:
            try:
                self.until(f"{name} is Ready", partial(self.is_ready, name, version), seconds)
            except AssertionError as error:
                raise AssertionError(f"{error}; its status: {self.status(name)}") from None

    def until_says(self, name: str, reason: str, words: str = "", seconds: float = ENOUGH) -> str:
        """Wait until Ready gives that reason in a message with those words. Answers the message."""
        try:
            self.until(f"{name} says {reason}: {words}", lambda: self._says(name, reason, words), seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; it says {self.condition(name)}") from None
        return str(self.condition(name)["message"])

    def is_ready(self, name: str, version: str = "") -> bool:
        """Ready at its generation, and serving that version."""
        found = self.get("modeldeployments", name)
        status = found.get("status") or {}
        ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ())
        serves = (status.get("stable") or {}).get("version")
        return ready and status["observedGeneration"] == found["metadata"]["generation"] and version in ("", serves)

    def _says(self, name: str, reason: str, words: str) -> bool:
        said = self.condition(name)
        return said.get("reason") == reason and words in said["message"]
