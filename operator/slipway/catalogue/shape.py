"""Objects as their schema has them. What stands between may answer anything, and a schema may be of another version."""

from typing import Any, Final, TypeVar

from pydantic import ValidationError

from slipway.api.base import ApiModel
from slipway.bundle.errors import BundleError

Object = dict[str, Any]
Checked = TypeVar("Checked", bound=ApiModel)

_PARTS: Final = ("metadata", "spec", "status")
_MAPPINGS: Final = (("metadata", "annotations"), ("spec", "aliases"), ("spec", "withdrawn"), ("status", "uses"))
_LISTS: Final = (("spec", "sources", "uri"), ("metadata", "managedFields", "manager"))
"""And the text that each entry has."""


def shaped(answer: Object) -> Object:
    """The same, without what is not of the kind that its schema gives; `metadata`, `spec` and `status` are there."""
    parts = {part: dict(value) if isinstance(value := answer.get(part), dict) else {} for part in _PARTS}
    for part, field in _MAPPINGS:
        if not isinstance(parts[part].get(field), dict):
            parts[part].pop(field, None)
    for part, field, text in _LISTS:
        if field in parts[part]:
            value = parts[part][field]
            entries = [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
            parts[part][field] = [each for each in entries if isinstance(each.get(text), str)]
    parts["metadata"] |= {name: str(parts["metadata"].get(name) or "") for name in ("name", "namespace")}
    return {**answer, **parts}


def digest_of(version: Object) -> str:
    """The digest of a ModelVersion."""
    digest = version["spec"].get("digest")
    if not isinstance(digest, str):
        raise BundleError(f"{version['metadata']['name']}: has no digest; see the ModelVersion")
    return digest


def checked(model: type[Checked], spec: Object) -> Checked:
    """The spec of an object that is about to be written; BundleError with the field that the schema does not take."""
    try:
        return model.model_validate(spec)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BundleError(f"{where}: {first['msg']}; correct it and try again") from None
