"""The CRD and the reference are made from the models, checked in, and fit to be applied."""

from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from slipway.api import crd, reference
from slipway.api.base import RULES
from slipway.api.v1alpha1 import ModelDeploymentSpec, ModelDeploymentStatus
from testbed import yamls
from tests.api.lint import Schema, offences
from tests.api.refusals import RULES as RULES_TRIED
from tests.api.stored import sample
from tests.api.walk import described, missing

ROOT = Path(__file__).parents[2]
ROOT_STRINGS = {"apiVersion", "kind", "metadata"}  # the API server's own


def version() -> dict[str, Any]:
    found: dict[str, Any] = crd.definition()["spec"]["versions"][0]
    return found


def test_the_checked_in_crd_is_what_the_models_say() -> None:
    path = ROOT / "crds" / "serving.slipway.dev_modeldeployments.yaml"
    assert path.read_text() == crd.render(), "run: python -m slipway.api.crd > crds/…"
    assert yamls.load(path.read_text()) == crd.definition()


def test_the_checked_in_reference_is_what_the_models_say() -> None:
    assert (ROOT / "docs" / "api.md").read_text() == reference.render(), (
        "run: python -m slipway.api.reference > docs/api.md"
    )


def test_the_crd_is_small_enough() -> None:
    """Well below the 256 KiB of annotations in which `kubectl apply` keeps it once more."""
    assert len(crd.render().encode()) < 96 * 1024


@pytest.mark.parametrize("part", ["spec", "status"])
def test_the_schema_is_structural_and_bounded(part: str) -> None:
    assert list(offences(crd.schema()["properties"][part], f".{part}")) == []


@pytest.mark.parametrize(
    ("schema", "offence"),
    [
        ({"type": "object", "properties": {"a": {"$ref": "#/x"}}}, ".a: $ref is not allowed"),
        ({"type": "object", "properties": {"a": {"type": "string"}}}, ".a: a string without maxLength"),
        ({"type": "array", "items": {"type": "integer"}}, ": a list without maxItems"),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, ": a map without maxProperties"),
        ({"type": "integer", "default": None}, ": null"),
        ({"type": "integer", "exclusiveMinimum": 0}, ": a number for an exclusive bound"),
        (
            {"type": "object", "properties": {}, "additionalProperties": False},
            ": additionalProperties beside properties, or a boolean",
        ),
        ({"type": "object", "required": ["a"]}, ": requires ['a'], which it does not have"),
        (
            {
                "type": "array",
                "maxItems": 1,
                "x-kubernetes-list-map-keys": ["a"],
                "items": {"type": "object", "properties": {"a": {"type": "integer"}}},
            },
            ": list key a is neither required nor has a default",
        ),
    ],
)
def test_the_lint_finds(schema: Schema, offence: str) -> None:
    assert offence in list(offences(schema))


def test_a_fresh_object_says_that_nobody_has_looked_at_it() -> None:
    status = crd.schema()["properties"]["status"]
    assert status["default"] == {"observedGeneration": -1}
    assert status["properties"]["observedGeneration"]["default"] == -1
    assert [name for name, field in status["properties"].items() if "default" in field] == ["observedGeneration"]


def test_every_rule_says_what_to_do_and_points_at_a_field_that_exists() -> None:
    for node in every_object(crd.schema()):
        for rule in node.get(RULES, ()):
            assert rule["message"], rule
            place = rule.get("fieldPath", "").split(".")[1:]
            found = node
            for step in place:
                found = found["properties"][step]


def test_every_rule_has_a_spec_that_it_refuses() -> None:
    said = {
        rule["message"] for node in every_object(crd.schema()["properties"]["spec"]) for rule in node.get(RULES, ())
    }
    tried = {message for message in said for _, _, _, says in RULES_TRIED if says.endswith(message)}
    # A rule about a change; test_the_model_keeps_its_name tries it.
    assert said - tried == {"model.name is immutable: clients call the model by it; make a new ModelDeployment"}


def every_object(node: Schema) -> list[Schema]:
    inner = chain(
        node.get("properties", {}).values(), *([node[key]] for key in ("items", "additionalProperties") if key in node)
    )
    return [node, *chain.from_iterable(every_object(child) for child in inner)]


def test_every_field_has_a_description() -> None:
    bare = [
        f"{path}.{name}"
        for path, node in described(crd.schema()["properties"]["spec"], "spec")
        for name, field in node.get("properties", {}).items()
        if not field.get("description")
    ]
    assert bare == []


def test_the_full_samples_leave_no_field_out() -> None:
    samples = [sample(name)["spec"] for name in ("full", "full-mig", "full-blue-green", "full-canary")]
    assert missing(crd.schema()["properties"]["spec"], samples, "spec") == []
    assert missing(crd.schema()["properties"]["status"], [sample("with-status")["status"]], "status") == []


def test_the_reference_has_every_object_and_every_sentence() -> None:
    text = reference.render()
    for path, node in described(crd.schema()["properties"]["spec"], "spec"):
        for rule in node.get(RULES, ()):
            assert rule["message"].removeprefix("is not ").replace("|", "\\|") in text, path
        for name in node.get("properties", {}):
            assert f"| `{name}` |" in text, f"{path}.{name}"


def test_the_scale_and_column_paths_are_fields_of_the_models() -> None:
    spec, status = ModelDeploymentSpec.model_fields, ModelDeploymentStatus.model_fields
    scale = version()["subresources"]["scale"]
    assert scale["specReplicasPath"] == ".spec.replicas"
    assert "replicas" in spec
    assert scale["statusReplicasPath"] == ".status.replicas"
    assert scale["labelSelectorPath"] == ".status.selector"
    assert {"replicas", "selector", "phase", "ready", "stable", "candidate", "revisions", "conditions"} <= set(status)
