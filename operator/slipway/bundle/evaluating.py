"""The command `slipway evaluate`."""

from pathlib import Path

import click

from slipway.bundle.console import FILE, errors_reported, format_option, print_columns, print_json, say
from slipway.bundle.errors import BundleError


@click.command()
@click.argument("url")
@click.argument("model")
@click.option("--labelled", "data", type=FILE, required=True, help="Rows with labels: .jsonl, .npz or .csv.")
@click.option("--label", default="y", show_default=True, help="The labels' name, in .npz and .csv.")
@click.option(
    "--metric", "metrics", multiple=True, help="scikit-learn's name; may be repeated. [default: all that fit]"
)
@click.option("--measure", help="The output that is measured. [default: the one of floats, else the first]")
@click.option("--header", "headers", multiple=True, help="NAME: VALUE, such as the one that leads to a candidate.")
@click.option("--against", help="Another URL whose model is asked the same.")
@click.option("--against-header", "others", multiple=True, help="NAME: VALUE, for --against.")
@click.option("--dataset", help="What the rows are called. [default: the file's name]")
@click.option("--digest", help="Of the bundle that serves: a Statement over it is written.")
@click.option("--key", type=FILE, help="A private EC key in PEM form, to sign the Statement.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Directory for table, chart, Statement.")
@format_option
def evaluate(
    url: str,
    model: str,
    *,
    data: Path,
    label: str,
    metrics: tuple[str, ...],
    measure: str | None,
    headers: tuple[str, ...],
    against: str | None,
    others: tuple[str, ...],
    dataset: str | None,
    digest: str | None,
    key: Path | None,
    out: Path | None,
    form: str,
) -> None:
    """Measure how good MODEL, served at URL, answers labelled rows."""
    if ((digest or key) and not out) or (key and not digest):
        raise click.UsageError("a Statement needs --digest, and --out for where it goes")
    with errors_reported():
        from slipway.bundle import evaluate as library
        from slipway.bundle import evaluation_file, labelled

        evaluation = library.evaluate(
            library.Served(url=url, model=model, headers=_headers(headers)),
            labelled.rows(data, label),
            dataset=dataset or data.name,
            metrics=metrics,
            output=measure,
            against=library.Served(url=against, model=model, headers=_headers(others)) if against else None,
            say=say,
        )
        content = evaluation_file.statement(evaluation, digest, key) if digest else None
        files = evaluation_file.write(evaluation, out, content) if out else {}
    if form == "json":
        print_json({**evaluation.document(), "files": {name: str(file) for name, file in files.items()}})
        return
    print_columns(evaluation_file.table(evaluation))
    if files:
        print_columns([(name, str(file)) for name, file in files.items()])


def _headers(given: tuple[str, ...]) -> dict[str, str]:
    headers = {}
    for each in given:
        name, colon, value = each.partition(":")
        if not colon or not name.strip():
            raise BundleError(f"header: {each!r} is not NAME: VALUE")
        headers[name.strip()] = value.strip()
    return headers
