"""A client inside the cluster, driven from here: one pod that asks what it is told through Services."""

import json
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from testbed import images, site
from testbed.cluster import Cluster
from testbed.kubectl import Kubectl

NAMESPACE: Final = "slipway-client"
INSIDE: Final = Path(__file__).parent / "inside"
LIBRARIES: Final = ["tritonclient[grpc,http]>=2.51,<3"]


@dataclass(frozen=True)
class Seen:
    """What one protocol's requests came to."""

    answers: Mapping[float, Mapping[str, float]]
    """By answer: how many, and the seconds of the first and the last."""
    failed: int
    failures: Sequence[str]


@dataclass
class Load:
    """Requests without pause. What they came to is there when the load has ended."""

    seen: dict[str, Seen] = field(default_factory=dict)

    def assert_nothing_failed(self) -> None:
        """No request failed, by either protocol, and both were answered."""
        assert {protocol: (seen.failed, seen.failures) for protocol, seen in self.seen.items()} == {
            "http": (0, []),
            "grpc": (0, []),
        }
        assert all(seen.answers for seen in self.seen.values()), self.seen

    @property
    def answers(self) -> set[float]:
        """Every answer that came, by either protocol."""
        return {answer for seen in self.seen.values() for answer in seen.answers}


@dataclass(frozen=True)
class Client:
    """The pod, by the kubectl of its namespace."""

    kubectl: Kubectl

    def image(self) -> str:
        """The pod's image, for pods of a story that need a Python."""
        return self.kubectl("get", "pod/client", "--output=jsonpath={.spec.containers[0].image}")

    def infer(self, protocol: str, host: str, model: str, **inputs: Any) -> dict[str, Any]:
        """What a model answers by Triton's own client, as nested lists by output."""
        return self._ask({"call": "infer", "protocol": protocol, "host": host, "model": model, "inputs": inputs})[0]

    def http(self, host: str, *requests: tuple[str, str, object]) -> list[tuple[int, str]]:
        """Status and text of plain HTTP requests, given as method, path and body."""
        asked = ({"call": "http", "host": host, "method": m, "path": p, "body": b} for m, p, b in requests)
        return [(answer["status"], answer["text"]) for answer in self._ask(*asked)]

    def grpc(self, host: str, *calls: tuple[str, Sequence[Any]]) -> list[str]:
        """The errors of calls of Triton's gRPC client, given as method and arguments; empty where there is none."""
        asked = ({"call": "grpc", "host": host, "method": m, "arguments": list(a)} for m, a in calls)
        return [answer["error"] for answer in self._ask(*asked)]

    def _ask(self, *questions: dict[str, Any]) -> list[dict[str, Any]]:
        lines = "".join(f"{json.dumps(question)}\n" for question in questions)
        told = self.kubectl("exec", "--stdin", "client", "--", "python3", "/opt/client/ask.py", stdin=lines)
        return [json.loads(line) for line in told.splitlines()]

    @contextmanager
    def load(self, host: str, model: str, *, x: float = 3.0, workers: int = 1) -> Iterator[Load]:
        """Ask by HTTP and gRPC all the while, `workers` at a time by each."""
        load, folder = Load(), f"/tmp/{secrets.token_hex(4)}"
        program = ("exec", "client", "--", "python3", "/opt/client/load.py")
        told = json.dumps({"host": host, "model": model, "x": x, "workers": workers})
        self.kubectl(*program, "start", folder, told)
        try:
            yield load
        finally:
            seen = json.loads(self.kubectl(*program, "end", folder))
        load.seen = {protocol: _seen(what) for protocol, what in seen.items()}


def _seen(told: dict[str, Any]) -> Seen:
    answers = {answer.pop("y"): answer for answer in told["answers"]}
    return Seen(answers=answers, failed=told["failed"], failures=told["failures"])


def place(cluster: Cluster) -> None:
    """Have the pod in the cluster, of the programs as they are now."""
    (reference,) = cluster.load([images.build(_image(), images.base_image())])
    kubectl = cluster.kubectl.within(NAMESPACE)
    kubectl("delete", "pod", "client", "--ignore-not-found", "--now")
    cluster.kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    container = {"name": "client", "image": reference, "imagePullPolicy": "IfNotPresent"}
    pod = {"terminationGracePeriodSeconds": 0, "containers": [container]}
    kubectl.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "client"}, "spec": pod})
    kubectl("wait", "--for=condition=Ready", "pod/client", "--timeout=120s")


def _image() -> images.Image:
    def assemble(folder: Path) -> None:
        shutil.copytree(site.packages(LIBRARIES), folder / "site")
        for program in INSIDE.glob("*.py"):
            (folder / program.name).write_bytes(program.read_bytes())

    return images.Image("client", (*LIBRARIES, INSIDE), assemble, folder=str(INSIDE.resolve()))
