"""What the dashboard and the rules ask for is there: a real tritonserver, the operator's metrics, a real Prometheus.

Models are scraped as the PodMonitor says, with the labels of a pod given as service discovery gives them.
"""

import json
import re
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import start_http_server

from slipway.controller.kinds import MODEL_DEPLOYMENT, NODE, Key
from slipway.controller.kube import ForbiddenError
from slipway.controller.store import Store
from slipway.controller.telemetry import Telemetry
from slipway.controller.watch_health import WatchHealth
from slipway.core.names import MODEL_DEPLOYMENT as OWNER_LABEL
from slipway.core.names import REVISION as REVISION_LABEL
from slipway.guard.protocol import Refused
from testbed.operating import until
from testbed.plane import free_port
from testbed.prometheus import find
from testbed.shell import ROOT, spawn
from tests.charts.queries import Query, queries, selectors, variables
from tests.charts.render import SCRAPED, of_kind
from tests.guard.pod import Container, container
from tests.triton import models
from tests.triton.installation import installed

pytestmark = pytest.mark.triton
REVISION = "22222222"  # the candidate of the sample
WINDOW = "10s"
SEEN = " and on () ".join(
    (
        f"rate(nv_inference_request_success[{WINDOW}]) > 0",
        f"rate(nv_inference_request_failure[{WINDOW}]) > 0",
        "slipway_store_lag_seconds",
        "slipway_load_ratio",
    )
)


@pytest.fixture(scope="module")
def pod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    made = container(tmp_path_factory.mktemp("pod"), installed())
    models.obedient(made.repository)
    models.linear(made.repository, "part")
    made.start()
    try:
        made.until_verified()
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="module")
def operator() -> Iterator[int]:
    """The port of an operator's metrics that has seen a version refused, a pass fail, a kind that it may not list, a
    status that it could not write, a version that was withdrawn, and a load that nobody knows."""
    telemetry, store, watch_health = Telemetry(), Store(), WatchHealth()
    telemetry.watch(store, watch_health, platform_version="0")
    telemetry.reconcile_seconds.labels("failed").observe(0.1)
    telemetry.set_status_unwritten(Key("shop", "churn"), stuck=True)
    watch_health.record_listing(MODEL_DEPLOYMENT, {}, {}, 0)
    store.coverage.record_failure(
        NODE, None, ForbiddenError(403, "Forbidden", "nodes is forbidden", call="GET nodes"), 0
    )
    sample = yaml.safe_load((ROOT / "gitops" / "argocd" / "testdata" / "rolling-back.yaml").read_text())
    sample["metadata"] |= {"uid": "u", "resourceVersion": "1"}
    sample["status"]["model"]["name"] = "m"
    sample["status"]["autoscaling"] = {"by": "Slipway", "wanted": 3, "because": "no reason", "direction": "Up"}
    sample["status"]["conditions"] += [
        {"type": kind, "status": "True", "reason": kind} for kind in ("LoadUnknown", "ScalingBlocked", "Withdrawn")
    ]
    store.put(MODEL_DEPLOYMENT, sample)
    port = free_port()
    server, thread = start_http_server(port, "127.0.0.1", telemetry.registry)
    yield port
    server.shutdown()
    server.server_close()
    thread.join()


class Prometheus:
    """A server that scrapes every second."""

    def __init__(self, folder: Path, scrape: list[dict[str, Any]]) -> None:
        self._port, self._looked_at = free_port(), 0.0
        settings = folder / "prometheus.yaml"
        settings.write_text(yaml.safe_dump({"global": {"scrape_interval": "1s"}, "scrape_configs": scrape}))
        self._process = spawn(
            [
                find("prometheus"),
                f"--config.file={settings}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{self._port}",
            ],
            folder / "log",
        )

    def ask(self, path: str, **parameters: str) -> Any:
        """The answer's data; nothing before it listens."""
        url = f"http://127.0.0.1:{self._port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with suppress(OSError), urllib.request.urlopen(url, timeout=5) as response:
            return json.load(response)["data"]

    def values(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Labels and value of each series that there was at the moment when everything was seen."""
        found = self.ask("query", query=expression, time=str(self._looked_at)) or {"result": []}
        return [(series["metric"], float(series["value"][1])) for series in found["result"]]

    def sees_what_is_asked_of(self, pod: Container) -> bool:
        ask(pod)
        self._looked_at = time.time()
        return bool(self.values(SEEN))

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(20)


def scraped_as_the_chart_says(ports: dict[str, int], operator: int) -> list[dict[str, Any]]:
    asked = ("metrics.podMonitor.enabled=true", "metrics.podMonitor.load=true")
    endpoints = of_kind("PodMonitor", *asked)[0]["spec"]["podMetricsEndpoints"]
    (own,) = of_kind("ServiceMonitor", *SCRAPED)[0]["spec"]["endpoints"]
    labels = {OWNER_LABEL: "churn", REVISION_LABEL: REVISION}
    discovered = {f"__meta_kubernetes_pod_label_{re.sub(r'[^a-z]', '_', key)}": value for key, value in labels.items()}
    pods = [
        {
            "job_name": endpoint["port"],
            "static_configs": [
                {"targets": [f"127.0.0.1:{ports[endpoint['port']]}"], "labels": {"namespace": "shop", **discovered}}
            ],
            "relabel_configs": [
                {"source_labels": rule["sourceLabels"], "target_label": rule["targetLabel"]}
                for rule in endpoint["relabelings"]
            ],
        }
        for endpoint in endpoints
    ]
    return [
        *pods,
        {
            "job_name": "slipway-metrics",
            "honor_labels": own["honorLabels"],
            "static_configs": [{"targets": [f"127.0.0.1:{operator}"], "labels": {"namespace": "slipway-system"}}],
        },
    ]


def ask(pod: Container) -> None:
    """Some requests, and one in which the model fails: it cannot sleep for less than nothing."""
    model = pod.repository / "m"
    models.order(model)
    pod.ask()
    pod.ask()
    models.order(model, seconds=-1)
    with suppress(Refused):
        pod.ask()


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory, pod: Container, operator: int) -> Iterator[Prometheus]:
    ports = {"metrics": pod.ports[2], "load": pod.load_port}
    made = Prometheus(tmp_path_factory.mktemp("prometheus"), scraped_as_the_chart_says(ports, operator))
    try:
        until("requests are seen, and failures", lambda: made.sees_what_is_asked_of(pod), 30)
        yield made
    finally:
        made.stop()


@pytest.mark.parametrize("query", queries(), ids=lambda query: query.title)
def test_every_query_of_the_dashboard_finds_something(query: Query, prometheus: Prometheus) -> None:
    found = prometheus.values(query.filled(rate_interval=WINDOW))
    assert found
    assert all(value == value for _, value in found), found  # NaN is like nothing
    for labels, _ in found:
        # Of a label that is empty Grafana shows the name in an annotation.
        assert query.names <= {name for name, told in labels.items() if told}, labels
        assert labels.get("phase") != "Unknown"
    if "nv_" in query.expression:
        assert {labels["revision"] for labels, _ in found} == {REVISION}


def test_every_query_of_a_servers_metrics_is_about_the_model_that_clients_ask_and_none_of_its_parts(
    prometheus: Prometheus,
) -> None:
    assert prometheus.values('nv_inference_request_success{model="part"}')
    selectors_of_servers = [
        found for query in queries() for found in re.findall(r"nv_\w+{[^}]*}", query.filled(rate_interval=WINDOW))
    ]
    assert selectors_of_servers
    for selector in selectors_of_servers:
        assert {labels["model"] for labels, _ in prometheus.values(selector)} == {"m"}, selector


def test_the_phase_of_what_the_operator_does_not_tell_of_is_said_to_be_unknown(prometheus: Prometheus) -> None:
    (query,) = (query for query in queries() if query.title == "Phase")
    ((labels, _),) = prometheus.values(query.filled().replace("churn", "nobody"))
    assert labels == {"phase": "Unknown", "reason": "no metrics of the operator"}


@pytest.mark.parametrize(("query", "label"), variables(), ids=lambda value: getattr(value, "title", ""))
def test_every_variable_has_values(query: Query, label: str, prometheus: Prometheus) -> None:
    found = prometheus.ask(f"label/{label}/values", **{"match[]": query.filled()})
    wanted = {
        "namespace": ["shop"],
        "model_deployment": ["churn"],
        "model": ["m"],
        "revision": ["11111111", "22222222"],
    }
    assert found == wanted[label]


@pytest.mark.parametrize(("metric", "label"), sorted(set(selectors())))
def test_what_an_alert_chooses_by_is_there(metric: str, label: str, prometheus: Prometheus) -> None:
    assert prometheus.values(f'{metric}{{{label}!=""}}' if label else metric)
