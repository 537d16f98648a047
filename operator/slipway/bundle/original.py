"""A bundle that is there already, opened to make another one of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from slipway.bundle import directory, golden, graph
from slipway.bundle.assemble import MODEL
from slipway.bundle.check import check
from slipway.bundle.encrypt import encrypted_in
from slipway.bundle.errors import BundleError
from slipway.bundle.tensors import DTYPES, Array, Declared, Signature, to_array
from slipway.fetch import layout
from slipway.fetch.model import configure
from slipway.guard.golden import GoldenRequest
from slipway.guard.tensors import Tensor
from slipway.triton import config


@dataclass(frozen=True, kw_only=True)
class Original:
    """An ONNX model's bundle, as the fetcher found it right."""

    directory: Path
    digest: str
    name: str
    paths: Sequence[str]
    file: Path
    """The graph."""
    signature: Signature
    batched: bool
    requests: Mapping[str, GoldenRequest]

    @property
    def weights(self) -> list[str]:
        """The paths of the graph and the files that hold its weights."""
        version = self.file.parent.name
        return [f"{version}/{path}" for path in [self.file.name, *graph.beside(graph.load(self.file), self.file)]]

    def rows(self, request: GoldenRequest) -> dict[str, Array]:
        """A request's inputs as the graph takes them."""
        return {
            tensor.name: self._array(tensor, declared)
            for declared in self.signature.inputs
            for tensor in request.inputs
            if tensor.name == declared.name
        }

    def _array(self, tensor: Tensor, declared: Declared) -> Array:
        """Clients see [n, 1] where the graph has [n]."""
        shape = tensor.shape
        if declared.dims is not None and len(declared.dims) == len(shape) - 1:
            shape = shape[:-1]
        flat = to_array(list(tensor.data), tensor.name) if tensor.data else np.zeros(0)
        return flat.astype(DTYPES[tensor.datatype]).reshape(shape)


def open_onnx(bundle: str | Path) -> Original:
    """The bundle in a directory; BundleError where it is none, or not one of an ONNX model."""
    folder = Path(bundle)
    if encrypted := encrypted_in(folder):
        raise BundleError(
            f"{bundle}: {encrypted[0]} is encrypted; shrink the plain bundle, and encrypt what comes of it"
        )
    checked = check(bundle)
    if checked.unverified:
        raise BundleError(f"{bundle}: has no SHA256SUMS, so nobody knows which files are whole; pack it again")
    paths = directory.listed(folder)
    if checked.model["backend"] != "onnxruntime":
        many = ", a part as a bundle of its own (then slipway pack models)" if "parts" in checked.model else ""
        raise BundleError(f"{bundle}: its backend is {checked.model['backend']}; only ONNX models can be shrunk{many}")
    versions = sorted({path.split("/")[0] for path in paths if layout.is_version(path.split("/")[0])})
    file = folder / versions[-1] / MODEL
    if len(versions) > 1 or not file.is_file():
        raise BundleError(f"{bundle}: has no single {MODEL} in one version directory; pack it with slipway pack")
    configured = configure((folder / layout.CONFIG).read_bytes(), None, "model")
    return Original(
        directory=folder,
        digest=checked.digest,
        name=config.parse((folder / layout.CONFIG).read_text()).name or folder.resolve().name,
        paths=paths,
        file=file,
        signature=graph.signature(graph.load(file), MODEL),
        batched=configured.declared["maxBatchSize"] > 0,
        requests=golden.read(folder, [path for path in paths if layout.is_golden(path)]),
    )
