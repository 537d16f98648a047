"""What pages say of the catalogue: models, versions, and where they serve. Plain data in, plain data out."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

from slipway.api.v1alpha1.catalogue import (
    ModelCard,
    ModelVersionSpec,
    ModelVersionStatus,
    RegisteredModelSpec,
    RegisteredModelStatus,
)
from slipway.console.api_server import Object
from slipway.console.paging import Facet, facet, page_of
from slipway.console.serving import status_of
from slipway.core.body import within

PAGE_CARDS: Final = 50
FACETS: Final = ("task", "license", "backend", "namespace")
SIDE_BY_SIDE: Final = 30
"""Versions on a page, beside those with an alias."""
_ALIASED: Final = 16
"""As many aliases has a model. Objects of one version may be more."""
METRICS: Final = 40


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

    @cached_property
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

    @cached_property
    def latest(self) -> Version | None:
        """The newest version that is not withdrawn; the newest, where all are."""
        kept = [version for version in self.versions if not version.spec.withdrawn]
        return next(reversed(kept or self.versions), None)

    @cached_property
    def serving(self) -> int:
        """How many ModelDeployments serve one of them."""
        return sum(version.status.uses.serving for version in self.versions)

    def version(self, name: str) -> Version | None:
        """The one that is called so."""
        return next((version for version in self.versions if version.spec.version == name), None)

    def facet(self, name: str) -> str:
        """What it is by that facet; empty: nobody says."""
        if name == "namespace":
            return self.namespace
        card = self.latest.card if self.latest else ModelCard()
        return str(getattr(card, name) or (self.spec.task if name == "task" else "") or "")


def published(models: Iterable[Object], versions: Iterable[Object]) -> list[Published]:
    """The catalogue. An object that nobody can read is left out."""
    return joined(map(model_of, models), map(version_of, versions))


def joined(models: Iterable[Published], versions: Iterable[Sequence[Version]]) -> list[Published]:
    """Models with their versions, out of what `model_of` and `version_of` say of each object."""
    registered = {(each.namespace, each.name): each for each in models}
    by_model: defaultdict[tuple[str, str], list[Version]] = defaultdict(list)
    for version in (each for group in versions for each in group):
        by_model[version.namespace, version.spec.model].append(version)
    return [
        _with(registered.get(key) or model_of({"metadata": {"namespace": key[0], "name": key[1]}}), by_model[key])
        for key in sorted({*registered, *by_model})
    ]


def _with(model: Published, versions: list[Version]) -> Published:
    aliases: defaultdict[str, list[str]] = defaultdict(list)
    for alias, version in sorted((model.spec.aliases or {}).items()):
        aliases[version].append(alias)
    ordered = sorted(versions, key=lambda each: (each.created, each.name))
    return replace(model, versions=[replace(each, aliases=aliases.get(each.spec.version, [])) for each in ordered])


def model_of(stored: Object) -> Published:
    """A RegisteredModel, without its versions."""
    spec = RegisteredModelSpec()
    with suppress(ValueError):  # one of a later Slipway: its versions are there all the same
        spec = RegisteredModelSpec.model_validate(within(stored, "spec"))
    status = RegisteredModelStatus.of_readable(within(stored, "status"))
    return Published(_meta(stored, "namespace"), _meta(stored, "name"), spec, status, [])


def version_of(each: Object) -> Sequence[Version]:
    """A ModelVersion; nothing of one that cannot be read."""
    try:
        spec = ModelVersionSpec.model_validate(within(each, "spec"))
    except ValueError:
        return ()
    status = ModelVersionStatus.of_readable(within(each, "status"))
    return (Version(_meta(each, "namespace"), _meta(each, "name"), spec, status, _meta(each, "creationTimestamp")),)


def _meta(each: Object, name: str) -> str:
    return str(within(each, "metadata").get(name) or "")


@dataclass(frozen=True)
class Search:
    """A page of what was found, and what else one may narrow it by: values and how many have them, by facet."""

    models: list[Published]
    matching: int
    page: int
    pages: int
    facets: dict[str, Facet]


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
    return Search(shown, len(matching), page, pages, {name: facet(counted) for name, counted in counts.items()})


def _text(each: Published) -> str:
    spec = each.spec
    parts = [each.namespace, each.name, spec.title, spec.description, spec.owner, *map(each.facet, FACETS)]
    return " ".join(part for part in parts if part).lower()


@dataclass(frozen=True)
class Comparison:
    """Versions side by side, oldest first, and their metrics, each with its values in the order of the versions."""

    versions: list[Version]
    metrics: list[tuple[str, list[str | None]]]
    fewer: int
    """Metrics that fewer of them have, and that are left out."""
    page: int
    pages: int


def with_aliased(model: Published, versions: Sequence[Version]) -> list[Version]:
    """Those versions, and those with an alias; oldest first."""
    aliased = [version for version in model.versions if version.aliases][-_ALIASED:]
    names = {version.name for version in (*versions, *aliased)}
    return [version for version in model.versions if version.name in names]


def comparison(model: Published, page: str = "") -> Comparison:
    """A page of a model's versions, by metric: the newest are on the first, those with an alias on each."""
    shown, number, pages = page_of(model.versions[::-1], page, SIDE_BY_SIDE)
    versions = with_aliased(model, shown)
    counts = Counter(name for version in versions for name in version.metrics)
    most = sorted(counts, key=lambda name: (-counts[name], name))[:METRICS]
    metrics = [(name, [version.metrics.get(name) for version in versions]) for name in sorted(most)]
    return Comparison(versions, metrics, len(counts) - len(metrics), number, pages)


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


def uses_of(each: Object) -> list[tuple[str, Use]]:
    """The digests that a ModelDeployment serves, has on its way, or has refused."""
    status, where = status_of(each), (_meta(each, "namespace"), _meta(each, "name"))
    pairs = [
        (revision.digest, Use(*where, revision.state, revision=revision.revision if revision.available else ""))
        for revision in status.revisions
        if revision.digest
    ]
    refused = {each.ask: each for each in [*status.also_refused, *([status.refused] if status.refused else [])]}
    pairs += [
        (each.digest, Use(*where, "Refused", each.reason, each.message)) for each in refused.values() if each.digest
    ]
    return pairs


def uses(groups: Iterable[Sequence[tuple[str, Use]]]) -> Mapping[str, list[Use]]:
    """Where each digest serves, is on its way, or was refused, among what the reader may see."""
    by_digest: defaultdict[str, list[Use]] = defaultdict(list)
    for digest, use in (each for of_one in groups for each in of_one):
        by_digest[digest].append(use)
    return dict(by_digest)
