"""A model that follows an alias says so, in the terminal and in the browser, and a proposal can be accepted."""

from typing import Any

from slipway.cli.draw_tree import tree_of
from slipway.cli.model import Model
from slipway.cli.screen import Screen, drawn
from slipway.cli.tree import tree
from slipway.console import serving
from tests.cli.scenes import LATER, scene

ACCEPT = "accept/11111111111111111111111111111111"
SAYS = f"champion of churn is version 4: proposed, {ACCEPT} accepts it; version 3 stays asked for"


def proposed() -> dict[str, Any]:
    body = scene("canary-paused").body
    body["status"]["follow"] = {
        "version": "3",
        "proposed": {"version": "4", "digest": "sha256:" + "1" * 64, "since": "2026-01-05T11:59:00Z"},
    }
    body["status"]["conditions"].append(
        {
            "type": "Following",
            "status": "False",
            "reason": "Proposed",
            "message": SAYS,
            "lastTransitionTime": "2026-01-05T11:59:00Z",
        }
    )
    return body


def test_the_tree_says_which_alias_is_followed_and_what_has_come_of_it() -> None:
    screen = Screen(width=200)
    shown = tree(Model.read(proposed()))
    assert f"follows  {SAYS}" in drawn(tree_of(shown, screen, LATER), screen)
    assert tree(Model.read(scene("canary-paused").body)).follows is None


def test_a_proposal_has_a_button_that_accepts_it() -> None:
    accept, *_ = serving.actions(Model.read(proposed()))
    assert (accept.request, accept.label) == (ACCEPT, "Accept")
    assert "version 4" in accept.what
    assert "Accept" not in {each.label for each in serving.actions(Model.read(scene("canary-paused").body))}
