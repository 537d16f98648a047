"""Labelled rows of a file, as a served model is asked them and as a bundle carries them."""

import json
from collections.abc import Iterator
from csv import DictReader
from pathlib import Path
from typing import Any, Final

from google.protobuf import json_format

from slipway.bundle import examples
from slipway.bundle.errors import BundleError
from slipway.bundle.tensors import Array
from slipway.guard import labelled, model_config
from slipway.guard.model_config import ModelConfig
from slipway.triton import config

NAME: Final = f"{labelled.DIRECTORY}/rows.jsonl"
"""Where a bundle has them."""


def for_bundle(file: str | Path, label: str, config_pbtxt: str) -> bytes:
    """The rows as the bundle of that model has them; BundleError where it cannot be asked them."""
    message = json_format.MessageToDict(config.parse(config_pbtxt), preserving_proto_field_name=True)
    model = model_config.read(message)
    data = of_columns(rows(file, label), model)
    content = "".join(json.dumps({"inputs": row.inputs, "label": row.label}) + "\n" for row in data.rows).encode()
    if len(content) > labelled.MOST_BYTES:
        raise BundleError(f"{file}: more than {labelled.MOST_BYTES >> 20} MiB as JSON; keep fewer rows")
    try:
        for _ in labelled.batches(data, model):
            pass
    except labelled.LabelledError as error:
        raise BundleError(str(error)) from None
    return content


def rows(file: str | Path, label: str = "y") -> labelled.Rows:
    """Labelled rows in .jsonl (a bundle's), .npz (arrays by the input's name, and the labels) or .csv (a column an
    input, and the labels)."""
    path = Path(file)
    try:
        if path.suffix == ".jsonl":
            return labelled.read({path.name: path.read_bytes()})
        lines = _of_csv(path, label) if path.suffix == ".csv" else _of_arrays(path, label)
        content = "\n".join(json.dumps({"inputs": inputs, "label": value}) for inputs, value in lines)
        return labelled.read({path.name: content.encode()})
    except (OSError, UnicodeDecodeError, labelled.LabelledError) as error:
        raise BundleError(f"{path}: {error}; give .jsonl, .npz or .csv") from None


def of_columns(data: labelled.Rows, config: ModelConfig) -> labelled.Rows:
    """The same rows for a model of one input, whose elements are columns of a table."""
    columns = data.rows[0].inputs
    if (
        len(config.inputs) != 1
        or columns.keys() & config.inputs.keys()
        or any(isinstance(c, list) for c in columns.values())
    ):
        return data
    (name,) = config.inputs
    listed = [row._replace(inputs={name: list(row.inputs.values())}) for row in data.rows]
    return labelled.Rows(listed, data.digest)


def _of_csv(path: Path, label: str) -> Iterator[tuple[dict[str, Any], Any]]:
    with path.open(encoding="utf-8", newline="") as stream:
        reader = DictReader(stream)
        if label not in (reader.fieldnames or ()):
            raise BundleError(f"{path}: has no column {label!r}; name the labels' (--label)")
        for row in reader:
            if None in row or None in row.values():
                raise BundleError(f"{path}: line {reader.line_num}: has not as many cells as there are columns")
            values = {name: _cell(text) for name, text in row.items()}
            value = values.pop(label)
            yield values, value


def _cell(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _of_arrays(path: Path, label: str) -> Iterator[tuple[dict[str, Any], Any]]:
    arrays = examples.read(path)
    if not isinstance(arrays, dict) or label not in arrays:
        raise BundleError(
            f"{path}: has no {label!r}; give an .npz with the rows and their labels, or name them (--label)"
        )
    labels: Array = arrays.pop(label)
    if odd := [name for name, array in arrays.items() if len(array) != len(labels)]:
        raise BundleError(f"{path}: {odd[0]!r} has {len(arrays[odd[0]])} rows and the labels {len(labels)}")
    for index, value in enumerate(labels.reshape(len(labels)).tolist()):
        yield {name: _plain(array[index].tolist()) for name, array in arrays.items()}, _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    return [_plain(each) for each in value] if isinstance(value, list) else value
