"""The commands that call this library."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click

from slipway.bundle.errors import BundleError

Command = Callable[..., Any]
_DIRECTORY: Final = click.Path(path_type=Path)
_FILE: Final = click.Path(path_type=Path, exists=True, dir_okay=False)


class Pairs(click.ParamType[tuple[str, str]]):
    """`NAME=VALUE`."""

    name = "NAME=VALUE"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """See click."""
        if isinstance(value, tuple):
            return value
        name, found, text = str(value).partition("=")
        if not (name and found and text):
            self.fail(f"{value!r} is not NAME=VALUE", param, ctx)
        return name, text


PAIR: Final = Pairs()

format_option: Final = click.option(
    "-o", "--output", "form", type=click.Choice(["text", "json"]), default="text", help="How the result is printed."
)


def _packs(command: Command) -> Command:
    """The options that every way to pack has."""
    for option in reversed(_PACK_OPTIONS):
        command = option(command)
    return command


_PACK_OPTIONS: Final = (
    click.option("--out", type=_DIRECTORY, required=True, help="The bundle's directory."),
    click.option("--inputs", type=_FILE, required=True, help="Example rows: .npz by name, .npy, or a request's .json."),
    click.option("--name", help="The model's name. [default: the directory's]"),
    click.option("--batch/--no-batch", default=True, help="Whether clients may send several rows at once."),
    click.option("--max-batch-size", type=click.IntRange(1), default=32, show_default=True),
    click.option("--tolerance", type=(float, float), metavar="ABSOLUTE RELATIVE", help="For floats."),
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

    From memory, in Python: slipway.bundle.pack has torch(), keras() and sklearn() beside these.
    """


@pack.command("onnx")
@click.argument("file", type=_FILE)
@click.option("--answers", type=_FILE, help="The training framework's answers to the inputs. [default: the file's own]")
@click.option("--rename", type=PAIR, multiple=True, help="Another name for an input or output: old=new.")
@_packs
def pack_onnx(file: Path, answers: Path | None, rename: tuple[tuple[str, str], ...], form: str, **given: Any) -> None:
    """An ONNX file."""
    with _told():
        from slipway.bundle import examples
        from slipway.bundle import pack as library

        packed = library.onnx(
            file,
            examples.read(given.pop("inputs")),
            answers=examples.read(answers) if answers else None,
            names=dict(rename),
            **_options(given),
        )
    _print_packed(packed.document(), form)


@pack.command("python")
@click.argument("file", type=_FILE)
@click.option("--answers", type=_FILE, required=True, help="What the model must answer to the inputs.")
@click.option("--beside", type=_FILE, multiple=True, help="A file that the model reads. May be repeated.")
@_packs
def pack_python(file: Path, answers: Path, beside: tuple[Path, ...], form: str, **given: Any) -> None:
    """A model.py for Triton's Python backend."""
    with _told():
        from slipway.bundle import examples
        from slipway.bundle import pack as library

        inputs, right = examples.read(given.pop("inputs")), examples.read(answers)
        if not (isinstance(inputs, dict) and isinstance(right, dict)):
            raise BundleError("inputs, answers: an .npy has no names; give .npz or .json")
        packed = library.python(file, inputs, right, beside=beside, **_options(given))
    _print_packed(packed.document(), form)


@click.command()
@click.argument("bundle")
@click.option("--serve", is_flag=True, help="Load it in the tritonserver on PATH and ask its golden requests.")
@click.option("--timeout-seconds", type=click.FloatRange(1), default=600, show_default=True, help="With --serve.")
@click.option("--least-server-version", "least", help="With --serve: what the platform lowered it to, such as 2.51.")
@click.option("--server-arg", "server_args", multiple=True, help="With --serve: an argument more for tritonserver.")
@click.option("--endpoint", envvar="AWS_ENDPOINT_URL", help="Of an S3 store that is not AWS.")
@format_option
def check(
    bundle: str,
    *,
    serve: bool,
    timeout_seconds: float,
    least: str | None,
    server_args: tuple[str, ...],
    endpoint: str | None,
    form: str,
) -> None:
    """Say whether BUNDLE, a directory or an address, would be served: by the fetcher's own code."""
    with _told():
        from slipway.bundle.check import laid_out
        from slipway.bundle.serve import serve as load
        from slipway.fetch.settings import S3

        with laid_out(bundle, s3=S3(endpoint=endpoint) if endpoint else None) as (checked, root):
            found = checked.document()
            if serve:
                _say("loading it in Triton")
                found["served"] = load(
                    root, timeout_seconds=timeout_seconds, least_version=least, arguments=server_args
                ).document()
    if form == "json":
        _print_json(found)
        return
    _print_table(_about(found))
    if served := found.get("served"):
        click.echo(f"served: {served['said']}, {served['seconds']} s after its start, {_mib(served['memory'])}")


@contextmanager
def _told() -> Iterator[None]:
    """What goes wrong, as one sentence and the exit code 1."""
    try:
        yield
    except BundleError as error:
        raise click.ClickException(str(error)) from None
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("slipway"):
            raise
        raise click.ClickException(f"{error.name}: not installed; pip install 'slipway[bundle]'") from None


def _options(given: dict[str, Any]) -> Any:
    from slipway.bundle.card import Card

    words = {key: given.pop(key) for key in ("title", "description", "license", "task", "tags", "dataset")}
    card = Card(**words, metrics={name: _number(name, text) for name, text in given.pop("metrics")})
    return {**{key: value for key, value in given.items() if value is not None}, "card": card, "say": _say}


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BundleError(f"--metric {name}: {text!r} is no number") from None


def _say(text: str) -> None:
    click.echo(f"{text} …", err=True)


def _print_packed(found: Mapping[str, Any], form: str) -> None:
    if form == "json":
        _print_json(found)
        return
    exact = {True: "yes", False: "no, within the tolerance", None: "not asked"}[found["exact"]]
    _print_table([*_about(found), ("equal to the bit", exact), ("directory", found["directory"])])


def _about(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    model = found["model"]
    rows = [("digest", found["digest"]), ("size", _mib(found["size"])), ("golden requests", str(found["golden"]))]
    rows += [("backend", model["backend"]), ("max batch size", str(model["maxBatchSize"]))]
    rows += [("takes", f"{name} {datatype} {dims}") for name, datatype, dims in model["inputs"]]
    return rows + [("gives", f"{name} {datatype} {dims}") for name, datatype, dims in model["outputs"]]


def _print_json(found: Mapping[str, Any]) -> None:
    json.dump(found, sys.stdout, indent=2, ensure_ascii=False, allow_nan=False)
    sys.stdout.write("\n")


def _print_table(rows: list[tuple[str, str]]) -> None:
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        click.echo(f"{name:<{width}}  {value}")


def _mib(count: int) -> str:
    return f"{count / 2**20:.1f} MiB" if count >= 2**20 else f"{count / 2**10:.1f} KiB"
