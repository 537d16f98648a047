"""A namespace with what one story does in it: models are applied, watched and looked at here."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from e2e.bundles import Bundle
from e2e.client import Client
from e2e.store import Store
from slipway.api.v1alpha1 import API_VERSION, KIND
from testbed.api import Api
from testbed.cluster import Cluster
from testbed.installing import MANIFESTS
from testbed.kubectl import Kubectl
from testbed.served import READ_KEYS

Manifest = dict[str, Any]
Found = TypeVar("Found")

NAME = "serving.slipway.dev/model-deployment"
REVISION = "serving.slipway.dev/revision"
CREDENTIALS = "models-read"
PATIENCE_SECONDS = 150
DRAIN_SECONDS = 300
"""Old pods stay for as long as requests reach them, as by connections that clients keep: minutes, on a busy machine."""
POLL_SECONDS = 0.5
LOG_LINES = 25


@dataclass(frozen=True)
class Space:
    """One namespace that enforces restricted Pod Security, and the credentials of the store in it."""

    cluster: Cluster
    api: Api
    client: Client
    store: Store
    namespace: str

    @property
    def kubectl(self) -> Kubectl:
        """kubectl in this namespace."""
        return self.cluster.kubectl.within(self.namespace)

    def prepare(self) -> None:
        """Make the namespace."""
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        self.cluster.kubectl.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace, "labels": labels}}
        )
        self.kubectl.apply(self.credentials)

    @property
    def credentials(self) -> Manifest:
        """The Secret that models name."""
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": CREDENTIALS}, "stringData": READ_KEYS}

    def with_own_store(self) -> "Space":
        """The same namespace, with an S3 server of its own in it."""
        shared = self.store.kubectl.namespace
        image = self.store.kubectl(
            "get", "deployment/s3", "--output=jsonpath={.spec.template.spec.containers[0].image}"
        )
        text = (MANIFESTS / "store.yaml").read_text().replace(shared, self.namespace).replace("IMAGE_STORE", image)
        self.kubectl("apply", "--server-side", "--filename=-", stdin=text)
        own = replace(self, store=Store(self.kubectl))
        own.store.start()
        return own

    def upload(self, folder: str, bundle: Bundle) -> str:
        """Put a bundle into the store; its address."""
        return self.store.put(f"{self.namespace}/{folder}", bundle)

    def apply(self, name: str, uri: str, *, version: str = "1", **spec: Any) -> None:
        """Apply a ModelDeployment; `spec` are further fields, those of `model` included."""
        source: Manifest = {"uri": uri}
        if uri.startswith("s3://"):
            source |= {"secretName": CREDENTIALS, "s3": {"endpoint": self.store.endpoint}}
        model = {"version": version, "source": source, **spec.pop("model", {})}
        resources = {"requests": {"cpu": "20m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}}
        whole = {"model": model, "server": {"resources": resources, **spec.pop("server", {})}, **spec}
        self.kubectl.apply({"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "spec": whole})

    def host(self, name: str) -> str:
        """The Service's name for clients of other namespaces."""
        return f"{name}.{self.namespace}.svc"

    def model(self, name: str) -> Manifest:
        """The ModelDeployment as it is now."""
        return self.api.get("modeldeployments", self.namespace, name) or {}

    def ready(self, name: str) -> Manifest:
        """Its Ready condition, empty as long as it speaks of an earlier spec."""
        found = self.model(name)
        conditions = found.get("status", {}).get("conditions", [])
        ready: Manifest = next((condition for condition in conditions if condition["type"] == "Ready"), {})
        return ready if ready.get("observedGeneration") == found["metadata"]["generation"] else {}

    def pods(self, name: str) -> list[Manifest]:
        """Its servers' pods that are not being deleted."""
        found = self.api.list("pods", self.namespace, f"{NAME}={name},app.kubernetes.io/component=server")
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def pods_of(self, revision: str) -> list[Manifest]:
        """A revision's pods, those that are being deleted as well."""
        return self.api.list("pods", self.namespace, f"{REVISION}={revision}")

    def pod(self, name: str) -> Manifest:
        """Its only pod."""
        (found,) = self.pods(name)
        return found

    def until_ready(self, *names: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until each of them serves what is asked."""
        for name in names:
            self.until(f"{name} is Ready", partial(self._is_ready, name), seconds)

    def _is_ready(self, name: str) -> bool:
        return self.ready(name).get("status") == "True"

    def until_phase(self, name: str, phase: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until kubectl would show it in that phase."""
        self.until(f"{name} is {phase}", lambda: self.model(name)["status"]["phase"] == phase, seconds)

    def until_reason(self, name: str, reason: str, seconds: float = PATIENCE_SECONDS) -> str:
        """Wait until it is not Ready for that reason; what it says."""

        def said() -> str:
            ready = self.ready(name)
            return str(ready.get("message")) if (ready.get("status"), ready.get("reason")) == ("False", reason) else ""

        return self.until(f"{name} says {reason}", said, seconds)

    def until(self, what: str, look: Callable[[], Found | None], seconds: float = PATIENCE_SECONDS) -> Found:
        """Wait for something that is true, and return it. What is there instead is added to a failed test's report."""
        deadline = time.monotonic() + seconds
        while not (found := look()):
            assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
            time.sleep(POLL_SECONDS)
        return found

    def until_told(self, name: str, reason: str) -> str:
        """Wait for an Event of that reason; its message."""
        return self.until(f"an Event of {name} says {reason}", lambda: self.events(name).get(reason))

    def events(self, name: str) -> dict[str, str]:
        """The Events that tell of a ModelDeployment: message by reason."""
        found = self.api.list("events", self.namespace)
        about = (event for event in found if event["involvedObject"]["name"] == name)
        return {event["reason"]: event["message"] for event in about if event["involvedObject"]["kind"] == KIND}

    def run(self, pod: Manifest, program: str, container: str = "triton") -> str:
        """Run a Python program in a container of a pod."""
        return self.kubectl("exec", pod["metadata"]["name"], f"--container={container}", "--", "python3", "-c", program)

    def order(self, pod: Manifest, **orders: float) -> None:
        """Tell an obedient model in a pod what to do from its next request on."""
        # a request that comes while they are written reads the orders before
        written = f"pathlib.Path('/tmp/given').write_text({json.dumps(orders)!r})"
        self.run(pod, f"import os, pathlib; {written}; os.replace('/tmp/given', '/tmp/orders')")

    def evidence(self) -> str:
        """All that a person would look at."""
        asks = (
            ("get", "modeldeployments,deployments,jobs,pods", "-o", "wide"),
            ("describe", "modeldeployments"),
            ("get", "events", "--sort-by=.lastTimestamp"),
            ("logs", f"--selector={NAME}", "--all-containers", "--prefix", f"--tail={LOG_LINES}"),
        )
        return "\n".join(self.kubectl(*ask, check=False) for ask in asks)


def is_pod_ready(pod: Manifest) -> bool:
    """Whether it is ready: a Service sends requests to it."""
    conditions = pod["status"].get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def total_restarts(pod: Manifest) -> int:
    """How often its server's container was started again."""
    return sum(status["restartCount"] for status in pod["status"].get("containerStatuses", []))
