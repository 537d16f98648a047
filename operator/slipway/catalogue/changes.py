"""Withdrawals and aliases, moved in a cluster. What another field manager gives is told, and not overwritten."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from slipway.api.v1alpha1 import MODEL_VERSION, REGISTERED_MODEL
from slipway.api.v1alpha1.catalogue import RegisteredModelSpec, WithdrawalAction, Withdrawn, object_name
from slipway.api.v1alpha1.follow import Follow
from slipway.bundle.errors import BundleError
from slipway.catalogue.cluster import Cluster, Object, RefusedError, named
from slipway.catalogue.shape import checked

WITHDRAWS: Final = "slipway-withdraw"


def withdraw(
    cluster: Cluster,
    model: str,
    version: str,
    *,
    reason: str,
    action: WithdrawalAction = WithdrawalAction.WARN,
    instead: str | None = None,
    force: bool = False,
) -> Object:
    """Withdraw a version."""
    spec = published(cluster, model, version)["spec"]
    withdrawn = _withdrawn(reason, action, instead)
    if spec.get("withdrawn") == withdrawn:
        return named(MODEL_VERSION, object_name(model, version), cluster.namespace, spec)
    body = named(MODEL_VERSION, object_name(model, version), cluster.namespace, {"withdrawn": withdrawn})
    with _conflicts_explained(f"the withdrawal of {model} {version}"):
        return cluster.apply(MODEL_VERSION, body, manager=WITHDRAWS, force=force)


def reinstate(cluster: Cluster, model: str, version: str) -> Object:
    """Take a withdrawal back, whoever made it."""
    published(cluster, model, version)
    name = object_name(model, version)
    return cluster.merge(MODEL_VERSION, name, {"spec": {"withdrawn": None}}, manager=WITHDRAWS)


def move_alias(cluster: Cluster, model: str, alias: str, version: str, *, force: bool = False) -> Object:
    """Have an alias mean a version that is published. The RegisteredModel is made if there is none. The version is
    answered: it may be withdrawn."""
    meant = published(cluster, model, version)
    with _conflicts_explained(f"{model}'s alias {alias}"):
        cluster.apply(
            REGISTERED_MODEL,
            alias_object(cluster.namespace, model, alias, version),
            manager=_alias_manager(alias),
            force=force,
        )
    return meant


def warning(meant: Object) -> str | None:
    """What people should know who have an alias mean this version; None where nothing is wrong with it."""
    withdrawn = meant["spec"].get("withdrawn")
    if not withdrawn:
        return None
    instead = f"; use {withdrawn['instead']} instead" if withdrawn.get("instead") else ""
    blocks = withdrawn.get("action") == WithdrawalAction.BLOCK
    follows = "who follows the alias stays where it is" if blocks else "who follows the alias gets it all the same"
    version = f"{meant['spec']['model']} {meant['spec']['version']}"
    return f"{version} is withdrawn ({withdrawn.get('reason', '')}): {follows}{instead}"


def remove_alias(cluster: Cluster, model: str, alias: str) -> Object:
    """Take an alias away, whoever gave it."""
    there = cluster.get(REGISTERED_MODEL, model)
    if there is None or alias not in (there["spec"].get("aliases") or {}):
        raise BundleError(f"{model}: has no alias {alias} in namespace {cluster.namespace}")
    return cluster.merge(REGISTERED_MODEL, model, {"spec": {"aliases": {alias: None}}}, manager=_alias_manager(alias))


def alias_object(namespace: str, model: str, alias: str, version: str) -> Object:
    """What is applied of a RegisteredModel to move one alias."""
    checked(Follow, {"model": model, "alias": alias})
    spec = checked(RegisteredModelSpec, {"aliases": {alias: version}})
    return named(REGISTERED_MODEL, model, namespace, spec.to_dict())


def withdrawn_object(
    cluster: Cluster, model: str, version: str, *, reason: str | None, action: WithdrawalAction, instead: str | None
) -> Object:
    """The whole ModelVersion with its withdrawal, or with no reason without, for git."""
    there = published(cluster, model, version)
    spec = {key: value for key, value in there["spec"].items() if key != "withdrawn"}
    if reason is not None:
        spec["withdrawn"] = _withdrawn(reason, action, instead)
    return named(MODEL_VERSION, object_name(model, version), cluster.namespace, spec)


def _withdrawn(reason: str, action: WithdrawalAction, instead: str | None) -> Object:
    return checked(Withdrawn, {"reason": reason, "action": action, "instead": instead or None}).to_dict()


def _alias_manager(alias: str) -> str:
    """One for each alias: what a manager does not apply again, an apply of its own takes away."""
    return f"slipway-alias-{alias}"


def published(cluster: Cluster, model: str, version: str) -> Object:
    """The ModelVersion; BundleError where it is not published in the namespace."""
    there = cluster.get(MODEL_VERSION, object_name(model, version))
    if there is None or (there["spec"].get("model"), there["spec"].get("version")) != (model, version):
        raise BundleError(f"{model} {version}: is not published in namespace {cluster.namespace}; see slipway models")
    return there


@contextmanager
def _conflicts_explained(what: str) -> Iterator[None]:
    try:
        yield
    except RefusedError as error:
        if error.status != 409:
            raise
        message = f"{what}: somebody else gives it: {error}; change it there, or say --force to take it over"
        raise BundleError(message) from None
