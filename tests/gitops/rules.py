"""The shipped health rules, as their tools evaluate them."""

from functools import cache
from typing import Any, NamedTuple

import cel
import yaml
from lupa import lua51

from testbed.shell import ROOT
from tests.gitops.kstatus import KStatus

ARGOCD = ROOT / "gitops" / "argocd"
FLUX = ROOT / "gitops" / "flux" / "health.yaml"
EXPRESSIONS = (
    ("inProgress", KStatus.IN_PROGRESS),
    ("failed", KStatus.FAILED),
    ("current", KStatus.CURRENT),
)
"""In the order in which Flux asks them (fluxcd/pkg, runtime/cel/status_evaluator.go)."""


class Health(NamedTuple):
    """What Argo CD shows of a resource."""

    status: str
    message: str


def argocd(found: dict[str, Any]) -> Health:
    """What the Lua says. Argo CD runs Lua 5.1 with the object as the global `obj`."""
    lua = lua51.LuaRuntime(unpack_returned_tuples=True)
    lua.globals()["obj"] = lua.table_from(found, recursive=True)
    said: Any = lua.execute((ARGOCD / "health.lua").read_text())
    return Health(said.status, said.message)


def flux(found: dict[str, Any]) -> KStatus:
    """What Flux makes of the CEL; an error of an expression, which would hold its Kustomization up, is raised."""
    status, meta = found.get("status", {}), found["metadata"]
    if "observedGeneration" in status and status["observedGeneration"] != meta["generation"]:
        return KStatus.IN_PROGRESS
    return next((means for name, means in EXPRESSIONS if _is_true(name, found)), KStatus.IN_PROGRESS)


def _is_true(name: str, found: dict[str, Any]) -> bool:
    truth = cel.evaluate(_expressions()[name], found)
    assert isinstance(truth, bool), f"{name}: {truth!r}"
    return truth


@cache
def _expressions() -> dict[str, str]:
    (rule,) = yaml.safe_load(FLUX.read_text())["spec"]["healthCheckExprs"]
    return dict(rule)
