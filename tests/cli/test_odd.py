"""Whatever stands at any place of an object, each command draws it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from slipway.cli.draw_pages import history_of, list_of, top_of, versions_of, why_of
from slipway.cli.history import history
from slipway.cli.listing import rows
from slipway.cli.model import Model
from slipway.cli.screen import Screen, drawn
from slipway.cli.top import holdings
from slipway.cli.versions import versions
from slipway.cli.why import why
from tests.cli.scenes import scene
from tests.console.spoiling import EVENT, spoiled

NOW = datetime(2026, 11, 29, tzinfo=UTC)
SCREEN = Screen()
SCENE = scene("canary-measured")
MODEL = Model.read(SCENE.body)
OPERATOR = {"metadata": {"namespace": "n", "labels": {"app.kubernetes.io/version": "1"}}, "spec": {"replicas": 1}}
CLAIMING = {**SCENE.pods[0], "spec": {"resourceClaims": [{"name": "devices"}]}}
DEVICE = {"pod": CLAIMING["metadata"]["name"], "driver": "d", "product": "p", "profile": "m", "shared": True}
GIVEN = {"metadata": SCENE.body["metadata"], "status": {"revisions": [{"devices": [DEVICE]}]}}

Drawing = Callable[[list[Any]], Any]
COMMANDS: dict[str, tuple[list[Any], Drawing]] = {
    "history": (SCENE.stored, lambda stored: history_of(history(MODEL, stored), SCREEN, NOW)),
    "top": (SCENE.pods[:1], lambda pods: top_of(holdings(pods), SCREEN, everywhere=True)),
    "top, of devices by class": (
        [CLAIMING, GIVEN],
        lambda both: top_of(holdings(both[:1], both[1:]), SCREEN, everywhere=True),
    ),
    "why": ([EVENT], lambda events: why_of(why(MODEL, events), NOW)),
    "why, of the model": ([SCENE.body], lambda bodies: why_of(why(Model.read(bodies[0])), NOW)),
    "list": ([SCENE.body], lambda bodies: list_of(rows(bodies), SCREEN, NOW, everywhere=True)),
    "version": ([OPERATOR], lambda operators: versions_of(versions("1", None, operators))),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_whatever_an_object_has(command: str) -> None:
    whole, draw = COMMANDS[command]
    for _, made in spoiled(whole):
        if all(isinstance(each, dict) for each in made):
            drawn(draw(made), SCREEN)


def test_what_cannot_be_read_is_named_by_its_path() -> None:
    follow = {"version": "3", "changes": "many", "refused": [7]}
    body = {**SCENE.body, "status": {**SCENE.body["status"], "follow": follow, "model": 7, "of another version": {}}}
    assert Model.read(body).unreadable == ("status.follow.changes", "status.follow.refused", "status.model")
    assert Model.read(SCENE.body).unreadable == ()
