"""A client inside the cluster, driven from here: one pod that asks what it is told through Services."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

from load import pod
from load.report import Report
from load.table import HEADINGS, aligned, line, table
from testbed.cluster import Cluster
from testbed.installing import CLIENTS
from testbed.kubectl import Kubectl
from testbed.say import console

RATE: Final = "--rate=50"
HALF_BUSY: Final = "--busy=0.5"
OF_VERSION_1: Final[Mapping[str, float]] = {"1": 7.0}
OF_BOTH: Final[Mapping[str, float]] = {"1": 7.0, "2": 13.0}
"""Of y = 2x + 1 and y = 4x + 1."""


@dataclass(frozen=True)
class Load:
    """Requests all the while by HTTP and gRPC; by a gateway by streams of gRPC as well."""

    run: pod.Run

    @property
    def report(self) -> Report:
        """What they came to, when the load has ended."""
        return self.run.report

    @property
    def recent(self) -> Report:
        """What those of the last ten seconds came to, while the load lasts."""
        return self.run.recent

    @property
    def versions(self) -> set[str]:
        """Every version that answered, by either protocol."""
        return set(self.report.total().answered)

    def around_a_change(self, before: str, after: str) -> str:
        """The numbers before, during and after a change of version, for whoever reads the test's output."""
        report = self.report
        rows = [
            line(f"{protocol} {phase}", tally)
            for protocol in ("http", "grpc")
            for phase, tally in report.phases(before, after, protocol).items()
        ]
        title = f"version {before} to {after} at {report.rate:g} requests a second by each protocol"
        return "\n".join([title, *aligned([HEADINGS, *rows])])

    def assert_nothing_failed(self) -> None:
        """No request failed or was answered wrongly, and every protocol was answered."""
        report = self.report
        for protocol in report.timeline:
            whole = report.total(protocol)
            assert whole.answered, table(report)
            assert not whole.failed, table(report)
            assert not whole.wrong, table(report)


@dataclass(frozen=True)
class Client:
    """The pod, by the kubectl of its namespace."""

    kubectl: Kubectl
    gateway: str = ""
    """HOST:PORT of the gateway that it asks by, and what each request has in its head."""
    headers: Mapping[str, str] = field(default_factory=dict)

    def through(self, gateway: str, headers: Mapping[str, str] | None = None) -> "Client":
        """The same pod, asking by a gateway."""
        return replace(self, gateway=gateway, headers=headers or {})

    def image(self) -> str:
        """The pod's image, for pods of a story that need a Python."""
        return self.kubectl("get", "pod/client", "--output=jsonpath={.spec.containers[0].image}")

    def infer(self, protocol: str, host: str, model: str, **inputs: Any) -> dict[str, Any]:
        """What a model answers by Triton's own client, as nested lists by output."""
        return self._ask({"call": "infer", "protocol": protocol, "host": host, "model": model, "inputs": inputs})[0]

    def http(self, host: str, *requests: tuple[str, str, object]) -> list[tuple[int, str]]:
        """Status and text of plain HTTP requests, given as method, path and body."""
        return [(answer["status"], answer["text"]) for answer in self.http_answers(host, *requests)]

    def http_answers(self, host: str, *requests: tuple[str, str, object]) -> list[dict[str, Any]]:
        """The same with the answers' headers: `status`, `text`, and `headers` with names in lower case."""
        asked = ({"call": "http", "host": host, "method": m, "path": p, "body": b} for m, p, b in requests)
        return self._ask(*asked)

    def grpc(self, host: str, *calls: tuple[str, Sequence[Any]]) -> list[str]:
        """The errors of calls of Triton's gRPC client, given as method and arguments; empty where there is none."""
        asked = ({"call": "grpc", "host": host, "method": m, "arguments": list(a)} for m, a in calls)
        return [answer["error"] for answer in self._ask(*asked)]

    def _ask(self, *questions: dict[str, Any]) -> list[dict[str, Any]]:
        where = {"gateway": self.gateway, "headers": dict(self.headers)}
        lines = "".join(f"{json.dumps({**where, **question})}\n" for question in questions)
        told = pod.program(self.kubectl, "load.ask", stdin=lines)
        return [json.loads(line) for line in told.splitlines()]

    @contextmanager
    def load(
        self,
        host: str,
        model: str,
        answers: Mapping[str, float] = OF_VERSION_1,
        how_often: str = RATE,
        gateway: str = "",
        grpc_host: str = "",
    ) -> Iterator[Load]:
        """Ask for y of 3 all the while; the versions and their right answers tell who answered. By a gateway, gRPC may
        have a host of its own."""
        request = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [3.0]}]}
        right = [f"{version}={y}" for version, y in answers.items()]
        more = (f"--grpc-host={grpc_host}",) if grpc_host else ()
        with pod.running(self.kubectl, host, model, request, right, how_often, *more, gateway=gateway) as run:
            yield Load(run)
        console.print(table(run.report), markup=False)


def place(cluster: Cluster) -> None:
    """Have the pod in the cluster, of the programs as they are now."""
    pod.place(cluster, CLIENTS)
