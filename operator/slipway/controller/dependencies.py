"""Dependencies between the actions of a plan: one that failed holds up those that rely on it, and no other."""

from collections.abc import Iterable
from typing import Final

from slipway.core.children.backend_traffic_policy import BACKEND_TRAFFIC_POLICY
from slipway.core.children.network_policy import NETWORK_POLICY
from slipway.core.children.route import ROUTES
from slipway.core.children.security_policy import SECURITY_POLICY
from slipway.core.desired.objects import DESCRIBES, MAKES_PODS, SCALERS
from slipway.core.names import Manifest
from slipway.core.plan import Action, Apply, Delete, Scale, place_of

_GUARDS: Final = (SECURITY_POLICY, BACKEND_TRAFFIC_POLICY)


def must_wait(action: Action, failed: Iterable[Action], *, owner: str) -> bool:
    """Whether an action relies on one that failed before it. `owner` is the ModelDeployment's name."""
    return any(_shields(other, action) or _relies_on(action, other, owner) for other in failed)


def _shields(policy: Action, action: Action) -> bool:
    """Whether an action makes pods that nobody may reach before this policy is there."""
    makes = isinstance(action, Apply) and action.first and _kind(action) in MAKES_PODS
    return makes and isinstance(policy, Apply) and _kind(policy) == NETWORK_POLICY


def _relies_on(action: Action, failed: Action, owner: str) -> bool:
    match action, failed:
        case Apply(manifest={"kind": "Deployment"}), Apply(first=True):
            return _kind(failed) in DESCRIBES and _name(failed) == _name(action)
        case Apply(manifest=route), Apply(first=True) if _kind(action) in ROUTES:
            return _kind(failed) == "Service" and _name(failed) in _backends(route)
        case ((Scale() | Apply() | Delete()), Delete(kind=kind)) if kind in SCALERS:
            return (_kind(action), _name(action)) == ("Deployment", _name(failed))  # or it would answer the scaling
        case Delete(kind=kind), Delete() if kind in _GUARDS:
            return _kind(failed) in ROUTES
        case ((Scale(lowers=True) | Delete(kind="Deployment" | "Service")), Apply()):
            return _name(failed) == owner and _kind(failed) in ("Service", *ROUTES)
    return False


def _backends(route: Manifest) -> set[str]:
    """The Services that a route gives traffic to."""
    refs = (ref for rule in route["spec"].get("rules") or () for ref in rule.get("backendRefs") or ())
    return {ref["name"] for ref in refs if ref.get("weight", 1)}


def _kind(action: Action) -> str:
    return place_of(action)[0]


def _name(action: Action) -> str:
    return place_of(action)[1]
