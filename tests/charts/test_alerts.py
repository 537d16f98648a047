"""The alert rules as Prometheus itself understands them."""

from pathlib import Path

import pytest

from testbed import yamls
from testbed.prometheus import find
from testbed.shell import CommandError, run
from tests.charts.queries import ALERTS, rules
from tests.charts.render import NAMESPACE, of_kind

CASES = Path(__file__).with_name("alerts.yaml")


def promtool(*argv: str | Path) -> str:
    return run(find("promtool"), *argv)


def test_the_rules_are_rules() -> None:
    assert f"{len(rules())} rules found" in promtool("check", "rules", "--lint=all", "--lint-fatal", ALERTS)


def test_each_alert_fires_when_it_should_and_not_before() -> None:
    assert "SUCCESS" in promtool("test", "rules", CASES)


def test_each_alert_is_shown_to_fire_and_not_to_fire() -> None:
    shown: dict[str, set[bool]] = {}
    for case in yamls.load(CASES.read_text())["tests"]:
        for look in case["alert_rule_test"]:
            shown.setdefault(look["alertname"], set()).add(bool(look["exp_alerts"]))
    assert shown == {rule["alert"]: {True, False} for rule in rules()}


@pytest.mark.parametrize(
    "was",
    [
        '"Stalled"',
        '"Refused"',
        "Aborted",
        "InsufficientCapacity",
        "> 60",
        "< 1",
        '"failed"',
        '"LoadUnknown"',
        '"ScalingBlocked"',
        '"Withdrawn"',
        '"NothingToFollow"',
        '"Proposed"',
        "> 3",
    ],
)
def test_a_rule_that_asks_for_something_else_is_found_out(was: str, tmp_path: Path) -> None:
    folder = tmp_path / "charts" / "slipway" / "monitoring"
    folder.mkdir(parents=True)
    (folder / ALERTS.name).write_text(ALERTS.read_text().replace(was, was.replace(was.strip('"<> '), "99")))
    cases = tmp_path / "tests" / "charts" / CASES.name
    cases.parent.mkdir(parents=True)
    cases.write_text(CASES.read_text())
    with pytest.raises(CommandError, match=r"exp:\["):
        promtool("test", "rules", cases)


def test_the_chart_brings_the_rules_when_it_is_asked_to() -> None:
    assert not of_kind("PrometheusRule")
    made = of_kind("PrometheusRule", "metrics.prometheusRule.enabled=true", "metrics.prometheusRule.labels.release=p")[
        0
    ]
    assert made["metadata"]["labels"]["release"] == "p"
    assert made["metadata"]["namespace"] == NAMESPACE
    assert made["spec"] == yamls.load(ALERTS.read_text())


def test_the_days_that_a_proposal_may_wait_are_the_clusters_own() -> None:
    values = ("metrics.prometheusRule.enabled=true", "metrics.prometheusRule.proposedForDays=14")
    [made] = of_kind("PrometheusRule", *values)
    [rule] = [each for each in made["spec"]["groups"][0]["rules"] if each["alert"] == "SlipwayVersionProposed"]
    assert rule["expr"].endswith("> 14 * 86400\n")
