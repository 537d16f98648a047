"""RegisteredModel and ModelVersion: the API server and the models agree, and nothing changes that others rely on."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from kubernetes import client
from kubernetes.client import ApiException
from pydantic import ValidationError

from slipway.api import crd, reference
from slipway.api.base import ApiModel
from slipway.api.crd import MODEL_VERSIONS, REGISTERED_MODELS, Resource
from slipway.api.v1alpha1 import (
    MODEL_VERSION,
    REGISTERED_MODEL,
    ModelVersionSpec,
    ModelVersionStatus,
    RegisteredModelSpec,
    RegisteredModelStatus,
)
from slipway.api.v1alpha1.catalogue import (
    METRIC_VALUE_PATTERN,
    PUBLISHED_VERSION_PATTERN,
    object_name,
)
from testbed import yamls
from testbed.plane import Plane
from tests.api.lint import offences
from tests.api.objects import Objects, answer
from tests.api.walk import described, missing

ROOT: Final = Path(__file__).parents[2]
SAMPLES: Final = {
    path.stem: yamls.load(path.read_text())
    for path in sorted((Path(__file__).parent / "samples" / "catalogue").glob("*.yaml"))
}
SPECS: Final[dict[str, type[ApiModel]]] = {"RegisteredModel": RegisteredModelSpec, "ModelVersion": ModelVersionSpec}
STATUSES: Final[dict[str, type[ApiModel]]] = {
    "RegisteredModel": RegisteredModelStatus,
    "ModelVersion": ModelVersionStatus,
}
KINDS: Final = [pytest.param(each, id=each.kind) for each in (REGISTERED_MODELS, MODEL_VERSIONS)]

Object = dict[str, Any]


def sample(name: str) -> Object:
    return deepcopy(SAMPLES[name])


# -- without an API server


@pytest.mark.parametrize("kind", KINDS)
def test_the_checked_in_crd_is_what_the_models_say_and_small(kind: Resource) -> None:
    path = ROOT / "crds" / f"serving.slipway.dev_{kind.plural}.yaml"
    assert path.read_text() == crd.render(kind), f"run: python -m slipway.api.crd {kind.plural} > crds/…"
    assert len(path.read_bytes()) < 24 * 1024


def test_the_checked_in_reference_is_what_the_models_say() -> None:
    assert (ROOT / "docs" / "api-catalogue.md").read_text() == reference.render_catalogue(), "run: make crds"


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_is_structural_bounded_and_described(kind: Resource) -> None:
    for part in ("spec", "status"):
        schema = crd.schema(kind)["properties"][part]
        assert list(offences(schema, f".{part}")) == []
        bare = [
            f"{path}.{name}"
            for path, node in described(schema, part)
            for name, field in node.get("properties", {}).items()
            if not field.get("description")
        ]
        assert bare == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_samples_leave_no_field_out(kind: Resource) -> None:
    samples = [each for each in SAMPLES.values() if each["kind"] == kind.kind]
    for part in ("spec", "status"):
        there = [each[part] for each in samples if part in each]
        assert missing(crd.schema(kind)["properties"][part], there, part) == []


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_a_sample_parses_and_reads_back_the_same(name: str) -> None:
    stored = sample(name)
    assert SPECS[stored["kind"]].model_validate(stored["spec"]).to_dict() == stored["spec"]
    if "status" in stored:
        assert STATUSES[stored["kind"]].model_validate(stored["status"]).to_dict() == stored["status"]


def test_a_version_has_one_name_that_is_no_other_versions_of_its_model_but_for_case() -> None:
    assert object_name("churn", "2026.11_RC1") == "churn-2026.11-rc1"


# -- what the API server and the models take

FIELDS: Final = {
    ("registered-model", "aliases.champion"): PUBLISHED_VERSION_PATTERN,
    ("registered-model", "sharedWith.0"): r"^(\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?)$",
    ("model-version", "card.metrics.0.value"): METRIC_VALUE_PATTERN,
    ("model-version", "card.lineage.version"): PUBLISHED_VERSION_PATTERN,
    ("model-version", "withdrawn.instead"): PUBLISHED_VERSION_PATTERN,
    ("model-version", "digest"): r"^sha256:[0-9a-f]{64}$",
}


def with_value(name: str, path: str, value: Any) -> Object:
    stored = sample(name)
    inner: Any = stored["spec"]
    *steps, last = path.split(".")
    for step in steps:
        inner = inner[int(step)] if step.isdigit() else inner[step]
    inner[int(last) if last.isdigit() else last] = value
    return stored


def of_kind(api: client.ApiClient, namespace: str, kind: str) -> Objects:
    plural = {each.kind: each.plural for each in (REGISTERED_MODEL, MODEL_VERSION)}[kind]
    return Objects(api, namespace, plural)


def api_server_takes(api: client.ApiClient, stored: Object) -> bool:
    try:
        of_kind(api, "default", stored["kind"]).create(stored, dry_run="All")
    except ApiException as refusal:
        if refusal.status != 422:
            raise
        return False
    return True


def models_take(stored: Object) -> bool:
    try:
        SPECS[stored["kind"]].model_validate(stored["spec"])
    except ValidationError:
        return False
    return True


@st.composite
def values(draw: st.DrawFn) -> tuple[str, str, str]:
    """A field, and a text that fits its pattern, nearly fits it, or is anything."""
    name, path = draw(st.sampled_from(sorted(FIELDS)))
    near = st.from_regex(FIELDS[name, path])
    anything = st.text("0123456789.-+_*ehRC \néa", max_size=70)
    return name, path, draw(st.one_of(near, anything))


@pytest.mark.plane
@given(values())
@example(("registered-model", "aliases.champion", "3\n"))
@example(("registered-model", "sharedWith.0", "*\n"))
@example(("model-version", "withdrawn.instead", "a" * 65))
@settings(max_examples=60, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_api_server_and_the_models_take_the_same_texts(
    api_client: client.ApiClient, value: tuple[str, str, str]
) -> None:
    stored = with_value(*value)
    assert api_server_takes(api_client, stored) == models_take(stored)


SHAPES: Final = [
    ("an alias in capitals", with_value("registered-model", "aliases", {"Champion": "3"})),
    ("an alias with a line break", with_value("registered-model", "aliases", {"champion\n": "3"})),
    ("an alias of 33 characters", with_value("registered-model", "aliases", {"a" * 33: "3"})),
    ("seventeen aliases", with_value("registered-model", "aliases", {f"a{n}": "1" for n in range(17)})),
    ("an empty title", with_value("registered-model", "title", "")),
    ("a long description", with_value("registered-model", "description", "x" * 2049)),
    ("65 namespaces", with_value("registered-model", "sharedWith", ["*"] * 65)),
    ("no source", with_value("model-version", "sources", [])),
    ("nine sources", with_value("model-version", "sources", [{"uri": "s3://b/m"}] * 9)),
    ("a source by nothing that is known", with_value("model-version", "sources.0.uri", "ftp://h/m")),
    ("a tensor of no type", with_value("model-version", "card.inputs.0.datatype", "FLOAT")),
    ("a dimension below -1", with_value("model-version", "card.inputs.0.shape", [-2])),
    ("33 metrics", with_value("model-version", "card.metrics", [{"name": "a", "value": "1"}] * 33)),
    ("a size that is no quantity", with_value("model-version", "card.size", "12MB")),
    ("a withdrawal without a reason", with_value("model-version", "withdrawn", {"action": "Warn"})),
    ("a withdrawal that does nothing known", with_value("model-version", "withdrawn.action", "Delete")),
    ("a withdrawal that says too much", with_value("model-version", "withdrawn.reason", "x" * 513)),
]


@pytest.mark.plane
@pytest.mark.parametrize("stored", [pytest.param(stored, id=name) for name, stored in SHAPES])
def test_what_the_models_refuse_the_api_server_refuses(api_client: client.ApiClient, stored: Object) -> None:
    assert not models_take(stored)
    assert not api_server_takes(api_client, stored)


# -- what the API server alone can tell


def refused(objects: Objects, change: Any, body: Object) -> tuple[str, str]:
    with pytest.raises(ApiException) as raised:
        change(objects, body)
    [cause] = answer(raised.value)["details"]["causes"]
    return cause["field"], cause["message"]


@pytest.mark.plane
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", "other"),
        ("version", "4"),
        ("digest", "sha256:" + "0" * 64),
        ("card", {"license": "mit"}),
        ("card", None),
    ],
)
def test_a_version_is_immutable(api_client: client.ApiClient, namespace: str, field: str, value: Any) -> None:
    objects = of_kind(api_client, namespace, "ModelVersion")
    stored = objects.create(sample("model-version"))
    stored["spec"][field] = value
    if value is None:
        del stored["spec"][field]
    if field in ("model", "version"):  # its name is another's then, too
        with pytest.raises(ApiException) as raised:
            objects.replace(stored)
        assert f"{field} is immutable" in answer(raised.value)["message"]
        return
    at, says = refused(objects, Objects.replace, stored)
    assert at == f"spec.{field}"
    assert says.endswith(f"{field} is immutable, for others rely on it: publish another version")


@pytest.mark.plane
def test_a_card_cannot_be_put_in_later(api_client: client.ApiClient, namespace: str) -> None:
    objects = of_kind(api_client, namespace, "ModelVersion")
    stored = objects.create(sample("published"))
    stored["spec"]["card"] = {"license": "mit"}
    assert refused(objects, Objects.replace, stored)[0] == "spec.card"


@pytest.mark.plane
def test_withdrawal_and_sources_change_and_a_withdrawal_may_be_taken_back(
    api_client: client.ApiClient, namespace: str
) -> None:
    objects = of_kind(api_client, namespace, "ModelVersion")
    stored = objects.create(sample("published"))
    stored["spec"]["withdrawn"] = {"reason": "leaks", "action": "Warn"}
    stored["spec"]["sources"] = [{"uri": "oci://registry.example/churn:1"}, {"uri": "s3://models/churn"}]
    stored = objects.replace(stored)
    del stored["spec"]["withdrawn"]
    assert objects.replace(stored)["metadata"]["generation"] == 3


@pytest.mark.plane
@pytest.mark.parametrize("name", ["churn-4", "other-3", "churn3"])
def test_a_version_has_one_name(api_client: client.ApiClient, name: str) -> None:
    stored = sample("model-version") | {"metadata": {"name": name}}
    field, says = refused(of_kind(api_client, "default", "ModelVersion"), Objects.create, stored)
    assert field == "metadata.name"
    assert says.endswith(f"{name} is not this version's name: write MODEL-VERSION in lower case, with - for _")


@pytest.mark.plane
def test_of_two_publishers_of_one_version_the_second_is_told(api_client: client.ApiClient, namespace: str) -> None:
    objects = of_kind(api_client, namespace, "ModelVersion")
    objects.create(sample("model-version"))
    with pytest.raises(ApiException) as raised:
        objects.create(with_value("model-version", "digest", "sha256:" + "0" * 64))
    assert raised.value.status == 409


@pytest.mark.plane
def test_a_version_does_not_stand_in_for_itself(api_client: client.ApiClient) -> None:
    stored = with_value("model-version", "withdrawn.instead", "3")
    field, says = refused(of_kind(api_client, "default", "ModelVersion"), Objects.create, stored)
    assert field == "spec.withdrawn.instead"
    assert says.endswith("withdrawn.instead names the version itself: name another, or take it out")


@pytest.mark.plane
@pytest.mark.parametrize("name", ["my.model", "1st", "a" * 64])
def test_a_name_that_no_version_can_refer_to_is_refused(api_client: client.ApiClient, name: str) -> None:
    stored = sample("bare") | {"metadata": {"name": name}}
    assert refused(of_kind(api_client, "default", "RegisteredModel"), Objects.create, stored)[0] == "metadata.name"


@pytest.mark.plane
@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_a_sample_is_stored_as_it_is_written(api_client: client.ApiClient, namespace: str, name: str) -> None:
    written, objects = sample(name), of_kind(api_client, namespace, SAMPLES[name]["kind"])
    stored = objects.create(written)
    assert json.dumps(stored["spec"], sort_keys=True) == json.dumps(written["spec"], sort_keys=True)
    if "status" in written:
        after = objects.replace_status(stored | {"status": written["status"]})
        assert after["status"] == written["status"]
        assert after["metadata"]["generation"] == 1


@pytest.mark.plane
def test_kubectl_shows_both_kinds_at_once(plane: Plane, api_client: client.ApiClient, namespace: str) -> None:
    for name in ("registered-model", "model-version"):
        objects = of_kind(api_client, namespace, SAMPLES[name]["kind"])
        stored = objects.create(sample(name))
        objects.replace_status(stored | {"status": sample(name)["status"]})
    shown = plane.kubectl().within(namespace)("get", "registeredmodels,modelversions", "-o", "wide")
    model, version = (row for row in shown.splitlines() if "/churn" in row)
    assert '{"challenger":"4","champion":"3"}' in model
    assert model.endswith("no ModelVersion has this version")
    assert version.split()[1:6] == ["churn", "3", "2", "1", "Block"]
    assert "s3://models/churn/3" in version
    assert "leaks customer names" in version
    assert version.endswith("p[0,1] is 0.4, expected 0.6")
