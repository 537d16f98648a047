"""From a graph and who knows its right answers to the files of a bundle: the part that every framework shares."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Required, TypedDict

import onnx

from slipway.bundle import batches, card, config, directory, golden, graph, labelled
from slipway.bundle.batches import Both, Reference
from slipway.bundle.card import Card
from slipway.bundle.check import check
from slipway.bundle.directory import Content
from slipway.bundle.errors import BundleError
from slipway.bundle.runtime import OnnxModel
from slipway.bundle.tensors import Arrays, Signature, rows_of
from slipway.fetch import layout
from slipway.fetch.settings import MODEL_NAME
from slipway.guard.tensors import Tolerance

MODEL: Final = "model.onnx"
MAX_BATCH_SIZE: Final = 32


class Options(TypedDict, total=False):
    """What every way to pack takes."""

    out: Required[str | Path]
    """The bundle's directory."""
    name: str
    """The model's, for config.pbtxt and the card; the directory's when not given."""
    batch: bool
    """Whether clients may send several rows at once (default); every tensor's first dimension is then the batch."""
    max_batch_size: int
    tolerance: tuple[float, float]
    """Absolute and relative, for floats; 0.0001 and 0.001 when not given."""
    card: Card
    labelled: str | Path
    """A file of rows with what is right for each, for a rollout's gate on quality: .jsonl, .npz or .csv."""
    label: str
    """What the labels are called in it; y when not given."""
    replace: bool
    """Put the bundle in place of one that is at `out`."""
    say: Callable[[str], None]
    """Called with what is being done."""


@dataclass(frozen=True, kw_only=True)
class Packed:
    """A bundle that was written, and what is known of it."""

    directory: Path
    digest: str
    size: int
    golden: int
    labelled: int = 0
    """Rows that the bundle carries with their labels."""
    exact: bool | None
    """Whether the exported model's answers were equal to the framework's to the bit; None: nobody asked both."""
    model: Mapping[str, Any]

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "directory": str(self.directory),
            "digest": self.digest,
            "size": self.size,
            "golden": self.golden,
            "labelled": self.labelled,
            "exact": self.exact,
            "model": dict(self.model),
        }


def quiet(_: str) -> None:
    """Say nothing."""


def max_batch_size(options: Options) -> int:
    """What config.pbtxt says: 0 without batches."""
    size = options.get("max_batch_size", MAX_BATCH_SIZE)
    if size < 1:
        raise BundleError(
            f"max_batch_size: {size} is below 1; for a model that takes no batches say batch=False (--no-batch)"
        )
    return size if options.get("batch", True) else 0


def tolerance_of(options: Options) -> Tolerance | None:
    """The guard's form of it."""
    if (given := options.get("tolerance")) is None:
        return None
    absolute, relative = given
    if not (absolute >= 0 and relative >= 0 and absolute + relative < float("inf")):
        raise BundleError(f"tolerance: {absolute:g} and {relative:g} are not two numbers of 0 or more")
    return Tolerance(absolute, relative)


def pack_graph(
    file: Path, rows: Arrays, reference: Reference, options: Options, *, library: str, facts: Sequence[str]
) -> Packed:
    """Check an ONNX file against the framework, and write its bundle."""
    say = options.get("say", quiet)
    loaded = graph.load(file)
    signature = graph.signature(loaded, file.name)
    size, count = max_batch_size(options), rows_of(rows) if options.get("batch", True) else None
    if size:
        batches.check_free(signature, file.name)
    say(f"loading {file.name} with ONNX Runtime")
    model = OnnxModel(file)
    both = Both(model=model, reference=reference, signature=signature, tolerance=tolerance_of(options))
    if size:
        say(f"asking {reference.name} and {model.version} with batches of 1, 2, 3 and all rows")
        exact = both.agree_by_batch(rows)
    else:
        say(f"asking {reference.name} and {model.version} with the examples")
        exact = both.agree(rows)
    answers = reference.answer(rows)
    golden.no_nan(answers, reference.name)
    signature = with_ranks(model.inferred(signature), rows, answers)
    return write(
        files={f"1/{MODEL}": file, **{f"1/{path}": file.parent / path for path in graph.beside(loaded, file)}},
        backend="onnxruntime",
        signature=signature,
        rows=rows,
        answers=answers,
        options=options,
        library=library,
        exact=exact,
        facts=[*facts, _compared(reference, model, count, exact=exact)],
    )


def write(
    *,
    files: Mapping[str, Content],
    backend: str,
    signature: Signature,
    rows: Arrays,
    answers: Arrays,
    options: Options,
    library: str,
    exact: bool | None,
    facts: Sequence[str],
) -> Packed:
    """Write all files of a bundle, with config.pbtxt where it is none of them, have the fetcher's own code look at it,
    and put it in its place."""
    out, say, size = Path(options["out"]), options.get("say", quiet), max_batch_size(options)
    name = name_of(options)
    tolerance = tolerance_of(options)
    made = golden.requests(rows, answers, signature, batched=size > 0, tolerance=tolerance)
    facts = [*facts, f"Golden requests: {len(made)}; tolerance {_shown(tolerance)}."]
    with directory.staged(out, replace=options.get("replace", False)) as new:
        directory.fill(
            new,
            {
                **({} if layout.CONFIG in files else {layout.CONFIG: config.write(name, backend, signature, size)}),
                **files,
                card.NAME: card.render(
                    options.get("card", Card()),
                    name=name,
                    library=library,
                    signature=signature,
                    batched=size > 0,
                    facts=facts,
                ),
                **made,
            },
            others=[labelled.NAME] if options.get("labelled") is not None else [],
        )
        count = _with_labelled_rows(new, options)
        say("hashing the files")
        directory.seal(new)
        say("checking the bundle as the fetcher does")
        checked = check(new)
    say(f"wrote {out}")
    return Packed(
        directory=out,
        digest=checked.digest,
        size=checked.size,
        golden=checked.golden,
        labelled=count,
        exact=exact,
        model=checked.model,
    )


def _with_labelled_rows(new: Path, options: Options) -> int:
    """Write the labelled rows that were given, if any; how many they are."""
    if (given := options.get("labelled")) is None:
        return 0
    options.get("say", quiet)(f"reading {given}")
    content = labelled.for_bundle(given, options.get("label", "y"), (new / layout.CONFIG).read_text())
    (new / labelled.NAME).parent.mkdir()
    (new / labelled.NAME).write_bytes(content)
    return content.count(b"\n")


def name_of(options: Options) -> str:
    """The model's name, which is also a directory's and a part of addresses."""
    name = options.get("name") or Path(options["out"]).resolve().name
    if not MODEL_NAME.fullmatch(name):
        raise BundleError(
            f"name: {name!r} is not of letters, digits, `.`, `_` and `-` that begin and end plainly; choose another"
        )
    return name


def renamed(file: Path, names: Mapping[str, str], folder: Path) -> Path:
    """The graph with other names for its outputs, in `folder` with the files that belong to it."""
    loaded = graph.load(file)
    linked = graph.beside(loaded, file)
    graph.rename(loaded, names, file.name)
    for path in linked:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).hardlink_to(file.parent / path)
    onnx.save(loaded, folder / file.name)
    return folder / file.name


def scratch() -> tempfile.TemporaryDirectory[str]:
    """A folder for the export."""
    return tempfile.TemporaryDirectory(prefix="slipway-pack-")


def with_ranks(signature: Signature, rows: Arrays, answers: Arrays) -> Signature:
    """Tensors without a rank get that of the examples and their answers."""
    return Signature(
        inputs=tuple(config.with_rank(tensor, rows[tensor.name].shape) for tensor in signature.inputs),
        outputs=tuple(config.with_rank(tensor, answers[tensor.name].shape) for tensor in signature.outputs),
    )


def _compared(reference: Reference, model: OnnxModel, count: int | None, *, exact: bool) -> str:
    how = "equal to the bit" if exact else "within the tolerance"
    sizes = "" if count is None else " with batches of 1, 2, 3 and all rows"
    return f"Answers are {reference.name}'s, for {_counted(count)}; {model.version}'s were {how}{sizes}."


def _counted(count: int | None) -> str:
    return "the examples" if count is None else f"{count} row{'s' if count != 1 else ''}"


def _shown(tolerance: Tolerance | None) -> str:
    if tolerance is None:
        return "the default of each datatype"
    return f"{tolerance.absolute:g} + {tolerance.relative:g} x |expected| for floats"
