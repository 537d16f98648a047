"""A whole canary as `slipway get -w` writes it into a file: each line that differs from the one before."""

from slipway.cli.live import in_a_line
from slipway.cli.tree import tree
from slipway.core.plan import Plan
from tests.cli.scenes import asks, scene_of
from tests.core.cluster.scenario import GATEWAY, STEPS, goes_on, pods_come, ready
from tests.core.cluster.simulator import Simulator


class Recorded:
    """A cluster, of which each pass of the operator is looked at."""

    def __init__(self, cluster: Simulator) -> None:
        self.cluster, self._passes = cluster, cluster.reconcile
        self.lines: list[tuple[str, str]] = []
        cluster.reconcile = self._reconcile  # type: ignore[method-assign]

    def _reconcile(self, writes: int = 1_000) -> Plan:
        plan = self._passes(writes)
        line = in_a_line(tree(scene_of(self.cluster).model))
        if not self.lines or self.lines[-1][1] != line:
            self.lines.append((f"{self.cluster.now:%H:%M:%S}", line))
        return plan

    def goes_on(self, rounds: int, *, seconds: int = 20) -> None:
        """Pods get ready, and the operator does what it can, so many times."""
        for _ in range(rounds):
            self.cluster.pass_time(seconds=seconds)
            pods_come(self.cluster)


def canary() -> str:
    """From one version that serves to the next, past a pause that ends by itself and one that a person ends."""
    cluster = ready(
        replicas=4, rollout={"type": "Canary", "canary": {"steps": STEPS, "standbyDuration": "10m"}}, traffic=GATEWAY
    )
    cluster.gateway_answers()
    cluster.settle()
    seen = Recorded(cluster)
    cluster.settle()
    cluster.pass_time(minutes=3)
    cluster.edit(version="4")
    cluster.settle()
    cluster.pass_time(seconds=5)
    cluster.resolve_job_ends()
    goes_on(cluster)
    seen.goes_on(1)
    cluster.pass_time(minutes=4, seconds=40)
    seen.goes_on(4)
    cluster.pass_time(minutes=30)
    asks(cluster, "promote")
    seen.goes_on(4)
    cluster.pass_time(minutes=10)
    seen.goes_on(1)
    return "".join(f"{at} {line}\n" for at, line in seen.lines)
