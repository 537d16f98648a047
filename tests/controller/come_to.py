"""What an operator process has come to, asked by plain HTTP: a kubectl for each question would keep a core busy."""

from collections.abc import Callable

from testbed.api import Api
from testbed.operating import OperatorProcess, until
from testbed.plane import Plane


def phase(api: Api, namespace: str, name: str = "churn") -> str:
    """Of a ModelDeployment; empty before anybody has looked at it."""
    found = api.get("modeldeployments", namespace, name) or {}
    return str(found.get("status", {}).get("phase", ""))


def until_ready(plane: Plane, namespace: str) -> None:
    """Wait until the model is Ready."""
    until_phase(plane, namespace, "the model is Ready", lambda said: said == "Ready", 60)


def until_seen(plane: Plane, namespace: str, name: str = "churn", seconds: float = 30) -> None:
    """Wait until an operator has said something about a ModelDeployment."""
    until_phase(plane, namespace, f"{name} has a phase", bool, seconds, name)


def until_phase(
    plane: Plane, namespace: str, what: str, holds: Callable[[str], bool], seconds: float, name: str = "churn"
) -> None:
    """Wait until something holds of a ModelDeployment's phase."""
    with Api(plane) as api:
        until(what, lambda: holds(phase(api, namespace, name)), seconds)


def until_leads(operator: OperatorProcess, seconds: float = 30) -> None:
    """Wait until it leads."""
    until("it leads", operator.leads, seconds)
