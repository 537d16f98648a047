"""A real API server with the Prometheus operator's CRDs takes what the chart makes for it."""

import json

import pytest

from testbed.plane import Plane
from testbed.prometheus import operator_crds
from testbed.shell import CommandError
from tests.charts.render import NAMESPACE, SCRAPED, Manifest, objects

pytestmark = pytest.mark.plane
ON = [*SCRAPED, *(f"metrics.{kind}.enabled=true" for kind in ("podMonitor", "prometheusRule"))]


@pytest.fixture(scope="module")
def server(plane: Plane) -> Plane:
    plane.add_crds(operator_crds())
    plane.kubectl()("create", "namespace", NAMESPACE, check=False)
    return plane


def dry_run(server: Plane, made: Manifest) -> str:
    argv = ("apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-")
    return server.kubectl()(*argv, stdin=json.dumps(made))


@pytest.mark.parametrize("values", [(), ("namespaces={red,blue}", "metrics.podMonitor.labels.release=p")])
def test_every_object_of_its_kinds_is_accepted(server: Plane, values: tuple[str, ...]) -> None:
    made = [found for found in objects(*ON, *values) if found["apiVersion"] == "monitoring.coreos.com/v1"]
    assert {found["kind"] for found in made} == {"ServiceMonitor", "PodMonitor", "PrometheusRule"}
    for found in made:
        assert "serverside-applied" in dry_run(server, found)


def test_a_field_that_it_does_not_know_is_refused(server: Plane) -> None:
    (made,) = (found for found in objects(*ON) if found["kind"] == "PodMonitor")
    made["spec"]["podMetricsEndpoints"][0]["honourLabels"] = True
    with pytest.raises(CommandError, match="honourLabels"):
        dry_run(server, made)
