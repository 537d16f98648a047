"""`python -m bench.catalogue`: what a large catalogue costs the operator. `make bench BENCH=catalogue` is the same."""

import statistics

import click

from bench.catalogue.measure import Measured, measured
from bench.machine import load_average, machine
from testbed.say import working


@click.command()
@click.option("--models", type=click.IntRange(20), default=1000, show_default=True)
@click.option("--versions-of-each", type=click.IntRange(1), default=20, show_default=True)
def main(models: int, versions_of_each: int) -> None:
    """Measure one size, and print a table."""
    before = load_average()
    with working(f"{models * versions_of_each:,} versions of {models:,} models"):
        result = measured(models, versions_of_each)
    click.echo(f"\n{machine()}. Load average {before} before, {load_average()} after.\n\n{table(result)}")


def table(run: Measured) -> str:
    """What was measured, as Markdown."""
    rows = [
        ("", f"{run.versions:,} versions of {run.models:,} models"),
        ("---", "---:"),
        ("publishing them all, by 16 at a time", f"{run.fill_seconds:.0f} s"),
        ("operator's memory without them, and its peak", f"{run.small_mib:.0f} MiB, {run.small_peak_mib:.0f} MiB"),
        ("with them", f"{run.large_mib:.0f} MiB, {run.large_peak_mib:.0f} MiB"),
        ("more", f"{run.large_mib - run.small_mib:.0f} MiB, {run.large_peak_mib - run.small_peak_mib:.0f} MiB"),
        ("first start until each model's status is written", f"{run.first_seconds:.1f} s, {run.first_writes} writes"),
        (
            "restart until all are known and followers reconciled",
            f"{run.settled_seconds:.1f} s ({run.settled_cpu_seconds:.1f} s of CPU), {run.settled_writes} writes",
        ),
        ("calls in a steady minute for kinds of this API", str(run.steady_own_calls)),
        ("all calls in it, and CPU", f"{run.steady_calls}, {run.steady_cpu_seconds:.1f} s"),
        ("a publication, until its followers ask for it, p50 / longest", _seconds(run.published)),
        ("a move of an alias, until its followers ask for it, p50 / longest", _seconds(run.moved)),
    ]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _seconds(taken: list[float]) -> str:
    return f"{statistics.median(taken):.2f} s / {max(taken):.2f} s"


if __name__ == "__main__":
    main()
