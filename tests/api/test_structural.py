"""What may not stand in a CRD is refused where the model is made into one, or written the CRD's way."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from slipway.api.base import RULES, ApiModel
from slipway.api.scalars import Quantity
from slipway.api.structural import structural
from tests.api.lint import offences


class Leaf(ApiModel):
    """A leaf."""

    size: int | Quantity = 1
    anything: Any = None
    kind: Literal["a", "b"] | None = None


class Tree(ApiModel):
    """A tree
    of leaves."""

    leaf: Leaf | None = None
    named: Leaf | None = Field(None, description="A named leaf.")
    numbers: Annotated[dict[str, int], Field(max_length=3)] = {}


def test_references_and_nulls_become_plain_optional_objects() -> None:
    found = structural(Tree)
    assert list(found["properties"]) == ["leaf", "named", "numbers"]
    assert found["description"] == "A tree of leaves."
    assert found["properties"]["leaf"]["description"] == "A leaf."
    assert found["properties"]["named"]["description"] == "A named leaf."
    assert found["properties"]["leaf"]["properties"]["kind"] == {"type": "string", "enum": ["a", "b"]}
    assert "required" not in found
    assert list(offences(found)) == []


def test_an_integer_or_a_string_is_kubernetes_own_union_and_its_rules_let_integers_pass() -> None:
    size = structural(Leaf)["properties"]["size"]
    assert size["x-kubernetes-int-or-string"] is True
    assert size["default"] == 1
    assert not {"type", "anyOf", "pattern"} & set(size)
    assert [rule["rule"].split(" || ")[0] for rule in size[RULES]] == ["type(self) == int"]


def test_any_value_is_preserved() -> None:
    assert structural(Leaf)["properties"]["anything"] == {"x-kubernetes-preserve-unknown-fields": True}


class One(ApiModel):
    """A constant."""

    value: Literal["one"]


def test_a_constant_is_a_choice_of_one() -> None:
    assert structural(One)["properties"]["value"] == {"type": "string", "enum": ["one"]}


def test_a_map_keeps_its_bound_and_its_default() -> None:
    assert structural(Tree)["properties"]["numbers"] == {
        "type": "object",
        "default": {},
        "maxProperties": 3,
        "additionalProperties": {"type": "integer"},
    }


def test_what_only_we_write_gets_no_defaults() -> None:
    assert "default" not in structural(Tree, defaults=False)["properties"]["numbers"]


class Recursive(ApiModel):
    """Contains itself."""

    inner: "Recursive | None" = None


class Either(ApiModel):
    """A union."""

    value: bool | str


class Positive(ApiModel):
    """An exclusive bound, which a CRD writes as a boolean."""

    value: Annotated[int, Field(gt=0)]


class Distinct(ApiModel):
    """A set: uniqueItems is forbidden in a CRD."""

    value: set[int]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Recursive, "Recursive.inner: Recursive contains itself, which a structural schema cannot say"),
        (Either, "Either.value: a structural schema has no unions but of integer and string"),
        (Positive, "Positive.value: a structural schema has no exclusiveMinimum"),
        (Distinct, "Distinct.value: a structural schema has no uniqueItems"),
    ],
)
def test_what_a_crd_cannot_say_is_refused_with_the_field(model: type[BaseModel], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        structural(model)
