"""What is written of a child: what it is made with, and what is left as it is."""

import base64
import zlib
from typing import Any

import orjson
import pytest

from slipway.core.children.manifest import applied_hash
from slipway.core.children.record import RECORD, RECORD_FITS, unpacked
from slipway.core.children.revision import MOST_BYTES
from slipway.core.names import APPLIED, Manifest
from slipway.core.plan import Apply
from tests.core.cluster.scenario import ready
from tests.core.cluster.simulator import Simulator, simulator


def revision_config(cluster: Simulator) -> Manifest:
    return cluster.objects["ConfigMap", cluster.revision_named("3")]


def golden(requests: int, inputs: int, elements: int) -> dict[str, Any]:
    tensor = {"datatype": "FP32", "shape": [elements], "data": [n * 1.000000123 for n in range(elements)]}
    one = {
        "inputs": [{"name": f"x{n}", **tensor} for n in range(inputs)],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [1], "data": [7]}],
    }
    return {"verification": {"requests": [one] * requests}}


def of_model(**more: Any) -> dict[str, Any]:
    return {"model": {"version": "3", "source": {"uri": "s3://models/churn/3"}, **more}}


def test_a_record_that_another_zlib_has_packed_is_left_as_it_is() -> None:
    cluster = ready()
    config = revision_config(cluster)
    annotations = config["metadata"]["annotations"]
    data = zlib.decompress(base64.b64decode(annotations[RECORD]))
    annotations[RECORD] = base64.b64encode(zlib.compress(data, 1)).decode()
    asked = {key: config["metadata"][key] for key in ("name", "labels", "annotations")}
    bare = {key: value for key, value in config.items() if key != "status"}
    annotations[APPLIED] = applied_hash({**bare, "metadata": asked})
    assert cluster.plan().actions == ()

    annotations[RECORD] = base64.b64encode(zlib.compress(orjson.dumps({}))).decode()
    assert [a.manifest["kind"] for a in cluster.plan().actions if isinstance(a, Apply)] == ["ConfigMap"]


@pytest.mark.parametrize(
    ("deflated", "why"),
    [
        (zlib.compress(b" " * MOST_BYTES + b"{}"), "more than 1400000 bytes"),
        (zlib.compress(b"{}")[:-1], "cut off"),
        (b"{}", "incorrect header"),
    ],
)
def test_what_is_no_record_is_not_inflated_to_its_end_and_is_put_right(deflated: bytes, why: str) -> None:
    text = base64.b64encode(deflated).decode()
    with pytest.raises(ValueError, match=f"not a packed revision: .*{why}"):
        unpacked(text)
    cluster = ready()
    right = revision_config(cluster)["metadata"]["annotations"][RECORD]
    revision_config(cluster)["metadata"]["annotations"][RECORD] = text
    cluster.settle()
    assert revision_config(cluster)["metadata"]["annotations"][RECORD] == right


def test_a_record_too_large_for_an_annotation_is_kept_once_only(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(revision_config(ready())["metadata"]["annotations"][RECORD]) < RECORD_FITS
    monkeypatch.setattr("slipway.core.children.record.RECORD_FITS", 100)
    cluster = ready()
    assert RECORD not in revision_config(cluster)["metadata"]["annotations"]
    assert cluster.condition("Ready")["status"] == "True"


def test_golden_requests_that_no_object_can_hold_are_named_with_the_place_for_them() -> None:
    cluster = simulator(**of_model(**golden(16, 16, 1024)))
    cluster.settle()
    cluster.resolve_job_ends()
    cluster.settle()
    said = cluster.condition("Ready")
    assert said["reason"] == "SpecInvalid"
    assert "model.verification.requests" in said["message"]
    assert "put large requests into the bundle, as golden/NAME.json" in said["message"]


def test_golden_requests_that_the_api_takes_up_to_a_third_of_a_mebibyte_are_kept() -> None:
    cluster = ready(**of_model(**golden(4, 4, 1024)))
    assert cluster.condition("Ready")["status"] == "True"
    for manifest in cluster.objects.values():
        annotations = manifest["metadata"].get("annotations", {})
        assert sum(len(key) + len(value) for key, value in annotations.items()) <= 256 * 1024
        assert len(orjson.dumps(manifest)) < MOST_BYTES + 1024


def test_the_ip_families_of_a_service_are_left_to_whoever_sets_them() -> None:
    cluster = ready()
    services = [manifest for (kind, _), manifest in cluster.objects.items() if kind == "Service"]
    for policy in ("SingleStack", "PreferDualStack"):
        for service in services:
            service["spec"]["ipFamilyPolicy"] = policy
        assert cluster.plan().actions == ()
