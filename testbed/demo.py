"""`make demo`: a model is trained, uploaded, served by a real cluster, and asked.

What the served model says stands beside what the trained model says.
"""

import json
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np
import tritonclient.grpc as triton_grpc
from obstore.store import S3Store
from rich.table import Table

from testbed import cluster as clusters
from testbed import installing, tools
from testbed.cluster import Cluster
from testbed.kubectl import Kubectl
from testbed.say import console, step, working
from testbed.shell import ROOT, CommandError
from testbed.training import train

CLUSTER: Final = "slipway"
NAMESPACE: Final = "slipway-demo"
EXAMPLE: Final = "linear-regression"
VERSION: Final = "1"
PATIENCE_SECONDS: Final = 300
HTTP_PORT: Final = 8000
GRPC_PORT: Final = 8001
STORE_PORT: Final = 7070
# What testbed/manifests/store.yaml says.
STORE_KEYS: Final = {"AWS_ACCESS_KEY_ID": "slipway", "AWS_SECRET_ACCESS_KEY": "slipway-secret"}


@dataclass(frozen=True)
class Question:
    """A golden request as training wrote it, with the trained model's own answers."""

    name: str
    answer_name: str
    inputs: np.ndarray[Any, np.dtype[np.float32]]
    answers: list[float]


def demo() -> None:
    """Everything, from a bare machine to an answer."""
    began = time.monotonic()
    cluster = clusters.up(CLUSTER)
    installing.install(cluster)
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "bundle"
        with working("training y = 2x + 1 with torch"):
            console.print(train(EXAMPLE, bundle).rstrip(), style="dim", markup=False)
        question = _question(bundle)
        with working("uploading the bundle to the S3 server"):
            _upload(cluster.kubectl.within("slipway-storage"), bundle)
    kubectl = _apply(cluster)
    _wait(kubectl)
    with working("asking over HTTP and gRPC"), kubectl.forward(f"service/{EXAMPLE}", HTTP_PORT, GRPC_PORT) as ports:
        told = {
            "over HTTP": _ask_http(f"http://127.0.0.1:{ports[HTTP_PORT]}", question),
            "over gRPC": _ask_grpc(f"127.0.0.1:{ports[GRPC_PORT]}", question),
        }
    _show(question, told)
    step(f"done in {time.monotonic() - began:.0f} s. Look around:")
    _look_around(cluster)


def _question(bundle: Path) -> Question:
    golden = json.loads((bundle / "golden" / "batch.json").read_text())
    (given,), (expected,) = golden["inputs"], golden["outputs"]
    inputs = np.array(given["data"], np.float32).reshape(given["shape"])
    return Question(given["name"], expected["name"], inputs, list(expected["data"]))


def _upload(kubectl: Kubectl, bundle: Path) -> None:
    with kubectl.forward("service/s3", STORE_PORT) as ports:
        store = S3Store(
            "models",
            endpoint=f"http://127.0.0.1:{ports[STORE_PORT]}",
            access_key_id=STORE_KEYS["AWS_ACCESS_KEY_ID"],
            secret_access_key=STORE_KEYS["AWS_SECRET_ACCESS_KEY"],
            region="us-east-1",
            client_options={"allow_http": True},
        )
        for file in sorted(path for path in bundle.rglob("*") if path.is_file()):
            store.put(f"{EXAMPLE}/{VERSION}/{file.relative_to(bundle)}", file.read_bytes())


def _apply(cluster: Cluster) -> Kubectl:
    manifest = ROOT / "examples" / EXAMPLE / "manifest.yaml"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}})
    kubectl = cluster.kubectl.within(NAMESPACE)
    # A demo that ran before may have left a model of other bytes under the same address.
    kubectl("delete", "modeldeployment", EXAMPLE, "--ignore-not-found", "--wait")
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "models-read"}, "stringData": STORE_KEYS}
    kubectl.apply(secret)
    step(f"kubectl apply -f {manifest.relative_to(ROOT)}")
    kubectl("apply", "--filename", manifest)
    return kubectl


def _wait(kubectl: Kubectl) -> None:
    deadline, said = time.monotonic() + PATIENCE_SECONDS, ""
    with working(f"waiting until {EXAMPLE} is Ready") as tell:
        while time.monotonic() < deadline:
            status = kubectl.json("get", "modeldeployment", EXAMPLE).get("status", {})
            ready = _condition(status, "Ready")
            line = f"{status.get('phase', '')}: {ready.get('message', '')}".strip(": ")
            if line and line != said:
                step(f"  {line}")
                said = line
            if ready.get("status") == "True":
                return
            tell(line or "the operator has not looked yet")
            time.sleep(0.5)
    raise CommandError(f"{EXAMPLE} is not Ready after {PATIENCE_SECONDS} s: {said}")


def _condition(status: Mapping[str, Any], kind: str) -> dict[str, Any]:
    return next((found for found in status.get("conditions", []) if found["type"] == kind), {})


def _ask_http(address: str, question: Question) -> list[float]:
    tensor = {
        "name": question.name,
        "datatype": "FP32",
        "shape": list(question.inputs.shape),
        "data": question.inputs.flatten().tolist(),
    }
    answer = httpx.post(f"{address}/v2/models/{EXAMPLE}/infer", json={"inputs": [tensor]}, timeout=30)
    return [float(value) for value in answer.raise_for_status().json()["outputs"][0]["data"]]


def _ask_grpc(address: str, question: Question) -> list[float]:
    tensor = triton_grpc.InferInput(question.name, question.inputs.shape, "FP32")
    tensor.set_data_from_numpy(question.inputs)
    with triton_grpc.InferenceServerClient(address) as client:
        answer = client.infer(EXAMPLE, [tensor]).as_numpy(question.answer_name)
    return [float(value) for value in answer.flatten()]


def _show(question: Question, told: Mapping[str, list[float]]) -> None:
    table = Table(title="The trained model, and the same model served")
    for heading in (question.name, "the trained model says", *told):
        table.add_column(heading, justify="right")
    for x, *values in zip(question.inputs.flatten(), question.answers, *told.values(), strict=True):
        table.add_row(f"{x:g}", *(f"{value:.6f}" for value in values))
    console.print(table)


def _look_around(cluster: Cluster) -> None:
    home = str(Path.home())
    paths = {"KUBECONFIG": str(cluster.kubeconfig), "PATH": f"{tools.links()}:$PATH"}
    exports = " ".join(f"{name}={value.replace(home, '~', 1)}" for name, value in paths.items())
    for line in (
        f"export {exports}",
        f"kubectl get modeldeployments --namespace {NAMESPACE} --output wide",
        f"kubectl describe modeldeployment {EXAMPLE} --namespace {NAMESPACE}",
        f"kubectl get all --namespace {NAMESPACE} --selector serving.slipway.dev/model-deployment={EXAMPLE}",
    ):
        console.print(f"  {line}", markup=False)
    if os.environ.get("USE_CLUSTER") != "yes":
        step("`make down` takes the cluster away, `make clean` all that was made")
