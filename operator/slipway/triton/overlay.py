"""A user's typed overlay, `spec.model.config`, on what a bundle's config.pbtxt says.

Apart from config.py: a fetch without an overlay is spared the API's models, whose import is most of its start.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from slipway.api.scalars import duration
from slipway.api.v1alpha1 import model as api
from slipway.triton import model_config_pb2 as pb
from slipway.triton.config import ConfigError


def merge(config: pb.ModelConfig, overlay: Mapping[str, Any]) -> pb.ModelConfig:
    """A copy of `config` with the overlay laid on it; ConfigError where the two do not fit."""
    merged = pb.ModelConfig()
    merged.CopyFrom(config)
    asked = _asked(overlay)
    if config.HasField("ensemble_scheduling"):
        _check_of_ensemble(asked)
    if asked.max_batch_size is not None:
        _set_max_batch_size(merged, asked.max_batch_size)
    if asked.dynamic_batching is not None:
        _set_dynamic_batching(merged, asked.dynamic_batching)
    if asked.instances is not None:
        _set_instances(merged, asked.instances)
    if asked.optimization is not None:
        _set_optimization(merged, asked.optimization)
    if asked.warmup is not None:
        _set_warmup(merged, asked.warmup)
    return merged


def _asked(overlay: Mapping[str, Any]) -> api.ModelConfig:
    try:
        return api.ModelConfig.model_validate(dict(overlay))
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _check_of_ensemble(asked: api.ModelConfig) -> None:
    for field in ("instances", "optimization", "warmup"):
        if getattr(asked, field) is not None:
            raise ConfigError(
                f"{field}: the bundle's model is an ensemble, which runs nothing by itself; write it into the "
                "config.pbtxt of a part"
            )


def _set_max_batch_size(config: pb.ModelConfig, size: int) -> None:
    if (config.max_batch_size == 0) != (size == 0):
        raise ConfigError(
            f"maxBatchSize: {size} over the bundle's max_batch_size: {config.max_batch_size} would add or remove the "
            "batch dimension of every tensor; change it in the bundle"
        )
    config.max_batch_size = size
    too_big = [n for n in config.dynamic_batching.preferred_batch_size if n > size]
    if too_big:
        raise ConfigError(f"maxBatchSize: {size} is below the bundle's preferred_batch_size {too_big[0]}")


def _set_dynamic_batching(config: pb.ModelConfig, asked: api.DynamicBatching) -> None:
    if config.WhichOneof("scheduling_choice") not in {None, "dynamic_batching"}:
        raise ConfigError(f"dynamicBatching: the bundle's config.pbtxt uses {config.WhichOneof('scheduling_choice')}")
    if config.max_batch_size == 0:
        raise ConfigError("dynamicBatching: the bundle's config.pbtxt has max_batch_size: 0, so it takes no batches")
    config.dynamic_batching.SetInParent()
    batching = config.dynamic_batching
    if asked.preferred_batch_sizes is not None:
        too_big = [n for n in asked.preferred_batch_sizes if n > config.max_batch_size]
        if too_big:
            raise ConfigError(
                f"dynamicBatching.preferredBatchSizes: {too_big[0]} is above max_batch_size {config.max_batch_size}"
            )
        batching.preferred_batch_size[:] = asked.preferred_batch_sizes
    if asked.max_queue_delay is not None:
        batching.max_queue_delay_microseconds = int(duration(asked.max_queue_delay).total_seconds() * 1_000_000)
    if asked.max_queue_size is not None:
        batching.default_queue_policy.max_queue_size = asked.max_queue_size


def _set_instances(config: pb.ModelConfig, asked: api.Instances) -> None:
    if len(config.instance_group) > 1:
        groups = len(config.instance_group)
        raise ConfigError(
            f"instances: the bundle's config.pbtxt has {groups} instance groups; one count cannot be for all"
        )
    if not config.instance_group:
        config.instance_group.add()
    group = config.instance_group[0]
    group.count = asked.count
    if asked.gpus is not None:
        group.kind = pb.ModelInstanceGroup.KIND_GPU
        group.gpus[:] = asked.gpus


def _set_optimization(config: pb.ModelConfig, asked: api.Optimization) -> None:
    if asked.graph_level is not None:
        config.optimization.graph.level = asked.graph_level
    if asked.accelerators is None:
        return
    accelerators = config.optimization.execution_accelerators
    accelerators.Clear()
    for each in asked.accelerators:
        of_gpu = each.name is api.ExecutionAccelerator.TENSORRT
        group = accelerators.gpu_execution_accelerator if of_gpu else accelerators.cpu_execution_accelerator
        group.add(name=each.name.value.lower(), parameters=each.parameters or {})


def _set_warmup(config: pb.ModelConfig, asked: api.Warmup) -> None:
    largest = max(config.max_batch_size, 1)
    if too_big := [size for size in asked.batch_sizes if size > largest]:
        raise ConfigError(f"warmup.batchSizes: {too_big[0]} is above the largest batch, {largest}")
    inputs = {tensor.name: _warm(tensor, asked.values) for tensor in config.input if not tensor.optional}
    del config.model_warmup[:]
    for size in asked.batch_sizes:
        config.model_warmup.add(name=f"batch_{size}", batch_size=size, inputs=inputs)


def _warm(tensor: pb.ModelInput, values: api.WarmupValues) -> pb.ModelWarmup.Input:
    """A free dimension has no size that fits every model: such a bundle has to bring its own requests."""
    if any(size < 1 for size in tensor.dims):
        raise ConfigError(
            f"warmup: input {tensor.name!r} has a free dimension, for which any size may be wrong; "
            "write model_warmup into the bundle's config.pbtxt"
        )
    warm = pb.ModelWarmup.Input(data_type=tensor.data_type, dims=tensor.dims)
    if values is api.WarmupValues.RANDOM and tensor.data_type != pb.TYPE_STRING:
        warm.random_data = True
    else:
        warm.zero_data = True
    return warm
