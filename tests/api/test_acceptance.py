"""What a real API server accepts, how it reads back, and what kubectl shows of it."""

import json
from typing import Any

import pytest

from slipway.api.v1alpha1 import ModelDeploymentSpec, ModelDeploymentStatus
from testbed.plane import Plane
from tests.api.objects import Objects, named
from tests.api.stored import NAMES, sample

pytestmark = pytest.mark.plane

COLUMNS = ["NAME", "VERSION", "PHASE", "READY", "STABLE", "CANDIDATE", "SHARE", "AGE", "REASON", "MESSAGE"]


def text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def test_the_crd_is_structural_and_its_names_are_ours(plane: Plane) -> None:
    status = plane.kubectl().json("get", "crd", "modeldeployments.serving.slipway.dev")["status"]
    conditions = {condition["type"]: condition["status"] for condition in status["conditions"]}
    assert conditions["Established"] == "True"
    assert conditions["NamesAccepted"] == "True"
    assert conditions.get("NonStructuralSchema", "False") == "False"


@pytest.mark.parametrize("name", ["full", "full-mig"])
def test_a_spec_that_says_everything_reads_back_byte_for_byte(objects: Objects, name: str) -> None:
    objects.create(sample(name))
    assert text(objects.get(name)["spec"]) == text(sample(name)["spec"])


@pytest.mark.parametrize("name", NAMES)
def test_the_api_servers_defaults_are_the_models_own(objects: Objects, name: str) -> None:
    written = sample(name)["spec"]
    objects.create(sample(name))
    stored = objects.get(name)["spec"]
    parsed = ModelDeploymentSpec.model_validate(stored)
    assert parsed == ModelDeploymentSpec.model_validate(written)
    assert text(parsed.to_dict()) == text(stored)


def test_an_omitted_part_stays_omitted(objects: Objects) -> None:
    objects.create(sample("minimal"))
    assert objects.get("minimal")["spec"] == {**sample("minimal")["spec"], "replicas": 1, "suspend": False}


def test_a_fresh_object_has_a_status_that_says_nobody_has_looked(objects: Objects) -> None:
    objects.create(sample("minimal"))
    assert objects.get("minimal")["status"] == {"observedGeneration": -1}


def test_a_status_reads_back_and_does_not_raise_the_generation(objects: Objects) -> None:
    stored = objects.create(sample("with-status"))
    stored["status"] = sample("with-status")["status"]
    objects.replace_status(stored)
    found = objects.get("with-status")
    assert found["metadata"]["generation"] == 1
    assert text(found["status"]) == text(sample("with-status")["status"])
    assert ModelDeploymentStatus.model_validate(found["status"]).to_dict() == found["status"]


def test_kubectl_shows_where_a_rollout_stands(plane: Plane, namespace: str, objects: Objects) -> None:
    stored = objects.create(sample("with-status"))
    stored["status"] = sample("with-status")["status"]
    objects.replace_status(stored)
    head, row = plane.kubectl().within(namespace)("get", "md", "-o", "wide").splitlines()
    assert head.split() == COLUMNS
    assert row.split()[:7] == ["with-status", "3", "Shifting", "3/4", "2", "3", "25"]
    assert row.endswith("Shifting   version 3 has 1 of 4 pods available")
    assert "REASON" not in plane.kubectl().within(namespace)("get", "slipway")


def test_kubectl_shows_the_version_that_an_alias_has_brought(plane: Plane, namespace: str, objects: Objects) -> None:
    follow = {"model": "churn", "alias": "champion"}
    spec = {"model": {"follow": follow, "source": {"uri": "s3://models/churn/$(version)"}}}
    stored = objects.create(named("follower", spec))
    kubectl = plane.kubectl().within(namespace)
    assert kubectl("get", "md", "--no-headers").split()[0] == "follower"
    stored["status"] = sample("with-status")["status"] | {"follow": {"version": "4", "changes": 1, "refusals": 0}}
    objects.replace_status(stored)
    head, row = kubectl("get", "md").splitlines()
    assert head.split()[:3] == COLUMNS[:3]
    assert row.split()[:3] == ["follower", "4", "Shifting"]


def test_the_scale_subresource_reads_and_writes_the_count(objects: Objects) -> None:
    stored = objects.create(sample("with-status"))
    stored["status"] = sample("with-status")["status"]
    objects.replace_status(stored)
    scale = objects.scale("with-status")
    assert scale["spec"] == {"replicas": 4}
    assert scale["status"] == {"replicas": 5, "selector": "serving.slipway.dev/model-deployment=with-status"}
    objects.scale_to("with-status", 6)
    assert objects.get("with-status")["spec"]["replicas"] == 6


def test_a_server_side_apply_in_parts_keeps_both_writers_variables(
    plane: Plane, namespace: str, objects: Objects
) -> None:
    for writer, variable in (("one", "A"), ("two", "B")):
        body = sample("minimal")
        body["spec"]["server"] = {"env": [{"name": variable, "value": writer}]}
        arguments = ("apply", "--server-side", f"--field-manager={writer}", "-f", "-")
        plane.kubectl().within(namespace)(*arguments, stdin=text(body))
    assert {item["name"] for item in objects.get("minimal")["spec"]["server"]["env"]} == {"A", "B"}


def test_kubectl_explains_a_field(plane: Plane) -> None:
    words = " ".join(plane.kubectl()("explain", "md.spec.model.source.digest").split())
    assert "SHA-256 of the bundle's SHA256SUMS." in words
