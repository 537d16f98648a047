"""A whole canary as a person follows it with `slipway get -w`, promotes it and waits for its end. Pods are fakes."""

import pytest

from testbed.operating import OperatorProcess
from tests.cli.cluster import Command
from tests.cli.following import piped
from tests.stories.conftest import Figures
from tests.stories.story import Story, model_deployment

pytestmark = pytest.mark.plane

STEPS = [{"weight": 25}, {"pause": {}}, {"weight": 50}, {"pause": {"duration": "1s"}}]
ROLLOUT = {"type": "Canary", "canary": {"steps": STEPS, "standbyDuration": "5s"}}


def test_a_canary_is_followed_promoted_and_waited_for(
    story: Story, operator: OperatorProcess, figures: Figures
) -> None:
    # given: a model that serves with four pods, and somebody who follows it
    slipway = Command(story.plane.kubeconfig("admin"), story.namespace)
    story.apply(model_deployment("churn", "1", replicas=4, rollout=ROLLOUT))
    story.until_ready("churn", version="1")

    # when: the next version is asked for, and promoted past its pause by the command
    with piped(slipway, "get", "churn", "-w") as said:
        story.until("it is followed", lambda: "Ready" in said())
        story.apply(model_deployment("churn", "2", replicas=4, rollout=ROLLOUT))
        story.until("it pauses", lambda: "Paused; 2 25% 1/1" in said(), seconds=120)
        why = slipway("why", "churn")
        told = slipway("promote", "churn")
        waited = slipway("wait", "churn", "--timeout", "120")
        story.until("it has ended", lambda: "Ready; 2 100% 4/4" in said(), seconds=120)

    # then: each stands in what was followed, in order, and the command said what came of it
    assert told.out == "promoted: on to the next step\n", told.err
    assert waited.code == 0, waited.err
    assert "until promote/" in why.out
    phases = [line.split()[1].rstrip(";") for line in said().splitlines() if line.strip()]
    met = list(dict.fromkeys(phases))
    assert met[:1] == ["Ready"]
    assert [phase for phase in met if phase in ("Paused", "Shifting", "Soaking")][-1] == "Soaking"
    assert phases[-1] == "Ready"
    history = slipway("history", "churn")
    assert [line.split()[:2] for line in history.out.splitlines()[1:]] == [["2", "2"], ["1", "1"]]
    figures["followed"] = "\n" + said()
