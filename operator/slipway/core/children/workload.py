"""The Deployment of a revision: a fetcher that brings the bundle, and Triton behind its guard."""

from math import ceil
from typing import Any, Final

from slipway.api.scalars import duration, quantity
from slipway.api.v1alpha1 import ModelDeploymentSpec
from slipway.api.v1alpha1.spec import VolumeType
from slipway.core.children import accelerator as gpu
from slipway.core.children import affinity as affinities
from slipway.core.children import memory
from slipway.core.children.device_claim import CLAIM
from slipway.core.children.pod import (
    claim_mounts,
    compact,
    container_security,
    credential_mounts,
    fetcher_resources,
    identity_mounts,
    identity_volumes,
    is_served_in_place,
    model_name,
    pod_spec,
    present,
    scheduling_of,
    server_of,
    size,
    source_environment,
    temporary_volume,
)
from slipway.core.children.resolved import Resolved
from slipway.core.names import (
    FETCH_CONTAINER,
    GRPC_PORT,
    GUARD_PORT,
    HTTP_PORT,
    LOAD_PORT,
    METRICS_PORT,
    RESTART,
    SERVER_CONTAINER,
    Manifest,
    labels,
    of_revision,
    revision_selector,
)
from slipway.core.owner import Owner
from slipway.core.platform import Platform
from slipway.triton.memory import GIB, MIB, PRE_STOP, bundle_storage, temporary_storage

BUNDLE: Final = "/slipway"
CONFIG: Final = "/etc/slipway"
PLAIN: Final = "/plain"
TEMPORARY: Final = "/tmp"  # noqa: S108
GUARD: Final = "SLIPWAY_GUARD"
POD_IP: Final = "SLIPWAY_POD_IP"

DISK: Final = "ephemeral-storage"
MIN_READY_SECONDS: Final = 10
_NO_DEADLINE: Final = 2**31 - 1
"""Kubernetes reads this as none: deadlines are the operator's, which knows what a pod is waiting for."""

_STARTUP_PERIOD_SECONDS: Final = 2
_STARTUP_SLACK_SECONDS: Final = 60
"""The guard ends a start that takes too long, and says why; the probe only stands behind it."""


def deployment(
    *,
    owner: Owner,
    spec: ModelDeploymentSpec,
    resolved: Resolved,
    platform: Platform,
    revision: str,
    restart: str | None = None,
) -> Manifest:
    """Without a count, which is set through the scale subresource, and a strategy: its template never changes.
    `restart` is the request that new pods were made for, if any."""
    selector = revision_selector(owner.name, revision)
    marks = labels(owner.name, component="server", revision=revision)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": of_revision(owner.name, revision), "labels": marks},
        "spec": {
            "minReadySeconds": MIN_READY_SECONDS,
            "progressDeadlineSeconds": _NO_DEADLINE,
            "revisionHistoryLimit": 0,
            "selector": {"matchLabels": selector},
            "template": {
                "metadata": _pod_metadata(spec, marks, restart),
                "spec": _pod(owner=owner, spec=spec, resolved=resolved, platform=platform, revision=revision),
            },
        },
    }


def _pod_metadata(spec: ModelDeploymentSpec, marks: dict[str, str], restart: str | None) -> dict[str, Any]:
    given = spec.pod_metadata
    annotations = {**((given and given.annotations) or {}), **({RESTART: restart} if restart else {})}
    return {
        "labels": {**((given and given.labels) or {}), **marks},
        **present({"annotations": annotations or None}),
    }


def _pod(
    *, owner: Owner, spec: ModelDeploymentSpec, resolved: Resolved, platform: Platform, revision: str
) -> dict[str, Any]:
    return {
        **pod_spec(spec=spec, platform=platform, volumes=_volumes(spec, resolved, of_revision(owner.name, revision))),
        **_placement(spec, revision_selector(owner.name, revision)),
        **_claims(spec, of_revision(owner.name, revision)),
        "terminationGracePeriodSeconds": memory.grace_seconds(spec, resolved),
        "initContainers": [_fetch(owner=owner, spec=spec, resolved=resolved, platform=platform)],
        "containers": [_triton(owner=owner, spec=spec, resolved=resolved, platform=platform)],
    }


def _placement(spec: ModelDeploymentSpec, selector: dict[str, str]) -> dict[str, Any]:
    """The user's scheduling with what the accelerator needs, and pods of a revision spread where that costs nothing."""
    scheduling = scheduling_of(spec)
    affinity, tolerations = scheduling.affinity or {}, list(scheduling.tolerations or ())
    if spec.accelerator:
        wanted = gpu.fragment(spec.accelerator)
        affinity = affinities.with_required(affinity, wanted.expressions)
        tolerations += [toleration for toleration in wanted.tolerations if toleration not in tolerations]
    else:
        affinity = affinities.away_from_gpus(affinity)
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": selector},
    }
    return present(
        {
            "affinity": affinity,
            "tolerations": tolerations,
            "topologySpreadConstraints": scheduling.topology_spread_constraints or [spread],
            "priorityClassName": scheduling.priority_class_name,
            "runtimeClassName": scheduling.runtime_class_name,
            "schedulerName": scheduling.scheduler_name,
        }
    )


def _claims(spec: ModelDeploymentSpec, template: str) -> dict[str, Any]:
    """The devices that are claimed for the pod."""
    claimed = gpu.claims_devices(spec.accelerator)
    return {"resourceClaims": [{"name": CLAIM, "resourceClaimTemplateName": template}]} if claimed else {}


def _volumes(spec: ModelDeploymentSpec, resolved: Resolved, config: str) -> list[Manifest]:
    return [
        _bundle_volume(spec, resolved),
        {"name": "config", "configMap": {"name": config}},
        temporary_volume(temporary_storage(size=resolved.size)),
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": size(memory.shared(spec, resolved))}},
        *_plain_volumes(spec, resolved),
        *identity_volumes(spec.model),
    ]


def _plain_volumes(spec: ModelDeploymentSpec, resolved: Resolved) -> list[Manifest]:
    """Where plaintext is: in the node's memory, whatever the bundle's volume is."""
    room = memory.plain(spec, resolved)
    return [{"name": "plain", "emptyDir": {"medium": "Memory", "sizeLimit": size(room)}}] if room else []


def _plain_mounts(spec: ModelDeploymentSpec, *, read_only: bool) -> list[Manifest]:
    how = {"readOnly": True} if read_only else {}
    return [{"name": "plain", "mountPath": PLAIN, **how}] if spec.model.source.decryption else []


def _bundle_volume(spec: ModelDeploymentSpec, resolved: Resolved) -> Manifest:
    storage = spec.model.storage
    room = _bundle_size(spec, resolved)
    if storage is None or storage.volume is VolumeType.EMPTY_DIR:
        return {"name": "bundle", "emptyDir": {"sizeLimit": room}}
    claim = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": room}},
        **present({"storageClassName": storage.storage_class_name}),
    }
    return {"name": "bundle", "ephemeral": {"volumeClaimTemplate": {"spec": claim}}}


def _bundle_size(spec: ModelDeploymentSpec, resolved: Resolved) -> str:
    if spec.model.storage and spec.model.storage.size:
        return spec.model.storage.size
    # Served in place, the volume holds links, config.pbtxt and the guard.
    return size(64 * MIB if is_served_in_place(spec.model) else bundle_storage(size=resolved.size))


def _fetch(*, owner: Owner, spec: ModelDeploymentSpec, resolved: Resolved, platform: Platform) -> Manifest:
    return {
        "name": FETCH_CONTAINER,
        "image": platform.fetcher_image,
        "args": ["fetch"],
        "env": source_environment(owner=owner, spec=spec, resolved=resolved, storage=_on_node(spec, resolved)),
        "resources": _fetch_resources(spec, resolved, platform),
        "securityContext": container_security(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "bundle", "mountPath": BUNDLE},
            {"name": "config", "mountPath": CONFIG, "readOnly": True},
            {"name": "tmp", "mountPath": TEMPORARY},
            *credential_mounts(spec.model),
            *claim_mounts(spec.model),
            *_plain_mounts(spec, read_only=False),
            *identity_mounts(spec.model),
        ],
    }


def _triton(*, owner: Owner, spec: ModelDeploymentSpec, resolved: Resolved, platform: Platform) -> Manifest:
    server = server_of(spec)
    return {
        "name": SERVER_CONTAINER,
        "image": server.image or platform.server_image,
        "command": ["python3", f"{BUNDLE}/guard.pyz"],
        "env": _environment(owner, spec, platform),
        "ports": [
            {"name": "http", "containerPort": HTTP_PORT, "protocol": "TCP"},
            {"name": "grpc", "containerPort": GRPC_PORT, "protocol": "TCP"},
            {"name": "metrics", "containerPort": METRICS_PORT, "protocol": "TCP"},
            {"name": "load", "containerPort": LOAD_PORT, "protocol": "TCP"},
        ],
        "resources": memory.server_resources(spec, resolved, ephemeral=_on_node(spec, resolved)),
        "securityContext": container_security(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        **_probes(model_name(owner, spec), _seconds(server.startup_timeout)),
        # New connections are refused as soon as Triton is told to stop; endpoints need this long to spread first.
        "lifecycle": {"preStop": {"sleep": {"seconds": round(PRE_STOP.total_seconds())}}},
        "volumeMounts": [
            {"name": "bundle", "mountPath": BUNDLE, "readOnly": True},
            {"name": "config", "mountPath": CONFIG, "readOnly": True},
            {"name": "tmp", "mountPath": TEMPORARY},
            {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108
            *claim_mounts(spec.model),
            *_plain_mounts(spec, read_only=True),
        ],
    }


def _fetch_resources(spec: ModelDeploymentSpec, resolved: Resolved, platform: Platform) -> Manifest:
    """Memory requested that a small node can spare: the pod keeps it for life, the fetch is over in minutes.

    The largest limit on disk of any container is that of the pod with all its volumes: this one has room for those, and
    for logs. A limit of the user on the server is the pod's instead.
    """
    plain = memory.plain(spec, resolved)  # counts as memory of the container that writes it, and later of the pod
    resources = fetcher_resources(platform, requested="256Mi", limit=size(GIB + plain) if plain else "1Gi")
    given, bundle = server_of(spec).resources, _on_node(spec, resolved)
    room = (int(quantity(bundle)) if bundle else 0) + temporary_storage(size=resolved.size) + GIB
    limit = ((given and given.limits) or {}).get(DISK, size(room))
    # Without a request Kubernetes would take the limit for one.
    request = ((given and given.requests) or {}).get(DISK, bundle or size(MIB))
    return {
        "requests": {**resources["requests"], DISK: str(min(request, limit, key=quantity))},
        "limits": {**resources["limits"], DISK: str(limit)},
    }


def _on_node(spec: ModelDeploymentSpec, resolved: Resolved) -> str | None:
    """Disk of the node that the bundle may take, where it lies in an emptyDir."""
    on_node = spec.model.storage is None or spec.model.storage.volume is VolumeType.EMPTY_DIR
    return _bundle_size(spec, resolved) if on_node else None


def _environment(owner: Owner, spec: ModelDeploymentSpec, platform: Platform) -> list[dict[str, Any]]:
    given = [variable.to_dict() for variable in server_of(spec).env or ()]
    names = {variable["name"] for variable in given}
    if ours := sorted(name for name in names if name.startswith("SLIPWAY_")):
        raise ValueError(f"server.env sets {', '.join(ours)}: names under SLIPWAY_ are Slipway's own, take them out")
    settings: list[dict[str, Any]] = [
        {"name": GUARD, "value": compact(_guard(owner, spec, platform))},
        {"name": POD_IP, "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
    ]
    if not spec.accelerator and "NVIDIA_VISIBLE_DEVICES" not in names:
        # NVIDIA's images say `all`: on a node whose default runtime is NVIDIA's, a CPU pod would see every GPU.
        settings.append({"name": "NVIDIA_VISIBLE_DEVICES", "value": "void"})
    return [*settings, *given]


def _guard(owner: Owner, spec: ModelDeploymentSpec, platform: Platform) -> dict[str, Any]:
    server, verification = server_of(spec), spec.model.verification
    interval = verification.interval if verification else "60s"
    return {
        "model": model_name(owner, spec),
        "modelVersion": spec.model.version_name,
        "requestTimeoutSeconds": _seconds(server.request_timeout),
        "startupTimeoutSeconds": _seconds(server.startup_timeout),
        "intervalSeconds": _seconds(interval),
        "gpu": spec.accelerator is not None,
        "serverArgs": server.args or [],
        **present({"leastServerVersion": platform.least_server_version, "lockedApis": server.locked_apis}),
    }


def _seconds(text: str) -> int:
    """The API takes these in whole seconds."""
    return round(duration(text).total_seconds())


def _probes(model: str, startup_seconds: int) -> dict[str, Any]:
    """Started = verified; ready = the model, never the server, whose word lies in many cases; slow is not dead."""
    return {
        "startupProbe": {
            # Not a file: a bundle is code, and could write it. The guard has the port before that code runs.
            "httpGet": {"path": "/verified", "port": GUARD_PORT},
            "periodSeconds": _STARTUP_PERIOD_SECONDS,
            "timeoutSeconds": 10,
            "failureThreshold": ceil((startup_seconds + _STARTUP_SLACK_SECONDS) / _STARTUP_PERIOD_SECONDS),
        },
        "readinessProbe": {
            "httpGet": {"path": f"/v2/models/{model}/ready", "port": "http"},
            "periodSeconds": 5,
            "timeoutSeconds": 5,
            "failureThreshold": 3,
        },
        "livenessProbe": {
            "httpGet": {"path": "/v2/health/live", "port": "http"},
            "periodSeconds": 10,
            "timeoutSeconds": 10,
            "failureThreshold": 6,
        },
    }
