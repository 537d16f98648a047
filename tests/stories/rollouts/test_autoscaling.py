"""V9: the count that an autoscaler has come to carries over, and nothing but its bounds is written.

The autoscaler's controller is real. There is no metrics server, so what it would do for load the story does in its
place: it changes a Deployment's count through `/scale`.
"""

from typing import Any, Final

import pytest

from tests.stories.rollouts.model import Model
from tests.stories.story import Story

pytestmark = pytest.mark.plane

CPU: Final = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}
SCALING: Final = {
    "minReplicas": 2,
    "maxReplicas": 8,
    "metrics": [{"type": "Resource", "resource": CPU}],
}


def _load_asks_for(model: Model, revision: str, count: int) -> None:
    """As the autoscaler does it."""
    name = f"{model.name}-{revision}"
    model.story.api.patch("deployments", model.story.namespace, name, {"spec": {"replicas": count}}, "scale")


def _bounds(model: Model) -> dict[str, tuple[int, int]]:
    """Of each autoscaler, by revision."""
    found = model.story.children(model.name, ("horizontalpodautoscalers",))
    return {
        name.removeprefix(f"{model.name}-"): (scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"])
        for (_, name), scaler in found.items()
    }


@pytest.mark.parametrize("kind", ["RollingUpdate", "BlueGreen"])
def test_six_of_two_to_eight_are_never_fewer_while_versions_change(story: Story, kind: str) -> None:
    # given: version 1 serves with six pods, as its autoscaler decided
    rollout: dict[str, Any] = {"type": kind}
    if kind == "BlueGreen":
        rollout["blueGreen"] = {"standbyDuration": "20s"}
    model = Model(story, f"scaled-{kind.lower()}").begin(replicas=2, autoscaling=SCALING, rollout=rollout)
    old = model.stable()
    model.until("its autoscaler is there", lambda: _bounds(model) == {old: (2, 8)})
    _load_asks_for(model, old, 6)
    model.until("six serve", lambda: model.status["ready"] == "6/6")

    # when: version 2 is asked for
    with model.history() as history:
        model.moves("2")
        model.serves("2")
        new = model.stable()
        model.until("its autoscaler is free again", lambda: _bounds(model) == {new: (2, 8)})
        model.alone(new)

    # then: six pods serve at every moment, and nobody fights over the count
    assert history.fewest_reached() == 6, str(history)
    assert max(moment.counts().get(new, 0) for moment in history.moments()) == 6, str(history)
    news = [moment.counts().get(new, 0) for moment in history.moments()]
    assert news == sorted(news)  # nobody fights over the count
    assert len(model.pods()) == 6


def test_load_that_rises_in_the_middle_raises_the_count_for_good(story: Story) -> None:
    # given: three pods serve
    model = Model(story, "rises").begin(replicas=3, autoscaling=SCALING, rollout={"type": "RollingUpdate"})
    old = model.stable()

    # when: in the middle of a rollout the new version's autoscaler asks for two pods more
    with model.history() as history:
        model.moves("2")
        new = model.shifts()
        model.until("the new one's autoscaler may only add", lambda: _bounds(model).get(new, (0, 0))[1] == 8)
        low, high = _bounds(model)[old]
        assert low == high  # what gives up its pods stays where it was put
        _load_asks_for(model, new, model.count(new) + 2)
        model.serves("2").alone(new)

    # then: never fewer than three serve, and the higher count stays
    assert history.fewest_reached() == 3, str(history)
    pods = len(model.pods())
    assert pods in (4, 5)  # one of the two may have been the rollout's own next step
    assert model.status["ready"] == f"{pods}/{pods}"


def test_a_version_that_fails_hands_the_count_back(story: Story) -> None:
    # given: four pods serve under an autoscaler
    model = Model(story, "hands-back").begin(replicas=4, autoscaling=SCALING, rollout={"type": "RollingUpdate"})
    old = model.stable()

    # when: a version that shifts already is aborted
    with model.history() as history:
        model.moves("2")
        new = model.shifts()
        model.asks(f"abort/{new}")
        model.refuses("2", "Aborted")
        model.alone(old)
        model.until("its autoscaler is free again", lambda: _bounds(model) == {old: (2, 8)})

    # then: four serve at every moment and in the end, and the autoscaler has its bounds back
    assert history.fewest_reached() == 4, str(history)
    assert len(model.pods()) == 4
