"""What the dashboard and the alert rules ask Prometheus."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from testbed import yamls
from tests.charts.render import CHARTS

MONITORING = CHARTS / "slipway" / "monitoring"
ALERTS = MONITORING / "alerts.yaml"


class Query(NamedTuple):
    """One expression with Grafana's variables in it, where it stands, and the labels that what is shown of it names."""

    title: str
    expression: str
    names: frozenset[str] = frozenset()

    def filled(self, *, rate_interval: str = "2m") -> str:
        """As Grafana sends it for the ModelDeployment churn in shop, whose model is m, all revisions."""
        given = {"namespace": "shop", "name": "churn", "model": "m", "revision": ".+", "__rate_interval": rate_interval}
        return re.sub(r"\$(\w+)", lambda found: given[found[1]], self.expression)


class Selector(NamedTuple):
    """A metric that a rule looks at, and a label by which it chooses, if any."""

    metric: str
    label: str


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((MONITORING / "dashboard.json").read_text())
    return found


def panels() -> list[dict[str, Any]]:
    """The panels that show something."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def queries() -> list[Query]:
    """Every expression of panels and annotations."""
    shown = [
        Query(panel["title"], target["expr"], _named(target["legendFormat"]))
        for panel in panels()
        for target in panel["targets"]
    ]
    return shown + [
        Query(entry["name"], entry["target"]["expr"], _named(entry["titleFormat"])) for entry in annotations()
    ]


def _named(words: str) -> frozenset[str]:
    return frozenset(re.findall(r"{{(\w+)}}", words))


def annotations() -> list[dict[str, Any]]:
    """Those that come from Prometheus, not Grafana's own."""
    return [entry for entry in dashboard()["annotations"]["list"] if "builtIn" not in entry]


def variables() -> list[tuple[Query, str]]:
    """What a variable's values are looked for in, and the label that they are of."""
    asked = [entry for entry in dashboard()["templating"]["list"] if entry["type"] == "query"]
    return [(Query(entry["name"], _of_label(entry)[1]), _of_label(entry)[2]) for entry in asked]


def _of_label(variable: dict[str, Any]) -> re.Match[str]:
    found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
    assert found, variable
    return found


def rules() -> list[dict[str, Any]]:
    """The alert rules."""
    return [rule for group in yamls.load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def selectors() -> Iterator[Selector]:
    """What the rules choose by, each label alone."""
    for rule in rules():
        for metric, matchers in re.findall(r"\b(slipway_\w+)(?:\{(.*?)\})?", rule["expr"]):
            labels = re.findall(r"(\w+)(?:=|!=|=~|!~)\"", matchers)
            yield from (Selector(metric, label) for label in labels or [""])
