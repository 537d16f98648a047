"""Git is the truth, and a real Argo CD carries it: automated sync, self-heal and prune are on all the while.

`CALM_MINUTES` says how long nothing may drift, once beside a model that serves and once in the middle of a rollout.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from filelock import FileLock

from e2e import bundles
from e2e.bundles import Bundle
from e2e.space import CREDENTIALS, Space
from slipway.api.v1alpha1 import API_VERSION, KIND
from slipway.core.names import REQUEST
from testbed.cluster import Cluster
from testbed.gitops import argocd
from testbed.gitops.application import Application, Shown
from testbed.gitops.repository import Repository
from testbed.say import step

CALM_SECONDS = float(os.environ.get("CALM_MINUTES", "1")) * 60
LOOK_SECONDS = 2
RATE = "--rate=2"
"""Requests a second: Argo CD works beside them. Other stories ask as fast as a model can answer."""
FILE = "model.yaml"


@dataclass(frozen=True)
class Shop:
    """A namespace that Argo CD keeps equal to a repository, with the model `line` in it."""

    space: Space
    repository: Repository
    application: Application

    def push(self, version: str, bundle: Bundle, **spec: Any) -> str:
        """Commit a version of the model; the commit."""
        source = {
            "uri": self.space.upload(version, bundle),
            "secretName": CREDENTIALS,
            "s3": {"endpoint": self.space.store.endpoint},
        }
        resources = {"requests": {"cpu": "20m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}}
        server = {"resources": resources, **spec.pop("server", {})}
        model = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {"name": "line"},
            "spec": {"model": {"version": version, "source": source}, "server": server, "replicas": 1, **spec},
        }
        return self.repository.commit(f"version {version}", {FILE: yaml.safe_dump(model)})

    def until(self, commit: str, health: str, *, says: str = "") -> Shown:
        """Wait until Argo CD shows that commit as synced and so healthy; told in the log."""
        self.application.refresh()

        def look() -> Shown | None:
            seen = self.application.shown()
            return seen if seen[:3] == ("Synced", health, commit) and says in seen.message else None

        found = self.space.until(f"Argo CD shows {health} at {commit[:7]}", look)
        step(f"Argo CD: {found.sync}, {found.health} at {commit[:7]}: {found.message}")
        return found

    def assert_nothing_drifts(self) -> None:
        """For as long as was asked, Argo CD finds nothing to do, and nobody writes what git says."""
        before, healed = self.space.model("line"), self.syncs()
        deadline = time.monotonic() + CALM_SECONDS
        while time.monotonic() < deadline:
            assert self.application.shown().sync == "Synced"
            time.sleep(LOOK_SECONDS)
        after = self.space.model("line")
        assert (after["spec"], after["metadata"]["generation"]) == (before["spec"], before["metadata"]["generation"])
        assert self.syncs() == healed
        step(f"Argo CD: nothing drifted in {CALM_SECONDS:.0f} s, phase {after['status']['phase']}")

    def syncs(self) -> list[str]:
        """When Argo CD wrote anything, self-heal included."""
        return [entry["deployedAt"] for entry in self.application.read()["status"].get("history", [])]

    def version(self) -> str:
        """The version that serves."""
        return str(self.space.model("line")["status"]["stable"]["version"])

    def pods(self) -> set[str]:
        """The model's pods, each by its uid."""
        return {pod["metadata"]["uid"] for pod in self.space.pods("line")}


@pytest.fixture
def shop(space: Space, cluster: Cluster, shared: Path, tmp_path: Path) -> Iterator[Shop]:
    """An empty repository, and an Application that follows it."""
    with FileLock(shared / "argocd.lock"):
        argocd.install(cluster)
    repository = Repository(cluster.kubeconfig, space.namespace, tmp_path)
    repository.create()
    application = Application(cluster.kubectl, space.namespace)
    yield Shop(space, repository, application)
    application.delete()


def test_what_git_says_is_served_or_argo_cd_says_why_not(shop: Shop) -> None:
    space = shop.space

    # given: version 1, committed before there is an Application
    first = shop.push("1", bundles.linear(slope=2))
    shop.application.create(shop.repository.url, space.namespace)
    shop.until(first, "Progressing")
    shop.until(first, "Healthy")

    # when: version 2 is committed; then: it takes over, and no request fails
    with space.client.load(space.host("line"), "line", {"1": 7.0, "2": 13.0}, RATE) as load:
        second = shop.push("2", bundles.linear(slope=4))
        shop.until(second, "Progressing")
        shop.until(second, "Healthy")
        assert shop.version() == "2"
        space.until("only version 2 has pods", lambda: len(shop.pods()) == 1)
        serving = shop.pods()

        # when: version 3 answers wrongly; then: Argo CD says so in the sentence that status says, and version 2 serves
        third = shop.push("3", bundles.linear(bundles.WRONG))
        shown = shop.until(third, "Degraded", says="expected 8.0, got 7.0")
        assert shown.message == space.ready("line")["message"]
        assert shop.version() == "2"

        # when: the commit is reverted; then: all is well at once, on the pods that were there all the while
        shop.until(shop.repository.revert(), "Healthy")
        space.until("the refused pods are gone", lambda: shop.pods() == serving)
        space.until("connections to version 1 have ended", lambda: set(load.recent.total().answered) == {"2"})
    load.assert_nothing_failed()
    assert load.report.switched("1", "2")

    # and: self-heal takes back what was changed by hand, and finds nothing else to do
    space.kubectl("scale", "modeldeployment/line", "--replicas=2")
    space.until("self-heal set the count back", lambda: space.model("line")["spec"]["replicas"] == 1)
    space.until("one pod", lambda: len(shop.pods()) == 1)
    space.until("Argo CD has seen it", lambda: shop.application.shown().sync == "Synced")
    shop.assert_nothing_drifts()


def test_a_rollout_is_aborted_by_an_annotation_and_self_heal_lets_it_be(shop: Shop) -> None:
    space = shop.space

    # given: version 1 serves, and version 2 takes longer to load than anybody will wait
    first = shop.push("1", bundles.linear())
    shop.application.create(shop.repository.url, space.namespace)
    shop.until(first, "Healthy")
    serving = shop.pods()
    patient = {"server": {"startupTimeout": "1h"}, "rollout": {"progressDeadline": "2h"}}
    second = shop.push("2", bundles.obedient(load_seconds=3600), **patient)
    shop.until(second, "Progressing")
    space.until_phase("line", "Verifying")
    candidate = space.model("line")["status"]["candidate"]["revision"]
    shop.assert_nothing_drifts()

    # when: it is called off by hand
    said = f"{REQUEST}=abort/{candidate}"
    space.kubectl("annotate", "--field-manager=story", "modeldeployment/line", said)

    # then: it is Degraded and still what git says; version 1 serves from the pod that it had
    shop.until(second, "Degraded", says="aborted")
    space.until("version 2 has no pods", lambda: shop.pods() == serving)
    assert shop.version() == "1"
    shop.assert_nothing_drifts()
    assert REQUEST in space.model("line")["metadata"]["annotations"]

    # when: the commit is reverted; then: it is Healthy, without a new pod
    reverted = shop.repository.revert()
    shop.until(reverted, "Healthy")
    assert shop.pods() == serving

    # when: the model leaves git; then: it is pruned with all that was made for it
    (shop.repository.clone / FILE).unlink()
    shop.repository.commit("no model", {".keep": ""})
    shop.application.refresh()
    space.until("the model is pruned", lambda: not space.model("line"))
    space.until("its pods are gone", lambda: not shop.pods())
    step(f"Argo CD: {shop.application.shown().sync}, the model is pruned")
