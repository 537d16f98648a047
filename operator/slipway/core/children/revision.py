"""A revision: rendered once, stored whole, never edited.

The name of a revision is a hash over its children, and the children carry that name. So they are rendered twice: with a
placeholder to get the hash, then with the name.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

import orjson

from slipway.api.v1alpha1 import ModelDeploymentSpec
from slipway.core.body import mapping, within
from slipway.core.children.accelerator import claims_devices
from slipway.core.children.config_map import config_map
from slipway.core.children.device_claim import RESOURCE_CLAIM_TEMPLATE, resource_claim_template
from slipway.core.children.resolved import Resolved
from slipway.core.children.service import revision_service
from slipway.core.children.workload import deployment
from slipway.core.identity import asked, revision_of
from slipway.core.names import ASK, SHORT, Manifest, labels, of_revision
from slipway.core.owner import Owner
from slipway.core.platform import Platform

FORMAT: Final = 1
"""Of a ControllerRevision's data. A later operator reads this one for as long as revisions of it live."""
FORMAT_WITH_CLAIMS: Final = 2
"""The same with a ResourceClaimTemplate among the children: an operator that knows none says that it cannot read it."""

NO_GOLDEN: Final = "none"
"""Where neither spec nor bundle has golden requests."""

MOST_BYTES: Final = 1_400_000
"""Of a ControllerRevision: etcd takes 1.5 MiB in one request."""
MOST_OF_CONFIG_MAP: Final = 1024 * 1024

_PLACEHOLDER: Final = "0" * SHORT


@dataclass(frozen=True, kw_only=True)
class RevisionRecord:
    """All that a revision is made of; its ControllerRevision holds the same."""

    revision: str
    ask: str
    asked: Mapping[str, Any]
    version: str
    """The user's name for it."""
    platform: str
    """The operator's version that rendered it."""
    resolved: Resolved
    verification: str
    """Where the golden requests come from: spec, bundle or none."""
    children: tuple[Manifest, ...]
    """ConfigMap, Service, Deployment and, where devices are claimed, ResourceClaimTemplate, without what is added when
    they are applied."""
    stored: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)
    """The ControllerRevision's data as it was read: a later operator may have stored more, and it cannot be changed."""

    @property
    def claims_devices(self) -> bool:
        """Whether its pods claim devices by a template of its own."""
        return any(child["kind"] == RESOURCE_CLAIM_TEMPLATE for child in self.children)

    @classmethod
    def from_controller_revision(cls, body: Mapping[str, Any]) -> Self:
        """Read it back; ValueError when this operator cannot."""
        name, data = body["metadata"]["name"], mapping(body.get("data"))
        if data.get("format") not in tuple(_KINDS):
            raise ValueError(
                f"ControllerRevision {name} has format {data.get('format')!r}, this operator reads "
                f"{' and '.join(map(str, _KINDS))}: run the operator's version that wrote it, or a later one"
            )
        if broken := next(_broken(data, name), None):
            raise ValueError(f"ControllerRevision {name} lacks {broken}: somebody else wrote it; delete it")
        return cls(
            revision=name.rpartition("-")[2],  # a label can be changed by hand
            ask=data["ask"],
            asked=data["asked"],
            version=data["version"],
            platform=data["platform"],
            resolved=Resolved.parse(data["resolved"]),
            verification=data["verification"],
            children=tuple(data["children"]),
            stored=data,
        )


_FIELDS: Final[Mapping[str, type]] = {
    "ask": str,
    "asked": dict,
    "version": str,
    "platform": str,
    "resolved": dict,
    "verification": str,
    "children": list,
}
"""Of a ControllerRevision's data, beside its format."""


_KINDS: Final[Mapping[int, list[str]]] = {
    FORMAT: ["ConfigMap", "Deployment", "Service"],
    FORMAT_WITH_CLAIMS: ["ConfigMap", "Deployment", RESOURCE_CLAIM_TEMPLATE, "Service"],
}
"""A revision's children, by format. What somebody else may have put beside them, or in their place, is never applied in
our name."""


def _broken(data: Mapping[str, Any], name: str) -> Iterator[str]:
    """What is not as this operator writes it, so that nothing can be made of it."""
    yield from (repr(field) for field, kind in _FIELDS.items() if not isinstance(data.get(field), kind))
    kinds = [str(mapping(child).get("kind")) for child in data["children"]]
    if sorted(kinds) != _KINDS[data["format"]]:
        yield f"one {', one '.join(_KINDS[data['format']])} as its children and nothing else"
    for place, child in enumerate(data["children"]):
        if within(child, "metadata").get("name") != name:
            yield f"children[{place}] with its own name"
        elif child["kind"] == "Deployment" and not within(child, "spec"):
            yield f"children[{place}].spec"
        elif child["kind"] == "Service" and _opens(within(child, "spec")):
            yield f"children[{place}].spec of a Service inside the cluster"


def _opens(service: Mapping[str, Any]) -> bool:
    return service.get("type", "ClusterIP") != "ClusterIP" or "externalIPs" in service or "externalName" in service


def render(
    *,
    owner: Owner,
    spec: ModelDeploymentSpec,
    ask: str,
    resolved: Resolved,
    platform: Platform,
    restart: str | None = None,
) -> RevisionRecord:
    """A new revision of an ask, or another one of the same ask for a `restart`.

    ValueError with the field where the spec holds what no pod can be made of."""

    def children(revision: str) -> tuple[Manifest, ...]:
        return (
            config_map(owner=owner, model=spec.model, revision=revision),
            revision_service(owner=owner, revision=revision),
            *_claim_templates(owner, spec, revision),
            deployment(
                owner=owner, spec=spec, resolved=resolved, platform=platform, revision=revision, restart=restart
            ),
        )

    revision = revision_of(ask=ask, digest=resolved.digest, children=children(_PLACEHOLDER))
    record = RevisionRecord(
        revision=revision,
        ask=ask,
        asked=asked(spec),
        version=spec.model.version_name,
        platform=platform.version,
        resolved=resolved,
        verification=_verification(spec, resolved),
        children=children(revision),
    )
    if _is_too_large(record, owner):
        raise ValueError(
            "model.verification.requests: more than Kubernetes keeps in one object (1 MiB, and what is made of them "
            "with it); put large requests into the bundle, as golden/NAME.json"
        )
    return record


def _claim_templates(owner: Owner, spec: ModelDeploymentSpec, revision: str) -> tuple[Manifest, ...]:
    accelerator = spec.accelerator
    if accelerator is None or not claims_devices(accelerator):
        return ()
    return (resource_claim_template(owner=owner, accelerator=accelerator, revision=revision),)


def _is_too_large(record: RevisionRecord, owner: Owner) -> bool:
    golden = (text for child in record.children for text in (child.get("data") or {}).values())
    stored = orjson.dumps(controller_revision(record, owner=owner, number=0))
    return len(stored) > MOST_BYTES or any(len(text.encode()) > MOST_OF_CONFIG_MAP for text in golden)


def controller_revision(record: RevisionRecord, *, owner: Owner, number: int) -> Manifest:
    """The ControllerRevision that keeps a revision. Only its number ever changes: `data` is immutable in the API."""
    marks = labels(owner.name, component="server", revision=record.revision)
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {"name": of_revision(owner.name, record.revision), "labels": {**marks, ASK: record.ask[:63]}},
        "revision": number,
        "data": _data(record) if record.stored is None else record.stored,
    }


def _data(record: RevisionRecord) -> Manifest:
    return {
        "format": FORMAT_WITH_CLAIMS if record.claims_devices else FORMAT,
        "ask": record.ask,
        "asked": dict(record.asked),
        "version": record.version,
        "platform": record.platform,
        "resolved": record.resolved.to_dict(),
        "verification": record.verification,
        "children": list(record.children),
    }


def _verification(spec: ModelDeploymentSpec, resolved: Resolved) -> str:
    if spec.model.verification and spec.model.verification.requests:
        return "spec"
    return "bundle" if resolved.golden else NO_GOLDEN
