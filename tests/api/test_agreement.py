"""The API server (RE2 in CEL) and the models (Rust's regex) must mean the same by a pattern.

A spec that the API server stores and the operator cannot parse would be an object that nobody reconciles.
"""

from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from kubernetes.client import ApiException
from pydantic import ValidationError

from slipway.api.scalars import DECIMAL_PATTERN, DURATION_PATTERN, QUANTITY_PATTERN, SECONDS_PATTERN
from slipway.api.v1alpha1 import ModelDeploymentSpec
from slipway.api.v1alpha1.model import VERSION_PATTERN
from tests.api.objects import Objects, named
from tests.api.stored import sample

pytestmark = pytest.mark.plane

FIELDS = {
    "model.version": VERSION_PATTERN,
    "model.source.digest": "^sha256:[0-9a-f]{64}$",
    "model.source.secretName": "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
    "model.verification.interval": SECONDS_PATTERN,
    "model.config.dynamicBatching.maxQueueDelay": DURATION_PATTERN,
    "model.verification.requests.0.tolerance.absolute": DECIMAL_PATTERN,
    "server.resources.limits.cpu": QUANTITY_PATTERN,
    "podMetadata.labels.team": "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$",
}


def with_value(path: str, value: str) -> dict[str, Any]:
    spec: dict[str, Any] = sample("full")["spec"]
    *steps, last = path.split(".")
    inner: Any = spec
    for step in steps:
        inner = inner[int(step)] if step.isdigit() else inner[step]
    inner[last] = value
    return spec


def api_server_takes(objects: Objects, spec: dict[str, Any]) -> bool:
    try:
        objects.create(named("x", spec), dry_run="All")
    except ApiException as refusal:
        if refusal.status != 422:
            raise
        return False
    return True


def models_take(spec: dict[str, Any]) -> bool:
    try:
        ModelDeploymentSpec.model_validate(spec)
    except ValidationError:
        return False
    return True


@st.composite
def values(draw: st.DrawFn) -> tuple[str, str]:
    """A field, and a text that fits its pattern, nearly fits it, or is anything."""
    path = draw(st.sampled_from(sorted(FIELDS)))
    near = st.from_regex(FIELDS[path])  # `$` lets it end in a line break, which must not fit
    anything = st.text("0123456789.-+_ehmsikG \n\u0663\u00e9", max_size=40)
    return path, draw(st.one_of(near, anything))


@given(values())
@example(("model.version", "3\n"))
@example(("model.version", "\u00a03"))
@example(("server.resources.limits.cpu", "0\n"))
@settings(
    max_examples=100, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_api_server_and_the_models_take_the_same_texts(dry_objects: Objects, value: tuple[str, str]) -> None:
    spec = with_value(*value)
    assert api_server_takes(dry_objects, spec) == models_take(spec)
