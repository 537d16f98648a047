"""A real MLflow server from its package, and models that are logged to it.

The server has an environment of its own: it wants an older python-dateutil than the client of Kubernetes. What trains
and imports talks to it with mlflow-skinny, as pipelines do.
"""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np
import pandas as pd

from testbed.fingerprint import fingerprint
from testbed.operating import until
from testbed.plane import free_port
from testbed.say import working
from testbed.shell import CACHE, ROOT, locked, run, spawn
from testbed.training import trainer

PACKAGE: Final = "mlflow==3.17.2"
START_SECONDS: Final = 120
"""It makes its database first, revision by revision."""

TORCH: Final = """
import importlib.util, json, sys, types
import mlflow, numpy as np, torch
from slipway.catalogue import from_mlflow
if importlib.util.find_spec("torch.export") is None:  # Debian's torch; MLflow imports it, and pickles without it
    sys.modules["torch.export"] = types.SimpleNamespace(Dim=None)
mlflow.set_tracking_uri(sys.argv[1])
torch.manual_seed(0)
network = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Softmax(dim=1))
rows = np.ones((2, 3), np.float32)
with mlflow.start_run():
    mlflow.pytorch.log_model(
        network, name="m", registered_model_name="mlp", input_example=rows, serialization_format="pickle",
        pip_requirements=["torch"],
    )
found = from_mlflow.find("models:/mlp/1")
print("packed", json.dumps(from_mlflow.pack_version(found, sys.argv[2], name="mlp", trusted=True).document()))
"""


@dataclass(frozen=True)
class Mlflow:
    """A server on loopback."""

    uri: str

    def client(self) -> Any:
        import mlflow

        return mlflow.MlflowClient(tracking_uri=self.uri)

    def log_churn(self, *, name: str = "churn", seed: int = 0, example: bool = True, **tags: str) -> str:
        """Train a classifier, log it with its run, and register it: the version."""
        import mlflow.data.pandas_dataset
        from sklearn.linear_model import LogisticRegression

        mlflow.set_tracking_uri(self.uri)
        rows = customers(seed)
        labels = (rows["tenure"] < rows["fee"]).astype(int)
        with mlflow.start_run(tags={"mlflow.source.git.commit": f"4f2a9c{seed}", **tags}):
            mlflow.log_params({"C": 0.5, "note": "a | b\n`c`"})
            mlflow.log_input(mlflow.data.pandas_dataset.from_pandas(rows, name="customers"), context="training")
            estimator = LogisticRegression(C=0.5).fit(rows, labels)
            mlflow.log_metrics({"accuracy": float(estimator.score(rows, labels)), "broken": float("nan")})
            logged = mlflow.sklearn.log_model(
                estimator,
                name="model",
                registered_model_name=name,
                input_example=rows[:3] if example else None,
                serialization_format="cloudpickle",
                pip_requirements=["scikit-learn"],  # else another process is asked what it imports
            )
        return str(logged.registered_model_version)

    def log_and_pack_torch(self, out: Path) -> dict[str, Any]:
        """Log a network and pack it again, with the Python that has torch."""
        path = os.pathsep.join([str(ROOT / "operator"), sysconfig.get_path("purelib")])
        told = run(trainer(), "-c", TORCH, self.uri, out, env={"PYTHONPATH": path})
        line = next(line for line in told.splitlines() if line.startswith("packed "))
        found: dict[str, Any] = json.loads(line.removeprefix("packed "))
        return found


def customers(seed: int) -> pd.DataFrame:
    """Rows by column, as MLflow's users log them."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"tenure": rng.uniform(0, 60, 200), "fee": rng.uniform(5, 90, 200)})


@contextmanager
def serving(folder: Path) -> Iterator[Mlflow]:
    """The server, until the end of the block."""
    port = free_port()
    store: list[str | Path] = [
        "--backend-store-uri",
        f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination",
        folder / "artifacts",
    ]
    where: list[str | Path] = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1", *store]
    words = [_python(), "-m", "mlflow", "server", *where]
    process = spawn(words, folder / "mlflow.log", _ENVIRONMENT)
    server = Mlflow(f"http://127.0.0.1:{port}")
    try:
        until("MLflow answers", lambda: _healthy(server, process, folder / "mlflow.log"), START_SECONDS)
        yield server
    finally:
        process.terminate()
        process.wait(30)


_ENVIRONMENT: Final[Mapping[str, str]] = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "PYTHONPATH": ""}


def _healthy(server: Mlflow, process: "subprocess.Popen[bytes]", log: Path) -> bool:
    assert process.poll() is None, log.read_text()[-2000:]
    try:
        return httpx.get(f"{server.uri}/health", timeout=5).is_success
    except httpx.HTTPError:
        return False


def _python() -> Path:
    """The Python that has the server, made where there is none yet."""
    folder = CACHE / "venvs" / f"mlflow-{fingerprint(PACKAGE, sys.version)}"
    python = folder / "bin" / "python"
    with locked(folder):
        if not (folder / "complete").exists():
            with working(f"installing {PACKAGE}, once"):
                venv.create(folder, with_pip=True, clear=True)
                run(python, "-m", "pip", "install", "--quiet", PACKAGE)
                (folder / "complete").touch()
    return python
