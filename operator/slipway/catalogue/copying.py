"""The command that copies a bundle to another store, and its ModelVersion to another catalogue."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from slipway.bundle.console import DIRECTORY, errors_reported, print_columns, print_json, say
from slipway.bundle.moving import (
    anonymous_option,
    digest_option,
    endpoint_option,
    keys_option,
    log_progress,
    print_moved,
)
from slipway.catalogue.commands import cluster_options, form_option, print_yaml

if TYPE_CHECKING:
    from slipway.bundle.place import Place
    from slipway.catalogue.migrate import Migrated


@click.command()
@click.argument("uri")
@click.argument("to")
@digest_option
@endpoint_option
@keys_option
@anonymous_option
@click.option("--to-endpoint", help="Of the other store, if it is another. [default: --endpoint]")
@click.option("--to-keys", type=DIRECTORY, help="Keys of the other store. [default: --keys]")
@click.option("--model", nargs=2, metavar="MODEL VERSION", help="Have its ModelVersion say that it is at TO as well.")
@click.option("--to-context", help="With --model: make the ModelVersion there. [default: --context]")
@click.option("--to-namespace", help="With --model: make the ModelVersion there. [default: --namespace]")
@cluster_options
@form_option
def copy(
    uri: str,
    to: str,
    *,
    to_endpoint: str | None,
    to_keys: Path | None,
    model: tuple[str, str] | None,
    form: str,
    kubeconfig: str | None,
    context: str | None,
    namespace: str | None,
    to_context: str | None,
    to_namespace: str | None,
    **place: Any,
) -> None:
    """Put the bundle that is at URI at the address TO as well, under the same digest and signature."""
    if not model and (form == "yaml" or to_context or to_namespace or kubeconfig or context or namespace):
        raise click.UsageError("name the version that is to be taken along: --model MODEL VERSION")
    with errors_reported():
        from slipway.bundle.place import Place
        from slipway.bundle.transfer import copy as library

        log_progress()
        target = Place(uri=to, endpoint=to_endpoint or place["endpoint"], keys=to_keys or place["keys"])
        source = Place(uri=uri, **place)
        if model:
            migrated = _migrated(
                model,
                source,
                target,
                here=(context, namespace),
                there=(to_context, to_namespace),
                kubeconfig=kubeconfig,
                form=form,
            )
        else:
            print_moved(library(source, target, say=say).document(), form)
            return
    _print(migrated, form)


Where = tuple[str | None, str | None]
"""A context of the kubeconfig and a namespace, each where it is named."""


def _migrated(
    model: tuple[str, str],
    source: "Place",
    target: "Place",
    *,
    here: Where,
    there: Where,
    kubeconfig: str | None,
    form: str,
) -> "Migrated":
    from slipway.catalogue.cluster import Cluster
    from slipway.catalogue.migrate import migrate

    with ExitStack() as stack:
        cluster = stack.enter_context(Cluster.connected(kubeconfig=kubeconfig, context=here[0], namespace=here[1]))
        into = None
        if any(there):
            context, namespace = there[0] or here[0], there[1] or (None if there[0] else here[1])
            into = stack.enter_context(Cluster.connected(kubeconfig=kubeconfig, context=context, namespace=namespace))
        return migrate(cluster, *model, source, target, into=into, write=form != "yaml", say=say)


def _print(migrated: "Migrated", form: str) -> None:
    if form == "yaml":
        print_yaml(migrated.object)
        return
    metadata = migrated.object["metadata"]
    if form == "json":
        print_json({**migrated.moved.document(), "name": metadata["name"], "namespace": metadata["namespace"]})
        return
    print_moved(migrated.moved.document(), form)
    print_columns([("ModelVersion", f"{metadata['name']} in namespace {metadata['namespace']}")])
