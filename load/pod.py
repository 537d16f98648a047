"""A pod with this package in it, and runs in that pod, driven from outside the cluster.

A port that is forwarded to this machine is one pod's: only a client in the cluster sees what a Service does.
"""

import json
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from load.report import Report
from testbed import images, site
from testbed.cluster import Cluster
from testbed.kubectl import Kubectl

NAME: Final = "client"
LIBRARIES: Final = ["pydantic>=2.11,<3", "tritonclient[grpc,http]>=2.51,<3"]
PROGRAMS: Final = Path(__file__).parent
HTTP_PORT: Final = 8000
GRPC_PORT: Final = 8001
CPU: Final = "250m"
TRIES: Final = 3


def place(cluster: Cluster, namespace: str) -> Kubectl:
    """Have the pod in a namespace, of the programs as they are now; the kubectl of that namespace."""
    (reference,) = cluster.load([images.build(_image(), images.base_image())])
    kubectl = cluster.kubectl.within(namespace)
    cluster.kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    kubectl("delete", "pod", NAME, "--ignore-not-found", "--now")
    # Without a share of its own it would be served last on a busy node, and measure itself.
    resources = {"requests": {"cpu": CPU}}
    container = {"name": NAME, "image": reference, "imagePullPolicy": "IfNotPresent", "resources": resources}
    pod = {"terminationGracePeriodSeconds": 0, "containers": [container]}
    kubectl.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": NAME}, "spec": pod})
    kubectl("wait", "--for=condition=Ready", f"pod/{NAME}", "--timeout=120s")
    return kubectl


def program(kubectl: Kubectl, name: str, *arguments: str, stdin: str | None = None) -> str:
    """Run one of this package's programs in the pod; what it printed."""
    return kubectl("exec", "--stdin", NAME, "--", "python3", "-m", name, *arguments, stdin=stdin or "")


@dataclass
class Run:
    """A run of `python -m load` in the pod."""

    kubectl: Kubectl
    folder: str
    ended: Report | None = None

    @property
    def report(self) -> Report:
        """What it came to."""
        assert self.ended, "the run goes on"
        return self.ended

    @property
    def recent(self) -> Report:
        """The last ten seconds, while it goes on."""
        return self._told("look")

    def end(self) -> None:
        """End it."""
        self.ended = self._told("end")

    def _told(self, command: str) -> Report:
        # kubectl may lose what a command printed, and say that all went well.
        told = (program(self.kubectl, "load.background", command, self.folder) for _ in range(TRIES))
        return Report.from_json(next(filter(None, told)))


@contextmanager
def running(
    kubectl: Kubectl,
    host: str,
    model: str,
    request: Mapping[str, Any],
    answers: Sequence[str],
    *arguments: str,
    gateway: str = "",
) -> Iterator[Run]:
    """Ask the model behind a host as long as the block lasts; it begins with an answer by each protocol.

    `answers` and further arguments are those of `python -m load`; `--rate` or `--busy` must be one of them. A host is
    asked at a Service's usual ports, or at a `gateway`, HOST:PORT, which is asked by streams, too.
    """
    run = Run(kubectl, f"/tmp/{secrets.token_hex(4)}")
    asked = (f"--model={model}", f"--request={json.dumps(request)}", *arguments, "--answers", *answers)
    program(kubectl, "load.background", "start", run.folder, *_addresses(host, gateway), *asked)
    try:
        yield run
    finally:
        run.end()


def _addresses(host: str, gateway: str) -> tuple[str, ...]:
    if not gateway:
        return f"--http=http://{host}:{HTTP_PORT}", f"--grpc={host}:{GRPC_PORT}"
    return f"--http=http://{gateway}", f"--grpc={gateway}", f"--stream={gateway}", f"--host={host}"


def _image() -> images.Image:
    def assemble(folder: Path) -> None:
        shutil.copytree(site.packages(LIBRARIES), folder / "site")
        shutil.copytree(PROGRAMS, folder / "load", ignore=shutil.ignore_patterns("__pycache__", "Dockerfile"))

    return images.Image(NAME, tuple(LIBRARIES), assemble, folder=str(PROGRAMS.resolve()))
