"""`python -m bench.gateway`: what a gateway adds to a model's answers, beside its pod asked directly.

One pod of a real Triton, a real Envoy, and one client in the cluster that asks the one and the other in turn, so that a
busy neighbour hits both alike. Each turn has connections of its own, and its first seconds are not counted.
"""

import math
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from bench.gateway.table import table
from bench.machine import load_average, machine
from load import pod
from load.tally import Tally, total
from testbed import cluster as clusters
from testbed import installing
from testbed.demo import CLUSTER, NAMESPACE, X, trained
from testbed.gateway import envoy
from testbed.gateway.envoy import Gateway
from testbed.kubectl import Kubectl
from testbed.routed import HOST, traffic, until_routed
from testbed.say import step, working
from testbed.served import EXAMPLE, GRPC_PORT, MODEL_DEPLOYMENT, Bundle, Served

WARM_SECONDS: Final = 3
PROTOCOLS: Final = ("http", "grpc", "stream")
DIRECT, THROUGH = "pod", "gateway"


@click.command()
@click.option("--rounds", default=10, show_default=True, help="Turns of each.")
@click.option("--seconds", default=10, show_default=True, help="That count in a turn.")
@click.option("--rate", default=25, show_default=True, help="Requests a second by each protocol.")
def main(rounds: int, seconds: int, rate: int) -> None:
    """Ask a model's pod and the gateway before it in turn, and print one table."""
    cluster = clusters.up(CLUSTER)
    installing.install(cluster)
    gateway = envoy.install(cluster)
    client = pod.place(cluster, installing.CLIENTS)
    with tempfile.TemporaryDirectory() as folder:
        served = Served(cluster, NAMESPACE)
        bundle = trained(served, Path(folder), "1", "as usual")
        served.apply()
        served.change({"traffic": traffic(gateway)})
        served.until("Ready")
        until_routed(client, gateway)
        before = load_average()
        turns = _turns(served, client, gateway, bundle, rounds, seconds, rate)
    click.echo(f"\n{machine()}; load average {before} before, {load_average()} after (1 and 5 minutes)")
    click.echo(f"{rounds} turns of {seconds} s each, {rate} requests a second by each protocol\n\n{table(turns)}")


def _turns(
    served: Served, client: Kubectl, gateway: Gateway, bundle: Bundle, rounds: int, seconds: int, rate: int
) -> Mapping[tuple[str, str], Tally]:
    """What all turns came to, by protocol and way."""
    selector = f"--selector={MODEL_DEPLOYMENT}={EXAMPLE},app.kubernetes.io/component=server"
    address = served.kubectl("get", "pods", selector, "--output=jsonpath={.items[0].status.podIP}")
    ways = {
        DIRECT: (address, "", (f"--stream={address}:{GRPC_PORT}",)),
        THROUGH: (HOST, gateway.address, ()),
    }
    request = {"inputs": [{"name": bundle.takes, "datatype": "FP32", "shape": [1, 1], "data": [X]}]}
    answers = [f"{bundle.version}={bundle.answer_to(X)}"]
    told: dict[tuple[str, str], list[Tally]] = {(protocol, way): [] for protocol in PROTOCOLS for way in ways}
    with working(f"{rounds} turns of each way") as tell:
        for number in range(rounds):
            tell(f"{number} done")
            # Whoever begins gets the colder caches: each way begins every other time.
            for way in sorted(ways, reverse=number % 2 == 1):
                host, through, more = ways[way]
                arguments = (f"--rate={rate}", *more)
                with pod.running(client, host, EXAMPLE, request, answers, *arguments, gateway=through) as run:
                    time.sleep(WARM_SECONDS + seconds)
                for protocol in PROTOCOLS:
                    told[protocol, way].append(run.report.between(WARM_SECONDS, math.inf, protocol))
    step("asked")
    return {at: total(tallies) for at, tallies in told.items()}


if __name__ == "__main__":
    main()
