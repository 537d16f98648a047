"""What is taken into use: which bytes the catalogue says, where they are and by which keys the reader says."""

from typing import Any

import pytest

from slipway.api.v1alpha1.source import S3
from slipway.api.v1alpha1.spec import ModelDeploymentSpec
from slipway.console.market import Version, version_of
from slipway.console.taking import taking
from tests.console.objects import DIGEST, version

S3_FIELDS = (*(field.alias for field in S3.model_fields.values()), "secretName")
"""All that the API takes of a store."""


def at(uri: str) -> Version:
    (found,) = version_of(version("4", sources=[{"uri": uri}]))
    return found


def source(uri: str, **given: str) -> dict[str, Any]:
    found: dict[str, Any] = taking(at(uri), "mine", given).manifest["spec"]["model"]["source"]
    return found


def test_the_manifest_takes_exactly_these_bytes_and_is_one_that_the_api_takes() -> None:
    manifest = taking(at("s3://models/churn/4"), "mine", {"endpoint": "http://minio:9000", "secretName": "k"}).manifest
    spec = ModelDeploymentSpec.model_validate(manifest["spec"])
    assert spec.model.source.digest == DIGEST
    assert manifest["metadata"] == {"name": "churn", "namespace": "mine"}


@pytest.mark.parametrize(
    ("uri", "asked", "asks"),
    [
        ("s3://models/churn/4", list(S3_FIELDS), True),
        ("gs://models/churn/4", ["secretName"], False),
        ("az://models/churn/4", ["secretName"], False),
        ("oci://registry.example/churn:4", ["secretName"], False),
        ("hf://team/churn@main", ["secretName"], False),
        ("https://models.example/churn/4", ["secretName"], False),
        ("pvc://models/churn/4", [], False),
    ],
)
def test_what_is_asked_is_what_the_address_does_not_say(uri: str, asked: list[str], asks: bool) -> None:
    found = taking(at(uri), "mine", {})
    assert ([each.name for each in found.fields], found.asks) == (asked, asks)
    assert bool(found.wrong) == asks
    assert not taking(at(uri), "mine", {"answered": "yes"}).wrong


def test_what_the_reader_says_is_in_the_manifest_and_what_is_empty_is_not() -> None:
    uri = "s3://models/churn/4"
    plain = {"uri": uri, "digest": DIGEST}
    said = source(uri, endpoint=" https://minio.example:9000 ", region="", secretName="keys")
    assert said == {**plain, "secretName": "keys", "s3": {"endpoint": "https://minio.example:9000"}}
    assert source(uri, region="eu-central-1") == {**plain, "s3": {"region": "eu-central-1"}}
    assert source(uri, answered="yes") == plain
    assert source(uri, anonymous="true", forcePathStyle="") == {**plain, "s3": {"anonymous": True}}
    assert source(uri, forcePathStyle="false") == {**plain, "s3": {"forcePathStyle": False}}
    assert "s3" not in source("gs://models/churn/4", endpoint="https://minio.example:9000", region="x")
    assert "secretName" not in source("pvc://models/churn/4", secretName="keys")


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("endpoint", "minio:9000", "is not the address of a store: write it like https://minio.example:9000"),
        ("endpoint", "https://user@minio", "is not the address of a store"),
        ("endpoint", f"https://{'x' * 600}", "at most 512 characters"),
        ("region", "x" * 300, "at most 256 characters"),
        ("secretName", "My_Keys", "is not the name of a Kubernetes object"),
        ("anonymous", "perhaps", "should be a valid boolean"),
    ],
)
def test_what_the_api_would_refuse_is_said_beside_its_field_and_is_not_in_the_manifest(
    field: str, value: str, says: str
) -> None:
    found = taking(at("s3://models/churn/4"), "mine", {"answered": "yes", field: value})
    (wrong,) = [each for each in found.fields if each.wrong]
    assert (wrong.name, says in wrong.wrong, found.wrong) == (field, True, f"{field} {wrong.wrong}")
    assert found.manifest["spec"]["model"]["source"] == {"uri": "s3://models/churn/4", "digest": DIGEST}


def test_a_public_bucket_and_keys_to_it_are_not_asked_for_together() -> None:
    found = taking(at("s3://models/churn/4"), "mine", {"answered": "yes", "anonymous": "true", "secretName": "keys"})
    assert found.wrong == "secretName and anonymous exclude each other: keep one"
    assert found.manifest["spec"]["model"]["source"]["s3"] == {"anonymous": True}
    assert "secretName" not in found.manifest["spec"]["model"]["source"]
