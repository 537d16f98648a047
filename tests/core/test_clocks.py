"""A clock that ran ahead, and was set right or gave way to another operator's: nothing waits longer for that."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
from pydantic import BaseModel

from slipway.api.v1alpha1 import ModelDeploymentSpec, ModelDeploymentStatus
from slipway.core.rollout.clocks import bounded
from slipway.triton.metrics import ModelMetrics
from tests.core.cluster.kubelet import says
from tests.core.cluster.scenario import ERRORS, NO_GPU, canary, goes_on, pods_come, ready, starts
from tests.core.cluster.simulator import Simulator, simulator

AHEAD = timedelta(days=1)


def set_right(cluster: Simulator) -> None:
    """The clock that everything of this pass was decided by was a day ahead."""
    cluster.now -= AHEAD
    cluster.settle()


def early(cluster: Simulator) -> None:
    """It is a day ahead from here on."""
    cluster.now += AHEAD


def source_is_away() -> Simulator:
    cluster = simulator()
    early(cluster)
    cluster.settle()
    cluster.resolve_job_ends(says("SourceUnavailable", "no route"), exit_code=1)
    cluster.settle()
    return cluster


def is_tried_again(cluster: Simulator) -> bool:
    return "retryAt" not in cluster.status["rollout"].get("resolve", {})


def without_a_node() -> Simulator:
    cluster = ready(replicas=2)
    cluster.starts("4")
    early(cluster)
    cluster.kubelet(cluster.revision_named("4"), status=NO_GPU)
    cluster.settle()
    return cluster


def hanging() -> Simulator:
    cluster = ready(replicas=2, rollout={"fetchTimeout": "10m"})
    early(cluster)
    cluster.starts("4")
    return cluster


def is_stalled(cluster: Simulator) -> bool:
    return bool(cluster.condition("Stalled")["status"] == "True")


def out() -> Simulator:
    cluster = ready(replicas=2)
    early(cluster)
    cluster.kubelet(cluster.revision_named("3"), status=NO_GPU)
    cluster.settle()
    return cluster


def pausing() -> Simulator:
    cluster = canary({"weight": 10}, {"pause": {"duration": "10m"}}, {"weight": 50}, {"pause": {}})
    early(cluster)
    pods_come(cluster)
    return cluster


def goes_further(cluster: Simulator) -> bool:
    return bool(cluster.status["rollout"]["canary"]["weight"] == 50)


def analysed() -> Simulator:
    analysis = {"interval": "5m", "count": 2, "metrics": [ERRORS]}
    cluster = canary({"weight": 10}, {"analysis": "Inline"}, analysis=analysis)
    early(cluster)
    pods_come(cluster)
    return cluster


def is_judged(cluster: Simulator) -> bool:
    cluster.looks(metrics={"3": ModelMetrics(), "4": ModelMetrics()})
    cluster.pass_time(minutes=5)
    cluster.looks(metrics={"3": ModelMetrics(succeeded=1e6), "4": ModelMetrics(succeeded=1e6)})
    goes_on(cluster)
    return bool(cluster.status["rollout"]["canary"]["analysis"].get("runs"))


def draining() -> Simulator:
    cluster = ready(replicas=2, rollout={"type": "BlueGreen", "blueGreen": {"standbyDuration": "5m"}})
    cluster.starts("4")
    early(cluster)
    pods_come(cluster)
    return cluster


def is_alone(cluster: Simulator) -> bool:
    cluster.pass_time(minutes=2)  # the drain
    cluster.settle()
    return len(cluster.deployments()) == 1


WAITS: list[tuple[Callable[[], Simulator], timedelta, Callable[[Simulator], bool]]] = [
    (source_is_away, timedelta(minutes=5), is_tried_again),
    (without_a_node, timedelta(minutes=11), is_stalled),
    (hanging, timedelta(minutes=11), is_stalled),
    (out, timedelta(minutes=11), is_stalled),
    (pausing, timedelta(minutes=10), goes_further),
    (analysed, timedelta(), is_judged),
    (draining, timedelta(minutes=5), is_alone),
]
"""What waits, for how long at most, and that it is over."""


@pytest.mark.parametrize(("waiting", "limit", "is_over"), WAITS)
def test_no_wait_is_longer_than_its_own_limit_where_its_clock_ran_ahead(
    waiting: Callable[[], Simulator], limit: timedelta, is_over: Callable[[Simulator], bool]
) -> None:
    cluster = waiting()
    set_right(cluster)
    for _ in range(2):
        cluster.pass_time(seconds=limit.total_seconds() / 2 + 1)
        goes_on(cluster)
    assert is_over(cluster)


def times(block: BaseModel) -> Iterator[tuple[str, datetime]]:
    """Every time in it, with its field."""
    for name, value in block:
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, datetime):
                yield name, each
            elif isinstance(each, BaseModel):
                yield from times(each)


@pytest.mark.parametrize("waiting", [waiting for waiting, *_ in WAITS])
def test_no_time_of_status_lies_further_ahead_than_its_limit(waiting: Callable[[], Simulator]) -> None:
    cluster = waiting()
    now, spec = cluster.now - AHEAD, ModelDeploymentSpec.model_validate(cluster.spec)
    status = ModelDeploymentStatus.model_validate(cluster.status)
    after = bounded(status, spec, now)
    limits = {"retry_at": 300, "next_at": 300, "retire_at": 300, "retire_by": 360}
    for name, at in times(after):
        assert at <= now + timedelta(seconds=limits.get(name, 0)), name
    assert len(list(times(after))) == len(list(times(status)))
    assert bounded(after, spec, now) is after


@pytest.mark.parametrize("waiting", [waiting for waiting, *_ in WAITS])
def test_a_status_of_a_clock_that_is_right_stays_as_it_is(waiting: Callable[[], Simulator]) -> None:
    cluster = waiting()
    status = ModelDeploymentStatus.model_validate(cluster.status)
    assert bounded(status, ModelDeploymentSpec.model_validate(cluster.spec), cluster.now) is status


def test_a_node_whose_clock_is_ahead_has_no_time_stored_that_the_next_pass_would_put_right() -> None:
    """Its pods' times are by that clock."""
    cluster = ready(replicas=2)
    name = starts(cluster, "4")
    cluster.now += timedelta(minutes=3)
    cluster.kubelet(name, status=cluster.server_ended(says("LoadFailed", "no such op"), restarts=0))
    cluster.now -= timedelta(minutes=3)
    cluster.settle()
    assert cluster.status["rollout"]["clock"]["progress"]["at"] == cluster.timestamp
    spec = ModelDeploymentSpec.model_validate(cluster.spec)
    status = ModelDeploymentStatus.model_validate(cluster.status)
    assert bounded(status, spec, cluster.now) == status
