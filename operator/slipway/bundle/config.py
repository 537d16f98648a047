"""config.pbtxt, written from what the model takes and gives."""

from collections.abc import Sequence

from slipway.bundle.errors import BundleError
from slipway.bundle.tensors import FREE, Declared, Signature
from slipway.triton import config
from slipway.triton import model_config_pb2 as pb


def write(name: str, backend: str, signature: Signature, max_batch_size: int) -> str:
    """The text of config.pbtxt. With `max_batch_size` the first dimension of every tensor is the batch."""
    made = pb.ModelConfig(name=name, backend=backend, max_batch_size=max_batch_size)
    for tensor in signature.inputs:
        _describe(made.input.add(), tensor, batched=max_batch_size > 0)
    for tensor in signature.outputs:
        _describe(made.output.add(), tensor, batched=max_batch_size > 0)
    made.instance_group.add().count = 1
    if max_batch_size:
        made.dynamic_batching.SetInParent()
    text = config.to_text(made)
    config.parse(text)
    return text


def shape_for_clients(shape: Sequence[int], *, batched: bool) -> tuple[int, ...]:
    """A tensor's shape as clients see it: Triton wants a dimension after the batch, so [n] is [n, 1]."""
    rest = tuple(shape[1:] if batched else shape)
    return tuple(shape) if rest else (*shape, 1)


def _describe(made: "pb.ModelInput | pb.ModelOutput", tensor: Declared, *, batched: bool) -> None:
    if tensor.dims is None:
        raise BundleError(f"{tensor.shown}: config.pbtxt must say its dimensions; export the model with them")
    if not tensor.dims:
        raise BundleError(f"{tensor.shown} is a scalar, which Triton has only with batches; give it the shape [1]")
    made.name = tensor.name
    made.data_type = config.data_type(tensor.datatype)
    rest = tensor.dims[1:] if batched else tensor.dims
    made.dims[:] = rest or [1]
    if not rest:
        made.reshape.SetInParent()


def with_rank(tensor: Declared, shape: Sequence[int]) -> Declared:
    """A tensor whose rank the graph does not say, by the rank of an answer: every dimension is free."""
    if tensor.dims is not None:
        return tensor
    return Declared(name=tensor.name, datatype=tensor.datatype, dims=(FREE,) * len(shape))
