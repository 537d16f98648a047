"""`python -m bench.staircase`: scalers beside each other, under a load that goes up and down in steps.

Real Triton in a kind cluster, an open loop, and for each scaler a ModelDeployment of the same model that is offered
the same requests at the same time. The others are HorizontalPodAutoscalers by metrics-server and prometheus-adapter.
"""

from pathlib import Path
from typing import Final

import click

from bench.machine import load_average, machine
from bench.staircase import prometheus
from bench.staircase.course import entrants, run
from bench.staircase.figures import Course
from bench.staircase.models import MODELS
from bench.staircase.place import CLUSTER, place
from bench.staircase.scalers import scalers_of
from bench.staircase.table import Courses, chart, table
from testbed.shell import ROOT

STEPS: Final = "1:60,2:120,4:150,2:150,1:150"
STABILIZATION_SECONDS: Final = 60


@click.command()
@click.option("--steps", default=STEPS, show_default=True, help="Pods that are needed, and for how many seconds.")
@click.option(
    "--stabilization",
    type=click.IntRange(min=1, max=3600),
    default=STABILIZATION_SECONDS,
    show_default=True,
    help="Seconds for which every scaler keeps pods that were needed.",
)
@click.option("--name", default=CLUSTER, show_default=True, help="Name of the cluster.")
@click.option("--model", "names", multiple=True, default=[model.name for model in MODELS], show_default=True)
@click.option("--together", is_flag=True, help="All models in one run, which takes more of the machine.")
@click.option("--out", type=click.Path(path_type=Path), default=ROOT / "build" / "staircase", show_default=True)
def main(*, steps: str, stabilization: int, name: str, names: tuple[str, ...], together: bool, out: Path) -> None:
    """Offer each model the same load under each scaler; print one table, and leave it with a chart in a folder."""
    models = [model for model in MODELS if model.name in names]
    there = place(name, models)
    prometheus.install(there.cluster)
    stairs = [(int(need), float(seconds)) for need, _, seconds in (each.partition(":") for each in steps.split(","))]
    before, courses = load_average(), dict[tuple[str, str], Course]()
    for group in [models] if together else [[model] for model in models]:
        racing = entrants(group, stairs, stabilization)
        done = run(there, racing)
        courses |= {(each.model.name, each.scaler.name): course for each, course in zip(racing, done, strict=True)}
        _leave(courses, out)
    click.echo(f"\n{machine()}; load average {before} before, {load_average()} after (1 and 5 minutes)\n")
    click.echo(_leave(courses, out))


def _leave(courses: Courses, out: Path) -> str:
    """Write table and chart of what there is by now; the table."""
    words = {scaler.name: scaler.what for scaler in scalers_of(MODELS[0], STABILIZATION_SECONDS)}
    out.mkdir(parents=True, exist_ok=True)
    text = table(courses, words)
    (out / "staircase.md").write_text(f"{text}\n")
    (out / "staircase.svg").write_text(chart(courses, words))
    return text


if __name__ == "__main__":
    main()
