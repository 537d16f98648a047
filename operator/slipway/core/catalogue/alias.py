"""Alias: the version that it offers to whoever follows it, or why it offers none."""

import re
from collections.abc import Mapping
from typing import Any

from slipway.api.v1alpha1.catalogue import PUBLISHED_VERSION_PATTERN
from slipway.api.v1alpha1.follow import PLACEHOLDER, Follow
from slipway.api.v1alpha1.source import DIGEST_PATTERN, TAG_LENGTH, URI_LENGTH
from slipway.core.body import within
from slipway.core.catalogue.facts import Followed, RegisteredModelFacts, VersionFacts, Withdrawal
from slipway.core.catalogue.uses import EVERYWHERE
from slipway.core.catalogue.withdrawal import Effect, Occasion, effect
from slipway.core.reasons import Finding, Reason, finding


def label(follow: Follow, namespace: str) -> str:
    """What people call the alias, in a namespace."""
    elsewhere = follow.namespace not in (None, namespace)
    return f"{follow.alias} of {f'{follow.namespace}/' if elsewhere else ''}{follow.model}"


def asked_version(body: Mapping[str, Any]) -> str:
    """The version that a ModelDeployment asks for, by its manifest or by what it has come to by following; empty where
    that is not known yet."""
    said = within(body, "spec", "model").get("version") or within(body, "status", "follow").get("version")
    return str(said or "")


def is_shared(model: RegisteredModelFacts, owner: str, namespace: str) -> bool:
    """Whether a model of one namespace may be followed in another."""
    return owner == namespace or not model.shared_with.isdisjoint({namespace, EVERYWHERE})


def offered(
    follow: Follow, seen: Followed, *, namespace: str, uri: str, withdrawals: Mapping[str, Withdrawal]
) -> VersionFacts | Finding:
    """The version that an alias means, if it may be asked for; else why not. `uri`: of the source, with the place for
    the version."""
    named = label(follow, namespace)
    meant = _meant(follow, seen, namespace)
    if isinstance(meant, str):
        return finding(Reason.NOTHING_TO_FOLLOW, f"{named}: {meant}")
    if why := unfit(meant.version, meant.digest, uri):
        return finding(Reason.NOTHING_TO_FOLLOW, f"{named} is version {meant.version}, {why}")
    return _withdrawn(named, meant, withdrawals) or meant


def _meant(follow: Follow, seen: Followed, namespace: str) -> VersionFacts | str:
    """The version, or why there is none. Of a model that is not shared nothing is said that would tell whether it is
    there."""
    if seen.unseen:
        return seen.unseen
    owner, model = follow.namespace or namespace, seen.model
    if model is None or not is_shared(model, owner, namespace):
        shared = "" if owner == namespace else f" whose sharedWith has {namespace}"
        return f"there is no RegisteredModel {follow.model} in namespace {owner}{shared}"
    if follow.alias not in model.aliases:
        return "the RegisteredModel has no such alias; add it to spec.aliases there"
    means = model.aliases[follow.alias].version
    if seen.version is None or seen.version.version != means:
        return f"it is version {means}, which is not published"
    return seen.version


def unfit(version: str, digest: str, uri: str) -> str | None:
    """What keeps a version from being asked for: an older or later schema has let it through, or an edit of status."""
    for pattern, what, value in ((PUBLISHED_VERSION_PATTERN, "version", version), (DIGEST_PATTERN, "digest", digest)):
        if not re.fullmatch(pattern, value):
            return f"whose {what} is none: publish another one"
    address = uri.replace(PLACEHOLDER, version)
    if len(address) > URI_LENGTH:
        return f"with which spec.model.source.uri has more than {URI_LENGTH} characters: shorten it"
    if address.startswith("oci://") and len(address.rpartition(":")[2]) > TAG_LENGTH and PLACEHOLDER in uri:
        return f"with which the tag in spec.model.source.uri has more than {TAG_LENGTH} characters: shorten it"
    return None


def _withdrawn(named: str, version: VersionFacts, withdrawals: Mapping[str, Withdrawal]) -> Finding | None:
    for each in (withdrawals.get(version.digest), version.withdrawal):
        if each and effect(each, Occasion.ASK) is Effect.REFUSE:
            return finding(Reason.WITHDRAWN, f"{named} is version {version.version}: {each.words}")
    return None
