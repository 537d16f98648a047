"""Example rows in files: what a command reads instead of arrays in memory."""

from pathlib import Path
from typing import Any, Final

import numpy as np

from slipway.bundle import own
from slipway.bundle.errors import BundleError
from slipway.bundle.tensors import Array, to_array
from slipway.guard import document as documents
from slipway.guard import golden

Rows = dict[str, Array] | list[Array] | Array
_KINDS: Final = "give .npz, .npy or a request's .json, or name the rows in your own Python (train:X)"


def given(where: str) -> Any:
    """The rows in a file, or those that MODULE:ATTRIBUTE is or returns: arrays, a frame, tensors."""
    if Path(where).exists() or not own.is_reference(where):
        return read(Path(where))
    attribute = own.imported(where)
    return own.called(where, attribute) if callable(attribute) else attribute


def read(file: Path) -> Rows:
    """Arrays by name from .npz or a request's .json; without names those of numpy.savez(file, array, …), which are a
    list of several, and the one array of an .npy. Nothing pickled is read."""
    try:
        if file.suffix == ".json":
            return _request(file)
        loaded = np.load(file, allow_pickle=False)
    except OSError as error:
        raise BundleError(f"{file}: {error.strerror or 'not a file of numpy'}; {_KINDS}") from None
    except ValueError as error:
        if file.suffix not in {".npz", ".npy"}:
            raise BundleError(f"{file}: not a file of numpy; {_KINDS}") from None
        raise BundleError(f"{file}: {error}; save text as numpy's str (astype('U')), and nothing pickled") from None
    if isinstance(loaded, np.ndarray):
        return to_array(loaded, file.name)
    with loaded:
        members = {name: _member(file, loaded, name) for name in loaded.files}
    if list(members) != [f"arr_{index}" for index in range(len(members))]:
        return members
    return list(members.values()) if len(members) > 1 else next(iter(members.values()), members)


def _member(file: Path, archive: "np.lib.npyio.NpzFile", name: str) -> Array:
    try:
        return to_array(archive[name], name)
    except ValueError as error:
        raise BundleError(f"{file}: {name}: {error}; save text as numpy's str (astype('U'))") from None


def _request(file: Path) -> dict[str, Array]:
    """The V2 protocol's JSON: `{"inputs": [{"name", "datatype", "shape", "data"}]}`."""
    try:
        document = documents.read(file.read_bytes())
        if not isinstance(document, dict):
            raise TypeError("not a request, which is an object with `inputs`")
        field = "outputs" if "inputs" not in document else "inputs"
        tensors = golden.parse_tensors(document, field)
    except (ValueError, TypeError) as error:
        raise BundleError(f"{file}: {error}; write a request as docs/bundle.md shows") from None
    return {tensor.name: to_array(list(tensor.data), tensor.name).reshape(tensor.shape) for tensor in tensors}
