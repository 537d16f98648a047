"""Scaling by a real KEDA, on what real pods say of their load: up, held on silence, handed over, and KEDA gone.

By `make keda`: KEDA takes longer to build than everything else together.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from e2e import bundles
from e2e.space import Manifest, Space, is_pod_ready
from testbed.engine import docker
from testbed.keda import installation

pytestmark = [pytest.mark.keda, pytest.mark.alone]
FEWEST, MOST = 1, 3
SECONDS_A_REQUEST: Final = 0.2
RATE: Final = "--rate=2.2"
"""By each of two protocols: nine tenths of what one pod answers. No request waits until Kubernetes has asked KEDA."""
KEDAS_PATIENCE: Final = 240
"""Seconds. Kubernetes asks every 15, three asks in vain are a fallback, and a minute of silence is told."""
STOPPED_GUARDS: Final = """
for pod in $PODS; do
  for process in $(grep -l "pod$(echo $pod | tr - _)\\|pod$pod" /proc/[0-9]*/cgroup 2>/dev/null | cut -d/ -f3); do
    if [ "$(awk '/^NSpid:/ {print $NF}' /proc/$process/status)" = 1 ] && grep -q guard /proc/$process/cmdline; then
      kill -$SIGNAL $process
    fi
  done
done
"""
"""Signals the guard of each pod, which is the container's first process: Triton goes on, and the load is not said."""


@pytest.fixture
def keda(space: Space) -> Iterator[None]:
    """KEDA, installed and running; it stays for the next story."""
    installation.install(space.cluster)
    yield
    _keda_runs(space, replicas=1)


@dataclass
class Seen:
    """What stood over the model's Deployment at each look, with its count."""

    looks: list[tuple[frozenset[str], int]] = field(default_factory=list)

    @property
    def fewest(self) -> int:
        """The lowest count."""
        return min(count for _, count in self.looks)

    @property
    def together(self) -> set[frozenset[str]]:
        """Every set of scalers that was there at once."""
        return {scalers for scalers, _ in self.looks}


@contextmanager
def watched(space: Space) -> Iterator[Seen]:
    """Look again and again until the block ends."""
    seen, over = Seen(), threading.Event()

    def look() -> None:
        while not over.wait(0.2):
            scalers = {
                f"ScaledObject {each['metadata']['name']}" for each in space.api.list("scaledobjects", space.namespace)
            }
            for each in space.api.list("horizontalpodautoscalers", space.namespace):
                scalers.add(f"autoscaler {each['metadata']['name']}")
            if (space.model("line").get("status") or {}).get("autoscaling", {}).get("by") == "Slipway":
                scalers.add("Slipway")
            seen.looks.append((frozenset(scalers), _count(space)))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join(timeout=30)


@pytest.mark.usefixtures("keda")
def test_keda_scales_on_the_pods_own_load_holds_when_they_are_silent_and_hands_over(space: Space) -> None:
    # given: Slipway scales a model that answers five requests a second
    uri = space.upload("1", bundles.obedient())
    space.apply("line", uri, autoscaling=_by("Slipway"))
    space.until_ready("line")

    # when: KEDA is to scale it
    with watched(space) as seen:
        space.apply("line", uri, autoscaling=_by("KEDA"))
        revision = space.model("line")["status"]["stable"]["revision"]
        space.until("KEDA says that it is Ready", lambda: _scaled_object(space, "Ready") == "True", KEDAS_PATIENCE)
        space.until("status says who scales", lambda: space.model("line")["status"]["autoscaling"]["by"] == "KEDA")

    # then: the model lost no pod on the way, and no two scaled it at once
    assert seen.fewest == FEWEST
    _assert_one_at_a_time(seen, revision)

    # when: it is asked for more than a pod's target
    for pod in space.pods("line"):
        space.order(pod, seconds=SECONDS_A_REQUEST)
    with space.client.load(space.host("line"), "line", {"1": 7.0}, RATE) as load:
        # then: KEDA makes more, and status says what Kubernetes was told
        space.until("KEDA has scaled up", lambda: _count(space) > FEWEST, KEDAS_PATIENCE)
        told = space.until("status has KEDA's numbers", lambda: _told(space, "target 70 %"), KEDAS_PATIENCE)
        assert told.startswith("load ")
        count = _count(space)
        space.until("they are all ready", lambda: sum(map(is_pod_ready, space.pods("line"))) == count)
    load.assert_nothing_failed()

    # when: no pod says any more how loaded it is, and nobody asks
    _signal_guards(space, "STOP")
    try:
        space.until("KEDA falls back", lambda: _blocked(space, "KedaFallback"), KEDAS_PATIENCE)
        # then: the count stays
        assert _count(space) == count
    finally:
        _signal_guards(space, "CONT")
    space.until("it can be read again", lambda: not _blocked(space), KEDAS_PATIENCE)

    # when: KEDA's operator is gone
    before = _count(space)
    _keda_runs(space, replicas=0)

    # then: status says so after a minute, the count stays, and the model is Ready
    said = space.until("status says that KEDA is gone", lambda: _blocked(space, "KedaNotReady"), KEDAS_PATIENCE)
    assert "the number stays" in said
    assert _count(space) == before
    assert space.ready("line")["status"] == "True"

    # when: it is Slipway's again while KEDA is gone, and KEDA comes back
    with watched(space) as seen:
        space.apply("line", uri, autoscaling=_by("Slipway"))
        stuck = space.until("its finalizer is told of", lambda: _blocked(space, "ScaledObjectStuck"), KEDAS_PATIENCE)
        assert "finalizer.keda.sh" in stuck
        _keda_runs(space, replicas=1)
        by = space.until("Slipway scales it", lambda: space.model("line")["status"].get("autoscaling", {}).get("by"))

    # then: it has the count that it had, and nobody scaled it beside another
    assert by == "Slipway"
    assert seen.fewest == before
    _assert_one_at_a_time(seen, revision)
    assert space.api.list("horizontalpodautoscalers", space.namespace) == []


def _by(scaler: str) -> Manifest:
    scaling: dict[str, Any] = {"minReplicas": FEWEST, "maxReplicas": MOST, "load": {}, "scaler": scaler}
    return scaling


def _count(space: Space) -> int:
    (deployment,) = space.api.list("deployments", space.namespace, "serving.slipway.dev/model-deployment=line")
    count: int = deployment["spec"]["replicas"]
    return count


def _scaled_object(space: Space, condition: str) -> str:
    found = space.api.list("scaledobjects", space.namespace)
    conditions = (each for one in found for each in one.get("status", {}).get("conditions", ()))
    return next((str(each["status"]) for each in conditions if each["type"] == condition), "")


def _told(space: Space, words: str) -> str:
    because = str(space.model("line")["status"].get("autoscaling", {}).get("because"))
    return because if words in because else ""


def _blocked(space: Space, reason: str = "") -> str:
    """What the condition says, if it is there, and for that reason where one is given."""
    found = (each for each in space.model("line")["status"]["conditions"] if each["type"] == "ScalingBlocked")
    return next((str(each["message"]) for each in found if reason in ("", each["reason"])), "")


def _signal_guards(space: Space, signal: str) -> None:
    pods = " ".join(pod["metadata"]["uid"] for pod in space.pods("line"))
    docker("exec", f"--env=PODS={pods}", f"--env=SIGNAL={signal}", space.cluster.node, "sh", "-c", STOPPED_GUARDS)


def _keda_runs(space: Space, *, replicas: int) -> None:
    """Its operator; without it Kubernetes' autoscalers get no metric and nobody takes finalizers off."""
    kubectl = space.cluster.kubectl.within(installation.NAMESPACE)
    kubectl("scale", installation.OPERATOR, f"--replicas={replicas}")
    kubectl("rollout", "status", installation.OPERATOR, "--timeout=180s")


def _assert_one_at_a_time(seen: Seen, revision: str) -> None:
    """KEDA's autoscaler may be there with its ScaledObject and for a moment longer; nobody is beside them."""
    name = f"line-{revision}"
    kedas = {f"ScaledObject {name}", f"autoscaler keda-hpa-{name}"}
    for there in seen.together:
        assert there <= kedas or there == {"Slipway"}, seen.together
