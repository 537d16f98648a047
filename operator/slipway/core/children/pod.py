"""What the pod of a model and the pod that resolves its source have in common."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from slipway.api.scalars import quantity
from slipway.api.v1alpha1 import ModelDeploymentSpec
from slipway.api.v1alpha1.spec import Model, Scheduling, Server
from slipway.core.children.resolved import Resolved
from slipway.core.names import Manifest
from slipway.core.owner import Owner
from slipway.core.platform import Platform
from slipway.triton.memory import GIB

USER: Final = 1000
"""The user of NVIDIA's images, and of ours."""

CREDENTIALS: Final = "/var/run/slipway/credentials"
IDENTITIES: Final = "/var/run/slipway/identities"
KEYS: Final = "/var/run/slipway/keys"
SOURCE: Final = "/source"
_PVC: Final = "pvc://"

Mount = dict[str, Any]


def server_of(spec: ModelDeploymentSpec) -> Server:
    """The server as asked for, with the schema's defaults when the spec has none."""
    return spec.server or Server()


def scheduling_of(spec: ModelDeploymentSpec) -> Scheduling:
    """The scheduling as asked for, empty when the spec has none."""
    return spec.scheduling or Scheduling()


def model_name(owner: Owner, spec: ModelDeploymentSpec) -> str:
    """Triton's name of the model."""
    return spec.model.name or owner.name


def is_served_in_place(model: Model) -> bool:
    """Whether the bundle stays where it is, on a claim."""
    return model.source.uri.startswith(_PVC)


def pod_spec(*, spec: ModelDeploymentSpec, platform: Platform, volumes: Sequence[Manifest]) -> dict[str, Any]:
    """The start of a pod's spec: restricted Pod Security, its identity, its secrets, the volumes of its source."""
    scheduling = scheduling_of(spec)
    wanted = [secret.name for secret in server_of(spec).image_pull_secrets or ()]
    secrets = [{"name": name} for name in dict.fromkeys([*wanted, *platform.image_pull_secrets])]
    return present(
        {
            # A model needs no API. Identities for stores are projected by the cloud's webhook beside this.
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "serviceAccountName": scheduling.service_account_name,
            "imagePullSecrets": secrets,
            "nodeSelector": scheduling.node_selector,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER,
                "runAsGroup": USER,
                "fsGroup": USER,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "volumes": [*volumes, *_source_volumes(spec.model)],
        }
    )


def container_security() -> dict[str, Any]:
    """Restricted Pod Security, for every container."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def source_environment(
    *,
    owner: Owner,
    spec: ModelDeploymentSpec,
    resolved: Resolved | None = None,
    storage: str | None = None,
    allowed_backends: Sequence[str] = (),
) -> list[dict[str, str]]:
    """SLIPWAY_SOURCE for the fetcher (docs/contracts.md). With `resolved`, those bytes and no others will do.

    `storage`: what a volume on the node's own file system may grow to.
    `allowed_backends`: of which the model has to have one, for the resolve Job; empty: any.
    """
    source = spec.model.source.to_dict()
    source.pop("secretName", None)
    if resolved:
        source.pop("signature", None)
    asked: dict[str, Any] = {"source": source, "model": model_name(owner, spec)}
    if resolved:
        asked["resolved"] = {"digest": resolved.digest, "size": resolved.size, "unverified": resolved.unverified}
    if storage:
        asked["storage"] = int(quantity(storage))
    if allowed_backends:
        asked["allowedBackends"] = list(allowed_backends)
    return [{"name": "SLIPWAY_SOURCE", "value": compact(asked)}]


def credential_mounts(model: Model) -> list[Mount]:
    """Where the fetcher finds what opens the source."""
    return [{"name": "credentials", "mountPath": CREDENTIALS, "readOnly": True}] if model.source.secret_name else []


def key_volumes(model: Model) -> list[Manifest]:
    """The public keys that a bundle is to be signed with, for the resolve Job. That they are missing is its verdict."""
    asked = model.source.signature
    return [{"name": "keys", "configMap": {"name": asked.config_map_name, "optional": True}}] if asked else []


def key_mounts(model: Model) -> list[Mount]:
    """Where the resolve Job finds them."""
    return [{"name": "keys", "mountPath": KEYS, "readOnly": True}] if model.source.signature else []


def identity_volumes(model: Model) -> list[Manifest]:
    """The secret keys that a bundle is decrypted with, for the fetcher. That they are missing is its verdict."""
    asked = model.source.decryption
    secret = {"secretName": asked.secret_name, "defaultMode": 0o440, "optional": True} if asked else {}
    return [{"name": "identities", "secret": secret}] if asked else []


def identity_mounts(model: Model) -> list[Mount]:
    """Where the fetcher finds them."""
    return [{"name": "identities", "mountPath": IDENTITIES, "readOnly": True}] if model.source.decryption else []


def claim_mounts(model: Model) -> list[Mount]:
    """The directory of a source that is served in place, and nothing else of its claim: others' models may be there,
    and a bundle is code. Kubernetes mounts nothing at a path with a colon: then it is the whole claim."""
    path = _within_claim(model)
    if not path or ":" in path:
        return whole_claim_mounts(model)
    return [{"name": "source", "mountPath": f"{SOURCE}/{path}", "subPath": path, "readOnly": True}]


def whole_claim_mounts(model: Model) -> list[Mount]:
    """All of the claim, for who looks whether the directory is there and runs nothing of it."""
    return [{"name": "source", "mountPath": SOURCE, "readOnly": True}] if is_served_in_place(model) else []


def _within_claim(model: Model) -> str:
    return model.source.uri.removeprefix(_PVC).partition("/")[2].strip("/") if is_served_in_place(model) else ""


def temporary_volume(limit: int = GIB) -> Manifest:
    """A writable /tmp, at most `limit` bytes."""
    return {"name": "tmp", "emptyDir": {"sizeLimit": size(limit)}}


def size(count: int) -> str:
    """Bytes as a quantity that people can read."""
    return f"{count // 2**20}Mi"


def compact(value: Mapping[str, Any]) -> str:
    """JSON for an environment variable: one line, the same for the same value. Kubernetes would fill in `$(NAME)`."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).replace("$", "\\u0024")


def present(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Without the fields that have nothing in them."""
    return {key: value for key, value in fields.items() if value is not None and value not in ([], {})}


def _source_volumes(model: Model) -> list[Manifest]:
    volumes: list[Manifest] = []
    if model.source.secret_name:
        # Read by group: the files belong to root, and fsGroup makes their group ours.
        secret = {"secretName": model.source.secret_name, "defaultMode": 0o440}
        volumes.append({"name": "credentials", "secret": secret})
    if is_served_in_place(model):
        claim = model.source.uri.removeprefix(_PVC).split("/")[0]
        volumes.append({"name": "source", "persistentVolumeClaim": {"claimName": claim, "readOnly": True}})
    return volumes


def fetcher_resources(platform: Platform, *, requested: str, limit: str) -> Manifest:
    """Of a container with the fetcher's image: memory as given, and the platform's limit on processors, if any."""
    limits = {"cpu": platform.fetcher_cpu_limit} if platform.fetcher_cpu_limit else {}
    return {"requests": {"cpu": "50m", "memory": requested}, "limits": {**limits, "memory": limit}}
