"""What was written once must parse for ever, and be written back the same."""

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from slipway.api.v1alpha1 import ModelDeploymentSpec, ModelDeploymentStatus
from tests.api.stored import NAMES, sample

OPTIONAL = sorted(set(sample("full")["spec"]) - {"model"})
OPTIONAL_OF_MODEL = sorted(set(sample("full")["spec"]["model"]) - {"version", "source"})


@pytest.mark.parametrize("name", NAMES)
def test_a_stored_spec_parses_and_reads_back_with_nothing_but_defaults_added(name: str) -> None:
    spec = sample(name)["spec"]
    parsed = ModelDeploymentSpec.model_validate(spec)
    assert within(spec, parsed.to_dict())
    assert ModelDeploymentSpec.model_validate(parsed.to_dict()) == parsed


@pytest.mark.parametrize("name", ["full", "full-mig"])
def test_a_spec_that_says_everything_reads_back_byte_for_byte(name: str) -> None:
    spec = sample(name)["spec"]
    parsed = ModelDeploymentSpec.model_validate(json.loads(json.dumps(spec)))
    assert json.dumps(parsed.to_dict(), sort_keys=True) == json.dumps(spec, sort_keys=True)


def within(part: Any, whole: Any) -> bool:
    """Whether `whole` has all that `part` has; lists must be as long."""
    if isinstance(part, dict):
        return all(key in whole and within(value, whole[key]) for key, value in part.items())
    if isinstance(part, list):
        return len(part) == len(whole) and all(within(*pair) for pair in zip(part, whole, strict=True))
    return bool(part == whole)


@settings(deadline=None)
@given(st.sets(st.sampled_from(OPTIONAL)), st.sets(st.sampled_from(OPTIONAL_OF_MODEL)))
def test_any_optional_part_may_be_left_out_and_stays_out(left_out: set[str], of_model: set[str]) -> None:
    spec = sample("full")["spec"]
    spec = {key: value for key, value in spec.items() if key not in left_out}
    spec["model"] = {key: value for key, value in spec["model"].items() if key not in of_model}
    written = ModelDeploymentSpec.model_validate(spec).to_dict()
    defaulted = {"replicas": 1, "suspend": False}
    assert written == {**{key: value for key, value in defaulted.items() if key in left_out}, **spec}


def test_a_spec_is_frozen_and_takes_no_unknown_field() -> None:
    parsed = ModelDeploymentSpec.model_validate(sample("minimal")["spec"])
    with pytest.raises(ValidationError, match="frozen"):
        parsed.replicas = 2  # type: ignore[misc]
    with pytest.raises(ValidationError, match=r"model\.sorce\n.*Extra inputs"):
        ModelDeploymentSpec.model_validate({"model": {**sample("minimal")["spec"]["model"], "sorce": {}}})


def test_a_stored_status_parses_and_reads_back() -> None:
    status = sample("with-status")["status"]
    parsed = ModelDeploymentStatus.model_validate(status)
    assert parsed.to_dict() == status


def test_a_status_that_a_later_version_wrote_still_parses() -> None:
    status = sample("with-status")["status"]
    later = deepcopy(status)
    later["novelty"] = {"a": 1}
    later["rollout"]["novelty"] = 1
    later["revisions"][0]["novelty"] = []
    later["conditions"][0]["novelty"] = "x"
    assert ModelDeploymentStatus.model_validate(later) == ModelDeploymentStatus.model_validate(status)


@pytest.mark.parametrize("status", [{}, {"observedGeneration": -1}])
def test_a_status_that_nobody_has_written_parses(status: dict[str, Any]) -> None:
    assert ModelDeploymentStatus.model_validate(status).observed_generation == -1
