"""The commands that pack a trained model: of a file, or of what the user's own Python has."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import click

from slipway.bundle.console import (
    DIRECTORY,
    FILE,
    about,
    errors_reported,
    format_option,
    print_columns,
    print_json,
    say,
)
from slipway.bundle.errors import BundleError
from slipway.option_types import DISTANCE

Command = Callable[..., Any]


class Pairs(click.ParamType[tuple[str, str]]):
    """`NAME=VALUE`."""

    name = "NAME=VALUE"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """See click."""
        if isinstance(value, tuple):
            return value
        name, equals, text = str(value).partition("=")
        if not (name and equals and text):
            self.fail(f"{value!r} is not NAME=VALUE", param, ctx)
        return name, text


PAIR: Final = Pairs()
_ROWS: Final = ".npz by name, .npy, a request's .json, or MODULE:ATTRIBUTE of your Python."
_trusted: Final = click.option(
    "--trusted", is_flag=True, help="MODEL is a pickle of yours: loading it runs whatever code is in it."
)
_output_names: Final = click.option(
    "--output-name",
    "outputs",
    multiple=True,
    help="A name for an output, in the model's order. May be repeated.",
)
_rename: Final = click.option(
    "--rename", type=PAIR, multiple=True, help="Another name for an input or output: old=new. May be repeated."
)


def _packs(command: Command) -> Command:
    """The options that every way to pack a model has."""
    return _packs_configured(_with(_BATCH_OPTIONS, command))


def _packs_configured(command: Command) -> Command:
    """Those of every way to pack."""
    return _with(_PACK_OPTIONS, command)


def _with(options: tuple[Callable[[Command], Command], ...], command: Command) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


_BATCH_OPTIONS: Final = (
    click.option("--batch/--no-batch", default=True, help="Whether clients may send several rows at once."),
    click.option("--max-batch-size", type=click.IntRange(1), default=32, show_default=True),
)
_PACK_OPTIONS: Final = (
    click.option("--out", type=DIRECTORY, required=True, help="The bundle's directory."),
    click.option("--inputs", required=True, help=f"Example rows: {_ROWS}"),
    click.option("--labelled", type=FILE, help="Rows with labels for a rollout's gate: .jsonl, .npz or .csv."),
    click.option("--label", default="y", show_default=True, help="The name of the labels in --labelled."),
    click.option("--name", help="The model's name. [default: the directory's]"),
    click.option("--tolerance", type=(DISTANCE, DISTANCE), metavar="ABSOLUTE RELATIVE", help="For floats."),
    click.option("--replace", is_flag=True, help="Put it in place of the bundle that is at --out."),
    click.option("--title", default=""),
    click.option("--description", default=""),
    click.option("--license", default="", help="As the Hugging Face Hub calls it, such as apache-2.0."),
    click.option("--task", default="", help="The Hub's pipeline_tag, such as tabular-classification."),
    click.option("--tag", "tags", multiple=True),
    click.option("--metric", "metrics", type=PAIR, multiple=True, help="For the card: f1=0.91. May be repeated."),
    click.option("--dataset", default="", help="What the metrics were measured on."),
    format_option,
)


@click.group()
def pack() -> None:
    """Make a bundle of a trained model, with golden answers.

    MODEL and the rows may be MODULE:ATTRIBUTE, such as train:model: what train.py in this directory assigns, or what a
    function of it returns. Importing it runs it. In Python slipway.bundle.pack has the same as functions.
    """


@pack.command("onnx")
@click.argument("file", type=FILE)
@click.option("--answers", help=f"The training framework's answers: {_ROWS} [default: the file's own]")
@_rename
@_packs
def pack_onnx(file: Path, answers: str | None, rename: tuple[tuple[str, str], ...], form: str, **given: Any) -> None:
    """An ONNX file."""
    with errors_reported():
        from slipway.bundle import examples
        from slipway.bundle import pack as library

        packed = library.onnx(
            file,
            examples.given(given.pop("inputs")),
            answers=examples.given(answers) if answers else None,
            names=dict(rename),
            **_options(given),
        )
    _print_packed(packed.document(), form)


@pack.command("python")
@click.argument("file", type=FILE)
@click.option("--answers", required=True, help=f"What the model must answer to the inputs: {_ROWS}")
@click.option("--beside", type=FILE, multiple=True, help="A file that the model reads. May be repeated.")
@_packs
def pack_python(file: Path, answers: str, beside: tuple[Path, ...], form: str, **given: Any) -> None:
    """A model.py for Triton's Python backend."""
    with errors_reported():
        from slipway.bundle import examples
        from slipway.bundle import pack as library

        inputs, right = examples.given(given.pop("inputs")), examples.given(answers)
        if not (isinstance(inputs, Mapping) and isinstance(right, Mapping)):
            raise BundleError("inputs, answers: an array has no names; give .npz, .json or a mapping by name")
        packed = library.python(file, inputs, right, beside=beside, **_options(given))
    _print_packed(packed.document(), form)


@pack.command("torch")
@click.argument("model")
@click.option("--weights", type=FILE, help="A file of its state_dict; MODEL may then be a class.")
@_trusted
@_output_names
@click.option("--dynamic", type=PAIR, multiple=True, help="A free dimension beside the batch: INPUT:INDEX=NAME.")
@_packs
def pack_torch(
    model: str,
    *,
    weights: Path | None,
    trusted: bool,
    outputs: tuple[str, ...],
    dynamic: tuple[tuple[str, str], ...],
    form: str,
    **given: Any,
) -> None:
    """A torch module: a file of TorchScript, or MODULE:ATTRIBUTE."""
    with errors_reported():
        from slipway.bundle import examples, saved
        from slipway.bundle import pack as library

        say(f"loading {model}")
        module = saved.torch_module(model, weights=weights, trusted=trusted)
        rows = examples.given(given.pop("inputs"))
        packed = library.torch(module, rows, outputs=outputs, dynamic=_places(dynamic), **_options(given))
    _print_packed(packed.document(), form)


@pack.command("keras")
@click.argument("model")
@_output_names
@_packs
def pack_keras(model: str, *, outputs: tuple[str, ...], form: str, **given: Any) -> None:
    """A Keras 3 model: a .keras file, or MODULE:ATTRIBUTE."""
    with errors_reported():
        from slipway.bundle import examples, saved
        from slipway.bundle import pack as library

        say(f"loading {model}")
        loaded = saved.keras_model(model)
        packed = library.keras(loaded, examples.given(given.pop("inputs")), outputs=outputs, **_options(given))
    _print_packed(packed.document(), form)


@pack.command("sklearn")
@click.argument("model")
@_trusted
@click.option("--dtype", type=click.Choice(["FP32", "FP64"]), default="FP32", show_default=True)
@_rename
@_packs
def pack_sklearn(
    model: str, *, trusted: bool, dtype: str, rename: tuple[tuple[str, str], ...], form: str, **given: Any
) -> None:
    """A fitted estimator or pipeline of scikit-learn: MODULE:ATTRIBUTE, or a .joblib or .pkl of yours."""
    with errors_reported():
        from slipway.bundle import examples, saved
        from slipway.bundle import pack as library

        say(f"loading {model}")
        estimator = saved.sklearn_estimator(model, trusted=trusted)
        rows = examples.given(given.pop("inputs"))
        packed = library.sklearn(estimator, rows, dtype=dtype, names=dict(rename), **_options(given))
    _print_packed(packed.document(), form)


@pack.command("models")
@click.argument("directory", type=DIRECTORY)
@click.option("--entry", help="The model that clients ask. [default: the only one that is no other's step]")
@click.option("--answers", required=True, help=f"What it must answer to the inputs: {_ROWS}")
@_packs_configured
def pack_models(directory: Path, entry: str | None, answers: str, form: str, **given: Any) -> None:
    """Several models, each with its config.pbtxt in a directory of its name, such as an ensemble with its steps."""
    with errors_reported():
        from slipway.bundle import examples
        from slipway.bundle import pack as library

        inputs, right = examples.given(given.pop("inputs")), examples.given(answers)
        packed = library.models(directory, inputs, right, entry=entry, **_options(given))
    _print_packed(packed.document(), form)


def _places(dynamic: tuple[tuple[str, str], ...]) -> dict[str, dict[int, str]]:
    """The free dimensions by tensor and place."""
    places: dict[str, dict[int, str]] = {}
    for place, name in dynamic:
        tensor, colon, index = place.rpartition(":")
        if not (colon and index.isdecimal()):
            raise BundleError(f"--dynamic {place}={name}: not of the form INPUT:INDEX=NAME, such as ids:1=time")
        places.setdefault(tensor, {})[int(index)] = name
    return places


def _options(given: dict[str, Any]) -> Any:
    from slipway.bundle.card import Card

    words = {key: given.pop(key) for key in ("title", "description", "license", "task", "tags", "dataset")}
    card = Card(**words, metrics={name: _number(name, text) for name, text in given.pop("metrics")})
    return {**{key: value for key, value in given.items() if value is not None}, "card": card, "say": say}


def _number(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise BundleError(f"--metric {name}: {text!r} is no number: give one like 0.912")
    return number


def _print_packed(packed: Mapping[str, Any], form: str) -> None:
    if form == "json":
        print_json(packed)
        return
    exact = {True: "yes", False: "no, within the tolerance", None: "not asked"}[packed["exact"]]
    rows = [("labelled rows", str(packed["labelled"]))] if packed["labelled"] else []
    print_columns([*about(packed), *rows, ("equal to the bit", exact), ("directory", packed["directory"])])
