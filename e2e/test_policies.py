"""What Envoy Gateway does beside routing, through a real one: whom it lets in, how often, and to which pod."""

from typing import Final

from e2e import bundles
from e2e.gateway import READY, host, traffic
from e2e.space import Manifest, Space, is_pod_ready
from testbed.gateway.envoy import Gateway

KEYS: Final = {"alice": "a-key", "bob": "b-key"}
MOST: Final = 5
KINDS: Final = ("securitypolicies", "backendtrafficpolicies")
LIMIT: Final = {"requests": MOST, "per": "Hour"}


def statuses(space: Space, gateway: Gateway, times: int = 1, key: str = "", **more: str) -> list[int]:
    """What requests are answered, with a key or without one; `more` are further headers."""
    headers = {**({"x-api-key": key} if key else {}), **more}
    told = space.client.through(gateway.address, headers).http(host(space), *[READY] * times)
    return [status for status, _ in told]


def until_answered(space: Space, gateway: Gateway, status: int) -> None:
    space.until(f"the gateway answers {status}", lambda: statuses(space, gateway) == [status])


def policies(space: Space) -> list[str]:
    """Those of the namespace, by kind and name."""
    return space.kubectl("get", ",".join(KINDS), "--output=name").split()


def test_nobody_gets_in_without_a_key_and_each_key_has_its_own_count(space: Space, gateway: Gateway) -> None:
    # given: a key is asked for before the Secret with the keys is there
    uri = space.upload("1", bundles.linear(slope=2))
    asked: Manifest = {
        "authentication": {"apiKeys": {"secretName": "clients"}},
        "rateLimit": {**LIMIT, "header": "x-api-key"},
    }
    space.apply("line", uri, traffic=traffic(space, gateway, **asked))

    # then: the gateway's words say so, and the route leads nowhere; in the cluster the model answers
    assert "clients" in space.until_reason("line", "PolicyNotAccepted")
    until_answered(space, gateway, 500)
    space.until("its pod is available", lambda: space.model("line")["status"]["ready"] == "1/1")
    assert space.client.http(space.host("line"), READY)[0][0] == 200

    # when: the Secret comes
    space.kubectl.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "clients"}, "stringData": KEYS})
    space.until_ready("line")
    until_answered(space, gateway, 401)
    assert statuses(space, gateway, key="no-key") == [401]
    forged = {"slipway-client": "bob"}  # the name that limits go by; a client's own word for it is nothing
    assert statuses(space, gateway, MOST + 2, key=KEYS["alice"], **forged) == [200] * MOST + [429] * 2
    assert statuses(space, gateway, key=KEYS["bob"]) == [200]

    # when: both are taken out; then: the policies go, and everybody gets in
    assert len(policies(space)) == 2
    space.apply("line", uri, traffic=traffic(space, gateway))
    space.until("no policy is left", lambda: not policies(space))
    until_answered(space, gateway, 200)
    assert set(statuses(space, gateway, MOST + 2)) == {200}


def test_each_address_has_its_own_count_and_the_pod_with_the_fewest_requests_is_next(
    space: Space, gateway: Gateway
) -> None:
    asked: Manifest = {"rateLimit": LIMIT, "loadBalancing": "LeastRequest", "retries": {"attempts": 2}}
    uri = space.upload("1", bundles.linear(slope=2))
    space.apply("line", uri, traffic=traffic(space, gateway, **asked))
    space.until_ready("line")
    space.until("the client has asked often enough", lambda: statuses(space, gateway, MOST + 1)[-1] == 429)

    # then: a client at another address is let in
    pod = space.pod("line")
    assert is_pod_ready(pod)
    ask = (
        "import http.client\n"
        f"c = http.client.HTTPConnection({gateway.address!r})\n"
        f"c.request('GET', '/v2/health/ready', headers={{'Host': {host(space)!r}}})\n"
        "print(c.getresponse().status)"
    )
    assert space.run(pod, ask).strip() == "200"
    (policy,) = space.kubectl.json("get", "backendtrafficpolicies")["items"]
    (ancestor,) = policy["status"]["ancestors"]
    assert {c["type"]: c["status"] for c in ancestor["conditions"]}["Accepted"] == "True"
    assert policy["spec"]["loadBalancer"]["type"] == "LeastRequest"


def test_a_body_that_is_too_large_never_reaches_the_model(space: Space, gateway: Gateway) -> None:
    # given
    space.apply(
        "line", space.upload("1", bundles.linear(slope=2)), traffic=traffic(space, gateway, maxRequestSize="4Ki")
    )
    space.until_ready("line")
    until_answered(space, gateway, 200)

    # when: a request within the limit, and one beyond it
    asked = [("POST", "/v2/models/line/infer", question(rows)) for rows in (1, 2000)]
    space.until(
        "the gateway has the limit",
        lambda: [status for status, _ in space.client.through(gateway.address).http(host(space), *asked)] == [200, 413],
    )

    # then: who asks within it goes on being answered, by HTTP and gRPC
    for protocol in ("http", "grpc"):
        answer = space.client.through(gateway.address).infer(protocol, host(space), "line", x=[[3.0]])
        assert answer["y"] == [[7.0]]


def question(rows: int) -> Manifest:
    return {"inputs": [{"name": "x", "datatype": "FP32", "shape": [rows, 1], "data": [3.0] * rows}]}
