"""What pages say of the catalogue: models, versions, and where they serve. Plain data in, plain data out."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from slipway.api.v1alpha1.catalogue import (
    ModelCard,
    ModelVersionSpec,
    ModelVersionStatus,
    RegisteredModelSpec,
    RegisteredModelStatus,
)
from slipway.console.api_server import Object
from slipway.console.paging import page_of
from slipway.console.serving import status_of
from slipway.core.body import within

PAGE_CARDS: Final = 50
FACETS: Final = ("task", "license", "backend", "namespace")


@dataclass(frozen=True)
class Version:
    """One published version."""

    namespace: str
    name: str
    """Of its object."""
    spec: ModelVersionSpec
    status: ModelVersionStatus
    created: str
    aliases: list[str] = field(default_factory=list)

    @property
    def card(self) -> ModelCard:
        """What the bundle says of itself."""
        return self.spec.card or ModelCard()

    @property
    def metrics(self) -> dict[str, str]:
        """By name; of two on different data the first."""
        return {metric.name: metric.value for metric in reversed(self.card.metrics or [])}


@dataclass(frozen=True)
class Published:
    """A registered model with its versions, oldest first. One without a RegisteredModel has an empty one."""

    namespace: str
    name: str
    spec: RegisteredModelSpec
    status: RegisteredModelStatus
    versions: list[Version]

    @property
    def latest(self) -> Version | None:
        """The newest version that is not withdrawn; the newest, where all are."""
        kept = [version for version in self.versions if not version.spec.withdrawn]
        return next(reversed(kept or self.versions), None)

    @property
    def serving(self) -> int:
        """How many ModelDeployments serve one of them."""
        return sum(version.status.uses.serving for version in self.versions)

    def facet(self, name: str) -> str:
        """What it is by that facet; empty: nobody says."""
        if name == "namespace":
            return self.namespace
        card = self.latest.card if self.latest else ModelCard()
        return str(getattr(card, name) or (self.spec.task if name == "task" else "") or "")


def published(models: Iterable[Object], versions: Iterable[Object]) -> list[Published]:
    """The catalogue. An object that nobody can read is left out."""
    registered = {(_meta(each, "namespace"), _meta(each, "name")): each for each in models}
    by_model: defaultdict[tuple[str, str], list[Version]] = defaultdict(list)
    for each in versions:
        if version := _version(each):
            by_model[version.namespace, version.spec.model].append(version)
    return [
        _model(namespace, name, registered.get((namespace, name), {}), by_model.get((namespace, name), []))
        for namespace, name in sorted({*registered, *by_model})
    ]


def _model(namespace: str, name: str, stored: Object, versions: list[Version]) -> Published:
    spec = RegisteredModelSpec()
    with suppress(ValueError):  # one of a later Slipway: its versions are there all the same
        spec = RegisteredModelSpec.model_validate(within(stored, "spec"))
    aliases: defaultdict[str, list[str]] = defaultdict(list)
    for alias, version in sorted((spec.aliases or {}).items()):
        aliases[version].append(alias)
    found = [
        Version(each.namespace, each.name, each.spec, each.status, each.created, aliases.get(each.spec.version, []))
        for each in sorted(versions, key=lambda each: (each.created, each.name))
    ]
    return Published(namespace, name, spec, RegisteredModelStatus.of_readable(within(stored, "status")), found)


def _version(each: Object) -> Version | None:
    try:
        spec = ModelVersionSpec.model_validate(within(each, "spec"))
    except ValueError:
        return None
    status = ModelVersionStatus.of_readable(within(each, "status"))
    return Version(_meta(each, "namespace"), _meta(each, "name"), spec, status, _meta(each, "creationTimestamp"))


def _meta(each: Object, name: str) -> str:
    return str(within(each, "metadata").get(name) or "")


@dataclass(frozen=True)
class Search:
    """A page of what was found, and what else one may narrow it by: values and how many have them, by facet."""

    models: list[Published]
    matching: int
    page: int
    pages: int
    facets: dict[str, list[tuple[str, int]]]


def search(models: Iterable[Published], query: Mapping[str, str]) -> Search:
    """The models with all the words of `text`, and with the value of each facet that is named."""
    words = query.get("text", "").lower().split()
    wanted = {name: query[name] for name in FACETS if query.get(name)}
    matching = [
        each
        for each in models
        if all(word in _text(each) for word in words)
        and all(each.facet(name) == value for name, value in wanted.items())
        and (not query.get("serves") or each.serving)
    ]
    counts = {name: Counter(each.facet(name) for each in matching) for name in FACETS}
    shown, page, pages = page_of(matching, query.get("page", ""), PAGE_CARDS)
    facets = {name: sorted(each for each in found.items() if each[0]) for name, found in counts.items()}
    return Search(shown, len(matching), page, pages, facets)


def _text(each: Published) -> str:
    spec = each.spec
    parts = [each.namespace, each.name, spec.title, spec.description, spec.owner, *map(each.facet, FACETS)]
    return " ".join(part for part in parts if part).lower()


@dataclass(frozen=True)
class Comparison:
    """Versions side by side: each metric that any of them has, its values in the order of the versions."""

    versions: list[Version]
    metrics: list[tuple[str, list[str | None]]]


def comparison(model: Published) -> Comparison:
    """All versions of a model, by metric."""
    names = sorted({name for version in model.versions for name in version.metrics})
    return Comparison(
        model.versions, [(name, [version.metrics.get(name) for version in model.versions]) for name in names]
    )


@dataclass(frozen=True)
class Use:
    """A ModelDeployment that has the bytes of a version."""

    namespace: str
    name: str
    state: str
    reason: str = ""
    message: str = ""
    revision: str = ""
    """Of one that has a pod which may be asked."""


def uses(digest: str, deployments: Iterable[Object]) -> list[Use]:
    """Where a digest serves, is on its way, or was refused, among what the reader may see."""
    found = list[Use]()
    for each in deployments:
        status, where = status_of(each), (_meta(each, "namespace"), _meta(each, "name"))
        found += [
            Use(*where, revision.state, revision=revision.revision if revision.available else "")
            for revision in status.revisions
            if revision.digest == digest
        ]
        refusals = {
            refusal.ask: refusal for refusal in [*status.also_refused, *([status.refused] if status.refused else [])]
        }
        found += [
            Use(*where, "Refused", refusal.reason, refusal.message)
            for refusal in refusals.values()
            if refusal.digest == digest
        ]
    return found


def manifest(version: Version, *, namespace: str, uri: str | None = None) -> Object:
    """A ModelDeployment of exactly these bytes, for the reader's namespace; without one, for whichever kubectl is in.
    Keys are the reader's own."""
    return {
        "apiVersion": "serving.slipway.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": version.spec.model, **({"namespace": namespace} if namespace else {})},
        "spec": {
            "model": {
                "version": version.spec.version,
                "source": {"uri": uri or version.spec.sources[0].uri, "digest": version.spec.digest},
            },
            "replicas": 1,
        },
    }
