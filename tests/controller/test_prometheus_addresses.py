"""Which Prometheus may be asked for whom."""

import pytest

from slipway.api.addresses import is_near
from slipway.controller.http import client
from slipway.controller.prometheus import instant_query
from slipway.controller.prometheus_addresses import PrometheusAddresses

PLATFORM = PrometheusAddresses(
    addresses=(
        "http://prometheus.monitoring:9090",
        "https://thanos.example/tenants/",
        "https://thanos.example/of/$(namespace)",
    )
)


@pytest.mark.parametrize(
    ("address", "may_be_asked"),
    [
        ("http://prometheus.shop.svc:9090", True),
        ("http://prometheus.shop.svc.cluster.local:9090/", True),
        ("https://prometheus.shop.svc.cluster.local.", True),
        ("http://PROMETHEUS.shop.svc", True),
        ("http://prometheus.monitoring:9090", True),
        ("http://prometheus.monitoring:9090/select/0", True),
        ("https://thanos.example:443/tenants/shop", True),
        ("https://thanos.example/tenants", True),
        ("https://thanos.example/of/shop", True),
        ("https://thanos.example/of/team-b", False),
        ("http://prometheus.shop:9090", False),
        ("http://evil.dev", False),
        ("http://prometheus:9090", False),
        ("http://prometheus.team-b.svc:9090", False),
        ("http://a.b.shop.svc:9090", False),
        ("http://.shop.svc:9090", False),
        ("http://prometheus.shop.svc.evil.example", False),
        ("http://prometheus.shop.svc@evil.example", False),
        ("http://user@prometheus.monitoring:9090", False),
        ("http://prometheus.monitoring:9091", False),
        ("https://prometheus.monitoring:9090", False),
        ("http://prometheus.monitoring.evil:9090", False),
        ("https://thanos.example/tenants-of-others", False),
        ("https://thanos.example/tenants/../admin", False),
        ("https://thanos.example/tenants/%2e%2e/admin", False),
        ("https://thanos.example/", False),
        ("http://169.254.169.254/latest", False),
        ("http://10.0.0.1:443", False),
        ("http://[::1]:9090", False),
        ("http://[::1", False),
        ("http://kubernetes.default.svc", False),
        ("http://prometheus.shop.svc:99999999", False),
    ],
)
def test_a_prometheus_is_of_the_models_own_namespace_or_allowed_by_the_platform(
    address: str, *, may_be_asked: bool
) -> None:
    objection = PLATFORM.objection(address, "shop")
    assert (objection is None) == may_be_asked
    assert PrometheusAddresses(addresses=("*",)).objection(address, "shop") is None
    if objection:
        assert "models.allowedPrometheus" in objection


def test_the_clusters_domain_may_be_another() -> None:
    elsewhere = PrometheusAddresses(cluster_domain="corp.example")
    assert elsewhere.objection("http://p.shop.svc.corp.example:9090", "shop") is None
    assert elsewhere.objection("http://p.shop.svc.cluster.local:9090", "shop")


@pytest.mark.parametrize(
    ("host", "near"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("0.0.0.0", True),
        ("169.254.169.254", True),
        ("fe80::1%eth0", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:169.254.169.254", True),
        ("64:ff9b::a9fe:a9fe", True),
        ("fd00:ec2::254", True),
        ("168.63.129.16", True),
        ("64:ff9b::3400:1", False),
        ("10.96.0.1", False),
        ("fd00::1", False),
    ],
)
def test_what_is_this_hosts_or_its_links_or_its_clouds(host: str, *, near: bool) -> None:
    assert is_near(host) == near


async def test_no_name_leads_to_this_host_or_its_link() -> None:
    async with client() as session:
        outcome = await instant_query(session, "http://localhost:9", "up")
    assert outcome.trouble == "Prometheus cannot be reached: no such host"
