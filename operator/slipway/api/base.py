"""What every model of the API shares: camelCase outside, snake_case inside, frozen, and nothing unknown."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final, Self, get_args

from annotated_types import MaxLen
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo

RULES = "x-kubernetes-validations"
"""Where a schema keeps its CEL rules."""
BY_ENTRY: Final = object()
"""Marks a list of stored objects of which none says anything of another: each that can be read is."""


class ApiModel(BaseModel):
    """One object of the API. Unknown fields are refused: the API server prunes them before we would see them."""

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, frozen=True, extra="forbid"
    )

    def to_dict(self) -> dict[str, Any]:
        """The object as JSON values under its API names, without what is absent."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def evolve(self, **changes: Any) -> Self:
        """A copy with some fields changed. It refuses a name that is no field, and a value that does not fit one.

        `tests/api/mypy_evolve.py` tells mypy the fields' names and types; pydantic's `model_copy` checks neither.
        """
        fields = type(self).model_fields
        if unknown := changes.keys() - fields.keys():
            raise TypeError(f"{type(self).__name__} has no field {', '.join(sorted(unknown))}")
        kept = {name: getattr(self, name) for name in fields if name in self.model_fields_set}
        return type(self).model_validate(kept | changes, strict=True)


class StoredModel(ApiModel):
    """An object that we read back from the API: a field that a later version wrote is passed over, not refused."""

    model_config = ConfigDict(extra="ignore")

    @classmethod
    def of_readable(cls, stored: Mapping[str, Any]) -> Self:
        """The object out of what is stored, as far as it can be read: each field that cannot is left out by itself.
        Of a block whose fields all have defaults that is each of its own, of a list `BY_ENTRY` each entry.

        Only for a model whose fields all have defaults.
        """
        try:
            return cls.model_validate(stored)
        except ValidationError as error:
            unreadable = {str(fault["loc"][0]) for fault in error.errors(include_url=False) if fault["loc"]}
        fields = {field.alias or name: field for name, field in cls.model_fields.items()}
        readable = {name: value for name, value in stored.items() if name not in unreadable}
        parts = {name: _readable(fields[name], stored[name]) for name in unreadable & stored.keys() & fields.keys()}
        return cls.model_validate(readable | {name: part for name, part in parts.items() if part is not None})


def _readable(field: FieldInfo, stored: object) -> StoredModel | list[StoredModel] | None:
    """What can be read of a field that cannot be read as a whole; None for nothing."""
    [model, *_] = [*_stored_models(field), None]
    if model is None:
        return None
    if BY_ENTRY in field.metadata and isinstance(stored, list):
        [most] = [each.max_length for each in field.metadata if isinstance(each, MaxLen)]
        return list(_entries(model, stored))[-most:]
    may_be_empty = not any(each.is_required() for each in model.model_fields.values())
    return model.of_readable(stored) if may_be_empty and isinstance(stored, Mapping) else None


def _stored_models(field: FieldInfo) -> Iterator[type[StoredModel]]:
    for each in (field.annotation, *get_args(field.annotation)):
        if isinstance(each, type) and issubclass(each, StoredModel):
            yield each


def _entries(model: type[StoredModel], stored: list[Any]) -> Iterator[StoredModel]:
    for each in stored:
        with suppress(ValidationError):
            yield model.model_validate(each)


def rule(cel: str, message: str, field_path: str | None = None, *, quoted: str | None = None) -> JsonDict:
    """A CEL rule that the API server checks. `message` says what to do and is shown at `field_path` (`.uri`).

    `quoted` is a CEL expression that stands in front of the message, for what the API server does not show by itself.
    """
    says: JsonDict = {"rule": cel, "message": message}
    if quoted:
        says["messageExpression"] = f"{quoted} + {json.dumps(f' {message}')}"
    return says | ({"fieldPath": field_path} if field_path else {})


def checked(*rules: JsonDict) -> ConfigDict:
    """Configuration of a model whose object has to hold to rules across its fields."""
    return ConfigDict(json_schema_extra={RULES: list(rules)})
