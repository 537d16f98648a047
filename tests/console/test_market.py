"""What pages say of the catalogue."""

import re
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from slipway.console import hub, market
from slipway.console.chart import chart
from slipway.console.markdown import safe
from tests.console.objects import DIGEST, churning, deployment, registered, version

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
    assert result.facets["namespace"].values == [(namespace, 1) for namespace in found]


@pytest.mark.parametrize(
    "broken", [{}, {"spec": None}, {"spec": {"model": 7}}, {"metadata": [], "spec": "x", "status": []}]
)
def test_what_nobody_can_read_costs_itself_alone(broken: dict[str, Any]) -> None:
    assert [
        each.namespace for each in market.published([registered(), broken], [version("4"), broken]) if each.name
    ] == ["team-a"]


def test_versions_are_compared_by_metric() -> None:
    compared = market.comparison(catalogue()[0])
    assert compared.metrics == [("f1", ["0.91", "0.93"])]
    assert (compared.fewer, compared.pages) == (0, 1)


def test_of_versions_without_an_end_a_page_has_the_newest_and_those_with_an_alias() -> None:
    (model,) = market.published([registered("evil", aliases={"champion": "7"})], churning(300))
    first, last = market.comparison(model), market.comparison(model, "10")
    assert [each.spec.version for each in first.versions] == ["7", *(str(each) for each in range(270, 300))]
    assert [each.spec.version for each in last.versions] == [str(each) for each in range(30)]
    assert (first.page, first.pages) == (1, 10)
    assert (len(first.metrics), first.fewer) == (market.METRICS, 31 * 32 - market.METRICS)


def test_metrics_that_most_versions_have_stand_side_by_side() -> None:
    made = churning(5, metrics=31)
    for each in made:
        each["spec"]["card"]["metrics"].append({"name": "zz", "value": "1"})
    (model,) = market.published([], made)
    assert ("zz", ["1"] * 5) in market.comparison(model).metrics


def test_an_alias_that_hundreds_of_objects_claim_makes_no_page_longer() -> None:
    made = churning(100)
    for each in made:
        each["spec"]["version"] = "7"
    (model,) = market.published([registered("evil", aliases={"champion": "7"})], made)
    assert len(market.comparison(model, "3").versions) <= market.SIDE_BY_SIDE + 16


def test_what_anybody_calls_a_task_makes_no_page_longer() -> None:
    tasks = [registered(f"team-{number}", task=f"task-{number:03}") for number in range(200)]
    often = [registered(f"often-{number}", task="the-usual") for number in range(2)]
    facet = market.search(market.published([*tasks, *often], []), {}).facets["task"]
    assert (len(facet.values), facet.more, ("the-usual", 2) in facet.values) == (40, 161, True)


def test_kubeflow_hub_reads_the_newest_of_versions_without_an_end() -> None:
    text = hub.catalogue(market.published([], churning(hub.VERSIONS + 5)))
    assert "# evil/churn: 5 older versions are left out\n" in text
    artifacts = yaml.safe_load(text)["models"][0]["artifacts"]
    assert [each["customProperties"]["version"]["string_value"] for each in artifacts[::2]] == [
        str(number) for number in range(5, hub.VERSIONS + 5)
    ]


def test_a_namespace_that_publishes_without_an_end_keeps_nobody_from_reading_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hub, "ARTIFACTS", 20)
    made = churning(30, metrics=1)
    for number, each in enumerate(made):
        each["spec"]["model"] = "few" if number < 3 else f"many-{number % 2}"
    text = hub.catalogue(market.published([], [*made, version("4")]))
    assert [each["name"] for each in yaml.safe_load(text)["models"]] == ["evil/few", "team-a/churn"]
    assert yaml.safe_load(hub.catalogue([]))["models"] == []
    monkeypatch.setattr(hub, "ARTIFACTS", 0)
    assert yaml.safe_load(hub.catalogue(market.published([], made)))["models"] == []
    assert "# evil/many-0 is left out: its namespace has more than 20 artifacts\n" in text


@given(st.text(min_size=1, max_size=100))
def test_whatever_a_model_is_called_kubeflow_hub_reads_the_same(title: str) -> None:
    models = market.published([registered(title=title, description=None)], [version("4")])
    assert yaml.safe_load(hub.catalogue(models))["models"][0]["description"] == title


def test_a_version_says_where_it_serves_and_where_it_was_refused() -> None:
    refused = deployment()["status"]["refused"]["digest"]
    uses = market.uses([market.uses_of(deployment())])
    assert uses[DIGEST] == [market.Use("team-a", "churn", "Stable", revision="3f2a91bc")]
    (use,) = uses[refused]
    assert (use.state, use.reason) == ("Refused", "WrongAnswer")


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


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("See its [dashboard](http://127.0.0.1:18499/grafana).", "See its dashboard (http://127.0.0.1:18499/grafana)."),
        ("<https://models.example/churn>", "https://models.example/churn"),
        ("[**b** _c_](https://x.example/?a=1&b=2)", "<strong>b</strong> <em>c</em> (https://x.example/?a=1&amp;b=2)"),
        ('[a][1]\n\n[1]: https://x.example/"<i>', "a (https://x.example/%22%3Ci%3E)"),
    ],
)
def test_an_address_of_a_strangers_is_text_and_leads_nowhere(text: str, html: str) -> None:
    assert safe(text) == f"<p>{html}</p>\n"


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
        "h3",
        "h4",
        "h5",
    }
