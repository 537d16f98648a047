"""A version of MLflow's registry as a bundle: the model, its input example as golden request, its run on the card.

MLflow keeps models as pickles, and those of skops name in their own file which types may be trusted: loading one runs
whatever code is in it. That is done where a person vouches for the model (`trusted`), in that person's process, and in
no other part of Slipway. `find` loads nothing.
"""

import math
import os
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from slipway.bundle import own, pack
from slipway.bundle.assemble import Options, quiet
from slipway.bundle.errors import BundleError, need

_URI: Final = re.compile(r"models:/+([^/@]+)(?:@([^/@]+)|/([0-9]+))")
_WHY: Final = "the model is in its registry"
_INSTALL: Final = "'slipway-serving[mlflow]'"
_FLAVORS: Final = ("sklearn", "pytorch")
_MOST_PARAMS: Final = 100
_LONGEST_PARAM: Final = 200
_PATIENCE: Final = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # seven, and minutes, where nothing is said
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


@dataclass(frozen=True, kw_only=True)
class MlflowVersion:
    """A version of MLflow's registry, and what is known of the run that made it."""

    model: str
    version: str
    source: str
    """Where MLflow has its files: what tells it from one that was registered under the same number later."""
    description: str
    metrics: Mapping[str, float]
    params: Mapping[str, str]
    commit: str | None
    data: str | None
    """The name and digest of the training data, where the run logged it."""

    @property
    def uri(self) -> str:
        """As MLflow names it, by number."""
        return f"models:/{self.model}/{self.version}"

    @property
    def origin(self) -> str:
        """What an object that was made of it says."""
        return f"mlflow {self.uri} {self.source}"


def find(uri: str, *, tracking_uri: str | None = None) -> MlflowVersion:
    """The version that `models:/NAME@ALIAS` or `models:/NAME/VERSION` means now. No file of it is read."""
    if not (parts := _URI.fullmatch(uri)):
        raise BundleError(f"{uri}: names no version of MLflow's registry; write models:/NAME@ALIAS or models:/NAME/3")
    name, alias, number = parts.groups()
    mlflow = _mlflow(tracking_uri)
    with own.guarded(f"{uri}: asking MLflow at {mlflow.get_tracking_uri()}"):
        client = mlflow.MlflowClient()
        there = client.get_model_version_by_alias(name, alias) if alias else client.get_model_version(name, number)
        run = client.get_run(there.run_id) if there.run_id else None
    data = run.data if run else None
    return MlflowVersion(
        model=name,
        version=str(there.version),
        source=str(there.source),
        description=str(there.description or ""),
        metrics={key: value for key, value in sorted((data.metrics if data else {}).items()) if math.isfinite(value)},
        params=dict(sorted((data.params if data else {}).items())),
        commit=str(data.tags.get("mlflow.source.git.commit") or "")[:128] or None if data else None,
        data=_training_data(run.inputs.dataset_inputs) if run and run.inputs else None,
    )


def pack_version(
    version: MlflowVersion,
    out: str | Path,
    *,
    name: str,
    trusted: bool,
    inputs: Any = None,
    dtype: str = "FP32",
    license: str = "",  # noqa: A002  the card's word
    task: str = "",
    say: Callable[[str], None] = quiet,
) -> pack.Packed:
    """Load the model and pack it. Its own input example is asked, or `inputs`."""
    if not trusted:
        raise BundleError(
            f"{version.uri}: loading it unpickles it, which runs whatever code is in it; "
            "if you know who trained it say --trusted (trusted=True)"
        )
    mlflow = _mlflow(None)
    with tempfile.TemporaryDirectory(prefix="slipway-mlflow-") as scratch:
        say(f"fetching {version.uri}")
        with own.guarded(f"{version.uri}: fetching it from MLflow"):
            folder = mlflow.artifacts.download_artifacts(artifact_uri=version.uri, dst_path=scratch)
            described = mlflow.models.Model.load(folder)
        flavor = _flavor(version, described.flavors)
        rows = _example(version, described, folder) if inputs is None else inputs
        _check_names(version, described, rows)
        say(f"loading {version.uri}, which runs its code")
        module = need(f"mlflow.{flavor}", install=_INSTALL, why=_WHY)
        with own.at_home(), own.guarded(f"{version.uri}: loading it"):
            loaded = module.load_model(folder)
        options: Options = {"out": out, "name": name, "card": _card(version, license, task), "say": say}
        if flavor == "sklearn":
            return pack.sklearn(loaded, rows, dtype=dtype, **options)
        return pack.torch(loaded, rows, **options)


def _mlflow(tracking_uri: str | None) -> Any:
    for name, value in _PATIENCE.items():
        os.environ.setdefault(name, value)
    mlflow = need("mlflow", install=_INSTALL, why=_WHY)
    if tracking_uri:
        mlflow.set_tracking_uri(tracking_uri)
    elif not mlflow.tracking.is_tracking_uri_set():
        raise BundleError(
            "no MLflow is named: set MLFLOW_TRACKING_URI or --tracking-uri, such as https://mlflow.example"
        )
    return mlflow


def _training_data(inputs: Sequence[Any]) -> str | None:
    """The data set that the run says it trained on, or else the first."""
    by_context = {tag.value: each for each in reversed(inputs) for tag in each.tags if tag.key == "mlflow.data.context"}
    chosen = by_context.get("training") or next(iter(inputs), None)
    return f"{chosen.dataset.name}@{chosen.dataset.digest}"[:256] if chosen else None


def _flavor(version: MlflowVersion, flavors: Mapping[str, Any]) -> str:
    """How it is loaded; BundleError where it cannot be, or where another scikit-learn would answer than saved it."""
    flavor = next((each for each in _FLAVORS if each in flavors), None)
    if flavor is None:
        raise BundleError(
            f"{version.uri}: has the flavors {', '.join(sorted(flavors))}, and sklearn or pytorch is imported; log it "
            "with one of them, or export it to ONNX and use slipway pack onnx"
        )
    if flavor == "sklearn":
        here = need("sklearn", install="scikit-learn", why="the model is its").__version__
        saved = flavors[flavor].get("sklearn_version")
        if saved != here:
            raise BundleError(
                f"{version.uri}: was saved by scikit-learn {saved}, and {here} is here, which may answer otherwise; "
                f"pip install scikit-learn=={saved}"
            )
    return flavor


def _example(version: MlflowVersion, described: Any, folder: str) -> Any:
    with own.guarded(f"{version.uri}: reading its input example"):
        rows = described.load_input_example(folder)
    if rows is None:
        raise BundleError(
            f"{version.uri}: was logged without an input example, and golden requests ask rows; give some (--inputs), "
            "or log it with input_example="
        )
    return rows


def _check_names(version: MlflowVersion, described: Any, rows: Any) -> None:
    """BundleError where the rows have other names than the model's signature: clients know it by that."""
    signature = described.signature
    said = [name for name in (signature.inputs.input_names() if signature else ()) if isinstance(name, str)]
    names = rows.columns if hasattr(rows, "columns") else rows if isinstance(rows, Mapping) else None
    if said and names is not None and set(said) != {str(name) for name in names}:
        named = ", ".join(map(str, names))
        raise BundleError(
            f"{version.uri}: its signature has {', '.join(said)}, and the rows {named}; name them so (--inputs)"
        )


def _card(version: MlflowVersion, license: str, task: str) -> pack.Card:  # noqa: A002
    params = [f"| {_cell(key)} | {_cell(value)} |" for key, value in list(version.params.items())[:_MOST_PARAMS]]
    left_out = len(version.params) - len(params)
    made = f" of the commit `{_cell(version.commit)}`" if version.commit else ""
    parts = [
        version.description,
        f"Imported from MLflow: version {version.version} of {_cell(version.model)}{made}.",
        "\n".join(["| parameter | value |", "|---|---|", *params]) if params else "",
        f"{left_out} more parameters are in MLflow." if left_out else "",
    ]
    return pack.Card(
        title=version.model,
        description="\n\n".join(part for part in parts if part),
        license=license,
        task=task,
        metrics=version.metrics,
    )


def _cell(text: str) -> str:
    """Text in a table's cell: whoever trained the model wrote it."""
    plain = " ".join(str(text).split()).replace("|", "\\|").replace("`", "'")
    return plain if len(plain) <= _LONGEST_PARAM else plain[: _LONGEST_PARAM - 1] + "…"
