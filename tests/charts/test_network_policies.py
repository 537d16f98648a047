"""Who reaches the operator and the models, as the chart's NetworkPolicies say it."""

import pytest

from testbed.shell import CommandError
from tests.charts.render import NAMESPACE, PEER, Manifest, of_kind, text

MONITORING = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
CLOSED = ("models.networkPolicy=Namespace", "namespaces={red,blue}", f"models.allowFrom[0].{PEER}=gateways")


def ports(rule: Manifest) -> list[int]:
    return [port["port"] for port in rule["ports"]]


def operator_policy(*values: str) -> Manifest:
    (found,) = (policy for policy in of_kind("NetworkPolicy", *values) if policy["metadata"]["namespace"] == NAMESPACE)
    return found


def test_nobody_reads_the_operators_metrics_until_somebody_is_named() -> None:
    policy = operator_policy()
    pod = of_kind("Deployment")[0]["spec"]["template"]["metadata"]["labels"]
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= pod.items()
    assert policy["spec"]["policyTypes"] == ["Ingress"]
    assert "ingress" not in policy["spec"]


def test_who_is_named_reads_metrics_and_nothing_else() -> None:
    (rule,) = operator_policy(f"metrics.allowFrom[0].{PEER}=monitoring")["spec"]["ingress"]
    assert rule["from"] == [MONITORING]
    container = of_kind("Deployment")[0]["spec"]["template"]["spec"]["containers"][0]
    assert ports(rule) == [each["containerPort"] for each in container["ports"] if each["name"] == "metrics"]


def test_without_the_policy_everybody_does() -> None:
    assert of_kind("NetworkPolicy", "networkPolicy.enabled=false") == []


def test_models_are_open_until_somebody_closes_them() -> None:
    assert [policy["metadata"]["namespace"] for policy in of_kind("NetworkPolicy", "namespaces={red,blue}")] == [
        NAMESPACE
    ]


@pytest.mark.parametrize("namespace", ["red", "blue"])
def test_models_let_in_their_namespace_those_who_are_named_and_the_operator(namespace: str) -> None:
    (policy,) = (p for p in of_kind("NetworkPolicy", *CLOSED) if p["metadata"]["namespace"] == namespace)
    assert policy["metadata"]["name"] == "slipway.models"
    assert policy["spec"]["podSelector"]["matchLabels"] == {
        "app.kubernetes.io/name": "slipway-model",
        "app.kubernetes.io/component": "server",
    }
    callers, operator = policy["spec"]["ingress"]
    assert callers["from"] == [
        {"podSelector": {}},
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "gateways"}}},
    ]
    assert ports(callers) == [8000, 8001, 8002]
    (peer,) = operator["from"]
    assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": NAMESPACE}
    assert peer["podSelector"] == operator_policy(*CLOSED)["spec"]["podSelector"]
    assert ports(operator) == [8000, 8002]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (("metrics.serviceMonitor.enabled=true",), r"metrics\.allowFrom"),
        (("models.networkPolicy=Namespace",), "namespaces"),
        (("models.networkPolicy=Closed",), "networkPolicy"),
        (("metrics.allowFrom[0].namespace=monitoring",), "allowFrom"),
    ],
)
def test_what_would_close_nothing_or_everything_is_refused(values: tuple[str, ...], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        text("slipway", *values)
