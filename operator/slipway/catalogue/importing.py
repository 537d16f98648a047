"""The command that brings models in from another registry."""

import re
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from slipway.bundle.console import DIRECTORY, FILE, errors_reported, print_columns, print_json, say
from slipway.bundle.errors import BundleError
from slipway.bundle.moving import endpoint_option, keys_option
from slipway.catalogue.commands import cluster_options, form_option, print_yaml
from slipway.catalogue.shape import digest_of

if TYPE_CHECKING:
    from slipway.catalogue.cluster import Cluster
    from slipway.catalogue.from_mlflow import MlflowVersion
    from slipway.catalogue.publish import Version

VERSION: Final = "$(version)"
"""Stands for the version in an address, as in a ModelDeployment that follows."""


@click.group("import")
def import_models() -> None:
    """Bring a model in from another registry, as a bundle and a ModelVersion."""


@import_models.command("mlflow")
@click.argument("source")
@click.argument("uri")
@click.option("--trusted", is_flag=True, help="You know who trained it: loading it runs whatever code is in it.")
@click.option("--tracking-uri", envvar="MLFLOW_TRACKING_URI", help="Of MLflow. [default: MLFLOW_TRACKING_URI]")
@click.option("--inputs", help="Example rows, as slipway pack takes them. [default: the model's input example]")
@click.option("--dtype", type=click.Choice(["FP32", "FP64"]), default="FP32", show_default=True)
@click.option("--model", help="Its name here. [default: MLflow's]")
@click.option("--version", help="Its version here. [default: MLflow's]")
@click.option("--alias", help="Have this alias mean it, as well.")
@click.option("--force", is_flag=True, help="Take the alias over from whoever gives it.")
@click.option("--out", type=DIRECTORY, help="Keep the bundle in this directory. [default: it is pushed alone]")
@click.option("--key", type=FILE, multiple=True, help="Sign it with this EC key in PEM form. May be repeated.")
@click.option("--password", envvar="SLIPWAY_KEY_PASSWORD", help="Of the keys. Better in the environment.")
@click.option("--license", default="", help="As the Hugging Face Hub calls it, such as apache-2.0.")
@click.option("--task", default="", help="The Hub's pipeline_tag, such as tabular-classification.")
@endpoint_option
@keys_option
@cluster_options
@form_option
def import_mlflow(
    source: str,
    uri: str,
    *,
    tracking_uri: str | None,
    model: str | None,
    version: str | None,
    alias: str | None,
    force: bool,
    kubeconfig: str | None,
    context: str | None,
    namespace: str | None,
    form: str,
    endpoint: str | None,
    keys: Path | None,
    **given: Any,
) -> None:
    """Import SOURCE, models:/NAME@ALIAS or models:/NAME/VERSION of MLflow, and put its bundle at URI.

    $(version) in URI stands for the version. What was imported before is not loaded again; its alias is moved.
    """
    with errors_reported(), ExitStack() as stack:
        from slipway.bundle.place import Place
        from slipway.catalogue import from_mlflow
        from slipway.catalogue.cluster import Cluster
        from slipway.catalogue.publish import Version

        mlflow_version = from_mlflow.find(source, tracking_uri=tracking_uri)
        number = version or mlflow_version.version
        wanted = Version(
            model=model or mlflow_version.model,
            version=number,
            place=Place(uri=uri.replace(VERSION, number), endpoint=endpoint, keys=keys),
            commit=mlflow_version.commit,
            data=mlflow_version.data,
            origin=mlflow_version.origin,
        )
        _check_named(wanted)
        if form == "yaml":
            _print_for_git(mlflow_version, wanted, namespace or "", alias, given)
            return
        cluster = stack.enter_context(Cluster.connected(kubeconfig=kubeconfig, context=context, namespace=namespace))
        result = _imported(mlflow_version, wanted, cluster, given)
        if alias:
            from slipway.catalogue.changes import move_alias

            move_alias(cluster, wanted.model, alias, wanted.version, force=force)
    _print(result, alias, form)


@dataclass(frozen=True, kw_only=True)
class _Result:
    mlflow: str
    name: str
    digest: str
    created: bool


def _imported(mlflow_version: "MlflowVersion", wanted: "Version", cluster: "Cluster", given: dict[str, Any]) -> _Result:
    """Publish it, unless that was done before."""
    from slipway.catalogue import publish as library

    there, created = library.imported_before(wanted, cluster), False
    if there is None:
        with tempfile.TemporaryDirectory(prefix="slipway-import-") as scratch:
            published = library.publish(
                wanted, cluster, bundle=_packed(mlflow_version, wanted, scratch, **given), say=say
            )
        there, created = published.object, published.created
    name, digest = there["metadata"]["name"], digest_of(there)
    return _Result(mlflow=mlflow_version.uri, name=name, digest=digest, created=created)


def _packed(
    mlflow_version: "MlflowVersion",
    wanted: "Version",
    scratch: str,
    *,
    out: Path | None,
    inputs: str | None,
    key: tuple[Path, ...],
    password: str | None,
    **given: Any,
) -> Path:
    from slipway.bundle import examples
    from slipway.catalogue.from_mlflow import pack_version

    rows = examples.given(inputs) if inputs else None
    folder = out or Path(scratch) / wanted.model
    pack_version(mlflow_version, folder, name=wanted.model, inputs=rows, say=say, **given)
    if key:
        from slipway.bundle.sign import sign
        from slipway.bundle.transfer import take_signature

        sign(folder, key=key, password=password, add=take_signature(folder, wanted.place))
    return folder


def _check_named(wanted: "Version") -> None:
    """What the API would refuse, before anything is fetched."""
    from slipway.api.v1alpha1.catalogue import PUBLISHED_VERSION_PATTERN
    from slipway.api.v1alpha1.follow import MODEL_PATTERN

    if not re.fullmatch(MODEL_PATTERN, wanted.model):
        raise BundleError(
            f"model: {wanted.model!r} is no name of a registered model, which has lower-case letters, digits and -, at "
            "most 63; give it one (--model)"
        )
    if not re.fullmatch(PUBLISHED_VERSION_PATTERN, wanted.version):
        raise BundleError(
            f"version: {wanted.version!r} is no version of the catalogue, which has letters, digits, ., _ and -, at "
            "most 64; give it another (--version)"
        )


def _print_for_git(
    mlflow_version: "MlflowVersion", wanted: "Version", namespace: str, alias: str | None, given: dict[str, Any]
) -> None:
    from slipway.catalogue.changes import alias_object
    from slipway.catalogue.publish import version_object

    with tempfile.TemporaryDirectory(prefix="slipway-import-") as scratch:
        bundle = _packed(mlflow_version, wanted, scratch, **given)
        objects = [version_object(wanted, namespace, bundle=bundle, say=say)]
    print_yaml(*objects, *([alias_object(namespace, wanted.model, alias, wanted.version)] if alias else []))


def _print(result: _Result, alias: str | None, form: str) -> None:
    if form == "json":
        print_json({**vars(result), "alias": alias})
        return
    published = "now" if result.created else "before"
    rows = [("MLflow", result.mlflow), ("digest", result.digest), ("ModelVersion", result.name)]
    print_columns([*rows, ("published", published), *([("alias", alias)] if alias else [])])
