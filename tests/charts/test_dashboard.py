"""The dashboard as Grafana takes it: its JSON, its layout, and what it asks Prometheus."""

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from testbed.prometheus import find
from testbed.shell import run
from tests.charts.queries import annotations, dashboard, panels, queries, variables
from tests.charts.render import NAMESPACE, of_kind

ON = "metrics.dashboard.enabled=true"
DATA_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
# The Prometheus data source reads these from an annotation; Grafana's schema leaves them to data sources.
OF_THE_DATA_SOURCE = {"step", "target", "titleFormat", "tagKeys", "useValueForTime"}


def lost(given: Any, kept: Any, path: str = "") -> list[str]:
    """What stands in `given` and not, or not so, in `kept`."""
    if isinstance(given, dict) and isinstance(kept, dict):
        return [found for key in given for found in lost(given[key], kept.get(key), f"{path}.{key}")]
    if isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        pairs = enumerate(zip(given, kept, strict=True))
        return [found for i, (one, two) in pairs for found in lost(one, two, f"{path}[{i}]")]
    return [] if given == kept else [path]


def as_grafana_reads_it(given: dict[str, Any]) -> Any:
    """Through the types that Grafana generates from its schema: what they do not know is gone afterwards."""
    register_default_plugins()
    return json.loads(JSONEncoder().encode(Dashboard.from_json(given)))


def test_grafanas_schema_knows_every_field() -> None:
    given = dashboard()
    for entry in given["annotations"]["list"]:
        for name in OF_THE_DATA_SOURCE:
            entry.pop(name, None)
    assert lost(given, as_grafana_reads_it(given)) == []


def test_a_field_that_grafana_does_not_know_is_found_out() -> None:
    given = dashboard()
    given["panels"][1]["options"]["textmode"] = "name"
    given["panels"][1]["targets"][0]["legend"] = "{{phase}}"
    found = lost(given, as_grafana_reads_it(given))
    assert {".panels[1].options.textmode", ".panels[1].targets[0].legend"} <= set(found)


def test_it_is_found_by_a_name_that_stays_and_chooses_source_namespace_model_and_revision() -> None:
    found = dashboard()
    assert found["uid"] == "slipway-models"
    assert found["version"] >= 1
    chosen = {entry["name"]: entry["type"] for entry in found["templating"]["list"]}
    assert chosen == {"datasource": "datasource"} | dict.fromkeys(("namespace", "name", "model", "revision"), "query")


def test_every_query_goes_to_the_data_source_that_was_chosen() -> None:
    asked = [*panels(), *(target for panel in panels() for target in panel["targets"]), *annotations()]
    asked += [entry for entry in dashboard()["templating"]["list"] if entry["type"] == "query"]
    assert len(asked) > 30
    assert all(entry["datasource"] == DATA_SOURCE for entry in asked)


def test_every_panel_has_its_own_number_a_description_and_targets_with_letters() -> None:
    numbers = [panel["id"] for panel in dashboard()["panels"]]
    assert len(set(numbers)) == len(numbers)
    for panel in panels():
        assert panel["description"], panel["title"]
        letters = [target["refId"] for target in panel["targets"]]
        assert len(set(letters)) == len(letters) > 0, panel["title"]


def test_no_panel_lies_over_another_or_beyond_the_edge() -> None:
    places = {panel["title"]: panel["gridPos"] for panel in dashboard()["panels"]}
    for title, place in places.items():
        assert place["x"] + place["w"] <= 24, title
    for (one, a), (two, b) in combinations(places.items(), 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        above = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert beside or above, (one, two)


def test_traffic_by_revision_and_the_rollout_can_be_seen_with_its_decisions() -> None:
    titles = {panel["title"] for panel in panels()}
    assert titles >= {"Requests", "Errors", "Latency", "Queue", "Batch size", "Share", "Phase", "Phases"}
    assert [entry["name"] for entry in annotations()] == ["Decisions"]


def test_decisions_are_asked_for_alike_by_a_grafana_that_reads_target_and_by_an_older_one() -> None:
    (decisions,) = annotations()
    assert (decisions["target"]["expr"], decisions["target"]["interval"]) == (decisions["expr"], decisions["step"])


def test_an_empty_panel_says_why() -> None:
    for panel in panels():
        # Phase alone is never empty: its query says what is wrong.
        assert panel["type"] == "stat" or panel["fieldConfig"]["defaults"]["noValue"], panel["title"]


def test_an_axis_of_percent_fits_values_that_are_all_zero() -> None:
    """Grafana scales an axis of zeros alone up to 100, which is 10,000 % where 1 is the whole."""
    for panel in panels():
        config = panel["fieldConfig"]["defaults"]
        if (whole := {"percent": 100, "percentunit": 1}.get(config.get("unit"))) is not None:
            assert config.get("max", config["custom"].get("axisSoftMax", 100)) <= whole, panel["title"]


def test_prometheus_can_read_every_query(tmp_path: Path) -> None:
    asked = [*queries(), *(query for query, _ in variables())]
    recorded = [{"record": f"query:{i}", "expr": query.filled()} for i, query in enumerate(asked)]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recorded}]}))
    assert f"{len(asked)} rules found" in run(find("promtool"), "check", "rules", file)


def test_the_chart_brings_it_for_the_sidecar_when_it_is_asked_to() -> None:
    assert not of_kind("ConfigMap")
    (made,) = of_kind("ConfigMap", ON)
    assert made["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert made["metadata"]["namespace"] == NAMESPACE
    assert {name: json.loads(text) for name, text in made["data"].items()} == {"slipway-models.json": dashboard()}


@pytest.mark.parametrize(
    ("value", "where", "found"),
    [
        ("metrics.dashboard.labels.team=ml", "labels", {"grafana_dashboard": "1", "team": "ml"}),
        ("metrics.dashboard.annotations.grafana_folder=Models", "annotations", {"grafana_folder": "Models"}),
    ],
)
def test_the_sidecars_labels_and_annotations_can_be_set(value: str, where: str, found: dict[str, str]) -> None:
    (made,) = of_kind("ConfigMap", ON, value)
    assert found.items() <= made["metadata"][where].items()
