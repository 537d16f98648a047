"""The kinds of objects that the operator lists, watches and writes, and where each lives in the API."""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from slipway.api import v1alpha1
from slipway.core.names import MODEL_DEPLOYMENT as OWNER_LABEL


class Key(NamedTuple):
    """Names one ModelDeployment: the unit of work."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def _segment(name: str) -> str:
    """A name as one segment of a path, wherever it came from: nothing leads into another namespace."""
    return "%2E" * len(name) if name in (".", "..") else quote(name, safe="")


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of object and its address."""

    name: str
    group: str
    version: str
    plural: str
    namespaced: bool = True
    selector: str | None = None
    """Label selector that the server applies to lists and watches."""
    optional: bool = False
    """A cluster may not know it: it comes with an extension that not everybody has."""
    everywhere: bool = False
    """It is looked at in all namespaces, whichever are served."""
    without: str | None = None
    """What is missing where RBAC refuses it, and it is gone on without; None: it cannot be done without."""

    @property
    def api_version(self) -> str:
        """As manifests write it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """The URL path of the collection, of one object, or of its subresource."""
        parts = ["/apis", self.group] if self.group else ["/api"]
        parts += [self.version]
        if self.namespaced and namespace is not None:
            parts += ["namespaces", _segment(namespace)]
        return "/".join([*parts, self.plural, *(_segment(part) for part in (name, subresource) if part)])


OURS: Final = OWNER_LABEL
"""Selects by the existence of our own label. Others write `app.kubernetes.io/managed-by`: Helm, policies, people."""


def _child(name: str, group: str, plural: str, version: str = "v1") -> Kind:
    return Kind(name=name, group=group, version=version, plural=plural, selector=OURS)


def _optional(
    name: str, plural: str, api_version: str = "gateway.networking.k8s.io/v1", *, without: str, **more: Any
) -> Kind:
    group, version = api_version.split("/")
    return Kind(name=name, group=group, version=version, plural=plural, optional=True, without=without, **more)


MODEL_DEPLOYMENT: Final = Kind(
    name=v1alpha1.KIND, group=v1alpha1.GROUP, version=v1alpha1.VERSION, plural=v1alpha1.PLURAL
)
POD: Final = _child("Pod", "", "pods")
NODE: Final = Kind(
    name="Node",
    group="",
    version="v1",
    plural="nodes",
    namespaced=False,
    without="messages will not say what the nodes offer",
)
DEPLOYMENT: Final = _child("Deployment", "apps", "deployments")
SERVICE: Final = _child("Service", "", "services")
CONFIG_MAP: Final = _child("ConfigMap", "", "configmaps")
LEASE: Final = Kind(name="Lease", group="coordination.k8s.io", version="v1", plural="leases")
HTTP_ROUTE: Final = _optional(
    "HTTPRoute", "httproutes", without="nothing is done for those who ask for a gateway", selector=OURS
)
GRPC_ROUTE: Final = _optional(
    "GRPCRoute", "grpcroutes", without="nothing is done for those who ask for one", selector=OURS
)
ENVOY_GATEWAY: Final = tuple(
    _optional(
        name,
        plural,
        "gateway.envoyproxy.io/v1alpha1",
        without="nothing is done for those who ask Envoy Gateway for more than a route",
        selector=OURS,
    )
    for name, plural in (("SecurityPolicy", "securitypolicies"), ("BackendTrafficPolicy", "backendtrafficpolicies"))
)
SCALED_OBJECT: Final = _optional(
    "ScaledObject",
    "scaledobjects",
    "keda.sh/v1alpha1",
    without="the number of pods stays for those who ask for KEDA",
    selector=OURS,
)
GATEWAY: Final = _optional(
    "Gateway", "gateways", without="of a Gateway only what it says of routes will be seen", everywhere=True
)
GATEWAY_CLASS: Final = _optional(
    "GatewayClass", "gatewayclasses", without="nothing will be said of the class of a Gateway", namespaced=False
)
REGISTERED_MODEL, MODEL_VERSION = (
    _optional(
        names.kind,
        names.plural,
        v1alpha1.API_VERSION,
        without="nothing is said of the catalogue, no withdrawal holds, and who follows an alias stays where they are",
    )
    for names in (v1alpha1.REGISTERED_MODEL, v1alpha1.MODEL_VERSION)
)
_RESOURCE_API: Final = "resource.k8s.io/v1"
RESOURCE_CLAIM, RESOURCE_SLICE, DEVICE_CLASS = (
    _optional(
        name,
        plural,
        _RESOURCE_API,
        without="messages will not say which devices there are, nor status which ones pods have",
        namespaced=namespaced,
        everywhere=namespaced,
    )
    for name, plural, namespaced in (
        ("ResourceClaim", "resourceclaims", True),
        ("ResourceSlice", "resourceslices", False),
        ("DeviceClass", "deviceclasses", False),
    )
)
EVENT: Final = Kind(name="Event", group="", version="v1", plural="events")

CHILDREN: Final = (
    DEPLOYMENT,
    SERVICE,
    CONFIG_MAP,
    _child("ControllerRevision", "apps", "controllerrevisions"),
    _child("Job", "batch", "jobs"),
    _child("HorizontalPodAutoscaler", "autoscaling", "horizontalpodautoscalers", "v2"),
    _child("PodDisruptionBudget", "policy", "poddisruptionbudgets"),
    _child("NetworkPolicy", "networking.k8s.io", "networkpolicies"),
    HTTP_ROUTE,
    *ENVOY_GATEWAY,
    GRPC_ROUTE,
    _optional(
        "ResourceClaimTemplate",
        "resourceclaimtemplates",
        _RESOURCE_API,
        without="nothing is done for those who ask for devices by class",
        selector=OURS,
    ),
    SCALED_OBJECT,
)

ROUTING: Final = frozenset({SERVICE, HTTP_ROUTE, GRPC_ROUTE})
"""Kinds that decide which pods the traffic reaches."""
DEVICES: Final = (RESOURCE_CLAIM, RESOURCE_SLICE, DEVICE_CLASS)
"""Kinds by which devices are given out. Claims of others count: what they hold is taken."""
SHARED_OBJECTS: Final = (NODE, GATEWAY, GATEWAY_CLASS, *DEVICES)
"""Kinds that many ModelDeployments share: they belong to none, and are only read."""

CATALOGUE: Final = (REGISTERED_MODEL, MODEL_VERSION)
"""Kinds that are joined to ModelDeployments by digest, and that one may follow."""

WATCHED: Final = (MODEL_DEPLOYMENT, *CHILDREN, POD, *SHARED_OBJECTS, *CATALOGUE)
BY_NAME: Final = {kind.name: kind for kind in (*WATCHED, LEASE, EVENT)}
