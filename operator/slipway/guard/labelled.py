"""Labelled rows: what to ask a model, and what the right answer is, as JSON lines.

    {"inputs": {"x": [0.1, 0.2]}, "label": 1}

Inputs are by the tensor's name and without the batch. Rows of one shape are asked together, as many as the model takes.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterable, Iterator, Mapping, NamedTuple, Sequence

from . import document as documents
from . import golden
from .metric import METRICS, CannotMeasure, Graded, measure
from .model_config import ModelConfig, Shape
from .tensors import FLOATS, Tensor, elements

DIRECTORY = "labelled"
"""Of a bundle, directly in it; its files end in .jsonl."""
MOST_BYTES = 4 << 20
"""Of all files."""
MOST_ROWS = 10_000
_LARGEST = 2**64 - 1
_MOST_IN_A_REQUEST = 32
_MOST_OUTPUTS = 16
# Of an output's elements all together: what is kept counts against the server's memory.
_MOST_ELEMENTS = 250_000
_FIELDS = frozenset({"inputs", "label"})


class LabelledError(ValueError):
    """Rows that cannot be asked: file and line, what was found, what belongs there."""


class Row(NamedTuple):
    """One row."""

    at: str
    """File and line, for messages."""
    inputs: Mapping[str, Any]
    label: Any


@dataclass(frozen=True)
class Rows:
    """Labelled rows, at least one."""

    rows: Sequence[Row]
    digest: str
    """SHA-256 of the files' bytes, one after the other: rows of one digest are the same."""


def load(directory: Path) -> Rows:
    """The rows of a bundle; LabelledError where there are none, or some that cannot be read."""
    files = sorted(directory.glob("*.jsonl")) if directory.is_dir() else []
    if not files:
        raise LabelledError(f"the bundle has no labelled rows; add {DIRECTORY}/rows.jsonl, or name a ConfigMap")
    if sum(file.stat().st_size for file in files) > MOST_BYTES:
        raise LabelledError(f"{DIRECTORY}/: more than {MOST_BYTES >> 20} MiB; keep fewer rows")
    return read({f"{DIRECTORY}/{file.name}": file.read_bytes() for file in files})


def read(contents: Mapping[str, bytes]) -> Rows:
    """The rows of files by their names."""
    digest, rows = hashlib.sha256(), []
    for name, content in sorted(contents.items()):
        digest.update(content)
        for number, line in enumerate(content.split(b"\n"), 1):
            if line.strip():
                rows.append(_row(line, f"{name}:{number}"))
            if len(rows) > MOST_ROWS:
                raise LabelledError(f"{name}:{number}: more than {MOST_ROWS} rows; keep fewer")
    if not rows:
        raise LabelledError(f"{', '.join(sorted(contents)) or DIRECTORY}: has no row")
    return Rows(tuple(rows), digest.hexdigest())


def _row(line: bytes, at: str) -> Row:
    try:
        document = documents.read(line)
    except (ValueError, RecursionError) as error:
        raise LabelledError(f"{at}: not JSON: {error}") from None
    if not isinstance(document, dict) or document.keys() != _FIELDS or not isinstance(document["inputs"], dict):
        raise LabelledError(f'{at}: expected {{"inputs": {{"x": …}}, "label": …}}')
    label = document["label"]
    if not isinstance(label, (str, int, float)) or (isinstance(label, float) and not math.isfinite(label)):
        raise LabelledError(f"{at}: label: expected a number or a text")
    if isinstance(label, int) and abs(label) > _LARGEST:
        raise LabelledError(f"{at}: label: is a whole number that no tensor holds; expected one of 64 bits")
    return Row(at, document["inputs"], label)


# -- requests


class Batch(NamedTuple):
    """Rows that are asked in one request."""

    rows: Sequence[Row]
    inputs: Sequence[Tensor]


def batches(rows: Rows, config: ModelConfig) -> Iterator[Batch]:
    """All rows as requests of that model; LabelledError at the first that does not fit."""
    if config.sequences or config.decoupled:
        raise LabelledError("labelled rows are asked one by one: not of sequences, nor of a decoupled model")
    together: list[tuple[Row, Sequence[Tensor]]] = []
    most = min(config.max_batch_size, _MOST_IN_A_REQUEST) if config.batched else 1
    for row in rows.rows:
        inputs = _inputs(row, config)
        if together and (len(together) >= most or not _alike(together[0][1], inputs)):
            yield _batch(together)
            together = []
        together.append((row, inputs))
    yield _batch(together)


def _inputs(row: Row, config: ModelConfig) -> Sequence[Tensor]:
    if odd := sorted(row.inputs.keys() - config.inputs.keys()):
        raise LabelledError(f"{row.at}: inputs: the model has no {odd[0]!r}; it has {', '.join(config.inputs)}")
    listed = []
    for name, value in row.inputs.items():
        data = value if isinstance(value, list) else [value]
        shape = _shape_of(data, config.inputs[name], batched=config.batched)
        listed.append({"name": name, "datatype": config.datatypes[name], "shape": list(shape), "data": data})
    try:
        return golden.parse_tensors({"inputs": listed}, "inputs")
    except golden.GoldenError as error:
        raise LabelledError(f"{row.at}: {error}") from None


def _shape_of(data: list[Any], declared: Shape, *, batched: bool) -> Shape:
    """The row's own shape, with a batch of one; where that is not the declared one, the declared one if it is fixed."""
    own: list[int] = []
    inside: Any = data
    while isinstance(inside, list):
        own.append(len(inside))
        inside = inside[0] if inside else None
    wanted = declared[1:] if batched else declared
    fits = len(own) == len(wanted) and all(size in (-1, has) for size, has in zip(wanted, own))
    shape = tuple(own) if fits or -1 in wanted else tuple(wanted)
    return (1, *shape) if batched else shape


def _alike(one: Sequence[Tensor], other: Sequence[Tensor]) -> bool:
    return [(each.name, each.shape) for each in one] == [(each.name, each.shape) for each in other]


def _batch(together: Sequence[tuple[Row, Sequence[Tensor]]]) -> Batch:
    rows, inputs = [row for row, _ in together], [inputs for _, inputs in together]
    if len(rows) == 1:
        return Batch(rows, inputs[0])
    merged = []
    for index, first in enumerate(inputs[0]):
        data = [value for each in inputs for value in each[index].data]
        merged.append(Tensor(first.name, first.datatype, (len(rows), *first.shape[1:]), data))
    return Batch(rows, merged)


# -- answers


class Marking:
    """Takes the answers batch by batch, and has the metrics at the end."""

    def __init__(self, config: ModelConfig) -> None:
        self._datatypes = config.outputs
        self._labels: list[Any] = []
        self._rows: list[str] = []
        self._answers: dict[str, list[Sequence[Any]]] = {name: [] for name in config.outputs}
        self._unmeasured: dict[str, str] = {}

    def take(self, batch: Batch, answer: Sequence[Tensor]) -> None:
        """The answer to a batch; LabelledError where it is not one answer a row."""
        self._labels += [row.label for row in batch.rows]
        self._rows += [row.at for row in batch.rows]
        count = len(batch.rows)
        for tensor in answer:
            if tensor.name not in self._answers or tensor.name in self._unmeasured:
                continue
            if len(tensor.data) != elements(tensor.shape) or len(tensor.data) % count:
                raise LabelledError(f"{batch.rows[0].at}: {tensor.name!r}: {list(tensor.shape)} is no answer a row")
            width = len(tensor.data) // count
            if width * len(self._labels) > _MOST_ELEMENTS:
                self._unmeasured[tensor.name] = f"has {width} elements a row, which are too many to keep"
                self._answers[tensor.name] = []
                continue
            rows = (tuple(tensor.data[index * width : (index + 1) * width]) for index in range(count))
            self._answers[tensor.name] += rows

    def scores(self, metrics: Iterable[str] = tuple(METRICS)) -> dict[str, dict[str, float | str]]:
        """By output and metric the number, or why there is none. The output that is measured unless another is named
        comes first: the only one of floats, else the model's first."""
        floats = [name for name in self._datatypes if self._datatypes[name] in FLOATS]
        first = floats[0] if len(floats) == 1 else next(iter(self._datatypes), "")
        names = sorted(self._datatypes, key=lambda name: name != first)[:_MOST_OUTPUTS]
        return {name: {metric: self.score(metric, name) for metric in metrics} for name in names}

    def score(self, metric: str, output: str) -> float | str:
        """One metric of one output, or why there is none."""
        answers = self._answers[output]
        if len(answers) != len(self._labels):
            return f"{output!r} {self._unmeasured.get(output, 'did not come with each answer')}"
        try:
            value = measure(metric, Graded(self._labels, answers, self._datatypes[output] in FLOATS, self._rows))
        except CannotMeasure as error:
            return f"{output!r}: {error}"
        return value if math.isfinite(value) else f"{output!r}: {metric} is {value}"
