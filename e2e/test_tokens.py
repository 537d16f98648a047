"""Tokens through a real Envoy Gateway, signed by an issuer whose keys it asks for by https: who gets in by one."""

import time
from typing import Any, Final

import trustme

from e2e import bundles
from e2e.canary import QUESTION
from e2e.gateway import host, own_gateway, traffic
from e2e.issuer import Issuer, new_key
from e2e.space import Manifest, Space
from testbed.gateway import envoy
from testbed.gateway.authority import authority
from testbed.gateway.envoy import Gateway

RIGHT: Final = {"y": [[7.0]]}
CLIENTS: Final[Manifest] = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "clients"},
    "stringData": {"alice": "a-key"},
}
KEY: Final = {"x-api-key": "a-key"}
LONG_AGO_SECONDS: Final = 300
"""Envoy takes a token for a minute longer than it says."""


def trusted(space: Space) -> trustme.CA:
    """Whom the gateway's proxies believe."""
    return authority(space.cluster.kubectl.within(envoy.NAMESPACE))


def asks(space: Space, gateway: Gateway, **authentication: Manifest) -> dict[str, Any]:
    return traffic(space, gateway, authentication=authentication)


def bearing(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def told(space: Space, gateway: Gateway, headers: dict[str, str], query: str = "") -> tuple[int, str]:
    """Status and text that a request for an inference is answered with."""
    request = ("POST", f"/v2/models/line/infer{query}", QUESTION)
    return space.client.through(gateway.address, headers).http(host(space), request)[0]


def told_by_grpc(space: Space, gateway: Gateway, headers: dict[str, str]) -> str:
    """The error of a call."""
    return space.client.through(gateway.address, headers).grpc(host(space), ("get_model_metadata", ["line"]))[0]


def told_until_guarded(space: Space, gateway: Gateway) -> set[int]:
    """What whoever brings nothing is answered with until a token is asked for, and the model is Ready."""
    statuses = set()

    def is_guarded() -> bool:
        status, text = told(space, gateway, {})
        statuses.add(status)
        return text == "Jwt is missing" and space.ready("line").get("status") == "True"

    space.until("it is guarded, and Ready", is_guarded)
    return statuses


def test_only_a_token_of_the_issuer_for_this_model_lets_in(space: Space, gateway: Gateway) -> None:
    # given
    issuer = Issuer(space)
    issuer.serves(trusted(space))
    uri = space.upload("1", bundles.linear(slope=2))
    space.apply("line", uri, traffic=asks(space, gateway, jwt=issuer.asked))
    space.until_ready("line")
    space.until("the gateway asks for a token", lambda: told(space, gateway, {}) == (401, "Jwt is missing"))

    # then: a good token is answered by the model, by both protocols
    good = issuer.token()
    let_in = space.client.through(gateway.address, bearing(good))
    for protocol in ("http", "grpc"):
        assert let_in.infer(protocol, host(space), "line", x=[[3.0]]) == RIGHT

    # and: no other is, nor one that is not where it should be
    refused = {
        "Jwt verification fails": issuer.token(key=new_key()),
        "Jwt is expired": issuer.token(exp=int(time.time()) - LONG_AGO_SECONDS),
        "Jwt issuer is not configured": issuer.token(iss="https://elsewhere.example"),
    }
    for why, token in refused.items():
        assert told(space, gateway, bearing(token)) == (401, why)
        assert told_by_grpc(space, gateway, bearing(token)) == f"[StatusCode.UNAUTHENTICATED] {why}"
    for_others = bearing(issuer.token(aud="others"))
    assert told(space, gateway, for_others) == (403, "Audiences in Jwt are not allowed")
    assert told_by_grpc(space, gateway, for_others).startswith("[StatusCode.PERMISSION_DENIED]")
    assert told(space, gateway, {}, query=f"?access_token={good}") == (401, "Jwt is missing")

    # when: a key is asked for as well; then: a request needs both
    space.kubectl.apply(CLIENTS)
    space.apply("line", uri, traffic=asks(space, gateway, jwt=issuer.asked, apiKeys={"secretName": "clients"}))
    space.until_ready("line")
    statuses = [told(space, gateway, headers)[0] for headers in (bearing(good), KEY, bearing(good) | KEY)]
    assert statuses == [401, 401, 200]


def test_while_the_issuers_keys_cannot_be_had_nobody_gets_in_from_the_first_moment_on(
    space: Space, gateway: Gateway
) -> None:
    # given: in the cluster a model serves; an issuer that does not answer; a Gateway that has asked for no token so far
    issuer, own = Issuer(space), own_gateway(space, gateway, "own")
    issuer.hangs()
    uri = space.upload("1", bundles.linear(slope=2))
    space.apply("line", uri)
    space.until_ready("line")

    # when: it is put behind the Gateway; then: nobody is let in before the proxy knows that it has to ask for tokens
    space.apply("line", uri, traffic=asks(space, own, jwt=issuer.asked))
    assert 200 not in told_until_guarded(space, own)

    # and: a good token does not help, nor do keys that come from a server that no proxy trusts
    good = bearing(issuer.token())
    unknown = (401, "Jwks remote fetch is failed")
    assert told(space, own, good) == unknown
    issuer.serves(trustme.CA())
    space.until("the proxy has turned the server down", lambda: "unknown ca" in issuer.log)
    assert told(space, own, good) == unknown

    # and: once they come from one that it trusts, the token lets in
    issuer.serves(trusted(space))
    space.until("the token lets in", lambda: told(space, own, good)[0] == 200)


def test_between_a_guard_by_keys_and_one_by_tokens_nobody_gets_in(space: Space, gateway: Gateway) -> None:
    # given: a model that asks for keys, at a Gateway that has asked for no token so far; an issuer that does not answer
    issuer, own = Issuer(space), own_gateway(space, gateway, "own")
    issuer.hangs()
    uri = space.upload("1", bundles.linear(slope=2))
    space.kubectl.apply(CLIENTS)
    space.apply("line", uri, traffic=asks(space, own, apiKeys={"secretName": "clients"}))
    space.until_ready("line")
    space.until("the key lets in", lambda: told(space, own, KEY)[0] == 200)

    # when: it asks for tokens instead; then: there is no moment without either
    space.apply("line", uri, traffic=asks(space, own, jwt=issuer.asked))
    assert 200 not in told_until_guarded(space, own)
