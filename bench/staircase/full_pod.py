"""`python -m bench.staircase.full_pod`: the CPU that a full pod of each model takes, for `Model.cpu_full`.

One pod of each is offered what it can do, and metrics-server is asked: the number that HorizontalPodAutoscalers have.
"""

import time
from typing import Final

import click

from bench.staircase.course import begin, begin_load, end_load
from bench.staircase.models import MODELS, Model
from bench.staircase.place import CLUSTER, place
from bench.staircase.scalers import ONE_POD, manifest, name_of
from load.schedule import Stairs
from testbed.kubectl import Kubectl

SECONDS: Final = 120.0
"""metrics-server looks every 15 seconds, and says the CPU between its last two looks."""
EVERY_SECONDS: Final = 15.0
LOOKS: Final = 4
FULL: Final = 0.97
"""A pod that is offered more has a queue that grows, and works no more than that."""


@click.command()
@click.option("--name", default=CLUSTER, show_default=True, help="Name of the cluster.")
def main(name: str) -> None:
    """Print it in thousandths of a core, at each look."""
    there = place(name, MODELS)
    kubectl = there.kubectl
    begin(kubectl, {name_of(model, ONE_POD): manifest(model, ONE_POD, there.uris[model.name]) for model in MODELS})
    try:
        loads = [begin_load(there.client, name_of(model, ONE_POD), _full(model)) for model in MODELS]
        time.sleep(SECONDS - EVERY_SECONDS * LOOKS)
        for _ in range(LOOKS):
            time.sleep(EVERY_SECONDS)
            click.echo(", ".join(f"{model.name} {_millicores(kubectl, model)}m" for model in MODELS))
        for folder in loads:
            end_load(there.client, folder)
    finally:
        kubectl("delete", "modeldeployments", "--all", "--wait")


def _full(model: Model) -> Stairs:
    return Stairs(((FULL * model.capacity, SECONDS),))


def _millicores(kubectl: Kubectl, model: Model) -> int:
    pods = f"serving.slipway.dev/model-deployment={name_of(model, ONE_POD)}"
    told = kubectl("top", "pod", f"--selector={pods}", "--no-headers")
    return sum(int(line.split()[1].removesuffix("m")) for line in told.splitlines())


if __name__ == "__main__":
    main()
