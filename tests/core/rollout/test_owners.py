"""One module writes one block of `status.rollout`; who wants it changed calls that module."""

import ast
from pathlib import Path

import pytest

from slipway.api.v1alpha1.status import RolloutStatus

CORE = Path(__file__).parents[3] / "operator" / "slipway" / "core"

OWNERS = {
    "phase": {"rollout/target.py"},
    "started_at": {"rollout/target.py"},
    "phase_started_at": {"rollout/target.py"},
    "clock": {"rollout/progress.py"},
    "strategy": {"rollout/strategy.py"},
    "resolve": {"rollout/bundle_check.py"},
    "canary": {"rollout/canary.py", "rollout/analysis_gate.py", "rollout/mirroring.py"},
    "failure": {"rollout/failure.py"},
    "command": {"rollout/target.py", "rollout/requests.py"},
    "desired_replicas": {"rollout/target.py", "rollout/turn.py"},
    "reported_reasons": {"status/events.py"},
}


def writes(path: Path) -> set[str]:
    """The fields of a rollout that a module gives a value."""
    calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    return {keyword.arg for call in calls if _writes(call) for keyword in call.keywords if keyword.arg}


def _writes(call: ast.Call) -> bool:
    match call.func:
        case ast.Name(id="RolloutStatus"):
            return True
        case ast.Attribute(attr="evolve", value=ast.Name() | ast.Attribute() | ast.Call()):
            return True
    return False


@pytest.mark.parametrize("field", RolloutStatus.model_fields)
def test_a_block_is_written_by_its_owner_alone(field: str) -> None:
    modules = {path.relative_to(CORE).as_posix() for path in CORE.rglob("*.py") if field in writes(path)}
    others = {"phase": {"decide.py", "rollout/analysis_gate.py"}}.get(field, set())  # of the object, and of an analysis
    assert modules - others == OWNERS[field]
