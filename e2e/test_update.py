"""A month's data becomes the version that serves, and a bad month does not; `champion` moves by a commit that a real
Argo CD applies. What `make demo-update` shows."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from e2e.space import Space
from testbed import updating
from testbed.cluster import Cluster
from testbed.evidence import evidence
from testbed.gitops import argocd
from testbed.gitops.application import Application
from testbed.gitops.repository import Repository
from testbed.updating import Outcome, Retraining
from tests.examples.answers import who_leaves

SEPTEMBER, OCTOBER = "2026-09", "2026-10"


@pytest.fixture
def retraining(space: Space, cluster: Cluster) -> Retraining:
    """The story's namespace, with keys and the CronJob in it."""
    made = Retraining(space.kubectl, updating.trainer(cluster), space.namespace)
    made.prepare()
    return made


@pytest.fixture
def agreed(space: Space, cluster: Cluster, shared: Path, tmp_path: Path) -> Iterator[Repository]:
    """An empty repository that Argo CD keeps the namespace equal to."""
    with FileLock(shared / "argocd.lock"):
        argocd.install(cluster)
    repository = Repository(cluster.kubeconfig, space.namespace, tmp_path)
    repository.create()
    repository.commit("nothing is agreed on", {".keep": ""})
    application = Application(cluster.kubectl, space.namespace)
    application.create(repository.url, space.namespace)
    yield repository
    application.delete()


def test_new_data_becomes_what_serves_and_a_bad_month_changes_nothing(
    space: Space, retraining: Retraining, agreed: Repository
) -> None:
    # given: a model follows the challenger, which is signed; and it is the champion
    space.kubectl.apply(retraining.follower())
    assert trained(retraining, SEPTEMBER, updating.month(1)).succeeded
    retraining.until_serves(SEPTEMBER)
    agree_on(space, retraining, agreed, SEPTEMBER)
    before = retraining.aliases()

    # when: a month comes whose labels mean nothing
    bad = trained(retraining, OCTOBER, updating.month(2, shuffled=True), "wrong")

    # then: the Job failed, with what it measured, and nothing has changed
    assert not bad.succeeded
    assert "refused churn 2026-10: f1 was 0.4444 and is 0.4828, and the gate is `f1 >= 0.7`" in bad.said
    assert "champion stays 2026-09" in bad.said
    assert (retraining.aliases(), retraining.versions()) == (before, [SEPTEMBER])
    assert retraining.status()["stable"]["version"] == SEPTEMBER

    # when: it comes again, right
    data = updating.month(2)
    good = trained(retraining, OCTOBER, data)

    # then: it is the challenger, and takes over by a canary that measured it on rows that no training saw
    assert good.succeeded, good.said
    assert retraining.aliases() == {"challenger": OCTOBER, "champion": SEPTEMBER}
    retraining.until_serves(OCTOBER)
    assert retraining.status()["analysis"]["phase"] == "Passed"

    # and: from its data to its pods' answers each link is there
    found = evidence(retraining, OCTOBER)
    assert not found.gaps(data)
    assert found.version["card"]["lineage"]["version"] == SEPTEMBER
    assert len(found.answers) == 2
    for said in found.answers.values():
        who_leaves([line.split() for line in said])

    # and: the champion moves by a commit, and the challenger stays the pipeline's
    agree_on(space, retraining, agreed, OCTOBER)
    assert retraining.aliases() == {"challenger": OCTOBER, "champion": OCTOBER}


def trained(retraining: Retraining, month: str, data: str, how: str = "right") -> Outcome:
    """A month comes, and the CronJob's work is done on it."""
    retraining.comes(month, data)
    return retraining.retrain(f"retrain-{month}-{how}")


def agree_on(space: Space, retraining: Retraining, agreed: Repository, version: str) -> None:
    """Commit which version is the champion; Argo CD has it so, whoever else writes the object."""
    agreed.commit(f"champion is {version}", {"champion.yaml": updating.champion(version)})
    Application(space.cluster.kubectl, space.namespace).refresh()
    space.until(f"champion is {version}", lambda: retraining.aliases().get("champion") == version)
