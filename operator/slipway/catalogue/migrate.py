"""A published version, taken along to another store, and to another namespace or cluster: the same bytes, the same
digest, the same card.

The bytes go first, as in a publish. What was cut between the two writes the same copy makes whole.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from slipway.api.v1alpha1 import MODEL_VERSION
from slipway.api.v1alpha1.catalogue import object_name
from slipway.bundle.assemble import quiet
from slipway.bundle.errors import BundleError
from slipway.bundle.place import Place
from slipway.bundle.transfer import Moved, copy
from slipway.catalogue import changes
from slipway.catalogue.cluster import Cluster, Object, RefusedError, named
from slipway.catalogue.publish import ORIGIN
from slipway.catalogue.shape import digest_of

MANAGER: Final = "slipway-copy"
_MOST_SOURCES: Final = 8


@dataclass(frozen=True, kw_only=True)
class Migrated:
    """A version whose bundle is at one address more."""

    moved: Moved
    object: Object
    """The ModelVersion that says so, written or for git."""


def migrate(
    cluster: Cluster,
    model: str,
    version: str,
    source: Place,
    target: Place,
    *,
    into: Cluster | None = None,
    write: bool = True,
    say: Callable[[str], None] = quiet,
) -> Migrated:
    """Copy a version's bundle from one address to another, and have its ModelVersion say so: that of `into`, which is
    made where there is none, or else its own. Without `write` the object is returned alone."""
    published = changes.published(cluster, model, version)
    digest = digest_of(published)
    if source.digest not in {None, digest}:
        raise BundleError(
            f"{model} {version}: is published with {digest}, and --digest is {source.digest}; leave it out"
        )
    catalogue = into or cluster
    there = published if catalogue is cluster else catalogue.get(MODEL_VERSION, object_name(model, version))
    _check_same(model, version, digest, there)
    _check_not_gits(there, write=write)
    moved = copy(replace(source, digest=digest), target, say=say)
    wanted = _with_source(there or published, catalogue.namespace, target.uri)
    return Migrated(moved=moved, object=_written(catalogue, wanted, there) if write else wanted)


def _written(catalogue: Cluster, wanted: Object, there: Object | None) -> Object:
    name = wanted["metadata"]["name"]
    try:
        if there is None:
            return catalogue.create(MODEL_VERSION, wanted, manager=MANAGER)
        if there["spec"].get("sources") == wanted["spec"]["sources"]:
            return there
        # Two who copy at once: the second is told, and loses no source of the first.
        patch = {
            "metadata": {"resourceVersion": there["metadata"].get("resourceVersion")},
            "spec": {"sources": wanted["spec"]["sources"]},
        }
        return catalogue.merge(MODEL_VERSION, name, patch, manager=MANAGER)
    except RefusedError as error:
        if error.status != 409:
            raise
        raise BundleError(f"{name}: was changed while it was copied; copy it again") from None


def _with_source(published: Mapping[str, Any], namespace: str, uri: str) -> Object:
    """The object with the new address in front: it is the nearest to whoever reads that catalogue."""
    spec = published["spec"]
    addresses = list(dict.fromkeys([uri, *(each["uri"] for each in spec.get("sources") or ())]))[:_MOST_SOURCES]
    sources = [{"uri": address} for address in addresses]
    body = named(MODEL_VERSION, object_name(spec["model"], spec["version"]), namespace, {**spec, "sources": sources})
    origin = (published["metadata"].get("annotations") or {}).get(ORIGIN)
    if origin:
        body["metadata"]["annotations"] = {ORIGIN: origin}
    return body


def _check_same(model: str, version: str, digest: str, there: Object | None) -> None:
    spec = there["spec"] if there else {"model": model, "version": version, "digest": digest}
    if (spec.get("model"), spec.get("version"), spec.get("digest")) != (model, version, digest):
        raise BundleError(
            f"{object_name(model, version)}: is {spec.get('model')} {spec.get('version')} with {spec.get('digest')} "
            f"there, and {model} {version} with {digest} here; delete the one that is wrong"
        )


def _check_not_gits(there: Object | None, *, write: bool) -> None:
    """What git gives would be put back: who applies sources is told to change them there."""
    for entry in (there or {}).get("metadata", {}).get("managedFields") or ():
        if write and entry.get("operation") == "Apply" and "f:sources" in _fields_of_spec(entry):
            name = there["metadata"]["name"] if there else ""
            raise BundleError(f"{name}: {entry['manager']} gives its sources; change them there (-o yaml prints them)")


def _fields_of_spec(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    fields = entry.get("fieldsV1")
    spec = fields.get("f:spec") if isinstance(fields, dict) else None
    return spec if isinstance(spec, dict) else {}
