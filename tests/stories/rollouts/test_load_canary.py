"""L3: a canary under load has the pods of each step before the step, and what serves stays whole until the candidate
carries everything: what a client's request meets is computed from pods and route, at every moment.

The gateway is a fake (fake_gateway.py), and so are the guards (fake_guards.py).
"""

from itertools import pairwise
from math import ceil
from typing import Any, Final

import pytest

from tests.stories.rollouts.fake_gateway import FakeGateway, behind
from tests.stories.rollouts.fake_guards import FakeGuards
from tests.stories.rollouts.history import History
from tests.stories.rollouts.model import Model
from tests.stories.story import Story

pytestmark = pytest.mark.plane

TARGET: Final = 70
WHOLE: Final = 100
LOAD: Final = 2.6
"""What clients ask for, in whole pods' work: four pods at 65 %."""
MORE: Final = 4.0
"""Six pods at 67 %."""
SCALING: Final[dict[str, Any]] = {"minReplicas": 2, "maxReplicas": 8, "load": {"stabilization": "10s"}}
STEPS: Final = [25, 50, 75]


world: Final = FakeGateway
"""One gateway for all stories of this file."""


def test_at_each_step_the_candidate_has_its_pods_before_its_share(story: Story) -> None:
    # given: version 1 carries a load with four pods, and a canary has three steps
    model = Model(story, "steps")
    with FakeGuards(model, LOAD):
        old = _serves_under_load(model, [{"weight": weight} for weight in STEPS])

        # when: version 2 goes through all of them
        with model.history() as history:
            model.moves("2")
            model.serves("2")
            new = model.stable()

    # then: nobody ever had more to do than the target, each step was made, and version 1 was whole until the end
    _nobody_is_overloaded(history, LOAD)
    _old_is_whole_until_new_carries_all(history, old, new)
    assert {*STEPS, WHOLE} <= {moment.shares().get(new, 0) for moment in history.moments()}
    assert max(moment.counts().get(new, 0) for moment in history.moments()) == _pods(LOAD)


@pytest.mark.parametrize("verb", ["promote", "abort"])
def test_load_that_rises_at_a_step_gets_its_pods_on_both_sides_whichever_way_it_goes_on(
    story: Story, verb: str
) -> None:
    # given: a canary under load that pauses at half
    model = Model(story, f"rises-{verb}")
    with FakeGuards(model, LOAD) as guards:
        old = _serves_under_load(model, [{"weight": 50}, {"pause": {}}, {"weight": 75}])
        model.moves("2")
        new = model.candidate()
        model.until("it pauses at half", lambda: model.reason() == "Paused")

        # when: the load rises
        with model.history() as rising:
            guards.offered = MORE
            model.until("both have more pods", lambda: (model.count(old), model.count(new)) == (6, 3))
            model.until("they have come", lambda: _available(model) == {old: 6, new: 3})

        # then: both have what their share of it takes, and neither has ever had fewer than before
        _only_grew(rising, old, 4)
        _only_grew(rising, new, 2)

        # and when somebody lets it go on, or sends it home
        with model.history() as history:
            model.asks(f"{verb}/{new}")
            _ends(model, verb, old, new)

    # then: nobody has more to do than the target, and who serves in the end has all that the load takes
    _nobody_is_overloaded(history, MORE)
    if verb == "promote":
        _old_is_whole_until_new_carries_all(history, old, new)
    else:
        _only_grew(history, old, 6)
    assert model.count(model.stable()) == _pods(MORE)


# -- what is told


def _serves_under_load(model: Model, steps: list[dict[str, Any]]) -> str:
    """Version 1, behind the gateway. Answers its revision."""
    canary = {"steps": steps, "standbyDuration": "0s"}
    model.begin(
        replicas=_pods(LOAD),
        autoscaling=SCALING,
        rollout={"type": "Canary", "canary": canary},
        traffic=behind(model.story),
    )
    model.until("it is under load", lambda: model.because == "load 65 % of 4 pods, target 70 %")
    return model.stable()


def _ends(model: Model, verb: str, old: str, new: str) -> None:
    if verb == "promote":
        model.serves("2")
    else:
        model.refuses("2", "Aborted")
    model.alone(new if verb == "promote" else old)


def _pods(load: float) -> int:
    """What a load takes."""
    return ceil(load * WHOLE / TARGET)


def _available(model: Model) -> dict[str, int]:
    deployments = {name: model.story.available(f"{model.name}-{name}") for name in model.deployments()}
    return {name: pods for name, pods in deployments.items() if pods}


def _nobody_is_overloaded(history: History, load: float) -> None:
    """All requests go somewhere, and those that go to a revision are within the target of its available pods."""
    for moment in history.moments():
        shares, available = moment.shares(), moment.available()
        assert sum(shares.values()) == WHOLE, str(history)
        for revision, share in shares.items():
            assert load * share <= TARGET * available.get(revision, 0), f"{shares}, {available}\n{history}"
        assert moment.reached() >= _pods(load), str(history)


def _old_is_whole_until_new_carries_all(history: History, old: str, new: str) -> None:
    """As long as the old version is set to fewer pods than before, the new one has all requests, and pods for them."""
    whole = next(history.moments()).counts()[old]
    for moment in history.moments():
        if moment.counts().get(old, 0) < whole:
            assert moment.shares() == {new: WHOLE}, str(history)
            assert moment.available()[new] >= whole, str(history)


def _only_grew(history: History, revision: str, least: int) -> None:
    counts = [moment.counts().get(revision, 0) for moment in history.moments()]
    assert counts[0] >= least
    assert all(before <= after for before, after in pairwise(counts)), str(history)
