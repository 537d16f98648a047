"""The commands that change, sign or check a bundle that is there."""

from collections.abc import Mapping
from contextlib import ExitStack
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
    print_line,
    say,
    size,
)
from slipway.bundle.errors import BundleError
from slipway.option_types import DISTANCE, seconds_from

_LATENCIES: Final = ("medianMilliseconds", "p99Milliseconds")


@click.command()
@click.argument("bundle", type=DIRECTORY)
@click.option("--out", type=DIRECTORY, required=True, help="The smaller bundle's directory.")
@click.option("--to", type=click.Choice(["int8-dynamic", "int8", "fp16"]), default="int8-dynamic", show_default=True)
@click.option("--calibration", type=FILE, help="For int8: some hundred rows that are asked by no golden request.")
@click.option("--gate", help="Such as 'f1 drop <= 0.01' or 'accuracy >= 0.9'; a scorer of scikit-learn's.")
@click.option("--labelled", type=FILE, help="For the gate: an .npz of rows with their labels.")
@click.option("--label", default="y", show_default=True, help="The name of the labels in --labelled.")
@click.option("--measure", help="The output that the gate measures. [default: the one of floats, else the first]")
@click.option(
    "--answers",
    type=DISTANCE,
    default=0.02,
    show_default=True,
    help="How far golden answers may be from the original's.",
)
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
    with errors_reported():
        from slipway.bundle import examples
        from slipway.bundle.shrink import shrink as library

        rows, labels = _labelled(labelled, label) if labelled else (None, None)
        shrunk = library(
            bundle,
            calibration=examples.read(calibration) if calibration else None,
            labelled=rows,
            labels=labels,
            output=measure,
            say=say,
            **given,
        )
    if form == "json":
        print_json(shrunk.document())
        return
    print_columns([("", "original", shrunk.way), *shrunk.rows()])
    print_columns([("digest", shrunk.digest), ("directory", str(shrunk.directory))])


@click.command()
@click.argument("bundle", type=DIRECTORY)
@click.option("--out", type=DIRECTORY, required=True, help="The encrypted bundle's directory.")
@click.option(
    "-r", "--recipient", "recipients", multiple=True, help="A public key of age-keygen's: age1…. May be repeated."
)
@click.option("--replace", is_flag=True, help="Put it in place of the bundle that is at --out.")
@format_option
def encrypt(bundle: Path, *, form: str, **given: Any) -> None:
    """Encrypt BUNDLE's weights with age; config.pbtxt, golden requests and card stay plain."""
    with errors_reported():
        from slipway.bundle.encrypt import encrypt as library

        result = library(bundle, say=say, **given).document()
    if form == "json":
        print_json(result)
        return
    files = ", ".join(result["files"])
    print_columns([("digest", result["digest"]), ("encrypted", files), ("directory", result["directory"])])


@click.command()
@click.argument("bundle", type=DIRECTORY)
@click.option("--key", type=FILE, required=True, multiple=True, help="A private EC key in PEM form; may be repeated.")
@click.option("--password", envvar="SLIPWAY_KEY_PASSWORD", help="Of the keys. Better in the environment.")
@click.option("--add", is_flag=True, help="Keep the signatures that are there, and sign as well.")
@click.option("--replace", is_flag=True, help="Sign anew what is signed.")
@format_option
def sign(bundle: Path, *, key: tuple[Path, ...], password: str | None, add: bool, replace: bool, form: str) -> None:
    """Sign BUNDLE in OpenSSF's format, as its last change: model.sig is put beside SHA256SUMS."""
    with errors_reported():
        from slipway.bundle.sign import sign as library

        say("checking and signing")
        result = library(bundle, key=key, password=password, add=add, replace=replace).document()
    if form == "json":
        print_json(result)
        return
    keys = [("key", key) for key in result["keys"]]
    counts = [("signatures", str(result["signatures"])), ("files", str(result["files"]))]
    print_columns([("digest", result["digest"]), *keys, *counts])


@click.command()
@click.argument("bundle")
@click.option("--serve", is_flag=True, help="Load it in the tritonserver on PATH and ask its golden requests.")
@click.option("--timeout-seconds", type=seconds_from(1), default=600, show_default=True, help="With --serve.")
@click.option("--least-server-version", "least", help="With --serve: what the platform lowered it to, such as 2.51.")
@click.option(
    "--load-seconds", type=seconds_from(0), default=1, show_default=True, help="With --serve: for each batch size."
)
@click.option("--clients", type=click.IntRange(1, 64), default=1, show_default=True, help="With --serve: at once.")
@click.option("--server-arg", "server_args", multiple=True, help="With --serve: an argument more for tritonserver.")
@click.option(
    "--key", type=FILE, multiple=True, help="A public key in PEM form: BUNDLE, a directory, must be signed with each."
)
@click.option("--identity", type=FILE, help="A file of age-keygen's: BUNDLE, a directory, is decrypted with it.")
@click.option("--endpoint", envvar="AWS_ENDPOINT_URL", help="Of an S3 store that is not AWS.")
@format_option
def check(
    bundle: str,
    *,
    serve: bool,
    timeout_seconds: float,
    least: str | None,
    load_seconds: float,
    clients: int,
    server_args: tuple[str, ...],
    key: tuple[Path, ...],
    identity: Path | None,
    endpoint: str | None,
    form: str,
) -> None:
    """Say whether BUNDLE, a directory or an address, would be served: by the fetcher's own code."""
    with errors_reported(), ExitStack() as stack:
        from slipway.bundle.check import laid_out
        from slipway.bundle.serve import serve as served_by
        from slipway.bundle.throughput import Load
        from slipway.fetch.settings import S3

        if "://" in bundle and (key or identity):
            raise BundleError(f"{bundle}: --key and --identity look into a directory; `slipway pull` it first")
        signed = _verified(bundle, key) if key else None
        plain, digest = _decrypted(stack, bundle, identity) if identity else (bundle, None)
        with laid_out(plain, s3=S3(endpoint=endpoint) if endpoint else None) as (checked, root):
            result = {**checked.document(), **({"digest": digest} if digest else {})}
            if signed:
                result["signed"] = signed
            if serve:
                say("loading it in Triton, and asking batch after batch" if load_seconds else "loading it in Triton")
                result["served"] = served_by(
                    root,
                    timeout_seconds=timeout_seconds,
                    least_version=least,
                    arguments=server_args,
                    load=Load(seconds=load_seconds, clients=clients) if load_seconds else None,
                ).document()
    if form == "json":
        print_json(result)
        return
    print_columns(about(result))
    if signed:
        for each in signed["keys"]:
            print_line(f"signed by the key {each}")
    if served := result.get("served"):
        _print_served(served)


def _print_served(served: Mapping[str, Any]) -> None:
    after = f", {size(served['memoryAfter'])} under load" if served["memoryAfter"] else ""
    print_columns(
        [
            ("served", f"{served['said']} after {served['seconds']} s, loaded after {served['loaded']} s"),
            ("memory", f"{size(served['memory'])}{after}, {size(served['sharedMemory'])} of it shared"),
        ]
    )
    if served["unmeasured"]:
        print_line(f"throughput not measured: {served['unmeasured']}")
    if throughput := served["throughput"]:
        per = "rows/s" if throughput[0]["batch"] else "answers/s"
        rows = [
            (str(each["batch"] or "none"), f"{each['perSecond']:,.0f}", *(f"{each[key]:.2f} ms" for key in _LATENCIES))
            for each in throughput
        ]
        print_columns([("batch", per, "median", "p99"), *rows])


def _verified(bundle: str, key: tuple[Path, ...]) -> dict[str, Any]:
    from slipway.bundle.sign import verify

    say("verifying the signature")
    return verify(bundle, key=key).document()


def _decrypted(stack: ExitStack, bundle: str, identity: Path) -> tuple[str, str]:
    from slipway.bundle.encrypt import decrypted

    say("decrypting")
    plain, digest = stack.enter_context(decrypted(bundle, identity))
    return str(plain), digest


def _labelled(file: Path, label: str) -> tuple[object, object]:
    from slipway.bundle import examples

    rows = examples.read(file)
    if not isinstance(rows, dict) or label not in rows:
        raise BundleError(
            f"{file}: has no {label!r}; give an .npz with the rows and their labels, or name them (--label)"
        )
    labels = rows.pop(label)
    return rows, labels
