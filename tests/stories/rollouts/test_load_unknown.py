"""L2: pods under load that do not say how loaded they are keep their number, and status says why until they say it
again; so do those whose operator dies, or whose KEDA is gone.

Guards are fakes (fake_guards.py). So is what KEDA had made before it was gone; the controller of autoscalers, which
asks KEDA's metrics server in vain, is real.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from testbed.api import Manifest
from testbed.operating import OperatorProcess
from tests.stories.rollouts.fake_guards import FakeGuards, Manner
from tests.stories.rollouts.history import History
from tests.stories.rollouts.model import Model
from tests.stories.story import Story

pytestmark = pytest.mark.plane

PODS: Final = 4
UNDER_LOAD: Final = 2.6
"""Of four pods that is 65 %; three would be above the target."""
IDLE: Final = 0.4
BOUNDS: Final = {"minReplicas": 2, "maxReplicas": 8}
SCALING: Final[dict[str, Any]] = {**BOUNDS, "load": {"stabilization": "10s"}}
"""Fewer pods are enough after ten seconds of it; what is not known is told after thirty."""
KEDA: Final[dict[str, Any]] = {**BOUNDS, "load": {}, "scaler": "KEDA"}
UNKNOWN: Final = "LoadUnknown"
BLOCKED: Final = "ScalingBlocked"


@pytest.mark.parametrize("whom", ["all", "half"])
@pytest.mark.parametrize("manner", [Manner.SILENT, Manner.HANGS], ids=lambda manner: str(manner.value))
def test_pods_that_fall_silent_under_load_keep_their_number_and_why_is_said(
    story: Story, manner: Manner, whom: str
) -> None:
    # given: four pods under load
    model = Model(story, f"{whom}-{manner.value}")
    with FakeGuards(model, UNDER_LOAD) as guards:
        _serves_under_load(model)

        # when: all of them fall silent, or hang, or half of them do
        with model.history() as history:
            (guards.all_are if whom == "all" else guards.half_are)(manner)
            _says_that_nobody_knows(model)

        # then: their number has held, and a pod and its reason are named
        silent = PODS if whom == "all" else PODS // 2
        message = story.condition(model.name, UNKNOWN)["message"]
        assert message.startswith(f"stays at {PODS} pods: {silent} of {PODS} pods do not say how loaded they are (")
        assert any(f"({name}: {_WHY[manner]}" in message for name in _names(model)), message
        assert _counts(history) == {PODS}
        assert model.reason() == "Ready"

        # and once they say it again, that is over, and the number follows the load
        _goes_on_when_they_speak(model, guards)


@pytest.mark.parametrize("whom", ["all", "half"])
def test_pods_that_restart_under_load_keep_their_number_and_why_is_said(story: Story, whom: str) -> None:
    # given: four pods under load
    model = Model(story, f"{whom}-restart")
    with FakeGuards(model, UNDER_LOAD) as guards:
        _serves_under_load(model)
        pods = model.pods()[:: 1 if whom == "all" else 2]

        # when: the servers of all of them restart, or of half of them, and their counters say nothing for a while
        with model.history() as history:
            (guards.all_are if whom == "all" else guards.half_are)(Manner.SILENT)
            _restart(model, pods)
            _says_that_nobody_knows(model)

        # then: the number has never gone down, and why is said
        message = story.condition(model.name, UNKNOWN)["message"]
        assert f"{len(pods)} of {PODS} pods do not say how loaded they are (" in message
        assert min(_counts(history)) == PODS

        # and once they say it again, that is over, and the number follows the load
        _goes_on_when_they_speak(model, guards)


def test_an_operator_that_dies_leaves_the_number_and_its_next_life_takes_none_away_on_missing_data(
    story: Story,
) -> None:
    # given: four pods under load, that fall silent
    other = Story(story.plane, story.api).begin()
    model = Model(other, "outlives")
    with (
        OperatorProcess(story.plane, namespaces=[other.namespace]) as operator,
        FakeGuards(model, UNDER_LOAD) as guards,
    ):
        _serves_under_load(model)
        with model.history() as history:
            guards.all_are(Manner.SILENT)
            _says_that_nobody_knows(model)
            before = other.condition(model.name, UNKNOWN)

            # when: the operator is killed, and starts anew
            operator.kill()
            operator.start()
            asked = guards.asked
            model.until("it has looked twice", lambda: guards.asked >= asked + 2 * PODS)

        # then: it goes on saying so as if nothing had been, and the number has held
        assert _counts(history) == {PODS}
        said = [UNKNOWN in _conditions(moment.model) for moment in history.moments()]
        assert said == sorted(said)
        assert other.condition(model.name, UNKNOWN)["lastTransitionTime"] == before["lastTransitionTime"]
        assert model.events().count(UNKNOWN) == 1

        # and once they say it again, that is over, and the number follows the load
        _goes_on_when_they_speak(model, guards)
    other.kubectl("delete", "modeldeployment", model.name, "--wait=false")


def test_with_keda_gone_the_number_stays_and_that_is_said_after_a_minute(story: Story) -> None:
    # given: four pods, as KEDA's autoscaler has it
    model = Model(story, "keda-gone").begin(replicas=2, autoscaling=KEDA)
    name = f"{model.name}-{model.stable()}"
    model.until("there is a ScaledObject", lambda: story.api.get("scaledobjects", story.namespace, name))
    _has_been_taken_up(story, name)
    story.api.patch("deployments", story.namespace, name, {"spec": {"replicas": PODS}}, "scale")
    model.until("four serve", lambda: model.status["ready"] == f"{PODS}/{PODS}")

    # when: KEDA is gone, so that nobody serves its metrics
    with model.history() as history:
        model.until("it is said", lambda: story.condition(model.name, BLOCKED))

    # then: the number has stayed, the model is Ready, and Kubernetes' own words are said
    said = story.condition(model.name, BLOCKED)
    assert (said["reason"], model.reason()) == ("KedaNotReady", "Ready")
    assert f"HorizontalPodAutoscaler keda-hpa-{name}, which is KEDA's, cannot scale: FailedGet" in said["message"]
    assert said["message"].endswith("the number stays. Do KEDA's pods run?")
    assert _counts(history) == {PODS}
    assert model.events().count("KedaNotReady") == 1


# -- what is told


_WHY: Final = {Manner.SILENT: "it does not say slipway_load_ratio", Manner.HANGS: "its metrics did not come within 5 s"}


def _serves_under_load(model: Model) -> None:
    model.begin(replicas=PODS, autoscaling=SCALING)
    model.until("it is under load", lambda: model.because == "load 65 % of 4 pods, target 70 %")
    assert model.count(model.stable()) == PODS


def _says_that_nobody_knows(model: Model) -> None:
    model.until("it says that nobody knows the load", lambda: model.story.condition(model.name, UNKNOWN))


def _goes_on_when_they_speak(model: Model, guards: FakeGuards) -> None:
    guards.offered = IDLE
    guards.all_are(Manner.SPEAKS)
    model.until("it is known", lambda: not model.story.condition(model.name, UNKNOWN))
    model.until("fewer are enough", lambda: model.count(model.stable()) == BOUNDS["minReplicas"])


def _names(model: Model) -> list[str]:
    return [pod["metadata"]["name"] for pod in model.pods()]


def _conditions(found: Manifest) -> set[str]:
    return {condition["type"] for condition in found["status"]["conditions"]}


def _counts(history: History) -> set[int]:
    """All that its Deployments were set to, at each moment."""
    return {sum(moment.counts().values()) for moment in history.moments()}


# -- what happens to pods, and what KEDA had made


def _restart(model: Model, pods: Iterable[Manifest]) -> None:
    """Their nodes reboot: the servers end with them, and are soon ready again, as the kubelet tells it."""
    names = [pod["metadata"]["name"] for pod in pods]
    _turn(model, names, "False")
    model.until("they are missed", lambda: model.status["ready"] == f"{PODS - len(names)}/{PODS}")
    _turn(model, names, "True")


def _turn(model: Model, names: Iterable[str], ready: str) -> None:
    now, up = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", ready == "True"
    ended = {"lastState": {"terminated": {"exitCode": 255, "reason": "Unknown"}}, "restartCount": 1}
    for name in names:
        status = model.story.get("pods", name)["status"]
        (server,) = status["containerStatuses"]
        turned = {"status": ready, "lastTransitionTime": now}
        conditions = [{**c, **(turned if c["type"] in _READINESS else {})} for c in status["conditions"]]
        told = {"conditions": conditions, "containerStatuses": [{**server, **ended, "ready": up, "started": up}]}
        model.story.api.patch("pods", model.story.namespace, name, {"status": told}, "status")


_READINESS: Final = ("Ready", "ContainersReady")


def _has_been_taken_up(story: Story, name: str) -> None:
    """KEDA found the ScaledObject right, and made an autoscaler of it."""
    scaled = story.get("scaledobjects", name)
    ready = {"type": "Ready", "status": "True", "reason": "ScaledObjectReady", "message": "is ready for scaling"}
    story.api.patch("scaledobjects", story.namespace, name, {"status": {"conditions": [ready]}}, "status")
    owner = {"apiVersion": scaled["apiVersion"], "kind": scaled["kind"], "name": name, "uid": scaled["metadata"]["uid"]}
    load = {"metric": {"name": "s0-metric-api-slipway_load_ratio"}, "target": {"type": "Value", "value": "700m"}}
    made = {
        "metadata": {
            "name": f"keda-hpa-{name}",
            "labels": scaled["metadata"]["labels"],
            "ownerReferences": [{**owner, "controller": True}],
        },
        "spec": {
            "scaleTargetRef": scaled["spec"]["scaleTargetRef"],
            "minReplicas": scaled["spec"]["minReplicaCount"],
            "maxReplicas": scaled["spec"]["maxReplicaCount"],
            "metrics": [{"type": "External", "external": load}],
        },
    }
    story.api.create("horizontalpodautoscalers", story.namespace, made)
