"""The example's model in a cluster: its bundles uploaded, its versions asked for, its state watched, itself asked."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np
import tritonclient.grpc as triton_grpc
from obstore.store import S3Store

from testbed.cluster import Cluster
from testbed.kubectl import Kubectl
from testbed.say import step, working
from testbed.shell import ROOT, CommandError

EXAMPLE: Final = "linear-regression"
MANIFEST: Final = ROOT / "examples" / EXAMPLE / "manifest.yaml"
BUCKET: Final = "models"
MODEL_DEPLOYMENT: Final = "serving.slipway.dev/model-deployment"
REVISION: Final = "serving.slipway.dev/revision"
PATIENCE_SECONDS: Final = 300
POLL_SECONDS: Final = 0.5
HTTP_PORT: Final = 8000
GRPC_PORT: Final = 8001
STORE_PORT: Final = 7070
# What testbed/manifests/store.yaml says: keys that do anything, keys that write, for pipelines, and keys that read, for
# namespaces.
STORE_KEYS: Final = {"AWS_ACCESS_KEY_ID": "slipway", "AWS_SECRET_ACCESS_KEY": "slipway-secret"}
WRITE_KEYS: Final = {"AWS_ACCESS_KEY_ID": "models-write", "AWS_SECRET_ACCESS_KEY": "models-write-secret"}
READ_KEYS: Final = {"AWS_ACCESS_KEY_ID": "models-read", "AWS_SECRET_ACCESS_KEY": "models-read-secret"}


@dataclass(frozen=True)
class Bundle:
    """A version as training wrote it, with the trained model's own answers."""

    version: str
    path: Path

    @property
    def uri(self) -> str:
        """Where it is uploaded to."""
        return f"s3://{BUCKET}/{EXAMPLE}/{self.version}"

    @cached_property
    def _golden(self) -> tuple[dict[str, Any], dict[str, Any]]:
        golden = json.loads((self.path / "golden" / "batch.json").read_text())
        (given,), (expected,) = golden["inputs"], golden["outputs"]
        return given, expected

    @property
    def takes(self) -> str:
        """The input's name."""
        return str(self._golden[0]["name"])

    @property
    def inputs(self) -> np.ndarray[Any, np.dtype[np.float32]]:
        """What the trained model was asked."""
        given, _ = self._golden
        return np.array(given["data"], np.float32).reshape(given["shape"])

    @property
    def gives(self) -> str:
        """The output's name."""
        return str(self._golden[1]["name"])

    @property
    def answers(self) -> list[float]:
        """What it answered."""
        return [float(value) for value in self._golden[1]["data"]]

    def answer_to(self, x: float) -> float:
        """What it answered to one of them."""
        asked = (float(value) for value in self.inputs.flatten())
        return dict(zip(asked, self.answers, strict=True))[x]


def put(kubectl: Kubectl, prefix: str, files: Mapping[str, bytes]) -> str:
    """Write files under a prefix of the S3 server in kubectl's namespace, over those that are there. Returns the
    address of the bundle."""
    with kubectl.forward("service/s3", STORE_PORT) as ports:
        store = S3Store(
            BUCKET,
            endpoint=f"http://127.0.0.1:{ports[STORE_PORT]}",
            access_key_id=STORE_KEYS["AWS_ACCESS_KEY_ID"],
            secret_access_key=STORE_KEYS["AWS_SECRET_ACCESS_KEY"],
            region="us-east-1",
            client_options={"allow_http": True},
        )
        for path, content in files.items():
            store.put(f"{prefix}/{path}", content)
    return f"s3://{BUCKET}/{prefix}"


@dataclass(frozen=True)
class Served:
    """The ModelDeployment of the example's manifest, in a namespace of its own."""

    cluster: Cluster
    namespace: str

    @property
    def kubectl(self) -> Kubectl:
        """kubectl in its namespace."""
        return self.cluster.kubectl.within(self.namespace)

    @property
    def host(self) -> str:
        """The Service's name for clients of other namespaces."""
        return f"{EXAMPLE}.{self.namespace}.svc"

    def upload(self, bundle: Bundle) -> None:
        """Put a version into the S3 server."""
        files = sorted(path for path in bundle.path.rglob("*") if path.is_file())
        content = {str(file.relative_to(bundle.path)): file.read_bytes() for file in files}
        put(self.cluster.kubectl.within("slipway-storage"), f"{EXAMPLE}/{bundle.version}", content)

    def apply(self) -> None:
        """Apply the manifest as it is, in a namespace with restricted Pod Security."""
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        self.cluster.kubectl.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace, "labels": labels}}
        )
        # A demo that ran before may have left a model of other bytes under the same address.
        self.kubectl("delete", "modeldeployment", EXAMPLE, "--ignore-not-found", "--wait")
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "models-read"}, "stringData": READ_KEYS}
        self.kubectl.apply(secret)
        step(f"kubectl apply -f {MANIFEST.relative_to(ROOT)}")
        self.kubectl("apply", "--filename", MANIFEST)

    def move_to(self, bundle: Bundle) -> int:
        """Ask for another version; the generation that asks for it."""
        return self.change({"model": {"version": bundle.version, "source": {"uri": bundle.uri}}})

    def change(self, spec: Mapping[str, Any]) -> int:
        """Ask for something else; the generation that asks for it."""
        patch = json.dumps({"spec": spec})
        step(f"kubectl patch modeldeployment {EXAMPLE} --type merge --patch '{patch}'")
        generation = "--output=jsonpath={.metadata.generation}"
        return int(self.kubectl("patch", "modeldeployment", EXAMPLE, "--type=merge", f"--patch={patch}", generation))

    def until(self, phase: str) -> None:
        """Wait until what was asked for last has come to that phase, and say what happens on the way."""
        deadline, said = time.monotonic() + PATIENCE_SECONDS, ""
        with working(f"waiting until {EXAMPLE} is {phase}") as tell:
            while time.monotonic() < deadline:
                found = self.kubectl.json("get", "modeldeployment", EXAMPLE)
                status = found.get("status", {})
                if status.get("observedGeneration") == found["metadata"]["generation"]:
                    words = f"{status['phase']}: {message(status)}"
                    if words != said:
                        step(f"  {words}")
                        said = words
                    if status["phase"] == phase:
                        return
                tell(said or "the operator has not looked yet")
                time.sleep(POLL_SECONDS)
        raise CommandError(f"{EXAMPLE} is not {phase} after {PATIENCE_SECONDS} s: {said}")

    def until_alone(self) -> None:
        """Wait until the version that serves is the only one with pods."""
        revision = self.kubectl.json("get", "modeldeployment", EXAMPLE)["status"]["stable"]["revision"]
        others = f"{MODEL_DEPLOYMENT}={EXAMPLE},{REVISION},{REVISION}!={revision}"
        timeout = f"--timeout={PATIENCE_SECONDS}s"
        self.kubectl("wait", "pods", f"--selector={others}", "--for=delete", timeout)

    def ask_http(self, bundle: Bundle) -> list[float]:
        """What it answers to the bundle's questions by HTTP."""
        tensor = {
            "name": bundle.takes,
            "datatype": "FP32",
            "shape": list(bundle.inputs.shape),
            "data": bundle.inputs.flatten().tolist(),
        }
        with self.kubectl.forward(f"service/{EXAMPLE}", HTTP_PORT) as ports:
            url = f"http://127.0.0.1:{ports[HTTP_PORT]}/v2/models/{EXAMPLE}/infer"
            answer = httpx.post(url, json={"inputs": [tensor]}, timeout=30).raise_for_status()
        return [float(value) for value in answer.json()["outputs"][0]["data"]]

    def ask_grpc(self, bundle: Bundle) -> list[float]:
        """What it answers to them by gRPC."""
        tensor = triton_grpc.InferInput(bundle.takes, bundle.inputs.shape, "FP32")
        tensor.set_data_from_numpy(bundle.inputs)
        with (
            self.kubectl.forward(f"service/{EXAMPLE}", GRPC_PORT) as ports,
            triton_grpc.InferenceServerClient(f"127.0.0.1:{ports[GRPC_PORT]}") as client,
        ):
            answer = client.infer(EXAMPLE, [tensor]).as_numpy(bundle.gives)
        return [float(value) for value in answer.flatten()]


def message(status: Mapping[str, Any]) -> str:
    """What it says of itself."""
    return next((str(found["message"]) for found in status["conditions"] if found["type"] == "Ready"), "")
