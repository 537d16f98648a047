"""That nothing shows whether a model answers rightly stands where people look first: in the Ready message."""

import json
from typing import Any

import pytest

from tests.core.cluster.scenario import goes_on, pods_come, ready
from tests.core.cluster.simulator import Simulator, simulator
from tests.core.gen import resolved

TENSOR = {"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [1]}
OF_SPEC = {"requests": [{"inputs": [TENSOR], "outputs": [TENSOR]}]}


def serving(golden: int, verification: dict[str, Any] | None = None) -> Simulator:
    cluster = simulator()
    if verification:
        cluster.edit(verification=verification)
    cluster.settle()
    cluster.resolve_job_ends(json.dumps({"resolved": resolved(golden=golden).to_dict()}))
    goes_on(cluster)
    pods_come(cluster)
    goes_on(cluster)
    return cluster


@pytest.mark.parametrize(
    ("golden", "verification", "message"),
    [
        (2, None, "3 serves: 1 of 1 pods available"),
        (0, OF_SPEC, "3 serves: 1 of 1 pods available"),
        (0, None, "3 serves, unproven (no golden requests): 1 of 1 pods available"),
    ],
)
def test_the_ready_message_says_whether_anything_is_proved(
    golden: int, verification: dict[str, Any] | None, message: str
) -> None:
    cluster = serving(golden, verification)
    condition = cluster.condition("Ready")
    assert (condition["status"], condition["reason"], condition["message"]) == ("True", "Ready", message)


def test_it_is_still_said_when_history_is_lost() -> None:
    cluster = serving(0)
    for place in [place for place in cluster.objects if place[0] in ("ControllerRevision", "ConfigMap")]:
        del cluster.objects[place]
    goes_on(cluster)
    assert "unproven" in cluster.condition("Ready")["message"]


def test_it_is_said_of_what_serves_and_not_of_what_comes() -> None:
    cluster = ready()
    cluster.edit(version="4")
    cluster.settle()
    cluster.resolve_job_ends(json.dumps({"resolved": resolved(golden=0).to_dict()}))
    goes_on(cluster)
    assert "unproven" not in cluster.condition("Ready")["message"]
    cluster.rolls_on()
    assert cluster.condition("Ready")["message"].startswith("4 serves, unproven (no golden requests): ")
