"""How models are scraped: by the chart's PodMonitor, or by the configuration that the docs show."""

import re
from pathlib import Path
from typing import Any

import yaml

from slipway.core import names
from testbed.prometheus import find
from testbed.shell import ROOT, run
from tests.charts.render import NAMESPACE, Manifest, of_kind

ON = "metrics.podMonitor.enabled=true"


def pod_monitor(*values: str) -> Manifest:
    (found,) = of_kind("PodMonitor", ON, *values)
    return found


def documented() -> dict[str, Any]:
    page = (ROOT / "docs" / "monitoring.md").read_text()
    (block,) = re.findall(r"(?ms)^```yaml\n(.*?)^```", page)
    found: dict[str, Any] = yaml.safe_load(block)
    return found


def test_it_is_made_when_asked_for_and_finds_servers_and_no_resolve_job() -> None:
    assert not of_kind("PodMonitor")
    found = pod_monitor("metrics.podMonitor.labels.release=p", "metrics.podMonitor.interval=5s")
    assert found["metadata"]["labels"]["release"] == "p"
    assert found["metadata"]["namespace"] == NAMESPACE
    chosen = found["spec"]["selector"]["matchLabels"].items()
    assert chosen <= names.labels("churn", component="server", revision="1").items()
    assert not chosen <= names.labels("churn", component="resolver").items()
    (endpoint,) = found["spec"]["podMetricsEndpoints"]
    assert (endpoint["port"], endpoint["interval"]) == ("metrics", "5s")


def test_how_loaded_pods_are_is_scraped_when_asked_for_with_the_same_labels() -> None:
    counted, load = pod_monitor("metrics.podMonitor.load=true")["spec"]["podMetricsEndpoints"]
    assert load == counted | {"port": "load"}


def test_no_pod_fills_the_prometheus() -> None:
    spec = pod_monitor("metrics.podMonitor.sampleLimit=700")["spec"]
    assert spec["sampleLimit"] == 700
    assert pod_monitor()["spec"]["sampleLimit"] == 5000
    assert {"labelLimit", "labelNameLengthLimit", "labelValueLengthLimit"} <= spec.keys()


def test_it_looks_where_the_operator_serves() -> None:
    assert pod_monitor()["spec"]["namespaceSelector"] == {"any": True}
    assert pod_monitor("namespaces={red,blue}")["spec"]["namespaceSelector"] == {"matchNames": ["red", "blue"]}


def test_prometheus_takes_the_documented_configuration(tmp_path: Path) -> None:
    found = documented()
    for job in found["scrape_configs"]:  # Debian's Prometheus is built without the discovery of Kubernetes
        assert job.pop("kubernetes_sd_configs")[0]["role"] in ("pod", "endpointslice")
    file = tmp_path / "prometheus.yaml"
    file.write_text(yaml.safe_dump(found))
    assert "SUCCESS" in run(find("promtool"), "check", "config", file)


def test_the_documented_configuration_makes_the_same_labels() -> None:
    (endpoint,) = pod_monitor()["spec"]["podMetricsEndpoints"]
    ours = {rule["targetLabel"]: rule["sourceLabels"] for rule in endpoint["relabelings"]}
    models = next(job for job in documented()["scrape_configs"] if job["job_name"] == "slipway-models")
    theirs = {rule.get("target_label"): rule["source_labels"] for rule in models["relabel_configs"]}
    assert ours.keys() == {"model_deployment", "revision"}
    assert ours.items() <= theirs.items()
