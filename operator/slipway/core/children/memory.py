"""Memory, disk and time of a model's pod: Triton's formulas, fed with what the spec asks and the bundle declares."""

from typing import Any

from slipway.api.scalars import duration, quantity
from slipway.api.v1alpha1 import ModelDeploymentSpec
from slipway.core.children import accelerator as gpu
from slipway.core.children.device_claim import CLAIM
from slipway.core.children.pod import present, server_of, size
from slipway.core.children.resolved import Resolved, ResolvedModel, ResolvedPart
from slipway.triton.memory import (
    Pool,
    memory_limit,
    memory_request,
    plain_storage,
    shared_memory,
    tensor_bytes,
    termination_grace,
)

_MEMORY = "memory"


def instances(spec: ModelDeploymentSpec, resolved: Resolved) -> int:
    """Copies of the model that clients ask, in one server: Triton's count is per device."""
    overlay = spec.model.config and spec.model.config.instances
    count = overlay.count if overlay else (resolved.model or ResolvedModel()).instances
    return count * (len(overlay.gpus) if overlay and overlay.gpus else _devices(spec))


def _devices(spec: ModelDeploymentSpec) -> int:
    return gpu.most_devices(spec.accelerator)


def _parts(resolved: Resolved) -> tuple[ResolvedPart, ...]:
    """The other models of the server, which are as the bundle has them."""
    return (resolved.model or ResolvedModel()).parts or ()


def shared(spec: ModelDeploymentSpec, resolved: Resolved) -> int:
    """Bytes of /dev/shm, for all models of the server."""
    model = resolved.model or ResolvedModel()
    overlay = spec.model.config.max_batch_size if spec.model.config else None
    entry = Pool(
        instances=instances(spec, resolved),
        tensors=sum(tensor_bytes(datatype, shape) for _, datatype, shape in (*model.inputs, *model.outputs)),
        max_batch_size=model.max_batch_size if overlay is None else overlay,
    )
    parts = (
        Pool(instances=part.instances * _devices(spec), tensors=part.tensor_bytes, max_batch_size=part.max_batch_size)
        for part in _parts(resolved)
    )
    return shared_memory(entry, *parts)


def plain(spec: ModelDeploymentSpec, resolved: Resolved) -> int:
    """Bytes of the volume in memory that plaintext goes into: none where the bundle is not encrypted."""
    return plain_storage(size=resolved.size) if spec.model.source.decryption else 0


def grace_seconds(spec: ModelDeploymentSpec, resolved: Resolved) -> int:
    """How long a stopping pod gets: models stop at once, and the instances of each one after another."""
    timeout = duration(server_of(spec).request_timeout)
    most = max([instances(spec, resolved), *(part.instances * _devices(spec) for part in _parts(resolved))])
    return round(termination_grace(request_timeout=timeout, instances=most).total_seconds())


def server_resources(spec: ModelDeploymentSpec, resolved: Resolved, *, ephemeral: str | None) -> dict[str, Any]:
    """The user's, our defaults where he says nothing, and the accelerator's devices.

    CPU has no default limit: throttling is paid in latency. A memory limit of the user must have room for /dev/shm, and
    for a bundle that is decrypted into memory.
    """
    given = server_of(spec).resources
    requests = dict((given and given.requests) or {})
    limits = dict((given and given.limits) or {})
    if "cpu" not in requests and "cpu" not in limits:
        requests["cpu"] = "500m"
    if _MEMORY not in limits:
        room = shared(spec, resolved) + plain(spec, resolved)
        least = int(quantity(requests[_MEMORY])) + room if _MEMORY in requests else 0
        requests.setdefault(_MEMORY, size(memory_request(size=resolved.size) + plain(spec, resolved)))
        limits[_MEMORY] = size(max(memory_limit(size=resolved.size, shared=room), least))
    if ephemeral and "ephemeral-storage" not in requests and "ephemeral-storage" not in limits:
        requests["ephemeral-storage"] = ephemeral
    devices = gpu.fragment(spec.accelerator).resources if spec.accelerator else {}
    return present(
        {
            "requests": {**_as_text(requests), **devices},
            "limits": {**_as_text(limits), **devices},
            "claims": [{"name": CLAIM}] if gpu.claims_devices(spec.accelerator) else None,
        }
    )


def _as_text(amounts: dict[str, Any]) -> dict[str, str]:
    """Quantities are written as strings, so that they read back as they were sent."""
    return {name: str(amount) for name, amount in amounts.items()}
