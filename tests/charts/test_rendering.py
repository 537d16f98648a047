"""What the charts render, for the values that people set."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from testbed import yamls
from testbed.shell import ROOT, CommandError
from testbed.tools import KUBERNETES_VERSION
from tests.charts.render import (
    ALLOWED,
    CHARTS,
    CLOSED,
    NAMESPACE,
    SCRAPED,
    Manifest,
    helm,
    objects,
    of_kind,
    text,
)

CRDS = sorted((ROOT / "crds").glob("*.yaml"))
MONITORED = [*SCRAPED, *(f"metrics.{kind}.enabled=true" for kind in ("podMonitor", "prometheusRule", "dashboard"))]
OF_MODELS = (
    *("networkPolicy", "allowFrom", "gatewayNamespaces", "allowTo", "denyTo", "requireDigest"),
    *(f"allowed{what}" for what in ("Gateways", "Sources", "S3Endpoints", "ServerImages", "Prometheus")),
)
FULL = (*ALLOWED, *CLOSED, "namespaces={red,blue}", *MONITORED, "priorityClassName=high", "podLabels.team=ml")
CLUSTER_SCOPED = {
    *("ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"),
    *("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"),
}


def container(*values: str) -> Manifest:
    found: Manifest = of_kind("Deployment", *values)[0]["spec"]["template"]["spec"]["containers"][0]
    return found


def environment(*values: str) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in container(*values)["env"]}


def test_the_least_server_is_the_guards_own_until_somebody_lowers_it() -> None:
    assert environment()["SLIPWAY_LEAST_SERVER_VERSION"] == ""
    assert environment("server.leastVersion=2.51.0")["SLIPWAY_LEAST_SERVER_VERSION"] == "2.51.0"


@pytest.mark.parametrize("chart", ["slipway", "slipway-crds"])
def test_lint_finds_nothing(chart: str) -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", f"--kube-version={KUBERNETES_VERSION}", chart)


@pytest.mark.parametrize("values", [(), FULL])
def test_the_same_values_render_the_same_bytes(values: tuple[str, ...]) -> None:
    assert text("slipway", *values) == text("slipway", *values)


@pytest.mark.parametrize("values", [(), FULL])
def test_no_object_is_a_hook_and_each_says_where_it_belongs(values: tuple[str, ...]) -> None:
    for found in objects(*values):
        meta = found["metadata"]
        assert not [key for key in meta.get("annotations", {}) if key.startswith("helm.sh/hook")], meta
        assert ("namespace" in meta) != (found["kind"] in CLUSTER_SCOPED), meta
        assert meta["labels"]["app.kubernetes.io/instance"] == "slipway"


def test_cluster_wide_the_only_role_in_a_namespace_is_the_leases() -> None:
    assert [role["metadata"]["name"] for role in of_kind("Role")] == ["slipway-lease"]
    assert environment()["SLIPWAY_NAMESPACES"] == ""


def test_values_of_an_older_chart_are_enough() -> None:
    """`helm upgrade --reuse-values` brings those alone, without what is new."""
    new = ("admission", "networkPolicy", "metrics.allowFrom", *(f"models.{name}" for name in OF_MODELS))
    assert text("slipway", *(f"{name}=null" for name in new)) == text("slipway")


def test_each_listed_namespace_gets_a_role_bound_to_the_operator() -> None:
    values = "namespaces={red,blue}"
    roles = {(role["metadata"]["namespace"], role["metadata"]["name"]) for role in of_kind("Role", values)}
    assert roles == {("red", "slipway"), ("blue", "slipway"), (NAMESPACE, "slipway-lease")}
    for binding in of_kind("RoleBinding", values):
        assert (binding["metadata"]["namespace"], binding["roleRef"]["name"]) in roles
        assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "slipway", "namespace": NAMESPACE}]
    assert environment(values)["SLIPWAY_NAMESPACES"] == "red,blue"


def test_a_service_monitor_is_made_when_asked_for_and_finds_the_metrics_service() -> None:
    assert not of_kind("ServiceMonitor")
    monitor = of_kind("ServiceMonitor", *SCRAPED, "metrics.serviceMonitor.labels.scrape=me")[0]
    service = of_kind("Service")[0]
    assert monitor["metadata"]["labels"]["scrape"] == "me"
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    port = service["spec"]["ports"][0]["name"]
    assert monitor["spec"]["endpoints"] == [{"port": port, "interval": "30s", "honorLabels": True}]


def test_a_digest_goes_before_a_tag_and_an_empty_tag_is_the_charts_version() -> None:
    digest = "sha256:" + "a" * 64
    version = yamls.load((CHARTS / "slipway" / "Chart.yaml").read_text())["appVersion"]
    assert container()["image"] == f"slipway.dev/operator:{version}"
    assert container("image.tag=x", f"image.digest={digest}")["image"] == f"slipway.dev/operator@{digest}"
    assert environment("fetcher.image.repository=r/f", "fetcher.image.tag=v7")["SLIPWAY_FETCHER_IMAGE"] == "r/f:v7"
    assert environment(f"server.image.digest={digest}")["SLIPWAY_SERVER_IMAGE"] == f"slipway.dev/triton-cpu@{digest}"


@pytest.mark.parametrize("chart", ["slipway", "slipway-crds"])
def test_a_charts_version_is_the_projects(chart: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    found = yamls.load((CHARTS / chart / "Chart.yaml").read_text())
    assert (found["version"], found["appVersion"]) == (project, project)


def test_the_fetchers_containers_have_a_limit_on_processors_where_one_is_asked_for() -> None:
    assert environment()["SLIPWAY_FETCHER_CPU_LIMIT"] == ""
    assert environment("fetcher.resources.limits.cpu=500m")["SLIPWAY_FETCHER_CPU_LIMIT"] == "500m"


def test_a_release_of_another_name_keeps_apart_from_the_first() -> None:
    names = {(found["kind"], found["metadata"]["name"]) for found in objects(release="blue")}
    assert not names & {(found["kind"], found["metadata"]["name"]) for found in objects()}
    assert ("Deployment", "blue-slipway") in names


def test_the_lease_that_the_operator_takes_is_the_one_it_may_write() -> None:
    rules = next(role for role in of_kind("Role") if role["metadata"]["name"] == "slipway-lease")["rules"]
    env = environment()
    assert [env["SLIPWAY_LEASE_NAME"]] == rules[1]["resourceNames"]
    assert env["SLIPWAY_LEASE_NAMESPACE"] == NAMESPACE


def test_a_rolling_update_of_the_operator_starts_a_pod_before_it_ends_one() -> None:
    deployment = of_kind("Deployment")[0]["spec"]
    assert deployment["replicas"] == 2
    assert deployment["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("replicas=two", "replicas"),
        ("replica=3", "replica"),
        ("fetcher.resources.limits.cpu=half", "cpu"),
        ("image.tag=latest", "tag"),
        ("image.digest=abc", "digest"),
        ("image.repository=slipway.dev/operator:1", "repository"),
        ("namespaces={Red}", "namespaces"),
        ("log.level=loud", "level"),
        ("workers=0", "workers"),
        ("resolveJobs=0", "resolveJobs"),
        ("models.allowedBackends={a b}", "allowedBackends"),
        ("resyncSeconds=1", "resyncSeconds"),
        ("serviceAccount.create=false", "serviceAccount"),
        ("podLabels.app\\.kubernetes\\.io/name=other", "podLabels"),
        ("metrics.podMonitor.interval=often", "interval"),
        ("metrics.dashboard.labels.app\\.kubernetes\\.io/name=other", "labels"),
    ],
)
def test_a_wrong_value_is_refused_by_name(value: str, words: str) -> None:
    with pytest.raises(CommandError, match=words):
        text("slipway", value)


def documented(values: dict[str, Any], schema: dict[str, Any], defs: dict[str, Any], path: str = "") -> list[str]:
    """Values that the schema does not describe."""
    bare: list[str] = []
    for key, value in values.items():
        known = schema.get("properties", {}).get(key, {})
        target = known | defs.get(known.get("$ref", "").rpartition("/")[2], {})
        if not (known.get("description") or target.get("description")):
            bare.append(path + key)
        if isinstance(value, dict) and "properties" in target:
            bare += documented(value, target, defs, f"{path}{key}.")
    return bare


def test_every_value_is_described_by_the_schema() -> None:
    values = yamls.load((CHARTS / "slipway" / "values.yaml").read_text())
    schema = yamls.load((CHARTS / "slipway" / "values.schema.json").read_text())
    assert documented(values, schema, schema["$defs"]) == []
    assert schema["properties"].keys() - values.keys() == {"global"}


@pytest.mark.parametrize("crd", CRDS, ids=lambda path: path.stem)
def test_the_crd_in_the_chart_is_the_generated_one(crd: Path) -> None:
    copy = CHARTS / "slipway-crds" / "files" / crd.name
    assert copy.read_bytes() == crd.read_bytes(), f"run: cp crds/{crd.name} charts/slipway-crds/files/"


def test_the_crd_chart_renders_every_crd_and_adds_only_that_it_is_kept() -> None:
    rendered = {found["metadata"]["name"]: found for found in objects(chart="slipway-crds")}
    assert CRDS
    assert len(rendered) == len(CRDS)
    for crd in CRDS:
        wanted = yamls.load(crd.read_text())
        wanted["metadata"]["annotations"] = {"helm.sh/resource-policy": "keep"}
        assert rendered[wanted["metadata"]["name"]] == wanted
