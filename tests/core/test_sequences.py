"""Models that keep state by sequence: no canary splits their requests, and the words for that say what to set."""

from typing import Any

import pytest

from tests.core.cluster.midway import asked_for_4
from tests.core.cluster.scenario import GATEWAY, changing, counts, goes_on, pods_come


@pytest.mark.parametrize("more", [{"traffic": GATEWAY}, {}])
def test_a_canary_that_would_split_sequences_never_starts_and_is_healed_by_another_type(more: dict[str, Any]) -> None:
    cluster = asked_for_4({"type": "Canary", "canary": {"steps": [{"weight": 10}, {"pause": {}}]}}, **more)
    assert counts(cluster)["3"] == 4
    assert not counts(cluster).get("4")
    said = cluster.condition("Ready")
    assert said["reason"] == "SpecInvalid"
    assert said["message"].startswith("4: rollout.canary.steps would split the sequences of 4, ")
    assert "set rollout.type to BlueGreen" in said["message"]
    assert cluster.condition("Stalled")["status"] == "True"
    assert "refused" not in cluster.status

    cluster.spec["rollout"] = {"type": "BlueGreen"}
    cluster.generation += 1
    goes_on(cluster)
    pods_come(cluster)
    assert cluster.status["stable"]["version"] == "4"


def test_steps_that_share_nothing_out_may_be_made_by_any_model() -> None:
    cluster = asked_for_4({"type": "Canary", "canary": {"steps": [{"shadow": 100}, {"pause": {}}]}}, traffic=GATEWAY)
    pods_come(cluster)
    assert cluster.status["phase"] == "Paused"


def test_models_without_sequences_are_none_of_it() -> None:
    cluster = changing({"type": "Canary", "canary": {"steps": [{"weight": 10}, {"pause": {}}]}})
    pods_come(cluster)
    assert cluster.status["phase"] == "Paused"
