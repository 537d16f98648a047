"""V9: under a load that stays as it is no version gets more pods than that takes, nor fewer for having been given up.

The operator and the autoscaler's controller write the same counts, each by what its own watches have told it so far.
"""

import copy
from collections import Counter
from typing import Any, Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from slipway.core import autoscaling
from slipway.core.load import LOAD_TOPIC, LOOK_EVERY, LoadSample, RevisionLoad
from slipway.core.observed.evidence import Evidence, Scrape
from tests.core.cluster.autoscaler import AutoscalerController
from tests.core.cluster.machine import SETTINGS
from tests.core.cluster.promises import Torn
from tests.core.cluster.world import is_ready, revision_of

SCALING: Final = {"minReplicas": 2, "maxReplicas": 8, "metrics": [{"type": "Resource"}]}
ON_LOAD: Final = {"minReplicas": 2, "maxReplicas": 8, "load": {}}
BY_KEDA: Final = {**ON_LOAD, "scaler": "KEDA"}
GATEWAY: Final = {"gateway": {"name": "inference", "namespace": "gateways"}, "hostnames": ["churn.example"]}
STEPS: Final = {"steps": [{"weight": 34}, {"pause": {"duration": "1m"}}]}
MAKES_ROOM: Final = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
ROLLOUTS: Final[tuple[dict[str, Any], ...]] = (
    {"type": "RollingUpdate"},
    {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}},
    MAKES_ROOM,
    {"type": "Recreate"},
    {"type": "BlueGreen"},
    {"type": "Canary", "canary": STEPS},
)


@pytest.mark.parametrize(
    ("count", "planned", "limits", "added"),
    [
        (5, 4, (4, 8), 1),  # more than was planned, by an autoscaler that may add
        (4, 4, (4, 8), 0),
        (3, 4, (4, 8), 0),  # the plan is not carried out yet
        (6, 4, (4, 4), 0),  # pinned: whoever raised it knew of other bounds
        (6, 4, (6, 8), 0),  # raised to the least that the autoscaler had
        (7, 4, (6, 8), 1),
        (9, 4, (4, 8), 4),  # beyond the most it is a hand's
        (6, 0, (2, 8), 0),  # nothing was planned: nothing was added to it
    ],
)
def test_load_is_what_an_autoscaler_has_added_between_its_bounds(
    count: int, planned: int, limits: tuple[int, int], added: int
) -> None:
    assert autoscaling.added(count, planned, limits) == added


class Scaled(RuleBasedStateMachine):
    """One ModelDeployment under a load that stays as it is."""

    def __init__(self) -> None:
        super().__init__()
        model = {"version": "3", "source": {"uri": "s3://models/churn/3"}}
        self.world = Torn(spec={"model": model, "replicas": 2, "autoscaling": copy.deepcopy(SCALING)})
        self.scaler = AutoscalerController(self.world)
        self.nonce = 0

    @initialize(
        rollout=st.sampled_from(ROLLOUTS),
        routed=st.booleans(),
        load=st.integers(2, 8),
        scaling=st.sampled_from([SCALING, ON_LOAD, BY_KEDA]),
    )
    def begins(self, rollout: dict[str, Any], routed: bool, load: int, scaling: dict[str, Any] = SCALING) -> None:
        """Version 3 serves, with as many pods as the load takes."""
        world = self.world
        world.spec["autoscaling"] = copy.deepcopy(scaling)
        world.load, world.spec["rollout"] = load, copy.deepcopy(rollout)
        if routed:
            world.spec["traffic"] = copy.deepcopy(GATEWAY)
        for _ in range(4):
            self.pods_get_ready()
            world.settle()
            self.pods_say_how_loaded_they_are()
            world.settle()
            self.scaler.hears()
            self.scaler.acts(load)
        assert world.status["replicas"] == load

    @rule(version=st.sampled_from("345"))
    def asks_for_a_version(self, version: str) -> None:
        self.world.spec["model"]["version"] = version
        self.world.generation += 1

    @rule(verb=st.sampled_from(["abort", "promote", "restart"]))
    def asks_by_annotation(self, verb: str) -> None:
        ref = self.world.status.get("stable" if verb == "restart" else "candidate")
        if ref:
            self.nonce += 1
            self.world.request = f"{verb}/{ref.get('revision', ref['ask'][:8])}@{self.nonce}"

    @rule()
    def the_autoscalers_controller_hears(self) -> None:
        self.scaler.hears()

    @rule()
    def the_autoscalers_controller_acts(self) -> None:
        self.scaler.acts()

    @rule(writes=st.integers(0, 5))
    def a_pass_is_cut_off(self, writes: int) -> None:
        self.world.one_pass(writes=writes)

    @rule()
    def a_pass(self) -> None:
        self.world.one_pass()

    @rule(silent=st.booleans())
    def pods_say_how_loaded_they_are(self, silent: bool = False) -> None:
        """Ten seconds later all that clients reach are asked, of whom nobody may answer."""
        world = self.world
        world.now += LOOK_EVERY
        plan = world.decide(world.observed())
        targets = [target for look in plan.looks if look.topic == LOAD_TOPIC for target in look.targets]
        pods = Counter(target.revision for target in targets)
        part = 0.7 * world.load / len(targets) if targets else 0
        revisions = {
            name: RevisionLoad(pods=n, answered=0 if silent else n, ratio=0 if silent else part * n)
            for name, n in pods.items()
        }
        before = world.evidence.get(LOAD_TOPIC)
        sample = LoadSample(at=world.now, revisions=revisions)
        loads = (*(before.loads if before else ()), sample)
        world.evidence = {LOAD_TOPIC: Evidence(history=(Scrape(at=world.now),), loads=loads)}

    @rule()
    def pods_get_ready(self) -> None:
        world = self.world
        world.answer_job()
        world.controllers_act()
        world.garbage_collector_acts()
        world.kubelets_act()
        for name in world.deployments():
            world.get_ready([pod for pod in world.active(name) if not is_ready(world.pods[pod])])
        world.tell_of_pods()
        if world.routed:
            world.has_gateway()
            world.gateway_acts()

    @rule(rounds=st.integers(1, 4))
    def goes_on(self, rounds: int) -> None:
        """The autoscaler's controller acts each time before it has heard what the operator has written."""
        for _ in range(rounds):
            self.pods_get_ready()
            self.world.one_pass()
            self.world.one_pass()
            self.scaler.acts()
            self.scaler.hears()
            self.world.one_pass()

    @rule(kind=st.sampled_from(["Deployment", "HorizontalPodAutoscaler", "ScaledObject", "Pod"]))
    def a_watch_lags(self, kind: str) -> None:
        self.world.lagging.add(kind)

    @rule()
    def watches_catch_up(self) -> None:
        self.world.lagging.clear()

    @invariant()
    def no_load_is_added(self) -> None:
        """What is lost to late bounds at the very end of a rollout its autoscaler adds again by itself."""
        if self.world.load and self.world.status:
            assert self.world.status["replicas"] <= self.world.load

    def counts(self) -> dict[str, int]:
        """Pods by version, as they are wanted."""
        versions, found = self.world.versions, self.world.deployments().items()
        return {versions[revision_of(name)]: int(m["spec"]["replicas"]) for name, m in found}


TestScaled = Scaled.TestCase
TestScaled.settings = settings(SETTINGS, max_examples=max(10, SETTINGS.max_examples // 3))


@pytest.mark.parametrize("rollout", ROLLOUTS, ids=lambda rollout: "-".join(map(str, _words(rollout))))
@pytest.mark.parametrize("back", [False, True], ids=["forward", "back"])
@pytest.mark.parametrize("scaling", [SCALING, BY_KEDA], ids=["HPA", "KEDA"])
def test_an_autoscalers_controller_that_hears_late_of_its_bounds_adds_no_load(
    rollout: dict[str, Any], back: bool, scaling: dict[str, Any]
) -> None:
    # given: six pods serve, and version 4 is on its way
    machine = Scaled()
    machine.begins(rollout, routed=False, load=6, scaling=scaling)
    machine.asks_for_a_version("4")

    # when: what has given up pods is raised again to what was its least, before that is heard of
    most = 0
    for turn in range(8):
        machine.goes_on(1)
        machine.no_load_is_added()
        most = max(most, *machine.counts().values())
        if back and turn == 2:
            machine.asks_for_a_version("3")

    # then: no version ever had more than six
    assert most == 6


@pytest.mark.parametrize("turns", range(1, 4))
@pytest.mark.parametrize("ends", ["abort", "revert"])
@pytest.mark.parametrize("writes", [1_000, 1], ids=["whole", "cut-off"])
@pytest.mark.parametrize("scaling", [SCALING, BY_KEDA], ids=["HPA", "KEDA"])
def test_a_version_that_is_given_up_hands_back_what_carries_the_load(
    turns: int, ends: str, writes: int, scaling: dict[str, Any]
) -> None:
    # given: six pods serve, of which some have gone to make room for version 4
    machine = Scaled()
    machine.begins(MAKES_ROOM, routed=False, load=6, scaling=scaling)
    machine.asks_for_a_version("4")
    for _ in range(turns):
        machine.goes_on(1)

    # when: version 4 is given up, and the pass that decides it gets no further than its status
    if ends == "abort":
        machine.asks_by_annotation("abort")
    else:
        machine.asks_for_a_version("3")
    machine.a_pass_is_cut_off(writes)
    for _ in range(10):
        machine.pods_get_ready()
        machine.a_pass()
        machine.scaler.hears()
        machine.scaler.acts()
        assert machine.world.status["replicas"] == 6

    # then: version 3 has its six pods again, without any autoscaler's doing, and nothing moves
    assert machine.counts() == {"3": 6}
    assert "rollout" not in machine.world.status


def _words(rollout: dict[str, Any]) -> list[Any]:
    return [rollout["type"], *rollout.get("rollingUpdate", {}).values()]
