"""Every child of specs that between them use every field: for checks that hold for all manifests."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from slipway.api.v1alpha1.spec import Autoscaling, Gateway, Load, Traffic
from slipway.core.children.autoscaler import autoscaler
from slipway.core.children.backend_traffic_policy import backend_traffic_policy
from slipway.core.children.budget import budget
from slipway.core.children.network_policy import network_policy
from slipway.core.children.resolve_job import resolve_job
from slipway.core.children.revision import controller_revision, render
from slipway.core.children.route import Backend, Routing, grpc_route, http_route
from slipway.core.children.scaled_object import scaled_object
from slipway.core.children.security_policy import security_policy
from slipway.core.children.service import revision_service, root_service, with_load_port
from slipway.core.identity import ask
from slipway.core.names import Manifest
from slipway.core.platform import NetworkRules
from tests.core.gen import md_spec, owner, platform, resolved

SPECS: dict[str, dict[str, Any]] = {
    "the least": {},
    "everything on a CPU": {
        "model": {
            "name": "M.1",
            "source": {
                "secretName": "models-read",
                "s3": {"endpoint": "http://minio:9000"},
                "signature": {"configMapName": "signers", "threshold": 2, "mode": "Warn"},
            },
            "storage": {"volume": "Ephemeral", "size": "1.5Gi", "storageClassName": "fast"},
            "config": {"maxBatchSize": 4, "dynamicBatching": {}},
            "verification": {
                "requests": [
                    {
                        "inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [3]}],
                        "outputs": [{"name": "y", "datatype": "FP32", "shape": [1], "data": [7]}],
                    }
                ],
                "interval": "0s",
            },
        },
        "server": {
            "image": "mine:1",
            "imagePullSecrets": [{"name": "pull"}],
            "args": ["--log-verbose=1"],
            "env": [
                {"name": "A", "value": ""},
                {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            ],
            "resources": {"requests": {"cpu": "1000m", "memory": "1.5Gi"}, "limits": {"cpu": 2, "memory": "4G"}},
        },
        "scheduling": {
            "nodeSelector": {"pool": "a"},
            "tolerations": [{"key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 0}],
            "affinity": {
                "podAntiAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": [{"labelSelector": {}, "topologyKey": "zone"}]
                }
            },
            "topologySpreadConstraints": [
                {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {}}
            ],
            "priorityClassName": "system-node-critical",
            "runtimeClassName": "nvidia",
            "serviceAccountName": "reader",
        },
        "podMetadata": {"labels": {"team": "risk"}, "annotations": {"note": ""}},
    },
    "encrypted, on a claim": {
        "model": {"source": {"uri": "pvc://models/churn/3", "decryption": {"secretName": "models-key"}}}
    },
    "a claim": {"model": {"source": {"uri": "pvc://models/churn/3"}}},
    "two GPUs of a product": {"accelerator": {"count": 2, "products": ["NVIDIA-H100-80GB-HBM3"], "memory": "40Gi"}},
    "devices of a class": {
        "accelerator": {"deviceClass": "gpu.nvidia.com", "count": 2, "selectors": ["device.driver == 'gpu.nvidia.com'"]}
    },
    "devices of the first class that has any": {
        "accelerator": {
            "anyOf": [{"deviceClass": "gpu.nvidia.com"}, {"deviceClass": "mig.nvidia.com", "selectors": ["true"]}]
        },
        "scheduling": {"schedulerName": "mine"},
        "podMetadata": {"labels": {"kueue.x-k8s.io/queue-name": "serving", "kueue.x-k8s.io/priority-class": "high"}},
    },
    "a GPU with the user's own affinity": {
        "accelerator": {},
        "scheduling": {
            "affinity": {
                "nodeAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": {
                        "nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "Exists"}]}]
                    }
                }
            }
        },
    },
    "a MIG slice": {"accelerator": {"mig": "1g.10gb"}},
    "a MIG slice under the single strategy": {"accelerator": {"mig": "1g.10gb", "migStrategy": "single"}},
    "a share": {"accelerator": {"sharing": "MPS", "resourceName": "nvidia.com/gpu.shared"}},
}

KEYS = {"apiKeys": {"secretName": "clients"}}
JWT = {"jwt": {"issuer": "https://i.example", "jwksUri": "https://i.example/keys", "audiences": ["churn"]}}
TRAFFIC: dict[str, dict[str, Any]] = {
    "the least": {},
    "routes with everything": {
        "gateway": {"name": "inference", "namespace": "gateways", "sectionName": "http"},
        "hostnames": ["churn.example", "*.churn.example"],
        "pathPrefix": "/.v1/churn_a-b~c.d",
        "timeouts": {"request": "99999h9999999m9999999s"},
        "candidateHeader": {"name": "x-candidate", "value": "yes, please"},
        "versionHeader": "Slipway-Version",
        "grpcRoute": {"hostnames": ["churn.example"], "sectionName": "grpc"},
    },
    "policies with everything": {
        "loadBalancing": "LeastRequest",
        "retries": {"attempts": 5},
        "rateLimit": {"requests": 1_000_000, "per": "Hour", "header": "x-tenant"},
        "maxRequestSize": "1Gi",
        "authentication": {**KEYS, **JWT},
    },
    "a limit by address": {"rateLimit": {"requests": 1, "per": "Second"}, "timeouts": {"request": "0s"}},
    "keys by which requests are counted": {
        "rateLimit": {"requests": 1, "per": "Minute", "header": "x-api-key"},
        "authentication": KEYS,
    },
    "tokens": {"authentication": JWT},
}

METRICS: list[dict[str, Any]] = [
    {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}},
    {
        "type": "Pods",
        "pods": {"metric": {"name": "queue"}, "target": {"type": "AverageValue", "averageValue": "1500m"}},
    },
    {
        "type": "Pods",
        "pods": {"metric": {"name": "pending"}, "target": {"type": "AverageValue", "averageValue": "1e3"}},
    },
]
BEHAVIOR = {
    "scaleDown": {"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}
}


def of_spec(name: str) -> Iterator[Manifest]:
    """Resolve Job, ControllerRevision, and the children of the revision."""
    spec = md_spec(**SPECS[name])
    asked = ask(spec)
    yield resolve_job(owner=owner(), spec=spec, ask=asked, platform=platform(), deadline=timedelta(hours=1))
    record = render(owner=owner(), spec=spec, ask=asked, resolved=resolved(), platform=platform())
    yield controller_revision(record, owner=owner(), number=1)
    yield from record.children


def around() -> Iterator[Manifest]:
    """The children that depend on no field of the model."""
    revision = "3f2a91bc"
    scaling = {"minReplicas": 1, "maxReplicas": 8, "metrics": METRICS, "behavior": BEHAVIOR}
    yield root_service(owner=owner(), revision=revision)
    yield budget(owner=owner(), revision=revision)
    yield with_load_port(revision_service(owner=owner(), revision=revision))
    yield autoscaler(owner=owner(), revision=revision, autoscaling=Autoscaling.model_validate(scaling), bounds=(1, 8))
    peers: list[dict[str, Any]] = [{"podSelector": {}}, {"namespaceSelector": {"matchLabels": {"a": "b"}}}]
    network = NetworkRules(
        closed=True, callers=(*peers,), scrapers=(*peers,), unreachable=("10.0.0.0/8", "2001:db8::/32")
    )
    gateway = {"name": "inference", "namespace": "gateways"}
    traffic = Traffic.model_validate({"allowFrom": peers, "allowTo": peers, "gateway": gateway})
    policy = network_policy(
        owner=owner(), traffic=traffic, fetches=True, platform=platform(network=network), by_keda=True
    )
    yield from filter(None, [policy])


def of_keda() -> Iterator[Manifest]:
    """Of a kind that KEDA brings to a cluster."""
    scaling = Autoscaling.model_validate({"maxReplicas": 8, "load": {}, "scaler": "KEDA", "behavior": BEHAVIOR})
    load = scaling.load or Load()
    yield scaled_object(owner=owner(), revision="3f2a91bc", autoscaling=scaling, load=load, bounds=(1, 8))


def of_traffic(name: str) -> Iterator[Manifest]:
    """Routes and policies, of kinds that the Gateway API and Envoy Gateway bring to a cluster."""
    gateway = Gateway.model_validate(TRAFFIC[name].get("gateway", {"name": "inference"}))
    traffic = Traffic.model_validate({**TRAFFIC[name], "gateway": gateway})
    backends = [
        Backend(revision="3f2a91bc", weight=100, version="3"),
        Backend(revision="90be11d2", weight=0, version="vier 🚀 %"),
    ]
    routing = Routing(backends=backends, shadow=("90be11d2", 20), candidate=backends[1])
    timeout = traffic.timeouts.request if traffic.timeouts else "30s"
    made = (
        security_policy(owner=owner(), traffic=traffic, route_uid="22222222-3333-4444-5555-666666666666"),
        backend_traffic_policy(owner=owner(), traffic=traffic),
        http_route(owner=owner(), traffic=traffic, gateway=gateway, routing=routing, timeout=timeout),
        grpc_route(owner=owner(), traffic=traffic, gateway=gateway, routing=routing),
    )
    yield from filter(None, made)
