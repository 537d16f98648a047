"""Publish: the bytes first, then the object that names them.

The two writes may be cut between: what is left then is a bundle that nobody names, which the next try takes up.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from slipway.api.v1alpha1 import GROUP, MODEL_VERSION, ModelVersionSpec
from slipway.api.v1alpha1.catalogue import CardMetric, Lineage, ModelCard, object_name
from slipway.bundle.assemble import quiet
from slipway.bundle.errors import BundleError
from slipway.bundle.evaluation_file import metrics_of
from slipway.bundle.place import Place, explained
from slipway.bundle.transfer import push
from slipway.catalogue.cluster import Cluster, Object, RefusedError, named
from slipway.catalogue.readme import front_matter
from slipway.catalogue.shape import checked
from slipway.fetch.policy import Policy
from slipway.fetch.resolve import resolve

MANAGER: Final = "slipway-publish"
CARD_BYTES: Final = 8 * 1024
ORIGIN: Final = f"{GROUP}/imported-from"
"""The annotation that says which version of another registry it was made of."""


@dataclass(frozen=True, kw_only=True)
class Version:
    """What is published."""

    model: str
    version: str
    place: Place
    """Where the bundle is, or goes."""
    commit: str | None = None
    data: str | None = None
    continues: str | None = None
    """The version of the same model that it continues."""
    origin: str | None = None
    """The version of another registry that it was made of."""
    evaluation: Path | None = None
    """A Statement of `slipway evaluate` over the bundle's digest, whose metrics go into the card."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """A version with its object."""

    digest: str
    object: Object
    created: bool
    """False: the same was there already."""
    left_out: tuple[str, ...] = ()
    """Parts of the card that were asked for and are not those of the object, which keeps its own."""

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"digest": self.digest, "name": self.object["metadata"]["name"], "created": self.created}


def version_object(
    version: Version, namespace: str, *, bundle: str | Path | None = None, say: Callable[[str], None] = quiet
) -> Object:
    """The ModelVersion of the bundle at its address; with `bundle`, that directory is put there first."""
    pushed = push(bundle, version.place, say=say).digest if bundle else version.place.digest
    say(f"looking at {version.place.uri}")
    policy, front = Policy(), dict[str, Any]()
    with version.place.settings() as settings, explained():
        resolved = resolve(
            settings, policy, lambda store, survey: front.update(front_matter(store, survey, policy, say))
        )
    if pushed and resolved["digest"] != pushed:
        raise BundleError(f"{version.place.uri}: holds {resolved['digest']}, not {pushed}; see who else writes there")
    if resolved["unverified"]:
        raise BundleError(f"{version.place.uri}: has no SHA256SUMS, so nothing names its bytes; pack or seal it first")
    measured = metrics_of(version.evaluation, resolved["digest"]) if version.evaluation else None
    spec = {
        "model": version.model,
        "version": version.version,
        "digest": resolved["digest"],
        "sources": [{"uri": version.place.uri}],
        "card": _card(resolved, front, version, measured),
    }
    parsed = checked(ModelVersionSpec, spec)
    name = object_name(version.model, version.version)
    body = named(MODEL_VERSION, name, namespace, parsed.to_dict())
    if version.origin:
        body["metadata"]["annotations"] = {ORIGIN: version.origin}
    return body


def imported_before(version: Version, cluster: Cluster) -> Object | None:
    """The object, if it was made of the same version of another registry; BundleError where it is another's."""
    there = _check_free(version, cluster, None)
    if there is None:
        return None
    origin = (there["metadata"].get("annotations") or {}).get(ORIGIN)
    if origin != version.origin:
        made = f"from {origin}" if origin else "otherwise"
        raise BundleError(
            f"{version.model} {version.version}: is published already, made {made}, and this is {version.origin}; "
            "give it another version (--version)"
        )
    return there


def publish(
    version: Version,
    cluster: Cluster,
    *,
    bundle: str | Path | None = None,
    say: Callable[[str], None] = quiet,
) -> Published:
    """Publish a version. The same once more does nothing; other bytes under its name are an error."""
    _check_free(version, cluster, None)
    wanted = version_object(version, cluster.namespace, bundle=bundle, say=say)
    digest = wanted["spec"]["digest"]
    say(f"publishing {wanted['metadata']['name']} in namespace {cluster.namespace}")
    try:
        return Published(digest=digest, object=cluster.create(MODEL_VERSION, wanted, manager=MANAGER), created=True)
    except RefusedError as error:
        if error.status != 409:
            raise
    there = _check_free(version, cluster, digest)
    if there is None:
        raise BundleError(f"{wanted['metadata']['name']}: was deleted while it was published; publish it again")
    card, stored = wanted["spec"].get("card") or {}, there["spec"].get("card") or {}
    left_out = tuple(part for part, asked in card.items() if asked != stored.get(part))
    return Published(digest=digest, object=there, created=False, left_out=left_out)


def _check_free(version: Version, cluster: Cluster, digest: str | None) -> Object | None:
    """The object of that name, if it is this version; a BundleError where it says something else."""
    name = object_name(version.model, version.version)
    there = cluster.get(MODEL_VERSION, name)
    if there is None:
        return None
    spec = there["spec"]
    if (spec.get("model"), spec.get("version")) != (version.model, version.version):
        other = f"{spec.get('model')} {spec.get('version')}"
        raise BundleError(f"{name}: is the ModelVersion of {other} already; choose another version")
    if digest is not None and spec.get("digest") != digest:
        raise BundleError(
            f"{version.model} {version.version}: is published with {spec.get('digest')}, and this is {digest}; "
            "publish it as another version"
        )
    return there


def _card(
    resolved: Mapping[str, Any],
    front: Mapping[str, Any],
    version: Version,
    measured: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """The card: what was resolved, what the README says, and where it comes from. What does not fit is left out, the
    metrics first: the bundle has it whole."""
    model = resolved["model"]
    lineage = Lineage.model_validate({"commit": version.commit, "data": version.data, "version": version.continues})
    whole: dict[str, Any] = {
        "license": _word(front.get("license"), 64),
        "task": _word(front.get("pipeline_tag"), 128),
        "backend": _word(model.get("backend"), 64),
        "size": str(resolved["size"]),
        "inputs": [_tensor(each) for each in model.get("inputs") or ()],
        "outputs": [_tensor(each) for each in model.get("outputs") or ()],
        "metrics": (measured or [each.to_dict() for each in _metrics(front)])[:32],
        "lineage": lineage.to_dict(),
    }
    kept = {key: value for key, value in whole.items() if value}
    for part in ("metrics", "outputs", "inputs"):
        if len(json.dumps(kept).encode()) > CARD_BYTES or not _fits({part: kept.get(part)}):
            kept.pop(part, None)
    return kept


def _fits(part: Mapping[str, Any]) -> bool:
    try:
        ModelCard.model_validate(part)
    except ValidationError:
        return False
    return True


def _word(value: Any, longest: int) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= longest else None


def _tensor(each: Any) -> dict[str, Any]:
    name, datatype, shape = each
    return {"name": name, "datatype": datatype, "shape": shape}


def _metrics(front: Mapping[str, Any]) -> Iterator[CardMetric]:
    """The metrics of the Hub's model-index, as far as they can be read: anybody may write a README."""
    for model in _mappings(front.get("model-index")):
        for result in _mappings(model.get("results")):
            dataset = result.get("dataset")
            said = _word(dataset.get("name"), 128) if isinstance(dataset, dict) else None
            for metric in _mappings(result.get("metrics")):
                value = metric.get("value")
                if isinstance(value, bool) or not isinstance(value, int | float | str):
                    continue
                try:
                    yield CardMetric.model_validate({"name": metric.get("type"), "value": str(value), "dataset": said})
                except ValidationError:
                    continue


def _mappings(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
