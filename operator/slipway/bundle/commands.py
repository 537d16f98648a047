"""The commands that call this library."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import click

from slipway.bundle.console import DIRECTORY, FILE, format_option, print_columns, print_json, say, size, told
from slipway.bundle.errors import BundleError

Command = Callable[..., Any]


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


def _packs(command: Command) -> Command:
    """The options that every way to pack has."""
    for option in reversed(_PACK_OPTIONS):
        command = option(command)
    return command


_PACK_OPTIONS: Final = (
    click.option("--out", type=DIRECTORY, required=True, help="The bundle's directory."),
    click.option("--inputs", type=FILE, required=True, help="Example rows: .npz by name, .npy, or a request's .json."),
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
@click.argument("file", type=FILE)
@click.option("--answers", type=FILE, help="The training framework's answers to the inputs. [default: the file's own]")
@click.option("--rename", type=PAIR, multiple=True, help="Another name for an input or output: old=new.")
@_packs
def pack_onnx(file: Path, answers: Path | None, rename: tuple[tuple[str, str], ...], form: str, **given: Any) -> None:
    """An ONNX file."""
    with told():
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
@click.argument("file", type=FILE)
@click.option("--answers", type=FILE, required=True, help="What the model must answer to the inputs.")
@click.option("--beside", type=FILE, multiple=True, help="A file that the model reads. May be repeated.")
@_packs
def pack_python(file: Path, answers: Path, beside: tuple[Path, ...], form: str, **given: Any) -> None:
    """A model.py for Triton's Python backend."""
    with told():
        from slipway.bundle import examples
        from slipway.bundle import pack as library

        inputs, right = examples.read(given.pop("inputs")), examples.read(answers)
        if not (isinstance(inputs, dict) and isinstance(right, dict)):
            raise BundleError("inputs, answers: an .npy has no names; give .npz or .json")
        packed = library.python(file, inputs, right, beside=beside, **_options(given))
    _print_packed(packed.document(), form)


@click.command()
@click.argument("bundle", type=DIRECTORY)
@click.option("--out", type=DIRECTORY, required=True, help="The smaller bundle's directory.")
@click.option("--to", type=click.Choice(["int8-dynamic", "int8", "fp16"]), default="int8-dynamic", show_default=True)
@click.option("--calibration", type=FILE, help="For int8: some hundred rows that are asked by no golden request.")
@click.option("--gate", help="Such as 'f1 drop <= 0.01' or 'accuracy >= 0.9'; a scorer of scikit-learn's.")
@click.option("--labelled", type=FILE, help="For the gate: an .npz of rows with their labels.")
@click.option("--label", default="y", show_default=True, help="The name of the labels in --labelled.")
@click.option("--measure", help="The output that the gate measures. [default: the one of floats, else the first]")
@click.option("--answers", default=0.02, show_default=True, help="How far golden answers may be from the original's.")
@click.option(
    "--reduce-range/--full-range", default=True, help="Seven bits, which are right without VNNI too. [default: seven]"
)
@click.option("--replace", is_flag=True, help="Put it in place of the bundle that is at --out.")
@format_option
def shrink(
    bundle: Path,
    *,
    calibration: Path | None,
    labelled: Path | None,
    label: str,
    measure: str | None,
    form: str,
    **given: Any,
) -> None:
    """Make a smaller bundle that keeps BUNDLE's golden answers."""
    with told():
        from slipway.bundle import examples
        from slipway.bundle.shrink import shrink as library

        rows, labels = _labelled(labelled, label) if labelled else (None, None)
        found = library(
            bundle,
            calibration=examples.read(calibration) if calibration else None,
            labelled=rows,
            labels=labels,
            output=measure,
            say=say,
            **given,
        )
    if form == "json":
        print_json(found.document())
        return
    print_columns([("", "original", found.way), *found.rows()])
    print_columns([("digest", found.digest), ("directory", str(found.directory))])


@click.command()
@click.argument("bundle", type=DIRECTORY)
@click.option("--out", type=DIRECTORY, required=True, help="The encrypted bundle's directory.")
@click.option("-r", "--recipient", "recipients", multiple=True, help="A public key: age1… or ssh-…. May be repeated.")
@click.option("--replace", is_flag=True, help="Put it in place of the bundle that is at --out.")
@format_option
def encrypt(bundle: Path, *, form: str, **given: Any) -> None:
    """Encrypt BUNDLE's weights with age; config.pbtxt, golden requests and card stay plain."""
    with told():
        from slipway.bundle.encrypt import encrypt as library

        found = library(bundle, say=say, **given).document()
    if form == "json":
        print_json(found)
        return
    files = ", ".join(found["files"])
    print_columns([("digest", found["digest"]), ("encrypted", files), ("directory", found["directory"])])


@click.command()
@click.argument("bundle", type=DIRECTORY)
@click.option("--key", type=FILE, required=True, help="A private EC key in PEM form.")
@click.option("--password", envvar="SLIPWAY_KEY_PASSWORD", help="Of the key. Better in the environment.")
@click.option("--replace", is_flag=True, help="Sign anew what is signed.")
@format_option
def sign(bundle: Path, *, key: Path, password: str | None, replace: bool, form: str) -> None:
    """Sign BUNDLE in OpenSSF's format, as its last change: model.sig is put beside SHA256SUMS."""
    with told():
        from slipway.bundle.sign import sign as library

        say("checking and signing")
        found = library(bundle, key=key, password=password, replace=replace).document()
    if form == "json":
        print_json(found)
        return
    print_columns([("digest", found["digest"]), ("key", found["key"]), ("files", str(found["files"]))])


@click.command()
@click.argument("bundle")
@click.option("--serve", is_flag=True, help="Load it in the tritonserver on PATH and ask its golden requests.")
@click.option("--timeout-seconds", type=click.FloatRange(1), default=600, show_default=True, help="With --serve.")
@click.option("--least-server-version", "least", help="With --serve: what the platform lowered it to, such as 2.51.")
@click.option("--server-arg", "server_args", multiple=True, help="With --serve: an argument more for tritonserver.")
@click.option("--key", type=FILE, help="A public key in PEM form: BUNDLE, a directory, must be signed with its like.")
@click.option("--identity", type=FILE, help="A file of age-keygen's: BUNDLE, a directory, is decrypted with it.")
@click.option("--endpoint", envvar="AWS_ENDPOINT_URL", help="Of an S3 store that is not AWS.")
@format_option
def check(
    bundle: str,
    *,
    serve: bool,
    timeout_seconds: float,
    least: str | None,
    server_args: tuple[str, ...],
    key: Path | None,
    identity: Path | None,
    endpoint: str | None,
    form: str,
) -> None:
    """Say whether BUNDLE, a directory or an address, would be served: by the fetcher's own code."""
    with told(), ExitStack() as stack:
        from slipway.bundle.check import laid_out
        from slipway.bundle.serve import serve as load
        from slipway.fetch.settings import S3

        signed = _verified(bundle, key) if key else None
        plain, digest = _decrypted(stack, bundle, identity) if identity else (bundle, None)
        with laid_out(plain, s3=S3(endpoint=endpoint) if endpoint else None) as (checked, root):
            found = {**checked.document(), **({"digest": digest} if digest else {})}
            if signed:
                found["signed"] = signed
            if serve:
                say("loading it in Triton")
                found["served"] = load(
                    root, timeout_seconds=timeout_seconds, least_version=least, arguments=server_args
                ).document()
    if form == "json":
        print_json(found)
        return
    print_columns(_about(found))
    if signed:
        click.echo(f"signed by the key {signed['key']}")
    if served := found.get("served"):
        click.echo(f"served: {served['said']}, {served['seconds']} s after its start, {size(served['memory'])}")


def _verified(bundle: str, key: Path) -> dict[str, Any]:
    from slipway.bundle.sign import verify

    say("verifying the signature")
    return verify(bundle, key=key).document()


def _decrypted(stack: ExitStack, bundle: str, identity: Path) -> tuple[str, str]:
    from slipway.bundle.encrypt import decrypted

    say("decrypting")
    plain, digest = stack.enter_context(decrypted(bundle, identity))
    return str(plain), digest


def _options(given: dict[str, Any]) -> Any:
    from slipway.bundle.card import Card

    words = {key: given.pop(key) for key in ("title", "description", "license", "task", "tags", "dataset")}
    card = Card(**words, metrics={name: _number(name, text) for name, text in given.pop("metrics")})
    return {**{key: value for key, value in given.items() if value is not None}, "card": card, "say": say}


def _labelled(file: Path, label: str) -> tuple[object, object]:
    from slipway.bundle import examples

    rows = examples.read(file)
    if not isinstance(rows, dict) or label not in rows:
        raise BundleError(
            f"{file}: has no {label!r}; give an .npz with the rows and their labels, or name them (--label)"
        )
    labels = rows.pop(label)
    return rows, labels


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BundleError(f"--metric {name}: {text!r} is no number") from None


def _print_packed(found: Mapping[str, Any], form: str) -> None:
    if form == "json":
        print_json(found)
        return
    exact = {True: "yes", False: "no, within the tolerance", None: "not asked"}[found["exact"]]
    print_columns([*_about(found), ("equal to the bit", exact), ("directory", found["directory"])])


def _about(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    model = found["model"]
    rows = [("digest", found["digest"]), ("size", size(found["size"])), ("golden requests", str(found["golden"]))]
    rows += [("backend", model["backend"]), ("max batch size", str(model["maxBatchSize"]))]
    rows += [("takes", f"{name} {datatype} {dims}") for name, datatype, dims in model["inputs"]]
    return rows + [("gives", f"{name} {datatype} {dims}") for name, datatype, dims in model["outputs"]]
