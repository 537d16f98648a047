"""`python -m bench.scale`: the operator at scale, beside a plain script. `make bench` runs it at 100 and 1,000."""

import click

from bench.scale.asked import asked
from bench.scale.measure import operator, plain
from bench.scale.table import table, where
from testbed.say import working


@click.command()
@click.option("--objects", multiple=True, type=int, default=(100, 1000), show_default=True)
@click.option("--program", help="Run this in place of `slipway`, e.g. a profiler with `slipway` at its end.")
def main(objects: tuple[int, ...], program: str | None) -> None:
    """Measure each number of ModelDeployments, and print one table."""
    results = []
    for count in objects:
        with working(f"plain script, {count} objects"):
            script = plain(count)
        with working(f"Slipway, {count} objects"):
            run = operator(count, program.split() if program else None)
        with working(f"requests while {count} objects start"):
            meanwhile = asked(count, program.split() if program else None)
        results.append((script, run, meanwhile))
    click.echo(f"\n{where()}\n\n{table(results)}")


if __name__ == "__main__":
    main()
