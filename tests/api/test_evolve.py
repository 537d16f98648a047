"""A frozen model is changed by `evolve`, which checks names and values. mypy checks them before: see mypy_evolve.py.

The comments for mypy are a test, too: where its plugin does not see a fault any more, mypy says that one is unused.
"""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from slipway.api.v1alpha1.status import ClockStatus, RolloutPhase, RolloutStatus

OPERATOR = Path(__file__).parents[2] / "operator"
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
ROLLOUT = RolloutStatus(phase=RolloutPhase.STARTING, started_at=NOON, phase_started_at=NOON)


def test_what_is_changed_is_changed_and_the_rest_stays() -> None:
    changed = ROLLOUT.evolve(clock=ClockStatus(paused_at=NOON), desired_replicas=2)
    assert changed == RolloutStatus(
        phase=RolloutPhase.STARTING,
        started_at=NOON,
        phase_started_at=NOON,
        clock=ClockStatus(paused_at=NOON),
        desired_replicas=2,
    )
    assert ROLLOUT.desired_replicas is None


def test_a_name_that_is_no_field_is_refused() -> None:
    with pytest.raises(TypeError, match="ClockStatus has no field deadlin_from"):
        ClockStatus().evolve(deadlin_from=NOON)  # type: ignore[call-arg]


@pytest.mark.parametrize("value", ["many", "3", -1, 1.5])
def test_a_value_that_does_not_fit_is_refused(value: object) -> None:
    with pytest.raises(ValidationError, match="desired_replicas"):
        ROLLOUT.evolve(desired_replicas=value)  # type: ignore[arg-type]


def test_a_block_without_content_is_not_stored_and_is_read_as_one() -> None:
    stored = ROLLOUT.to_dict()
    assert stored.keys() == {"phase", "startedAt", "phaseStartedAt", "reportedReasons"}
    assert RolloutStatus.model_validate(stored) == ROLLOUT


def test_nothing_in_the_operator_changes_a_model_unchecked() -> None:
    unchecked = [
        path.relative_to(OPERATOR).as_posix()
        for path in OPERATOR.rglob("*.py")
        if "model_copy(" in path.read_text() or "model_construct(" in path.read_text()
    ]
    assert unchecked == []
