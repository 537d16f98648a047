"""The charts under models that serve: upgraded, led by another replica, uninstalled. No model's pod ever notices."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e import bundles, earlier
from e2e.operators import kill_leader, until_another_leads
from e2e.space import Space, total_restarts
from testbed.installing import CHARTS, NAMESPACE

pytestmark = pytest.mark.alone
CRD = "customresourcedefinition/modeldeployments.serving.slipway.dev"


class Release:
    """The operator's release, with the values that it was installed with."""

    def __init__(self, space: Space, folder: Path) -> None:
        self._space = space
        self._values = folder / "values.yaml"
        self._values.write_text(self._helm("get", "values", "slipway", "--output=yaml"))

    def upgrade(self, chart: Path = CHARTS / "slipway", *settings: str) -> None:
        """Install or upgrade it and wait until it runs."""
        self._helm(
            "upgrade", "--install", "--wait", "--timeout=180s", "slipway", chart, f"--values={self._values}", *settings
        )

    def uninstall(self) -> None:
        """Take it and the CRDs' chart away."""
        self._helm("uninstall", "--wait", "slipway")
        self._helm("uninstall", "--wait", "slipway-crds")

    def install_crds(self, chart: Path = CHARTS / "slipway-crds") -> None:
        """Have the CRDs' chart, over the CRDs that are there."""
        self._helm("upgrade", "--install", "--wait", "slipway-crds", chart)

    def _helm(self, *argv: str | Path) -> str:
        return self._space.cluster.helm(*argv, f"--namespace={NAMESPACE}")


@pytest.fixture
def release(space: Space, tmp_path: Path) -> Iterator[Release]:
    """As it was installed, whatever the story did to it."""
    found = Release(space, tmp_path)
    yield found
    found.install_crds()
    found.upgrade()


def test_models_outlive_every_change_of_the_operator(space: Space, release: Release, tmp_path: Path) -> None:
    # given: a model that the operator of before its last change made, by that operator's charts
    before = earlier.operator(space.cluster, tmp_path)
    images = f"--set-string={','.join(before.images)}"
    release.install_crds(before.crds)
    release.upgrade(before.chart, images, "--skip-schema-validation")  # it may not know all of today's values
    space.apply("line", space.upload("1", bundles.linear()))
    space.until_ready("line")
    serving, revision = space.pod("line")["metadata"]["uid"], _revision(space)
    with space.client.load(space.host("line"), "line") as load:
        # when: CRDs and release become today's, with another value
        release.install_crds()
        release.upgrade(CHARTS / "slipway", "--set=log.level=debug")

        # then: it does what is asked
        _obeys(space, replicas=2)

        # when: the replica that leads is deleted; then: the other one goes on
        until_another_leads(space, kill_leader(space))
        _obeys(space, replicas=1)

        # when: all is uninstalled; then: the API is kept, and what serves is there
        release.uninstall()
        assert space.kubectl("get", CRD, "--output=name")
        assert serving in {pod["metadata"]["uid"] for pod in space.pods("line")}

        # when: it is installed again; then: it takes up what it finds
        release.install_crds()
        release.upgrade()
        _obeys(space, replicas=2)

    # and: the model's revision is the one that it was; its first pod served all the while and answered every request
    assert _revision(space) == revision
    load.assert_nothing_failed()
    (first,) = (pod for pod in space.pods("line") if pod["metadata"]["uid"] == serving)
    assert total_restarts(first) == 0


def _obeys(space: Space, *, replicas: int) -> None:
    """The operator does what is asked of it now."""
    space.kubectl("scale", "modeldeployment/line", f"--replicas={replicas}")
    wanted = f"{replicas}/{replicas}"
    space.until(f"{wanted} pods", lambda: space.model("line")["status"]["ready"] == wanted)


def _revision(space: Space) -> tuple[str, int, int]:
    """The revision that serves, its number, and the highest that there is."""
    status = space.model("line")["status"]
    return status["stable"]["revision"], status["stable"]["number"], status["lastNumber"]
