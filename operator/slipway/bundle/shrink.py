"""Make a bundle smaller, and let it go on answering as the original did.

The new bundle keeps the original's golden answers, with a tolerance that is written down: what a pod's guard asks is
whether this model is still like the float one, on the very hardware that serves. Labelled data says beforehand what the
change costs. Nothing is written of a model that fails either.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from slipway.bundle import card, directory, golden, graph, metric, original, quantize
from slipway.bundle.assemble import quiet, scratch
from slipway.bundle.check import check
from slipway.bundle.directory import Content
from slipway.bundle.errors import BundleError
from slipway.bundle.metric import Gate, Trial
from slipway.bundle.original import Original
from slipway.bundle.runtime import CannotRun, OnnxModel
from slipway.bundle.tensors import Arrays, by_name, rows_of, take, to_array
from slipway.guard import comparison
from slipway.guard.tensors import Tolerance

MOST_ANSWERS: Final = 0.1
"""A tolerance beyond this proves nothing any more."""
_TIMED_SECONDS: Final = 0.5
_BATCHES: Final = (1, 8)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One graph: its size, its latencies by batch, and the metric of the gate."""

    bytes: int
    milliseconds: Mapping[int, float]
    metric: float | None = None


@dataclass(frozen=True, kw_only=True)
class Shrunk:
    """A smaller bundle that was written."""

    directory: Path
    digest: str = ""
    """Empty until it is written."""
    original: str
    way: str
    before: Measured
    after: Measured
    metric: str | None
    answers: float
    exact: bool
    furthest: float
    """The largest difference of a golden answer from the original's."""

    def rows(self) -> list[tuple[str, str, str]]:
        """The table of before and after."""
        table = [("size of the weights", _mib(self.before.bytes), _mib(self.after.bytes))]
        for batch, value in self.before.milliseconds.items():
            table.append((f"latency, batch of {batch}", f"{value:.3f} ms", f"{self.after.milliseconds[batch]:.3f} ms"))
        if self.metric and self.before.metric is not None and self.after.metric is not None:
            table.append((self.metric, f"{self.before.metric:.4f}", f"{self.after.metric:.4f}"))
        table.append(("golden answers", "its own", f"{'equal' if self.exact else f'{self.furthest:.3g} away at most'}"))
        return table

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "directory": str(self.directory),
            "digest": self.digest,
            "original": self.original,
            "way": self.way,
            "metric": self.metric,
            "answers": self.answers,
            "exact": self.exact,
            "furthest": self.furthest,
            **{name: _document(measured) for name, measured in (("before", self.before), ("after", self.after))},
        }


def shrink(
    bundle: str | Path,
    *,
    out: str | Path,
    to: str = "int8-dynamic",
    calibration: object = None,
    gate: str | None = None,
    labelled: object = None,
    labels: object = None,
    output: str | None = None,
    answers: float = 0.02,
    reduce_range: bool = True,
    replace: bool = False,
    say: Callable[[str], None] = quiet,
) -> Shrunk:
    """Write the bundle of a smaller model; BundleError when it fails the gate or its golden requests.

    `to` is int8-dynamic (weights alone; needs no data), int8 (static, per channel; needs `calibration` rows) or fp16
    (for GPUs). `gate` is such as "f1 drop <= 0.01", measured on `labelled` rows with their `labels`. `answers` is how
    far golden answers may be from the original's: answers + answers x |expected|. `reduce_range` keeps to seven bits,
    which are right on processors without VNNI too.
    """
    tolerance = _tolerance(answers)
    asked = metric.parse(gate) if gate is not None else None
    old = _original(Path(bundle), Path(out), say)
    rows = _calibration(old, to, calibration)
    trial = _trial(old, asked, labelled, labels, output) if asked else None
    with scratch() as folder:
        file = Path(folder) / old.file.name
        say(f"making it {to}")
        quantize.quantize(old.file, file, to, rows, reduce_range=reduce_range, batched=old.batched)
        sizes, models = _sizes(old, file, to), (OnnxModel(old.file), OnnxModel(file))
        say("asking it the golden requests")
        exact, furthest = _answers(old, models[1], tolerance)
        say("measuring both")
        before, after = _measured(old, models, sizes, trial)
        shrunk = Shrunk(
            directory=Path(out),
            original=old.digest,
            way=to,
            before=before,
            after=after,
            metric=asked.metric if asked else None,
            answers=answers,
            exact=exact,
            furthest=furthest,
        )
        say("writing the bundle")
        return _write(old, file, shrunk, tolerance, asked, replace=replace)


def _original(bundle: Path, out: Path, say: Callable[[str], None]) -> Original:
    """The bundle as it was packed; BundleError where it has nothing to hold the smaller one to, or `out` is in it."""
    directory.check_beside(out, bundle)
    say("checking the original as the fetcher does")
    old = original.open_onnx(bundle)
    if not old.requests:
        raise BundleError(
            f"{bundle}: has no golden requests, so nobody could say whether it still answers; pack it again"
        )
    return old


def _measured(
    old: Original, models: tuple[OnnxModel, OnnxModel], sizes: tuple[int, int], trial: Trial | None
) -> tuple[Measured, Measured]:
    """Before and after; BundleError when that fails the gate."""
    before, after = (_measure(old, model, size, trial) for model, size in zip(models, sizes, strict=True))
    if trial and (refusal := trial.gate.refusal(before.metric, after.metric)):
        raise BundleError(refusal)
    return before, after


def _tolerance(answers: float) -> Tolerance:
    if not 0 <= answers <= MOST_ANSWERS:
        raise BundleError(f"answers: {answers:g} is not between 0 and {MOST_ANSWERS:g}; beyond that it proves nothing")
    return Tolerance(answers, answers)


def _calibration(old: Original, way: str, given: object) -> Arrays | None:
    if way not in quantize.WAYS:
        raise BundleError(f"to: {way!r} is none of {', '.join(quantize.WAYS)}")
    if way != "int8":
        return None
    if given is None:
        raise BundleError(
            "calibration: int8 needs rows to learn its ranges from; give some hundred (or --to int8-dynamic)"
        )
    rows = by_name(given, old.signature.inputs, "calibration")
    count = rows_of(rows) if old.batched else 1
    asked = {_fingerprint(row): path for path, row in _golden_rows(old)}
    for index in range(count):
        row = {name: array[index : index + 1] for name, array in rows.items()} if old.batched else rows
        if path := asked.get(_fingerprint(row)):
            raise BundleError(
                f"calibration: row {index} is asked in {path}; leave it out, else the golden requests would ask what "
                "the ranges were fitted to"
            )
    return rows


def _golden_rows(old: Original) -> Iterator[tuple[str, Arrays]]:
    for path, request in old.requests.items():
        rows = old.rows(request)
        for index in range(rows_of(rows) if old.batched else 1):
            yield path, {n: a[index : index + 1] for n, a in rows.items()} if old.batched else rows


def _fingerprint(row: Arrays) -> str:
    digest = hashlib.sha256()
    for name in sorted(row):
        value = row[name]
        digest.update(
            repr(value.tolist()).encode() if value.dtype.kind == "O" else np.ascontiguousarray(value).tobytes()
        )
    return digest.hexdigest()


def _trial(old: Original, gate: Gate, rows: object, labels: object, output: str | None) -> Trial:
    if rows is None or labels is None:
        raise BundleError(f"gate: {gate} needs labelled rows; give them with their labels (--labelled)")
    arrays, right = by_name(rows, old.signature.inputs, "labelled"), to_array(labels, "labels").reshape(-1)
    if rows_of(arrays) != len(right):
        raise BundleError(f"labelled: {rows_of(arrays)} rows and {len(right)} labels; give one label a row")
    return Trial(gate=gate, rows=arrays, labels=right, output=output)


def _answers(old: Original, model: OnnxModel, tolerance: Tolerance) -> tuple[bool, float]:
    """Whether all golden answers are equal to the bit, and how far the furthest is away; BundleError if too far."""
    differences = [0.0]
    for path, request in old.requests.items():
        try:
            got = model.run(old.rows(request))
        except CannotRun as error:
            raise BundleError(f"{path}: the smaller model does not take it: {error}; try another way (--to)") from None
        golden.no_nan(got, "the smaller model")
        answer = golden.tensors(got, old.signature, batched=old.batched)
        for part in golden.loosened(request, tolerance):
            if wrong := comparison.wrong(part, answer):
                raise BundleError(f"{wrong}; calibrate with more rows, try another way (--to), or widen --answers")
        differences.append(golden.furthest(request, answer))
    return max(differences) == 0.0, max(differences)


def _measure(old: Original, model: OnnxModel, size: int, trial: Trial | None) -> Measured:
    rows = old.rows(next(iter(old.requests.values())))
    batches = {batch: take(rows, batch) for batch in _BATCHES} if old.batched else {1: rows}
    timed = {batch: _timed(model, feed) for batch, feed in batches.items()}
    score = trial.score(model.run, old.signature) if trial else None
    return Measured(bytes=size, milliseconds=timed, metric=score)


def _timed(model: OnnxModel, feed: Arrays) -> float:
    """The median over half a second, in milliseconds."""
    model.run(feed)
    taken: list[float] = []
    end = time.perf_counter() + _TIMED_SECONDS
    while not taken or time.perf_counter() < end:
        begun = time.perf_counter()
        model.run(feed)
        taken.append(time.perf_counter() - begun)
    return float(np.median(taken)) * 1000


def _sizes(old: Original, file: Path, way: str) -> tuple[int, int]:
    beside = graph.beside(graph.load(file), file)
    before, after = directory.size(old.directory, old.weights), directory.size(file.parent, [file.name, *beside])
    if after >= before:
        how = f"{before} bytes before and {after} after"
        raise BundleError(f"{file.name}: nothing of the model can be made {way}: {how}; keep the original")
    return before, after


def _write(
    old: Original, file: Path, shrunk: Shrunk, tolerance: Tolerance, asked: Gate | None, *, replace: bool
) -> Shrunk:
    version, gone = old.file.parent.name, {*old.weights, *old.requests, card.NAME}
    files: dict[str, Content] = {path: old.directory / path for path in old.paths if path not in gone}
    files |= {f"{version}/{p}": file.parent / p for p in [file.name, *graph.beside(graph.load(file), file)]}
    files |= _golden(old, tolerance)
    files[card.NAME] = _card(old, shrunk, asked)
    with directory.staged(shrunk.directory, replace=replace) as new:
        directory.fill(new, files)
        directory.seal(new)
        digest = check(new).digest
    return Shrunk(**{**shrunk.__dict__, "digest": digest})


def _golden(old: Original, tolerance: Tolerance) -> dict[str, bytes]:
    """The original's requests and answers, with the tolerance for what are floats."""
    made: dict[str, bytes] = {}
    for path in old.requests:
        document = json.loads((old.directory / path).read_bytes())
        parts = golden.with_tolerance(path, document, tolerance)
        if taken := [part for part in parts if part in made or (part != path and part in old.requests)]:
            raise BundleError(f"{taken[0]}: that name is needed for what must be equal in {path}; rename the request")
        made |= parts
    return made


def _card(old: Original, shrunk: Shrunk, asked: Gate | None) -> str:
    readme = old.directory / card.NAME
    front, body = card.split(readme.read_text()) if readme.is_file() else ({}, f"# {old.name}\n")
    front = {key: value for key, value in front.items() if key not in {"metrics", "model-index"}}
    front["tags"] = [*front.get("tags", ()), shrunk.way]
    if shrunk.metric and shrunk.after.metric is not None:
        front["metrics"] = [shrunk.metric]
    table = ["| | original | this |", "|---|---|---|", *(f"| {a} | {b} | {c} |" for a, b, c in shrunk.rows())]
    facts = [
        f"Made {shrunk.way} of {shrunk.original}, whose golden answers it keeps.",
        f"They may differ by {shrunk.answers:g} + {shrunk.answers:g} x |expected|.",
        f"Equal to the bit: {'yes' if shrunk.exact else 'no'}.",
        *([f"Gate: {asked}, passed."] if asked else []),
        "Latencies are medians on the machine that made it.",
    ]
    section = "\n".join(["## How it was made smaller", "", *table, "", *(f"- {fact}" for fact in facts)])
    return card.with_front_matter(front, f"{body.rstrip()}\n\n{section}\n")


def _document(measured: Measured) -> dict[str, Any]:
    timed = {str(batch): round(value, 4) for batch, value in measured.milliseconds.items()}
    return {"bytes": measured.bytes, "milliseconds": timed, "metric": measured.metric}


def _mib(count: int) -> str:
    return f"{count / 2**20:.2f} MiB" if count >= 2**20 else f"{count / 2**10:.1f} KiB"
