"""The command as people run it: a process of its own, with the real kubectl on its PATH."""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from testbed.api import Api
from testbed.plane import Plane
from testbed.shell import ROOT
from testbed.tools import find
from tests.cli.scenes import Object, Scene

PROGRAM = (sys.executable, "-c", "from slipway.program import main; main(prog_name='slipway')")


@dataclass(frozen=True)
class Ended:
    """How it ended, and what it said."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Command:
    """`slipway` for one user and one namespace."""

    kubeconfig: Path
    namespace: str = ""
    environment: dict[str, str] = field(default_factory=dict)

    def __call__(self, *words: str) -> Ended:
        done = subprocess.run(self.argv(*words), env=self.env(), capture_output=True, text=True, check=False)
        return Ended(done.returncode, done.stdout, done.stderr)

    def argv(self, *words: str) -> list[str]:
        return [*PROGRAM, *words, *(["-n", self.namespace] if self.namespace else [])]

    def env(self) -> dict[str, str]:
        path = f"{find('kubectl').parent}{os.pathsep}{os.environ['PATH']}"
        own = {
            "PATH": path,
            "KUBECONFIG": str(self.kubeconfig),
            "PYTHONPATH": str(ROOT / "operator"),
            "LANG": "C.UTF-8",
        }
        return {"HOME": os.environ.get("HOME", "/"), "LANG": "C.UTF-8", **own, **self.environment}


def command(plane: Plane, namespace: str, user: str = "admin", **environment: str) -> Command:
    return Command(plane.kubeconfig(user), namespace, environment)


def stored(api: Api, namespace: str, scene: Scene) -> None:
    """A scene as objects of an API server."""
    name = scene.body["metadata"]["name"]
    api.create("modeldeployments", namespace, {**scene.body, "metadata": {"name": name}, "status": {}})
    status(api, namespace, name, scene.body["status"] | {"observedGeneration": 1})
    for pod in scene.pods:
        _store_pod(api, namespace, pod)
    for each in scene.stored:
        meta = {key: value for key, value in each["metadata"].items() if key in ("name", "labels")}
        api.create("controllerrevisions", namespace, {**each, "metadata": meta})


def status(api: Api, namespace: str, name: str, said: Object) -> None:
    """What an operator would write."""
    api.patch("modeldeployments", namespace, name, {"status": said}, "status")


def _store_pod(api: Api, namespace: str, pod: Object) -> None:
    name, labels = pod["metadata"]["name"], pod["metadata"]["labels"]
    container = {"name": "triton", "image": "none", "resources": {"limits": {"nvidia.com/gpu": "1"}}}
    spec = {"nodeName": "node-1", "containers": [container]}
    pod_ = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": spec}
    api.create("pods", namespace, pod_)
    api.patch("pods", namespace, name, {"status": _whole(pod["status"])}, "status")


def _whole(said: Object) -> Object:
    """With the fields that an API server insists on."""
    more = {"image": "none", "imageID": "none", "ready": True}
    statuses = [{**more, **each} for each in said.get("containerStatuses", ())]
    return {**{key: value for key, value in said.items() if key != "podIP"}, "containerStatuses": statuses}
