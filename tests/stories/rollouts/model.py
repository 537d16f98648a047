"""One ModelDeployment in a story of rollouts, and what its user and its cluster do to it."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Self

from slipway.core.names import REQUEST
from testbed.api import Manifest
from tests.gitops.kstatus import KStatus, kstatus
from tests.stories.rollouts.history import History, is_ready
from tests.stories.story import OWNER, REVISION, Story, model_deployment

PATIENCE: Final = 240
"""Seconds. Each pod is counted as available after 10 s, and sixty stories share the machine."""
POLL_SECONDS: Final = 1.5
BEGINNING: Final = threading.BoundedSemaphore(3)
"""An API server hands out few addresses of Services a second: all at once would only wait for each other, and some
would miss their deadlines."""


@dataclass
class Model:
    """A ModelDeployment by its name."""

    story: Story
    name: str

    def begin(self, **spec: Any) -> Self:
        """Version 1, Ready."""
        with BEGINNING:
            self.apply("1", **spec)
            self.until("it has a Service", lambda: self.story.api.get("services", self.story.namespace, self.name))
        return self.serves("1")

    # -- what its user does

    def apply(self, version: str, **spec: Any) -> None:
        """`kubectl apply` the whole manifest."""
        self.story.apply(model_deployment(self.name, version, **spec))

    def moves(self, version: str, uri: str = "", **spec: Any) -> None:
        """Edit the spec to another version, and more of it in the same patch."""
        source = {"uri": uri or f"s3://models/{self.name}/{version}"}
        self.edit(model={"version": version, "source": source}, **spec)

    def edit(self, **spec: Any) -> None:
        """Patch the spec."""
        self.story.edit(self.name, **spec)

    def asks(self, request: str) -> None:
        """Write the annotation, and wait until status has an answer to it."""
        self.annotates(request)
        self.until(f"{request} is answered", lambda: self.answer(request))

    def annotates(self, request: str) -> None:
        """Write the annotation."""
        meta = {"metadata": {"annotations": {REQUEST: request}}}
        self.story.api.patch("modeldeployments", self.story.namespace, self.name, meta)

    # -- what it comes to

    @property
    def status(self) -> Manifest:
        """Its status."""
        return self.story.status(self.name)

    @property
    def because(self) -> str:
        """Why it has so many pods, where their load says how many; empty before anybody has looked."""
        return str((self.status.get("autoscaling") or {}).get("because") or "")

    @property
    def rollout_phase(self) -> str:
        """Where the rollout stands; empty while nothing moves."""
        return str((self.status.get("rollout") or {}).get("phase") or "")

    @property
    def kstatus(self) -> KStatus:
        """What GitOps tools make of it."""
        return kstatus(self.story.get("modeldeployments", self.name))

    def answer(self, request: str) -> str:
        """What came of a request; empty before it was heard."""
        found = (known["outcome"] for known in self.status.get("requests") or () if known["request"] == request)
        return str(next(found, ""))

    def stable(self) -> str:
        """The revision that serves."""
        return self.story.revision(self.name)

    def candidate(self) -> str:
        """The revision that is on its way; waits for it."""
        self.until("there is a candidate", lambda: self.story.revision(self.name, "candidate"))
        return self.story.revision(self.name, "candidate")

    def reason(self, condition: str = "Ready") -> str:
        """The reason that a condition gives."""
        return str(self.story.condition(self.name, condition).get("reason"))

    def events(self) -> list[str]:
        """Reasons of the Events that tell of it, in their order."""
        listed = self.story.api.list("events", self.story.namespace)
        told = sorted(listed, key=lambda event: int(event["metadata"]["resourceVersion"]))
        ours = ("ModelDeployment", self.name)
        return [e["reason"] for e in told if (e["involvedObject"]["kind"], e["involvedObject"]["name"]) == ours]

    def pods(self, revision: str = "") -> list[Manifest]:
        """Its servers that are not about to end, of one revision or of all."""
        selector = f"{OWNER}={self.name},{REVISION}" + (f"={revision}" if revision else "")
        found = self.story.api.list("pods", self.story.namespace, selector)
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def uids(self, revision: str = "") -> set[str]:
        """Which pods those are."""
        return {pod["metadata"]["uid"] for pod in self.pods(revision)}

    def count(self, revision: str) -> int:
        """Pods that a revision's Deployment is set to; 0 when there is none."""
        found = self.story.api.get("deployments", self.story.namespace, f"{self.name}-{revision}")
        return int(found["spec"]["replicas"]) if found else 0

    def deployments(self) -> set[str]:
        """The revisions that have a Deployment."""
        return {name.removeprefix(f"{self.name}-") for _, name in self.story.children(self.name, ("deployments",))}

    def history(self) -> History:
        """From here on, everything that becomes of it."""
        return History(self.story.api, self.story.namespace, self.name)

    # -- waiting for it

    def until(self, what: str, holds: Callable[[], object], seconds: float = PATIENCE) -> None:
        """Wait until something holds; a failure shows the status."""
        try:
            self.story.until(f"{self.name}: {what}", holds, seconds, POLL_SECONDS)
        except AssertionError as error:
            raise AssertionError(f"{error}; its status: {json.dumps(self.status)}") from None

    def serves(self, version: str) -> Self:
        """Wait until it is Ready with that version."""
        self.until(f"it is Ready with {version}", lambda: self.story.is_ready(self.name, version))
        return self

    def shifts(self) -> str:
        """Wait until versions share the traffic. Answers the candidate."""
        self.until("it shifts", lambda: self.rollout_phase == "Shifting")
        return self.story.revision(self.name, "candidate")

    def refuses(self, version: str, reason: str) -> None:
        """Wait until a version is refused for that reason, and nothing moves any more."""

        def refused() -> bool:
            status = self.status
            known = status.get("refused") or {}
            return (known.get("version"), known.get("reason")) == (version, reason) and not status.get("candidate")

        self.until(f"{version} is refused for {reason}", refused)

    def alone(self, revision: str) -> None:
        """Wait until no other revision has a Deployment, or pods."""
        self.until("no other revision is left", lambda: self.deployments() == {revision})
        self.until("no other pod is left", lambda: self.uids() == self.uids(revision))

    # -- what happens to its pods

    def crash(self, *revisions: str) -> None:
        """The server of every ready pod of these revisions ends, twice, by itself."""
        for revision in revisions:
            for pod in filter(is_ready, self.pods(revision)):
                name, status = pod["metadata"]["name"], pod["status"]
                self.story.api.patch("pods", self.story.namespace, name, {"status": _crashed(status)}, "status")


def _crashed(status: Manifest) -> Manifest:
    """A pod's status after its server ended twice."""
    (server,) = status["containerStatuses"]
    ended = {"terminated": {"exitCode": 139, "reason": "Error"}}
    waits = {"waiting": {"reason": "CrashLoopBackOff"}}
    container = {**server, "ready": False, "started": False, "restartCount": 2, "state": waits, "lastState": ended}
    unready = {"Ready", "ContainersReady"}
    conditions = [{**c, "status": "False"} if c["type"] in unready else c for c in status["conditions"]]
    return {"conditions": conditions, "containerStatuses": [container]}
