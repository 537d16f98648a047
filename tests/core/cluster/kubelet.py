"""What Kubernetes does for pods and Jobs: no controller runs, so a story says what becomes of them, and when."""

import json
from typing import Any, Final

from slipway.core.names import Manifest
from tests.core import pods
from tests.core.cluster.api_server import ApiServer
from tests.core.gen import resolved

RESOLVED: Final = json.dumps({"resolved": resolved().to_dict()})


def says(reason: str, message: str) -> str:
    """A termination message with a verdict."""
    return json.dumps({"reason": reason, "message": message})


class Kubelet(ApiServer):
    """Pods come, run and end as a story says."""

    def resolve_job_ends(self, message: str = RESOLVED, exit_code: int = 0) -> None:
        """The resolve Job's pod ends with a termination message."""
        (job,) = (m for (kind, _), m in self.objects.items() if kind == "Job" and not m["status"])
        name, uid = job["metadata"]["name"], job["metadata"]["uid"]
        ended = {"exitCode": exit_code, "reason": "Error" if exit_code else "Completed", "message": message}
        self.pods[f"{name}-pod"] = self._pod(
            f"{name}-pod",
            labels={"batch.kubernetes.io/job-name": name, "batch.kubernetes.io/controller-uid": uid},
            status={
                "phase": "Failed" if exit_code else "Succeeded",
                "containerStatuses": [{"name": "resolve", "restartCount": 0, "state": {"terminated": ended}}],
            },
        )
        condition = "Failed" if exit_code else "Complete"
        job["status"] = {"conditions": [{"type": condition, "status": "True"}]}

    def kubelet(self, name: str, **container: Any) -> None:
        """Bring a Deployment's pods to what `status` says; ready when it is not given."""
        deployment = self.objects["Deployment", name]
        count = deployment["spec"]["replicas"]
        for number in range(count, 1_000):
            if self.pods.pop(f"{name}-{number}", None) is None:
                break
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        for number in range(count):
            self.pods[f"{name}-{number}"] = self._pod(
                f"{name}-{number}", labels=labels, status=container.get("status") or self.ready_status()
            )
        deployment["status"] = {} if container else {"availableReplicas": count, "replicas": count}

    def ready_status(self) -> Manifest:
        conditions = pods.true("PodScheduled", "Initialized", "Ready", at=self.timestamp)
        state = {"running": {"startedAt": self.timestamp}}
        running = {"name": "triton", "restartCount": 0, "started": True, "state": state}
        return {"phase": "Running", "podIP": "10.0.0.1", "conditions": conditions, "containerStatuses": [running]}

    def server_runs(self) -> Manifest:
        """A pod's status while Triton loads the model."""
        status = self.ready_status()
        conditions = [c for c in status["conditions"] if c["type"] != "Ready"]
        return {**status, "conditions": conditions, "podIP": "10.0.0.1"}

    def server_ended(self, message: str, *, restarts: int = 1) -> Manifest:
        """A pod's status after its server ended `restarts + 1` times."""
        fetched = pods.true("PodScheduled", "Initialized", at=self.timestamp)
        ended = {"exitCode": 1, "reason": "Error", "message": message}
        container = {
            "name": "triton",
            "restartCount": restarts,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": ended},
        }
        return {"phase": "Running", "conditions": fetched, "containerStatuses": [container]}

    def _pod(self, name: str, *, labels: Manifest, status: Manifest) -> Manifest:
        self.serial += 1
        return pods.manifest(
            name, labels=labels, status=status, created=self.timestamp, resource_version=str(self.serial)
        )
