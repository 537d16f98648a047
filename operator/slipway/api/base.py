"""What every model of the API shares: camelCase outside, snake_case inside, frozen, and nothing unknown."""

import json
from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel
from pydantic.config import JsonDict

RULES = "x-kubernetes-validations"
"""Where a schema keeps its CEL rules."""


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

        Only for a model whose fields all have defaults.
        """
        try:
            return cls.model_validate(stored)
        except ValidationError as error:
            unreadable = {fault["loc"][0] for fault in error.errors(include_url=False) if fault["loc"]}
        return cls.model_validate({name: value for name, value in stored.items() if name not in unreadable})


def rule(cel: str, message: str, field_path: str | None = None, *, found: str | None = None) -> JsonDict:
    """A CEL rule that the API server checks. `message` says what to do and is shown at `field_path` (`.uri`).

    `found` is a CEL expression that stands in front of the message, for what the API server does not show by itself.
    """
    says: JsonDict = {"rule": cel, "message": message}
    if found:
        says["messageExpression"] = f"{found} + {json.dumps(f' {message}')}"
    return says | ({"fieldPath": field_path} if field_path else {})


def checked(*rules: JsonDict) -> ConfigDict:
    """Configuration of a model whose object has to hold to rules across its fields."""
    return ConfigDict(json_schema_extra={RULES: list(rules)})
