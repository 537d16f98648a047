"""What pages say of the catalogue."""

import re
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from slipway.api.v1alpha1.spec import ModelDeploymentSpec
from slipway.console import hub, market
from slipway.console.chart import chart
from slipway.console.markdown import safe
from tests.console.objects import DIGEST, deployment, registered, version

OTHER = "sha256:" + "b" * 64


def catalogue() -> list[market.Published]:
    blocked = {"reason": "leaks customer names", "action": "Block", "instead": "4"}
    return market.published(
        [registered()],
        [version("4", "0.93"), version("3", "0.91", OTHER, withdrawn=blocked), version("5", namespace="team-b")],
    )


def test_versions_stand_in_the_order_in_which_they_were_published_with_their_aliases() -> None:
    ours, theirs = catalogue()
    assert [(each.spec.version, each.aliases) for each in ours.versions] == [("3", ["champion"]), ("4", ["challenger"])]
    assert theirs.name == "churn", "a version counts without a RegisteredModel"
    assert ours.latest
    assert ours.latest.spec.version == "4", "3 is withdrawn"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["team-a", "team-b"]),
        ({"text": "retention LEAVE"}, ["team-a"]),
        ({"task": "tabular-classification", "namespace": "team-b"}, ["team-b"]),
        ({"task": "text-generation"}, []),
        ({"license": "apache-2.0", "serves": "yes"}, ["team-a", "team-b"]),
    ],
)
def test_search_takes_words_and_facets(query: dict[str, str], found: list[str]) -> None:
    result = market.search(catalogue(), query)
    assert [each.namespace for each in result.models] == found
    assert result.facets["namespace"] == [(namespace, 1) for namespace in found]


@pytest.mark.parametrize(
    "broken", [{}, {"spec": None}, {"spec": {"model": 7}}, {"metadata": [], "spec": "x", "status": []}]
)
def test_what_nobody_can_read_costs_itself_alone(broken: dict[str, Any]) -> None:
    assert [
        each.namespace for each in market.published([registered(), broken], [version("4"), broken]) if each.name
    ] == ["team-a"]


def test_versions_are_compared_by_metric() -> None:
    assert market.comparison(catalogue()[0]).metrics == [("f1", ["0.91", "0.93"])]


def test_a_version_says_where_it_serves_and_where_it_was_refused() -> None:
    refused = deployment()["status"]["refused"]["digest"]
    assert market.uses(DIGEST, [deployment()]) == [market.Use("team-a", "churn", "Stable", revision="3f2a91bc")]
    (use,) = market.uses(refused, [deployment()])
    assert (use.state, use.reason) == ("Refused", "WrongAnswer")


def test_the_manifest_takes_exactly_these_bytes_and_is_one_that_the_api_takes() -> None:
    manifest = market.manifest(catalogue()[0].versions[1], namespace="mine")
    spec = ModelDeploymentSpec.model_validate(manifest["spec"])
    assert spec.model.source.digest == DIGEST
    assert manifest["metadata"] == {"name": "churn", "namespace": "mine"}


def test_the_whole_is_a_catalogue_for_kubeflow_hub() -> None:
    read = yaml.safe_load(hub.catalogue(catalogue()))
    ours = read["models"][0]
    assert (read["source"], ours["name"], ours["tasks"]) == ("Slipway", "team-a/churn", ["tabular-classification"])
    assert {artifact["uri"] for artifact in ours["artifacts"]} == {
        "s3://models/churn/3",
        "oci://registry.example/churn:3",
    }
    said = ours["artifacts"][0]["customProperties"]["withdrawn"]
    assert said == {"metadataType": "MetadataStringValue", "string_value": "Block: leaks customer names"}


def test_no_metric_hides_a_withdrawal_from_kubeflow_hub() -> None:
    withdrawn = version("4", withdrawn={"reason": "leaks", "action": "Block"})
    withdrawn["spec"]["card"]["metrics"].append({"name": "withdrawn", "value": "0"})
    read = yaml.safe_load(hub.catalogue(market.published([registered()], [withdrawn])))
    properties = read["models"][0]["artifacts"][0]["customProperties"]
    assert properties["withdrawn"]["string_value"] == "Block: leaks"


@pytest.mark.parametrize(
    ("values", "points"),
    [([], None), (["1"], None), (["1", None, "NaN", "x"], None), (["1", "1"], 2), (["0.1", None, "-3e5"], 2)],
)
def test_a_chart_has_the_values_that_are_numbers(values: list[str | None], points: int | None) -> None:
    made = chart(values)
    assert (len(made.places) if made else None) == points
    for x, y, _ in made.places if made else []:
        assert 0 <= x <= 320
        assert 0 <= y <= 80


HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "![x](https://elsewhere.example/pixel.png)",
    "<svg onload=alert(1)>",
    "<a href='https://x' style='position:fixed'>x</a>",
    "[x]: javascript:alert(1)\n[x]",
    '<https://x.example/"onmouseover=alert(1)>',
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_strangers_markdown_does_nothing(text: str) -> None:
    html = safe(text)
    assert not re.search(r"<(script|img|svg|style|iframe|form)", html)
    assert not re.search(r"<[^>]*(javascript:|data:|\son\w+=|style=)", html)


@given(st.text(max_size=200))
def test_no_text_makes_markup_of_its_own(text: str) -> None:
    tags = set(re.findall(r"</?([a-z0-9]+)", safe(text)))
    assert tags <= {
        "p",
        "em",
        "strong",
        "code",
        "pre",
        "ul",
        "ol",
        "li",
        "blockquote",
        "br",
        "hr",
        "a",
        "h3",
        "h4",
        "h5",
    }
