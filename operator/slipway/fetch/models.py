"""All models of a bundle: the entry model, which clients ask and which has the deployment's name, and its parts. Pure.

Parts lie in `models/NAME/` and are called so in the server, where an ensemble's steps and a Python model's own calls
find them. Whatever the platform asks of a model it asks of each.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slipway.fetch import ensemble, layout, model, references
from slipway.fetch.model import Configured
from slipway.fetch.verdict import FetchError, Reason, invalid
from slipway.triton.config import Declared, Part
from slipway.triton.memory import tensor_bytes


@dataclass(frozen=True, kw_only=True)
class Models:
    """As Triton gets them."""

    entry: Configured
    parts: Mapping[str, Configured]

    def declared(self) -> Declared:
        """What the entry model says of itself, with what else the server has."""
        declared: Declared = {**self.entry.declared}
        if self.parts:
            declared["parts"] = [_declared(name, part) for name, part in self.parts.items()]
        if any("sequences" in part.declared for part in self.parts.values()):
            declared["sequences"] = True  # the state is in this pod's server, whoever keeps it
        return declared


def configure(contents: Mapping[str, bytes], overlay: Mapping[str, Any] | None, name: str) -> Models:
    """The bundle's configurations, by their paths; the overlay is the entry model's, as is the name."""
    names = layout.parts(contents)
    if name in names:
        message = f"spec.model.name: {name}, by default the deployment's own name, is that of {layout.place(name)} too"
        raise FetchError(Reason.SPEC_INVALID, f"{message}; give the model another name, or rename that part")
    return Models(
        entry=model.configure(contents[layout.CONFIG], overlay, name),
        parts={part: _part(contents, part) for part in names},
    )


def check(models: Models, paths: Collection[str], allowed: Sequence[str]) -> None:
    """Every model has a backend that the platform allows, all files that it names, and the steps that it asks."""
    own = layout.by_model(paths)
    everyone = {"": models.entry, **models.parts}
    for name, configured in everyone.items():
        model.check_backend(configured, own[name], allowed)
    for name, configured in everyone.items():
        model.check_references(own[name], configured)
    versions = {name: references.served(part.config, own[name], part.at) for name, part in models.parts.items()}
    ensemble.check(models.entry, models.parts, versions)


def check_golden(models: Models, files: Mapping[str, bytes]) -> dict[str, dict[str, bytes]]:
    """Every golden request can be asked of its model. Returns each model's by their paths in the bundle, the entry
    model's under the name ``."""
    everyone = {"": models.entry, **models.parts}
    requests: dict[str, dict[str, bytes]] = {name: {} for name in everyone}
    for path, content in sorted(files.items()):
        part = layout.part_of(path)
        name = part[0] if part else ""
        if name not in requests:
            raise invalid(
                f"{path}: not asked, since {layout.place(name)} has no {layout.CONFIG} and is no model; add that file, "
                f"or move the request to {layout.GOLDEN}/"
            )
        requests[name][path] = content
    for name, own in requests.items():
        model.check_golden(own, everyone[name])
    return requests


def configurations(paths: Iterable[str]) -> list[str]:
    """The configurations among a bundle's files, the entry model's first."""
    return sorted(filter(layout.is_config, paths), key=lambda path: (path != layout.CONFIG, path))


def _part(contents: Mapping[str, bytes], name: str) -> Configured:
    place = layout.place(name)
    return model.configure(contents[f"{place}{layout.CONFIG}"], None, name, place)


def _declared(name: str, part: Configured) -> Part:
    said = part.declared
    tensors = (*said["inputs"], *said["outputs"])
    return Part(
        name=name,
        backend=said["backend"],
        maxBatchSize=said["maxBatchSize"],
        instances=said["instances"],
        tensorBytes=sum(tensor_bytes(datatype, tuple(shape)) for _, datatype, shape in tensors),
    )
