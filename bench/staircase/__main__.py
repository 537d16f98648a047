"""`python -m bench.staircase`: scalers beside each other, under a load that goes up and down in steps.

Real Triton in a kind cluster, an open loop, and for each scaler a ModelDeployment of the same model that is offered
the same requests at the same time. The others are HorizontalPodAutoscalers by metrics-server and prometheus-adapter.
"""

import time
from pathlib import Path
from typing import Final

import click
from obstore.store import S3Store

from bench.machine import load_average, machine
from bench.staircase import prometheus
from bench.staircase.course import entrants, run
from bench.staircase.figures import Course
from bench.staircase.models import MODELS, Model
from bench.staircase.scalers import NAMESPACE, scalers_of, surroundings
from bench.staircase.table import Courses, chart, table
from load import pod
from testbed import cluster as clusters
from testbed import installing, resource_metrics
from testbed.cluster import Cluster
from testbed.demo import CLUSTER
from testbed.engine import docker
from testbed.served import BUCKET, STORE_KEYS, STORE_PORT
from testbed.shell import ROOT, CommandError

BACK_SECONDS: Final = 120
STEPS: Final = "1:60,2:120,4:150,2:330,1:330"


@click.command()
@click.option("--steps", default=STEPS, show_default=True, help="Pods that are needed, and for how many seconds.")
@click.option("--model", "names", multiple=True, default=[model.name for model in MODELS], show_default=True)
@click.option("--together", is_flag=True, help="All models in one run, which takes more of the machine.")
@click.option("--out", type=click.Path(path_type=Path), default=ROOT / "build" / "staircase", show_default=True)
def main(steps: str, names: tuple[str, ...], together: bool, out: Path) -> None:
    """Offer each model the same load under each scaler; print one table, and leave it with a chart in a folder."""
    cluster = clusters.up(CLUSTER)
    installing.install(cluster)
    resource_metrics.install(cluster)
    _make_room(cluster)
    prometheus.install(cluster)
    client = pod.place(cluster, installing.CLIENTS)
    cluster.kubectl.apply(*surroundings())
    models = [model for model in MODELS if model.name in names]
    uris = {model.name: _uploaded(cluster, model) for model in models}
    stairs = [(int(need), float(seconds)) for need, _, seconds in (each.partition(":") for each in steps.split(","))]
    before, courses = load_average(), dict[tuple[str, str], Course]()
    for group in [models] if together else [[model] for model in models]:
        racing = entrants(group, stairs)
        done = run(cluster.kubectl.within(NAMESPACE), client, racing, uris)
        courses |= {(each.model.name, each.scaler.name): course for each, course in zip(racing, done, strict=True)}
        _leave(courses, out)
    click.echo(f"\n{machine()}; load average {before} before, {load_average()} after (1 and 5 minutes)\n")
    click.echo(_leave(courses, out))


def _make_room(cluster: Cluster) -> None:
    """Leave the node's CPU to pods: each asks for 50m while it fetches, and the control plane of a test for a third."""
    if cluster.node:
        lowered = "sed -i 's/cpu: [0-9]*m/cpu: 10m/' /etc/kubernetes/manifests/*.yaml"
        docker("exec", cluster.node, "sh", "-c", lowered)
        deadline = time.monotonic() + BACK_SECONDS
        asked = ("get", "pods", "--selector=tier=control-plane", "--output=jsonpath={..requests.cpu}")
        # Whoever is asked may be starting again just then.
        while {*cluster.kubectl.within("kube-system")(*asked, check=False).split()} != {"10m"}:
            if time.monotonic() > deadline:
                raise CommandError(f"the control plane is not back after {BACK_SECONDS} s")
            time.sleep(1)


def _leave(courses: Courses, out: Path) -> str:
    """Write table and chart of what there is by now; the table."""
    words = {scaler.name: scaler.what for scaler in scalers_of(MODELS[0])}
    out.mkdir(parents=True, exist_ok=True)
    text = table(courses, words)
    (out / "staircase.md").write_text(f"{text}\n")
    (out / "staircase.svg").write_text(chart(courses, words))
    return text


def _uploaded(cluster: Cluster, model: Model) -> str:
    prefix = f"staircase/{model.name}"
    with cluster.kubectl.within("slipway-storage").forward("service/s3", STORE_PORT) as ports:
        store = S3Store(
            BUCKET,
            endpoint=f"http://127.0.0.1:{ports[STORE_PORT]}",
            access_key_id=STORE_KEYS["AWS_ACCESS_KEY_ID"],
            secret_access_key=STORE_KEYS["AWS_SECRET_ACCESS_KEY"],
            region="us-east-1",
            client_options={"allow_http": True},
        )
        for path, content in model.bundle().items():
            store.put(f"{prefix}/{path}", content)
    return f"s3://{BUCKET}/{prefix}"


if __name__ == "__main__":
    main()
