"""What pages say of ModelDeployments."""

from typing import Any

import pytest

from slipway.cli import listing
from slipway.console import serving
from slipway.console.serving import Filter
from tests.console.objects import DIGEST, deployment, ready

ACCEPT = "accept/4e07408562bedb8b60ce05c1decfe3ad"


def overview(objects: list[dict[str, Any]], wanted: Filter) -> serving.Overview:
    return serving.overview([serving.row_of(each) for each in objects], wanted)


def test_what_does_not_go_well_comes_first_and_counts_are_of_all() -> None:
    models = [ready("b"), deployment("z"), ready("a", "team-b")]
    page = overview(models, Filter())
    assert [row.name for row in page.rows] == ["z", "b", "a"]
    assert page.phases.values == [("Ready", 2), ("Shifting", 1)]
    assert page.namespaces.values == [("team-a", 2), ("team-b", 1)]
    row = page.rows[0]
    assert (row.stable, row.candidate, row.share) == ("2", "3", 25)
    assert (row.reason, row.message) == ("Shifting", "version 3 has 1 of 4 pods available")


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"text": "AVAILABLE"}, ["z"]),
        ({"namespace": "team-b"}, ["a"]),
        ({"phase": "Ready"}, ["b", "a"]),
        ({"phase": "Ready", "text": "nothing has this"}, []),
        ({"page": "9999"}, ["z", "b", "a"]),
        ({"page": "²"}, ["z", "b", "a"]),
    ],
)
def test_an_address_says_what_is_looked_for(query: dict[str, str], names: list[str]) -> None:
    models = [ready("b"), deployment("z"), ready("a", "team-b")]
    for row in models:
        row["status"]["conditions"][0]["message"] += "" if row["metadata"]["name"] == "z" else "!"
    models[0]["status"]["conditions"][0]["message"] = models[2]["status"]["conditions"][0]["message"] = "all is well"
    assert [row.name for row in overview(models, Filter.of(query)).rows] == names


def test_a_page_has_a_hundred_rows_and_the_next_one_the_rest() -> None:
    models = [ready(f"m{number:04}") for number in range(1000)]
    assert [row.name for row in overview(models, Filter(page="10")).rows] == [
        f"m0{number}" for number in range(900, 1000)
    ]
    assert overview(models, Filter()).pages == 10


def test_a_model_has_its_steps_reason_and_refusals() -> None:
    page = serving.page(deployment())
    assert [(step.words, step.mark) for step in page.tree.steps] == [
        ("weight 10 %", "done"),
        ("pause 5m", "done"),
        ("weight 25 %", "done"),
        ("pause until promote", "now"),
        ("weight 50 %", "to come"),
    ]
    assert page.tree.awaited, "what is awaited, and what then"
    assert page.why.words == "version 3 has 1 of 4 pods available"
    assert [refusal.version for refusal in page.refusals] == ["3-rc1"], "status has it twice"
    assert [revision.version for revision in page.tree.revisions] == ["3", "2"]
    details = page.details(page.tree.revisions[1].revision)
    assert details
    assert details.digest == DIGEST


@pytest.mark.parametrize(
    "status",
    [None, [], "text", {}, {"conditions": 7}, {"phase": "OfALaterSlipway"}, {"revisions": [{"revision": 1}]}],
)
def test_a_status_that_nobody_can_read_is_none(status: Any) -> None:
    stored = {**deployment(), "status": status}
    assert serving.page(stored).tree.name == "churn"
    assert overview([stored], Filter()).rows[0].phase == "Pending"


@pytest.mark.parametrize("broken", [{}, {"spec": None, "metadata": None}, {"status": {"containerStatuses": None}}])
def test_a_pod_that_nobody_can_read_costs_itself_alone(broken: dict[str, Any]) -> None:
    assert serving.page(deployment(), [broken], [broken]).tree.name == "churn"


def test_the_spec_is_shown_as_it_is_read_or_with_what_is_wrong() -> None:
    read = serving.as_read(deployment())
    assert isinstance(read, dict)
    assert read["replicas"] == 4
    spoiled = deployment()
    spoiled["spec"]["replicas"] = "many"
    assert "replicas: " in str(serving.as_read(spoiled))


@pytest.mark.parametrize(
    ("change", "requests"),
    [
        ({}, [ACCEPT, "promote/90be11d2", "resume/90be11d2", "abort/90be11d2", "retry/90be11d2"]),
        ({"refused": None, "requests": [{"request": "abort/90be11d2", "outcome": "", "at": "2026-01-02T03:07:00Z"}]},
         [ACCEPT, "promote/90be11d2", "resume/90be11d2", "abort/90be11d2@2", "retry/90be11d2"]),
        ({"candidate": None, "rollout": None, "follow": None},
         ["retry/0badcafe", "restart/3f2a91bc", "rollback/3f2a91bc"]),
        ({"candidate": None, "rollout": None, "refused": None, "follow": None},
         ["restart/3f2a91bc", "rollback/3f2a91bc"]),
        ({"candidate": None, "rollout": None, "refused": None, "stable": None, "follow": None}, []),
    ],
)  # fmt: skip
def test_what_may_be_asked_for_fits_what_goes_on(change: dict[str, Any], requests: list[str]) -> None:
    assert [action.request for action in serving.page(deployment(**change)).actions] == requests


def test_a_row_says_what_the_command_says() -> None:
    stalled = deployment()
    words = {"reason": "DeadlineExceeded", "message": "no progress", "lastTransitionTime": "2026-01-02T03:04:05Z"}
    others = [each for each in stalled["status"]["conditions"] if each["type"] != "Stalled"]
    stalled["status"]["conditions"] = [*others, {"type": "Stalled", "status": "True", **words}]
    for model, reason in ((stalled, "DeadlineExceeded"), (deployment(), "Shifting")):
        (line,) = listing.rows([model])
        assert serving.row_of(model).reason == line.reason == reason
