"""`make demo-update`: a month's data becomes the version that serves, by a canary; a bad month changes nothing.

A CronJob trains in the cluster, with keys that are its alone. What it publishes is followed by its alias; `champion`
moves by a commit. At the end stands what the digest that serves can be traced to: an error where a link is missing.
"""

import secrets
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from testbed import cluster as clusters
from testbed import installing, updating
from testbed.cluster import Cluster
from testbed.demo import CLUSTER, look_around
from testbed.evidence import evidence
from testbed.gitops.repository import WHO
from testbed.say import console, step, working
from testbed.shell import CommandError, run
from testbed.updating import MODEL, Retraining

NAMESPACE: Final = "slipway-update"
FILE: Final = "champion.yaml"
SEPTEMBER: Final = "2026-09"
OCTOBER: Final = "2026-10"


@dataclass(frozen=True)
class Repository:
    """What is agreed on, in git; here a person applies it, where Argo CD or Flux would (`e2e/test_update.py`)."""

    folder: Path
    retraining: Retraining

    def agree_on(self, version: str) -> None:
        """Commit which version is the champion, and apply that commit."""
        (self.folder / FILE).write_text(updating.champion(version))
        message = f"champion is {version}"
        for words in (["init", "--quiet"], ["add", FILE], ["commit", "--quiet", f"--message={message}"]):
            run("git", "-C", self.folder, *words, env=WHO)
        commit = run("git", "-C", self.folder, "rev-parse", "--short", "HEAD", env=WHO).strip()
        step(f"git commit {commit}: {message}; kubectl apply -f {FILE}")
        apply = ["apply", "--server-side", "--field-manager=git"]
        self.retraining.kubectl(*apply, f"--filename={self.folder / FILE}")


def demo() -> None:
    """Everything, from a bare machine to a digest that can be traced to its data."""
    began = time.monotonic()
    cluster = clusters.up(CLUSTER)
    installing.install(cluster)
    retraining = _begun_anew(cluster)
    with tempfile.TemporaryDirectory() as folder:
        repository = Repository(Path(folder), retraining)
        _first_version(repository)
        _bad_month(retraining)
        data = _good_month(repository)
    _conclude(retraining, data)
    step(f"done in {time.monotonic() - began:.0f} s. Look around:")
    look_around(cluster, NAMESPACE, MODEL)


def _begun_anew(cluster: Cluster) -> Retraining:
    """A namespace with keys and the CronJob, and nothing of a demo that ran before."""
    image = updating.trainer(cluster)
    with working(f"making the namespace {NAMESPACE}"):
        cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait", "--timeout=180s")
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        metadata = {"name": NAMESPACE, "labels": labels}
        cluster.kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        retraining = Retraining(cluster.kubectl.within(NAMESPACE), image, f"{NAMESPACE}-{secrets.token_hex(2)}")
        retraining.prepare()
    return retraining


def _first_version(repository: Repository) -> None:
    retraining = repository.retraining
    step(f"a ModelDeployment follows {MODEL}'s alias challenger: examples/retrain/follow.yaml")
    retraining.kubectl.apply(retraining.follower())
    _trained(retraining, SEPTEMBER, updating.month(1), "the first data", succeeds=True)
    retraining.until_serves(SEPTEMBER)
    repository.agree_on(SEPTEMBER)


def _bad_month(retraining: Retraining) -> None:
    _trained(retraining, OCTOBER, updating.month(2, shuffled=True), "its labels are mixed up", succeeds=False)
    serves = retraining.status()["stable"]["version"]
    step(f"aliases {retraining.aliases()}, published {retraining.versions()}, {serves} serves: nothing has changed")
    if retraining.versions() != [SEPTEMBER] or serves != SEPTEMBER:
        raise CommandError("a bad month has changed what is published or serves")


def _good_month(repository: Repository) -> str:
    retraining, data = repository.retraining, updating.month(2)
    _trained(retraining, OCTOBER, data, "its labels are right now", succeeds=True)
    with working("the challenger takes over by a canary"):
        retraining.until_serves(OCTOBER)
    repository.agree_on(OCTOBER)
    step(f"aliases {retraining.aliases()}")
    return data


def _trained(retraining: Retraining, month: str, data: str, what: str, *, succeeds: bool) -> None:
    """A month comes, and the CronJob's work is done on it."""
    retraining.comes(month, data)
    job = f"retrain-{month}-{'right' if succeeds else 'wrong'}"
    with working(f"{month} has come, {what}: kubectl create job {job} --from=cronjob/retrain"):
        outcome = retraining.retrain(job)
    for line in outcome.said.splitlines():
        console.print(f"  {line}", markup=False)
    if outcome.succeeded != succeeds:
        raise CommandError(f"job {job} {'succeeded' if outcome.succeeded else 'failed'}: {outcome.said}")


def _conclude(retraining: Retraining, data: str) -> None:
    found = evidence(retraining, OCTOBER)
    step(f"the chain of evidence of {found.digest}:")
    for what, said in found.rows():
        console.print(f"  {what:<24} {said}", markup=False)
    if gaps := found.gaps(data):
        raise CommandError("\n".join(gaps))
