"""A status out of a backup: older than the cluster, of which it does not know who serves by now."""

import copy
from functools import cache
from typing import Any, Final

import pytest

from tests.core.cluster.torn import TornMachine

TYPES: Final[dict[str, dict[str, Any]]] = {
    "rolling": {"type": "RollingUpdate"},
    "recreate": {"type": "Recreate"},
    "blue-green": {"type": "BlueGreen", "blueGreen": {"standbyDuration": "5s"}},
    "canary": {"type": "Canary", "canary": {"steps": [{"weight": 25}, {"pause": {"duration": "1m"}}]}},
}
PASSES: Final = 12


@cache
def on_the_way(kind: str, routed: bool) -> list[TornMachine]:
    """From version 3 to 4: before it, after each pass, and in the end."""
    machine = TornMachine()
    machine.begins(rollout=TYPES[kind], routed=routed, replicas=2)
    stages = [copy.deepcopy(machine)]
    machine.asks_for_a_version("4")
    for _ in range(PASSES):
        machine.a_pass()
        stages.append(copy.deepcopy(machine))
        machine.gets_better()
        machine.time_passes(31)
    for _ in range(3):
        machine.time_passes(700)
        machine.time_is_calm(rounds=1)
    assert machine.world.status["phase"] == "Ready"
    assert len(machine.world.deployments()) == 1
    return [*stages, machine]


def restored(kind: str, routed: bool, *, backup: int, now: int) -> TornMachine:
    """The cluster as it is now, with the status of an earlier time. The machine checks what clients feel of it."""
    stages = on_the_way(kind, routed)
    machine = copy.deepcopy(stages[now])
    machine.world.status = copy.deepcopy(stages[backup].world.status)
    machine.world.served = machine.world.status["stable"]["revision"]
    return machine


@pytest.mark.parametrize("asked", ["3", "4", "5"])
@pytest.mark.parametrize("routed", [False, True], ids=["by the Service", "through a gateway"])
@pytest.mark.parametrize("kind", TYPES)
def test_of_a_backup_from_before_a_rollout_clients_feel_nothing_once_that_has_ended(
    kind: str, routed: bool, asked: str
) -> None:
    machine = restored(kind, routed, backup=0, now=-1)
    if asked != "4":
        machine.asks_for_a_version(asked)
    machine.settles()
    machine.teardown()


@pytest.mark.parametrize("asked", ["3", "4"])
@pytest.mark.parametrize("routed", [False, True], ids=["by the Service", "through a gateway"])
@pytest.mark.parametrize("kind", ["rolling", "blue-green", "canary"])
def test_nor_of_any_backup_on_its_way(kind: str, routed: bool, asked: str) -> None:
    stages = on_the_way(kind, routed)
    for backup in (0, 3):
        for now in range(backup + 1, PASSES, 2):
            if stages[backup].world.status == stages[now].world.status:
                continue
            machine = restored(kind, routed, backup=backup, now=now)
            if asked != "4":
                machine.asks_for_a_version(asked)
            machine.a_pass()
            machine.teardown()
