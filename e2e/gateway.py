"""What stories of traffic have in common: a Gateway, a route that is served, and requests split as its weights say."""

from collections.abc import Mapping
from typing import Any, Final

from e2e.space import Manifest, Space
from load.report import Report
from load.split import is_fair
from load.table import table
from testbed.gateway.envoy import Gateway

READY: Final = ("GET", "/v2/health/ready", None)


def host(space: Space) -> str:
    """The name of a story's model outside the cluster."""
    return f"{space.namespace}.example.com"


def traffic(space: Space, gateway: Gateway, listener: str = "", **more: Any) -> Manifest:
    """`spec.traffic` of a story's model."""
    section = {"sectionName": listener} if listener else {}
    where = {"name": gateway.name, "namespace": gateway.namespace, **section}
    return {"gateway": where, "hostnames": [host(space)], **more}


def until_served(space: Space, gateway: Gateway, host: str) -> None:
    """Wait until the gateway's proxy knows the host's route and its model answers: Accepted says neither."""
    space.until(f"{host} is served by the gateway", lambda: http(space, gateway, host) == 200)


def until_grpc_served(space: Space, gateway: Gateway, host: str) -> None:
    """The same for gRPC."""
    space.until(f"{host} is served by the gateway for gRPC", lambda: not grpc(space, gateway, host))


def http(space: Space, gateway: Gateway, host: str) -> int:
    """How the host's server is, by HTTP: a status."""
    ((status, _),) = space.client.through(gateway.address).http(host, READY)
    return status


def grpc(space: Space, gateway: Gateway, host: str) -> str:
    """The same by gRPC: an error, empty where it is well."""
    (error,) = space.client.through(gateway.address).grpc(host, ("is_server_ready", ()))
    return error


def own_gateway(space: Space, other: Gateway, name: str) -> Gateway:
    """A Gateway in the story's namespace, of the class that the other one has, and that runs."""
    listeners = [{"name": "http", "protocol": "HTTP", "port": 80}]
    manifest: dict[str, Any] = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": name},
        "spec": {"gatewayClassName": "envoy", "listeners": listeners},
    }
    space.kubectl.apply(manifest)
    space.kubectl("wait", "--for=condition=Programmed", f"gateway/{name}", "--timeout=120s")
    of_it = f"--selector=gateway.envoyproxy.io/owning-gateway-namespace={space.namespace}"
    (service,) = space.cluster.kubectl.within(other.namespace).json("get", "services", of_it)["items"]
    address = f"{service['metadata']['name']}.{other.namespace}.svc:{service['spec']['ports'][0]['port']}"
    return Gateway(name, space.namespace, address)


def assert_split(report: Report, weights: Mapping[str, int]) -> None:
    """By each rule of the route the versions answered in proportion to their weights, but for chance. Envoy takes turns
    among all requests of a rule: gRPC and its streams have one rule, and their parts add up to the split."""
    for protocols in (("http",), ("grpc", "stream")):
        assert is_fair(report.total(*protocols).counts, weights), f"{protocols}: {table(report)}"
