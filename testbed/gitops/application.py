"""An Application: what Argo CD keeps equal to git, and what it says of it."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from testbed.gitops.argocd import NAMESPACE
from testbed.kubectl import Kubectl


class Shown(NamedTuple):
    """What a person would see of an Application, and of the ModelDeployment in it."""

    sync: str
    health: str
    commit: str
    model_health: str
    message: str


@dataclass(frozen=True)
class Application:
    """A folder of a repository, kept equal with a namespace: automated sync, self-heal and prune."""

    kubectl: Kubectl
    name: str

    def create(self, url: str, namespace: str) -> None:
        """Have it."""
        automated = {"prune": True, "selfHeal": True, "allowEmpty": True}
        retry = {"limit": 5, "backoff": {"duration": "2s", "factor": 2, "maxDuration": "20s"}}
        spec = {
            "project": "default",
            "source": {"repoURL": url, "targetRevision": "main", "path": "."},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": namespace},
            "syncPolicy": {"automated": automated, "retry": retry},
        }
        metadata = {
            "name": self.name,
            "namespace": NAMESPACE,
            "finalizers": ["resources-finalizer.argocd.argoproj.io/foreground"],  # what it made goes with it
        }
        self.kubectl.apply(
            {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": metadata, "spec": spec}
        )

    def refresh(self) -> None:
        """Have it look at git now; by itself it does so every few minutes."""
        self._on_it("annotate", "argocd.argoproj.io/refresh=normal", "--overwrite")

    def shown(self) -> Shown:
        """What it says now."""
        status = self.read().get("status", {})
        sync, health = status.get("sync", {}), status.get("health", {})
        found = [part for part in status.get("resources", []) if part["kind"] == "ModelDeployment"]
        of_model = found[0].get("health", {}) if found else {}
        return Shown(
            sync.get("status", ""),
            health.get("status", ""),
            sync.get("revision", ""),
            of_model.get("status", ""),
            of_model.get("message", ""),
        )

    def read(self) -> dict[str, Any]:
        """The whole object."""
        found: dict[str, Any] = self.kubectl.within(NAMESPACE).json("get", "application", self.name)
        return found

    def delete(self) -> None:
        """Take it away, and with it what it made."""
        self._on_it("delete", "--timeout=120s")

    def _on_it(self, verb: str, *more: str) -> None:
        self.kubectl.within(NAMESPACE)(verb, "application", self.name, *more)
