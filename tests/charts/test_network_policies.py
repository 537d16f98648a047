"""Who reaches the operator and the models, as the chart's NetworkPolicies say it."""

import json

import pytest
from click.testing import CliRunner

from slipway.controller.main import run
from slipway.controller.model_network import network_rules
from testbed import yamls
from testbed.plane import Plane
from testbed.shell import CommandError
from testbed.tools import KUBERNETES_VERSION
from tests.charts.render import NAMESPACE, PEER, Manifest, helm, model_network, objects, of_kind, text

MONITORING = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}


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


KEDA = [
    {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "keda"}},
        "podSelector": {"matchLabels": {"app": "keda-operator"}},
    }
]
SAID: dict[tuple[str, ...], Manifest] = {
    (): {"policy": "Open", "kedaFrom": KEDA},
    ("models.networkPolicy=Namespace",): {
        "policy": "Namespace",
        "gatewayNamespaces": ["envoy-gateway-system"],
        "kedaFrom": KEDA,
    },
    (
        "models.networkPolicy=Namespace",
        "models.gatewayNamespaces=null",
        f"models.allowFrom[0].{PEER}=portal",
        f"metrics.allowFrom[0].{PEER}=monitoring",
        "metrics.podMonitor.enabled=true",
        "models.allowTo[0].ipBlock.cidr=10.1.0.0/16",
        "models.denyTo={10.0.0.1/32}",
    ): {
        "policy": "Namespace",
        "allowFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "portal"}}}],
        "metricsFrom": [MONITORING],
        "allowTo": [{"ipBlock": {"cidr": "10.1.0.0/16"}}],
        "denyTo": ["10.0.0.1/32"],
        "kedaFrom": KEDA,
    },
}
"""What the operator is told by values; without a cluster nobody can tell a new installation from an upgrade."""


@pytest.mark.parametrize("values", SAID, ids=len)
def test_the_operator_is_told_who_reaches_models(values: tuple[str, ...]) -> None:
    assert model_network(objects(*values)) == SAID[values]
    assert network_rules(json.dumps(SAID[values])).closed is bool(values)


def running(name: str, *told: str) -> Manifest:
    """An operator's Deployment, with that in its environment."""
    environment = [{"name": "SLIPWAY_MODEL_NETWORK", "value": value} for value in told]
    container = {"name": "operator", "image": "x", "env": environment}
    template = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [container]}}
    spec = {"replicas": 0, "selector": {"matchLabels": {"app": "x"}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


BEFORE: dict[str, tuple[list[Manifest], tuple[str, ...], str]] = {
    "nothing": ([], (), "Namespace"),
    "nothing, but somebody says": ([], ("models.networkPolicy=Open",), "Open"),
    "an operator that knew no such thing": ([running("slipway")], (), "Open"),
    "one that served openly": ([running("slipway", '{"policy":"Open"}')], (), "Open"),
    "one that did not": ([running("slipway", '{"gatewayNamespaces":["x"],"policy":"Namespace"}')], (), "Namespace"),
    "one that did, and now somebody says": ([running("slipway")], ("models.networkPolicy=Namespace",), "Namespace"),
    "another release's": ([running("other")], (), "Namespace"),
}
"""What there is before, the values, and what holds then."""


@pytest.mark.plane
@pytest.mark.parametrize("before", BEFORE)
def test_new_installations_are_closed_and_upgrades_cut_off_nobody(before: str, plane: Plane, namespace: str) -> None:
    there, values, policy = BEFORE[before]
    if there:
        plane.kubectl().within(namespace).apply(*there)
    sets = [f"--set={value}" for value in values]
    where = [f"--namespace={namespace}", f"--kubeconfig={plane.kubeconfig()}", f"--kube-version={KUBERNETES_VERSION}"]
    rendered = helm("template", "slipway", "slipway", "--dry-run=server", *where, *sets)
    assert model_network(yamls.load_all(rendered))["policy"] == policy


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ("[]", "object"),
        ("{", "Expecting"),
        ('{"policy": "Closed"}', "Closed"),
        ('{"allowFrom": ["a"]}', "allowFrom"),
        ('{"denyTo": ["10.0.0.1/8"]}', "denyTo"),
        ('{"denyTo": ["0.0.0.0/0"]}', "allowTo"),
        ('{"denyTo": ["::ffff:10.0.0.1/128"]}', r"denyTo[0]: ::ffff:10.0.0.1/128 is refused in a policy"),
        ('{"denyTo": ["fe80::1%eth0/128"]}', "denyTo[0]"),
        ('{"denyTo": ["10.0.0.0/8"], "allowTo": [{"ipBlock": {"cidr": "10.1.0.0/16"}}]}', "nothing of 10.1.0.0/16"),
        ('{"egress": []}', "egress: no such field"),
        ('{"gatewayNamespaces": ["a", "Envoy"]}', "gatewayNamespaces[1]"),
        ('{"allowFrom": [{}]}', "allowFrom[0]: must be an ipBlock, or"),
        (
            '{"allowFrom": [{"podSelector": {}, "ipBlock": {"cidr": "10.0.0.0/8"}}]}',
            "allowFrom[0]: must be an ipBlock, or",
        ),
        ('{"metricsFrom": [{"podSelector": {"matchlabels": {"a": "b"}}}]}', "metricsFrom[0].podSelector.matchlabels"),
        ('{"metricsFrom": [{"podSelector": {"matchLabels": {"a": 1}}}]}', "metricsFrom[0].podSelector.matchLabels.a"),
        (
            '{"allowTo": [{"ipBlock": {"cidr": "10.0.0.0/8"}}, {"ipBlock": {"cidr": "10.0.0.1"}}]}',
            "allowTo[1].ipBlock.cidr",
        ),
        ('{"allowTo": [{"ipBlock": {"cidr": "10.0.0.0/255.0.0.0"}}]}', "allowTo[0].ipBlock.cidr"),
        ('{"allowTo": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"]}}]}', "allowTo[0].ipBlock: except"),
    ],
)
def test_an_operator_that_cannot_read_it_does_not_start(told: str, words: str) -> None:
    ended = CliRunner().invoke(run, ["--fetcher-image=x", "--server-image=x", f"--model-network={told}"])
    assert ended.exit_code == 2
    assert words in ended.output


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (("metrics.serviceMonitor.enabled=true",), r"metrics\.allowFrom"),
        (("models.networkPolicy=Namespace", "metrics.podMonitor.enabled=true"), r"metrics\.allowFrom"),
        (("models.networkPolicy=Closed",), "networkPolicy"),
        (("metrics.allowFrom[0].namespace=monitoring",), "allowFrom"),
        (("metrics.allowFrom[0].podSelector.matchlabels.app=prometheus",), "matchlabels"),
        (("models.allowFrom[0].podSelector.matchLabels.count=3",), "count"),
        (
            ("models.allowFrom[0].podSelector.matchLabels.app=x", "models.allowFrom[0].ipBlock.cidr=10.0.0.0/8"),
            "allowFrom",
        ),
        (("models.allowTo[0].ipBlock.cidr=10.0.0.1",), "cidr"),
        (("models.denyTo={::ffff:10.0.0.1/128}",), "denyTo"),
        (("models.denyTo={0.0.0.0/0}",), "denyTo"),
    ],
)
def test_what_would_close_nothing_or_everything_is_refused(values: tuple[str, ...], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        text("slipway", *values)
