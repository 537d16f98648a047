"""The example's model behind a gateway: what its spec says of traffic, and when the gateway's proxy knows of it."""

import json
import time
from typing import Any, Final

from load import pod
from testbed.gateway.envoy import Gateway
from testbed.kubectl import Kubectl
from testbed.say import working
from testbed.served import EXAMPLE
from testbed.shell import CommandError

HOST: Final = f"{EXAMPLE}.example.com"
PATIENCE_SECONDS: Final = 60
POLL_SECONDS: Final = 0.5


def traffic(gateway: Gateway) -> dict[str, Any]:
    """`spec.traffic` of a model that is reached through it."""
    return {"gateway": {"name": gateway.name, "namespace": gateway.namespace}, "hostnames": [HOST]}


def until_routed(client: Kubectl, gateway: Gateway) -> None:
    """Wait until it answers through the gateway: a route that was accepted is not yet one that the proxy has."""
    question = {"call": "http", "host": HOST, "gateway": gateway.address, "method": "GET", "body": None}
    asked = json.dumps({**question, "headers": {}, "path": f"/v2/models/{EXAMPLE}/ready"})
    deadline = time.monotonic() + PATIENCE_SECONDS
    with working(f"waiting until the gateway serves {HOST}"):
        while (status := json.loads(pod.program(client, "load.ask", stdin=f"{asked}\n"))["status"]) != 200:
            if time.monotonic() > deadline:
                raise CommandError(f"{HOST}: the gateway answers {status} after {PATIENCE_SECONDS} s")
            time.sleep(POLL_SECONDS)
