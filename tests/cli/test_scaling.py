"""What `get` and `why` say of the number of pods, where it follows a load."""

from typing import Any

import pytest

from slipway.cli.draw_pages import why_of
from slipway.cli.draw_tree import tree_of
from slipway.cli.model import Model
from slipway.cli.scaling import scaling
from slipway.cli.screen import UNBOUNDED, Screen, drawn
from slipway.cli.tree import tree
from slipway.cli.why import why
from tests.cli.scenes import LATER, scene

BOUNDED = {"minReplicas": 2, "maxReplicas": 12, "load": {}}
BECAUSE = "load 84 % of 3 pods, target 70 %"
BUSY = {"by": "Slipway", "wanted": 4, "because": BECAUSE, "direction": "Up"}
UNKNOWN = "2 of 3 pods do not say how loaded they are: churn-1"


def of(autoscaling: dict[str, Any] | None, status: dict[str, Any] | None, **conditions: tuple[str, str]) -> Model:
    body = scene("serving").body
    body["spec"]["autoscaling"] = autoscaling
    body["status"]["autoscaling"] = status
    body["status"]["conditions"] += [
        {"type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": LATER.isoformat()}
        for kind, (reason, message) in conditions.items()
    ]
    return Model.read(body)


@pytest.mark.parametrize(
    ("model", "lines"),
    [
        (of(None, None), ()),
        (of(BOUNDED, None), ()),
        (of(BOUNDED, BUSY), (f"4 pods by Slipway, bounds 2 to 12: {BECAUSE}",)),
        (of({"maxReplicas": 3, "load": {}}, {**BUSY, "wanted": 1}), (f"1 pod by Slipway, bounds 1 to 3: {BECAUSE}",)),
        (of(None, BUSY), (f"4 pods by Slipway: {BECAUSE}",)),
        (of({"maxReplicas": "many"}, BUSY), (f"4 pods by Slipway: {BECAUSE}",)),
        (of(BOUNDED, None, LoadUnknown=("LoadUnknown", UNKNOWN)), (f"LoadUnknown: {UNKNOWN}",)),
        (of(BOUNDED, BUSY, ScalingBlocked=("KedaMissing", "no ScaledObject")),
         (f"4 pods by Slipway, bounds 2 to 12: {BECAUSE}", "KedaMissing: no ScaledObject")),
    ],
)  # fmt: skip
def test_the_number_of_pods_has_its_reason_and_what_is_in_its_way(model: Model, lines: tuple[str, ...]) -> None:
    on = Screen(width=UNBOUNDED)
    assert scaling(model) == lines
    shown = drawn(tree_of(tree(model), on, LATER), on), drawn(why_of(why(model), LATER), on)
    for line in lines:
        assert all(f"scaling  {line}\n" in text for text in shown)
    assert lines or not any("scaling" in text for text in shown)
