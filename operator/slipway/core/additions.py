"""Additions: fields that somebody put into an object which says who gets traffic, and how they are taken out again.

In these kinds a field more changes who is let in, where requests go or how many pods there are. So everything in `spec`
that we did not ask for is somebody's addition, but for what the API server fills in by itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from slipway.core.merge_keys import Items, by_key
from slipway.core.names import Manifest

_ANYTHING: Final = object()
"""In the place of a default: whatever Kubernetes, or whoever runs the cluster, sets there."""

_SCALING_POLICIES: Final[Mapping[str, list[Manifest]]] = {
    "scaleUp": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
    "scaleDown": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
}

# The Gateway API's CRDs (v1.6), `default:`.
_ROUTE: Final[Mapping[str, Any]] = {
    "parentRefs.group": "gateway.networking.k8s.io",
    "parentRefs.kind": "Gateway",
    "rules.backendRefs.group": "",
    "rules.backendRefs.kind": "Service",
    "rules.filters.requestMirror.backendRef.group": "",
    "rules.filters.requestMirror.backendRef.kind": "Service",
    "rules.matches.headers.type": "Exact",
}

_DEFAULTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "HTTPRoute": _ROUTE,
    "GRPCRoute": {**_ROUTE, "rules.matches.method.type": "Exact"},
    # Envoy Gateway's CRDs (v1.9), `default:`.
    "SecurityPolicy": {
        "apiKeyAuth.credentialRefs.group": "",
        "apiKeyAuth.credentialRefs.kind": "Secret",
        "jwt.providers.remoteJWKS.cacheDuration": "300s",
    },
    "BackendTrafficPolicy": {
        "rateLimit.local.rules.clientSelectors.headers.invert": False,
        "rateLimit.local.rules.clientSelectors.sourceCIDR.invert": False,
    },
    "Service": {
        # kubernetes/pkg/registry/core/service/storage/alloc.go. Address families are the business of who runs the
        # cluster: they may be changed later, and then stay.
        "clusterIP": _ANYTHING,
        "clusterIPs": _ANYTHING,
        "ipFamilies": _ANYTHING,
        "ipFamilyPolicy": _ANYTHING,
        # kubernetes/pkg/apis/core/v1/defaults.go, SetDefaults_Service
        "type": "ClusterIP",
        "sessionAffinity": "None",
        "internalTrafficPolicy": "Cluster",
        "ports.protocol": "TCP",
    },
    # kubernetes/pkg/apis/networking/v1/defaults.go, SetDefaults_NetworkPolicyPort
    "NetworkPolicy": {"ingress.ports.protocol": "TCP"},
    # kubernetes/pkg/apis/autoscaling/v2/defaults.go: what a behavior that was asked for leaves open. Without one there
    # is none.
    "HorizontalPodAutoscaler": {
        "metrics": [
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
            }
        ],
        "behavior.scaleUp": {
            "stabilizationWindowSeconds": 0,
            "selectPolicy": "Max",
            "policies": _SCALING_POLICIES["scaleUp"],
        },
        "behavior.scaleUp.stabilizationWindowSeconds": 0,
        "behavior.scaleUp.selectPolicy": "Max",
        "behavior.scaleUp.policies": _SCALING_POLICIES["scaleUp"],
        "behavior.scaleDown": {"selectPolicy": "Max", "policies": _SCALING_POLICIES["scaleDown"]},
        "behavior.scaleDown.selectPolicy": "Max",
        "behavior.scaleDown.policies": _SCALING_POLICIES["scaleDown"],
    },
    # KEDA's CRD (v2.21), `default:`.
    "ScaledObject": {"fallback.behavior": "static"},
    "PodDisruptionBudget": {},
}
"""By kind, what the API server fills into `spec` where we ask for nothing: by path, without the places in lists."""


@dataclass(frozen=True, kw_only=True)
class Addition:
    """A field of a live object that nobody asked for."""

    field: str
    """Its path, as Kubernetes' own messages write it."""
    got: Any


def addition(live: Mapping[str, Any], desired: Mapping[str, Any]) -> Addition | None:
    """The first one in an object that holds what was asked for. `desired` is a whole manifest, or its kind and spec."""
    defaults = _DEFAULTS.get(str(desired.get("kind")))
    if defaults is None or "spec" not in desired:
        return None
    return next(_added(live.get("spec"), desired["spec"], defaults, (), "spec"), None)


def taking_out(live: Manifest, desired: Manifest) -> Manifest | None:
    """The merge patch that takes out all that was added to `live`, as long as it is unchanged; None if nothing was. An
    apply takes out of lists only, and leaves another manager's fields."""
    if addition(live, desired) is None:
        return None
    defaults, meta = _DEFAULTS[desired["kind"]], live["metadata"]
    return {
        "metadata": {key: meta[key] for key in ("name", "namespace", "resourceVersion")},
        "spec": _patch(live.get("spec"), desired["spec"], defaults, ()),
    }


_Path = tuple[str, ...]
"""Names of fields, from `spec` on; an item of a list has its list's."""


def _added(live: Any, desired: Any, defaults: Mapping[str, Any], path: _Path, where: str) -> Iterator[Addition]:
    if isinstance(live, dict) and isinstance(desired, dict):
        for key, got in live.items():
            inside, there = (*path, key), f"{where}.{key}"
            if key in desired:
                yield from _added(got, desired[key], defaults, inside, there)
            elif not _filled_in(got, defaults, inside):
                yield Addition(field=there, got=got)
    elif isinstance(live, list | tuple) and isinstance(desired, list | tuple):
        keyed = by_key(path[-1], live, desired)
        live_items, wanted = keyed or (_by_place(live), _by_place(desired))
        for key, got in live_items.items():
            there = f"{where}[{key[0]}]"
            if key in wanted:
                yield from _added(got, wanted[key], defaults, path, there)
            else:
                yield Addition(field=there, got=got)


def _by_place(items: Sequence[Any]) -> Items:
    return {(place,): item for place, item in enumerate(items)}


def _filled_in(got: Any, defaults: Mapping[str, Any], path: _Path) -> bool:
    default = defaults.get(".".join(path))
    return got is None or default is _ANYTHING or (default == got and type(default) is type(got))


def _patch(live: Any, desired: Any, defaults: Mapping[str, Any], path: _Path) -> Any:
    """A merge patch sets a list as a whole, and takes out of a map what is null."""
    if not (isinstance(live, dict) and isinstance(desired, dict)):
        return desired
    patch: Manifest = {}
    for key, got in live.items():
        inside = (*path, key)
        if key not in desired:
            if not _filled_in(got, defaults, inside):
                patch[key] = None
        elif any(_added(got, desired[key], defaults, inside, "")):
            patch[key] = _patch(got, desired[key], defaults, inside)
    return patch
