"""The commands of the catalogue. What asks no cluster for leave prints YAML instead, for git."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click
import yaml

from slipway.bundle.console import DIRECTORY, FILE, errors_reported, print_columns, print_json, say
from slipway.bundle.errors import BundleError
from slipway.bundle.moving import digest_option, endpoint_option, keys_option
from slipway.guard.printable import printable, printable_lines

F = TypeVar("F", bound=Callable[..., Any])

_NAMESPACE: Final = "Of the catalogue. [default: the context's]"
_FORM: Final = "yaml: write nothing into the cluster; print the object, for git."
_FORMS: Final = click.Choice(["text", "json", "yaml"])


def cluster_options(command: F) -> F:
    """Which cluster, and where in it."""
    command = click.option("-n", "--namespace", help=_NAMESPACE)(command)
    command = click.option("--context", help="Of the kubeconfig.")(command)
    return click.option("--kubeconfig", type=click.Path(), help="[default: KUBECONFIG, or ~/.kube/config]")(command)


def form_option(command: F) -> F:
    """How the result is printed."""
    return click.option("-o", "--output", "form", type=_FORMS, default="text", show_default=True, help=_FORM)(command)


@click.command()
@click.argument("model")
@click.argument("version")
@click.argument("uri")
@click.option("--bundle", type=DIRECTORY, help="Push this directory to URI first. [default: the bundle is there]")
@click.option("--commit", help="Of the training code.")
@click.option("--data", help="The training data: a name or a digest.")
@click.option("--evaluation", type=FILE, help="A Statement of `slipway evaluate`: its metrics go into the card.")
@click.option("--continues", metavar="VERSION", help="The version of MODEL that it continues.")
@digest_option
@endpoint_option
@keys_option
@cluster_options
@form_option
def publish(
    model: str,
    version: str,
    uri: str,
    *,
    bundle: Path | None,
    commit: str | None,
    data: str | None,
    continues: str | None,
    evaluation: Path | None,
    kubeconfig: str | None,
    context: str | None,
    namespace: str | None,
    form: str,
    **place: Any,
) -> None:
    """Publish the bundle at URI as VERSION of MODEL. The same once more does nothing."""
    with errors_reported():
        from slipway.bundle.place import Place
        from slipway.catalogue import publish as library
        from slipway.catalogue.cluster import Cluster

        wanted = library.Version(
            model=model,
            version=version,
            place=Place(uri=uri, **place),
            commit=commit,
            data=data,
            continues=continues,
            evaluation=evaluation,
        )
        if form == "yaml":
            print_yaml(library.version_object(wanted, namespace or "", bundle=bundle, say=say))
            return
        with Cluster.connected(kubeconfig=kubeconfig, context=context, namespace=namespace) as cluster:
            published = library.publish(wanted, cluster, bundle=bundle, say=say)
    if published.left_out:
        parts = ", ".join(published.left_out)
        warn(f"{model} {version} was published before, and its card stays: not as asked for are {parts}")
    if form == "json":
        print_json(published.document())
        return
    name = published.object["metadata"]["name"]
    print_columns(
        [("digest", published.digest), ("ModelVersion", name), ("published", "now" if published.created else "before")]
    )


@click.command()
@click.argument("model")
@click.argument("version")
@click.option("--reason", help="Why, for whoever uses it.")
@click.option("--block", is_flag=True, help="Take no new ask and no rollback to it, either. What serves goes on.")
@click.option("--instead", metavar="VERSION", help="The version to use in its place.")
@click.option("--undo", is_flag=True, help="Take the withdrawal back.")
@click.option("--force", is_flag=True, help="Take the field over from whoever gives it.")
@cluster_options
@form_option
def withdraw(
    model: str,
    version: str,
    *,
    reason: str | None,
    block: bool,
    instead: str | None,
    undo: bool,
    force: bool,
    kubeconfig: str | None,
    context: str | None,
    namespace: str | None,
    form: str,
) -> None:
    """Say that VERSION of MODEL should not be used any more, or with --undo that it may."""
    if undo == (reason is not None):
        raise click.UsageError("say why with --reason, or take a withdrawal back with --undo")
    with errors_reported():
        from slipway.api.v1alpha1.catalogue import WithdrawalAction
        from slipway.catalogue import changes
        from slipway.catalogue.cluster import Cluster

        action = WithdrawalAction.BLOCK if block else WithdrawalAction.WARN
        with Cluster.connected(kubeconfig=kubeconfig, context=context, namespace=namespace) as cluster:
            if form == "yaml":
                print_yaml(
                    changes.withdrawn_object(cluster, model, version, reason=reason, action=action, instead=instead)
                )
                return
            if undo:
                changes.reinstate(cluster, model, version)
            else:
                changes.withdraw(
                    cluster, model, version, reason=reason or "", action=action, instead=instead, force=force
                )
    _print({"model": model, "version": version, "withdrawn": None if undo else str(action)}, form)


@click.command()
@click.argument("model")
@click.argument("alias")
@click.argument("version", required=False)
@click.option("--remove", is_flag=True, help="Take the alias away.")
@click.option("--force", is_flag=True, help="Take the alias over from whoever gives it.")
@cluster_options
@form_option
def alias(
    model: str,
    alias: str,
    version: str | None,
    *,
    remove: bool,
    force: bool,
    kubeconfig: str | None,
    context: str | None,
    namespace: str | None,
    form: str,
) -> None:
    """Have ALIAS of MODEL mean VERSION, as in: slipway alias churn champion 4."""
    if remove == (version is not None):
        raise click.UsageError("name a VERSION, or take the alias away with --remove")
    if remove and form == "yaml":
        raise click.UsageError("-o yaml writes nothing into the cluster, so --remove cannot be had with it")
    with errors_reported():
        from slipway.catalogue import changes
        from slipway.catalogue.cluster import Cluster

        if form == "yaml" and version:
            print_yaml(changes.alias_object(namespace or "", model, alias, version))
            return
        with Cluster.connected(kubeconfig=kubeconfig, context=context, namespace=namespace) as cluster:
            if version:
                warn(changes.warning(changes.move_alias(cluster, model, alias, version, force=force)))
            else:
                changes.remove_alias(cluster, model, alias)
    _print({"model": model, "alias": alias, "version": version}, form)


@click.command("models")
@click.argument("model", required=False)
@click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help="Of all namespaces.")
@cluster_options
@click.option("-o", "--output", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def list_models(
    model: str | None,
    *,
    everywhere: bool,
    kubeconfig: str | None,
    context: str | None,
    namespace: str | None,
    form: str,
) -> None:
    """Show what is published, what its aliases mean, and where it serves."""
    with errors_reported():
        from slipway.catalogue.cluster import Cluster
        from slipway.catalogue.listing import columns, listed

        with Cluster.connected(kubeconfig=kubeconfig, context=context, namespace=namespace) as cluster:
            rows = listed(cluster, model=model, everywhere=everywhere)
            where = "in any namespace" if everywhere else f"in namespace {cluster.namespace}; see -n and -A"
            if model and not rows:
                raise BundleError(f"{model}: no version of it is published {where}")
    if form == "json":
        print_json({"versions": rows})
    elif not rows:
        click.echo(f"no version is published {where}", err=True)
    else:
        print_columns(columns(rows, everywhere=everywhere))


def warn(message: str | None) -> None:
    """What people should know beside the result."""
    if message:
        click.echo(f"Warning: {printable(message)}", err=True)


def _print(result: dict[str, Any], form: str) -> None:
    if form == "json":
        print_json(result)
    else:
        print_columns([(key, "-" if value is None else str(value)) for key, value in result.items()])


def print_yaml(*manifests: dict[str, Any]) -> None:
    """Objects for git, a document each; what would steer a terminal is written as YAML's escapes."""
    for manifest in manifests:
        if not manifest["metadata"]["namespace"]:
            del manifest["metadata"]["namespace"]
    text = yaml.safe_dump_all(manifests, sort_keys=False, allow_unicode=True)
    if printable_lines(text) != text:
        text = yaml.safe_dump_all(manifests, sort_keys=False)
    sys.stdout.write(text)
