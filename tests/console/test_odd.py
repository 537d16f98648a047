"""Whatever stands at any place of an object, its pods and its Events: each page of it is made."""

from datetime import UTC, datetime
from typing import Any

import pytest

from slipway.cli.draw_tree import tree_of
from slipway.cli.model import Model
from slipway.cli.screen import Screen, drawn
from slipway.cli.tree import tree
from slipway.console import hub, market, serving
from slipway.console.addresses import Addresses
from slipway.console.rendering import rendered
from slipway.console.taking import taking
from tests.cli.scenes import scene
from tests.console.objects import deployment, registered, version
from tests.console.spoiling import EVENT, TIMES, spoiled

NOW = datetime(2026, 11, 29, tzinfo=UTC)
PATHS = {"path": "/", "namespace": "n", "address": Addresses().of, "looked_at": (), "here": lambda **_: "/"}
COMMON = PATHS | {"live": True, "alone": False, "moment": 1, "problems": [], "said": "", "may_try": True}
MOVE = {"at": "2026-01-01T00:00:00Z", "version": "3", "manager": "m"}
ALIASES = {"aliases": [{"name": "champion", "version": "3", "since": "2026-01-01T00:00:00Z", "moves": [MOVE, MOVE]}]}


def page_of(stored: Any, pods: Any = (), events: Any = ()) -> str:
    page = serving.page(stored, pods, events)
    values = {"name": "churn", "model": page, "events": serving.events(events), "may_patch": True}
    values["denied"] = {"pods": "", "events": ""}
    more = {"spec": stored.get("spec"), "read": serving.as_read(stored)}
    return rendered("model.html", {**COMMON, **values, **more}, now=NOW)


def model_pages(stored: Any, *, template: bool) -> None:
    """All that shows a ModelDeployment; its template, which takes the longest, where it reckons with what is odd."""
    serving.overview([serving.row_of(stored)], serving.Filter())
    if template:
        page_of(stored)
    serving.page(stored)
    serving.as_read(stored)
    market.uses_of(stored)
    drawn(tree_of(tree(Model.read(stored)), Screen(), NOW), Screen())


def catalogue_pages(model: Any, number: Any) -> None:
    """All that shows a RegisteredModel with a version."""
    published = market.published([model], [number])
    hub.catalogue(published)
    for each in published:
        rendered("published.html", {**COMMON, "model": each, "comparison": market.comparison(each)}, now=NOW)
        for one in each.versions:
            values = {"version": one, "uses": [], "taking": taking(one, "n", {}), "may_create": True}
            rendered("version.html", {**COMMON, **values}, now=NOW)


def measured() -> Any:
    """With all the times that a rollout has."""
    made = scene("canary-measured").body
    made["status"]["rollout"].setdefault("clock", {}).update(
        {"waitingSince": "2026-01-01T00:00:00Z", "deadlineFrom": "2026-01-01T00:00:00Z"}
    )
    return made


@pytest.mark.parametrize("part", ["metadata", "spec", "status"])
def test_of_a_deployment(part: str) -> None:
    whole = measured()
    for odd, made in spoiled({part: whole[part]}):
        model_pages({**whole, **made}, template=odd in TIMES)


def test_of_pods_and_events() -> None:
    pods = scene("canary-measured").pods[:1]
    for _, made in spoiled(pods):
        serving.page(measured(), [each for each in made if isinstance(each, dict)])
    for _, made in spoiled([EVENT]):
        page_of(deployment(), [], [each for each in made if isinstance(each, dict)])


def test_of_the_catalogue() -> None:
    model, number = {**registered(), "status": ALIASES}, version("3")
    for _, made in spoiled(model):
        catalogue_pages(made, number)
    for _, made in spoiled(number):
        catalogue_pages(model, made)
