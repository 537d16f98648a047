"""The commands that look: get, list, why, history, top, version and plan. What draws is imported when it is needed."""

from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from typing import Any, TextIO

import click

from slipway import DISTRIBUTION
from slipway.api.v1alpha1 import MODELS
from slipway.cli.console import cluster, cluster_options, ended, form_option, name_argument, show
from slipway.cli.kubectl import Kubectl, KubectlError, NoApiError
from slipway.cli.text import plain


@click.command()
@name_argument
@click.option("-w", "--watch", is_flag=True, help="Follow it; without a terminal, a line for each change.")
@cluster_options
@form_option
def get(name: str, *, watch: bool, form: str, **options: Any) -> None:
    """Show one model: revisions, pods, the steps of its rollout, and what it awaits until when."""
    if watch and form != "text":
        raise click.UsageError("--watch shows text alone: take kubectl get --watch -o json")
    with ended():
        from slipway.cli import live
        from slipway.cli.draw_tree import tree_of
        from slipway.cli.tree import tree

        kubectl = cluster(options)
        if watch:
            live.follow(kubectl, name)
            return
        view = tree(read(kubectl, name))
        show(view, form, lambda on: tree_of(view, on, datetime.now(UTC)), [name])


@click.command("list")
@click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help="Of all namespaces.")
@cluster_options
@form_option
def list_models(*, everywhere: bool, form: str, **options: Any) -> None:
    """List what serves: every ModelDeployment with its phase and reason. What is published: slipway models."""
    with ended():
        from slipway.cli.by_name import Listed, listed
        from slipway.cli.draw_pages import list_of
        from slipway.cli.listing import rows

        kubectl = cluster(options)
        there = Listed(kubectl.items(MODELS, "--all-namespaces")) if everywhere else listed(kubectl)
        if there.remark:
            click.echo(there.remark, err=True)
        listing = rows(there.models)
        if not listing and form == "text":
            click.echo(f"no ModelDeployments{_where(options, everywhere=everywhere)}", err=True)
            return
        names = [row.name for row in listing]
        show(listing, form, lambda on: list_of(listing, on, datetime.now(UTC), everywhere=everywhere), names)


@click.command()
@name_argument
@cluster_options
@form_option
def why(name: str, *, form: str, **options: Any) -> None:
    """Say why a model is as it is: the reason, about what, in whose words, and what to do."""
    with ended():
        from slipway.cli import why as views
        from slipway.cli.draw_pages import why_of

        kubectl = cluster(options)
        view = views.why(read(kubectl, name), _events(kubectl, name))
        show(view, form, lambda on: why_of(view, datetime.now(UTC)), [name])


@click.command()
@name_argument
@cluster_options
@form_option
def history(name: str, *, form: str, **options: Any) -> None:
    """Show the revisions that a model had, and what became of each."""
    with ended():
        from slipway.cli import history as views
        from slipway.cli.draw_pages import history_of
        from slipway.core.names import MODEL_DEPLOYMENT

        kubectl = cluster(options)
        model = read(kubectl, name, pods=False)
        stored = kubectl.items("controllerrevisions.apps", f"--selector={MODEL_DEPLOYMENT}={name}")
        past = views.history(model, stored)
        if not past and form == "text":
            click.echo(f"{name} has no revision yet", err=True)
            return
        show(past, form, lambda on: history_of(past, on, datetime.now(UTC)), [name])


@click.command()
@click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help="Of all namespaces.")
@cluster_options
@form_option
def top(*, everywhere: bool, form: str, **options: Any) -> None:
    """Show which models hold which pods, accelerators and nodes, the most accelerators first."""
    with ended():
        from slipway.cli.accelerators import claims_devices
        from slipway.cli.draw_pages import top_of
        from slipway.cli.top import holdings
        from slipway.core.names import COMPONENT, MODEL_DEPLOYMENT

        kubectl, models = cluster(options), list[dict[str, Any]]()
        selector, where = f"--selector={COMPONENT}=server,{MODEL_DEPLOYMENT}", ["--all-namespaces"] * everywhere
        pods = kubectl.items("pods", selector, *where)
        if any(map(claims_devices, pods)):
            try:
                models = kubectl.items(MODELS, *where)
            except KubectlError as error:
                click.echo(f"devices by class are not shown: {error}", err=True)
        held = holdings(pods, models)
        if not held and form == "text":
            click.echo(f"no pods of models{_where(options, everywhere=everywhere)}", err=True)
            return
        show(held, form, lambda on: top_of(held, on, everywhere=everywhere), [each.name for each in held])


@click.command("version")
@cluster_options
@form_option
def show_version(*, form: str, **options: Any) -> None:
    """Show the versions of command, API and operator, and whether they fit together. Fails where they do not."""
    with ended():
        from slipway.api.v1alpha1 import API_VERSION
        from slipway.cli.draw_pages import versions_of
        from slipway.cli.versions import versions

        kubectl = cluster(options)
        try:
            schema = kubectl.raw(f"/openapi/v3/apis/{API_VERSION}")
        except NoApiError:
            schema = None
        operators = "--selector=app.kubernetes.io/name=slipway,app.kubernetes.io/component=operator"
        try:
            deployments = kubectl.items("deployments", operators, "--all-namespaces")
        except KubectlError as error:
            click.echo(f"operators are not shown: {error}", err=True)
            deployments = []
        view = versions(version(DISTRIBUTION), schema, deployments)
        show(view, form, lambda on: versions_of(view), [])
        if view.remarks:
            raise click.exceptions.Exit(1)


@click.command()
@click.option("-f", "--filename", "file", required=True, type=click.File(), help="A manifest; - is standard input.")
@click.option("--server-side", is_flag=True, help="As kubectl apply --server-side.")
@click.option("--field-manager", default="kubectl", show_default=True, help="With --server-side.")
@cluster_options
@form_option
def plan(file: TextIO, *, server_side: bool, field_manager: str, form: str, **options: Any) -> None:
    """Say what a manifest would do if it were applied: which pods are made anew, for which fields, and how."""
    with ended():
        from slipway.cli import plan as views
        from slipway.cli.draw_pages import plan_of
        from slipway.core.body import within

        kubectl = cluster(options)
        own = ["--server-side", f"--field-manager={field_manager}"] if server_side else []
        text = file.read()
        after = kubectl.json("apply", "--dry-run=server", *own, "--filename=-", stdin=text)
        written = {str(within(each, "metadata").get("name")): each for each in views.written_in(text)}
        for each in after["items"] if after.get("kind") == "List" else [after]:
            if each.get("kind") == "ModelDeployment":
                meta = each["metadata"]
                there = kubectl.named(MODELS, meta["name"], f"--namespace={meta['namespace']}")
                view = views.planned(there, each, written.get(meta["name"]))
                show(view, form, partial(_drawn_on_any, plan_of(view)), [view.name])


def _where(options: dict[str, Any], *, everywhere: bool) -> str:
    if everywhere:
        return ""
    named = options["namespace"]
    return f" in {f'namespace {plain(named)}' if named else 'the namespace of the context'}; -A shows all"


def _drawn_on_any(drawing: Any, _: Any) -> Any:
    """What is drawn the same on every screen."""
    return drawing


def read(kubectl: Kubectl, name: str, *, pods: bool = True) -> Any:
    """The Model, with its pods as far as the user may see them."""
    from slipway.cli.model import Model
    from slipway.core.names import MODEL_DEPLOYMENT

    body = kubectl.json("get", MODELS, name)
    if not pods:
        return Model.read(body)
    try:
        pod_bodies = kubectl.items("pods", f"--selector={MODEL_DEPLOYMENT}={name}")
    except KubectlError as error:
        click.echo(f"pods are not shown: {error}", err=True)
        pod_bodies = []
    return Model.read(body, pod_bodies)


def _events(kubectl: Kubectl, name: str) -> list[dict[str, Any]]:
    """Those about the object; none where the user may not see any."""
    try:
        selector = f"--field-selector=involvedObject.name={name},involvedObject.kind=ModelDeployment,type=Warning"
        return kubectl.items("events", selector)
    except KubectlError as error:
        click.echo(f"events are not shown: {error}", err=True)
        return []
