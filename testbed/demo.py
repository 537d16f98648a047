"""`make demo`: a model is trained, served by a real cluster and asked; a better one takes over, a wrong one cannot.

What the served model says stands beside what the trained model says. While versions change, requests go on all the
while, and every one of them is counted.
"""

import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rich.table import Table

from load import pod
from load.report import Report
from load.table import HEADINGS, aligned, line
from testbed import cluster as clusters
from testbed import installing, tools
from testbed.cluster import Cluster
from testbed.kubectl import Kubectl
from testbed.say import console, step, working
from testbed.served import EXAMPLE, Bundle, Served
from testbed.shell import CommandError
from testbed.training import train

CLUSTER: Final = "slipway"
NAMESPACE: Final = "slipway-demo"
RATE: Final = 50
SECONDS_AROUND: Final = 5
"""How long requests have gone on when the first change begins, and go on after the last."""
X: Final = 3.0


def demo() -> None:
    """Everything, from a bare machine to a version that is refused."""
    began = time.monotonic()
    cluster = clusters.up(CLUSTER)
    installing.install(cluster)
    with tempfile.TemporaryDirectory() as folder:
        served = Served(cluster, NAMESPACE)
        first = _first_answer(served, Path(folder))
        step(f"the first answer came after {time.monotonic() - began:.0f} s")
        with working("starting a client in the cluster"):
            client = pod.place(cluster, installing.CLIENTS)
        _two_changes(served, client, Path(folder), first)
    step(f"done in {time.monotonic() - began:.0f} s. Look around:")
    look_around(cluster)


def _first_answer(served: Served, folder: Path) -> Bundle:
    bundle = trained(served, folder, "1", "a few steps of training", "--epochs=5")
    served.apply()
    served.until("Ready")
    with working("asking over HTTP and gRPC"):
        told = {"over HTTP": served.ask_http(bundle), "over gRPC": served.ask_grpc(bundle)}
    _show("The trained model, and the same model served", bundle, {"the trained model says": bundle.answers, **told})
    return bundle


def _two_changes(served: Served, client: Kubectl, folder: Path, first: Bundle) -> None:
    """A better model, and a wrong one: requests go on from before the one until after the other."""
    better = trained(served, folder, "2", "a better model: more steps of training")
    with asking(client, served.host, first, better) as run:
        served.move_to(better)
        served.until("Ready")
        step(f"failed requests so far: {len(run.recent.failures)}")
        told = {"version 1 said": first.answers, "version 2 says": served.ask_http(better)}
        right = [2 * float(x) + 1 for x in better.inputs.flatten()]
        _show("The better model took over", better, {"y = 2x + 1": right, **told})
        wrong = trained(served, folder, "3", "a wrong model: by mistake, the weights of before training", "--mixed-up")
        served.move_to(wrong)
        served.until("Refused")
        step("kubectl get modeldeployments --output wide")
        console.print(served.kubectl("get", "modeldeployments", "--output=wide").rstrip(), markup=False)
        with working("waiting until connections that were kept to version 1 have ended"):
            served.until_alone()
        time.sleep(SECONDS_AROUND)
    _count(run.report, first.version, better.version)


def trained(served: Served, folder: Path, version: str, what: str, *arguments: str) -> Bundle:
    """A version, trained and uploaded."""
    path = folder / version
    with working(f"training version {version} with torch, {what}"):
        told = train(EXAMPLE, path, *arguments)
        console.print(next(words for words in told.splitlines() if words.startswith("learned")), style="dim")
    bundle = Bundle(version, path)
    with working(f"uploading its bundle to {bundle.uri}"):
        served.upload(bundle)
    return bundle


@contextmanager
def asking(client: Kubectl, host: str, *versions: Bundle, gateway: str = "") -> Iterator[pod.Run]:
    """Requests by HTTP and gRPC from some seconds before a change on; through a gateway by streams as well."""
    golden = json.loads((versions[0].path / "golden" / "one.json").read_text())
    request = {"inputs": golden["inputs"]}
    answers = [f"{bundle.version}={bundle.answer_to(X)}" for bundle in versions]
    step(f"from now on, {RATE} requests a second by each protocol")
    with pod.running(client, host, EXAMPLE, request, answers, f"--rate={RATE}", gateway=gateway) as run:
        time.sleep(SECONDS_AROUND)
        yield run


def _count(report: Report, before: str, after: str) -> None:
    rows = (line(name, tally) for name, tally in report.phases(before, after).items())
    for words in aligned([HEADINGS, *rows]):
        console.print(f"  {words}", markup=False)
    whole = report.total()
    step(f"{whole.sent} requests: {whole.failed.total()} failed, {whole.wrong.total()} answered wrongly")
    if report.failures:
        raise CommandError("\n".join(report.failures))


def _show(title: str, bundle: Bundle, told: Mapping[str, list[float]]) -> None:
    table = Table(title=title)
    for heading in (bundle.takes, *told):
        table.add_column(heading, justify="right")
    for x, *values in zip(bundle.inputs.flatten(), *told.values(), strict=True):
        table.add_row(f"{x:g}", *(f"{value:.6f}" for value in values))
    console.print(table)


def look_around(cluster: Cluster, namespace: str = NAMESPACE, model: str = EXAMPLE) -> None:
    """Commands for whoever wants to see more."""
    home = str(Path.home())
    paths = {"KUBECONFIG": str(cluster.kubeconfig), "PATH": f"{tools.links()}:$PATH"}
    exports = " ".join(f"{name}={value.replace(home, '~', 1)}" for name, value in paths.items())
    for words in (
        f"export {exports}",
        f"kubectl get modeldeployments --namespace {namespace} --output wide",
        f"kubectl describe modeldeployment {model} --namespace {namespace}",
        f"kubectl get all --namespace {namespace} --selector serving.slipway.dev/model-deployment={model}",
    ):
        console.print(f"  {words}", markup=False)
    if os.environ.get("USE_CLUSTER") != "yes":
        step("`make down` takes the cluster away, `make clean` all that was made")
