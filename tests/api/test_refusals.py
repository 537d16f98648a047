"""What a real API server refuses: with the field's path, what was found and what to do."""

from typing import Any

import pytest
from kubernetes.client import ApiException

from tests.api.objects import Objects, answer, named
from tests.api.refusals import BUILT_IN, RULES, golden, model, source, with_model
from tests.api.stored import sample

pytestmark = pytest.mark.plane


def causes(objects: Objects, body: dict[str, Any]) -> list[tuple[str, str]]:
    """Every field that is refused, with the API server's message."""
    with pytest.raises(ApiException) as refused:
        objects.create(body, dry_run="All")
    assert refused.value.status == 422
    return [(cause["field"], cause["message"]) for cause in answer(refused.value)["details"]["causes"]]


@pytest.mark.parametrize(("spec", "field", "says"), [pytest.param(*row, id=name) for name, *row in RULES])
def test_refused_by_our_rule(dry_objects: Objects, spec: dict[str, Any], field: str, says: str) -> None:
    assert [(at, message.split(": ", 2)[2]) for at, message in causes(dry_objects, named("x", spec))] == [(field, says)]


@pytest.mark.parametrize(("spec", "field", "says"), [pytest.param(*row, id=name) for name, *row in BUILT_IN])
def test_refused_by_the_schema(dry_objects: Objects, spec: dict[str, Any], field: str, says: str) -> None:
    found = causes(dry_objects, named("x", spec))
    assert (field, says) in found


@pytest.mark.parametrize("name", ["a" * 55, "a" * 60, "1st", "my.model"])
def test_a_name_that_services_cannot_have_is_refused(dry_objects: Objects, name: str) -> None:
    [(field, message)] = causes(dry_objects, named(name, model()))
    assert field == "metadata.name"
    assert message.endswith(
        f"{name} cannot name a ModelDeployment, whose Services are named after it: at most 54 lower-case letters, "
        "digits and -, with a letter in front and no - at the end"
    )


@pytest.mark.parametrize("name", ["a", "a" * 54, "a-1"])
def test_a_name_that_services_can_have_is_taken(dry_objects: Objects, name: str) -> None:
    assert dry_objects.create(named(name, model()), dry_run="All")["metadata"]["name"] == name


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        (with_model(replica=2), "spec.replica"),
        (source(url="s3://b"), "spec.model.source.url"),
        (golden(tolerance={"abs": "1"}), "spec.model.verification.requests[0].tolerance.abs"),
    ],
)
def test_an_unknown_field_is_refused(dry_objects: Objects, spec: dict[str, Any], field: str) -> None:
    with pytest.raises(ApiException) as refused:
        dry_objects.create(named("x", spec), dry_run="All")
    assert refused.value.status == 400
    assert f'strict decoding error: unknown field "{field}"' in answer(refused.value)["message"]


@pytest.mark.parametrize("change", [{"name": "other"}, {"name": None}, {"name": "churn", "from": None}])
def test_the_model_keeps_its_name(objects: Objects, change: dict[str, Any]) -> None:
    before, after = change.get("from", "churn"), change["name"]
    stored = objects.create(named("md", model(**({"name": before} if before else {}))))
    stored["spec"]["model"] = model(**({"name": after} if after else {}))["model"]
    with pytest.raises(ApiException) as refused:
        objects.replace(stored)
    [cause] = answer(refused.value)["details"]["causes"]
    assert cause["field"] == "spec.model.name"
    assert cause["message"].endswith(
        "model.name is immutable: clients call the model by it; make a new ModelDeployment"
    )


def test_everything_but_the_models_name_may_change(objects: Objects) -> None:
    stored = objects.create(named("full", {"model": {**model()["model"], "name": "churn_v2.onnx"}}))
    stored["spec"] = sample("full")["spec"]
    assert objects.replace(stored)["metadata"]["generation"] == 2


def test_a_broken_object_leaves_nothing_behind(objects: Objects) -> None:
    with pytest.raises(ApiException):
        objects.create(named("broken", source(uri="ftp://host")))
    with pytest.raises(ApiException) as missing:
        objects.get("broken")
    assert missing.value.status == 404
