"""Envoy Gateway's policies: what is asked for, and nothing else. Whether it takes them, test_live.py asks its CRDs."""

from typing import Any

import pytest

from slipway.api.v1alpha1.spec import Traffic
from slipway.core.children.backend_traffic_policy import backend_traffic_policy
from slipway.core.children.security_policy import security_policy
from slipway.core.names import Manifest
from tests.core.gen import owner

KEYS = {"apiKeys": {"secretName": "clients"}}
JWT = {"jwt": {"issuer": "https://issuer.example", "jwksUri": "https://issuer.example/keys"}}
PER_MINUTE = {"requests": 100, "unit": "Minute"}


def traffic(**asked: Any) -> Traffic:
    return Traffic.model_validate({"gateway": {"name": "inference"}, **asked})


def spec_of(made: Manifest | None) -> Manifest:
    """What a policy asks for beside its target."""
    assert made
    assert made["apiVersion"] == "gateway.envoyproxy.io/v1alpha1"
    target = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "churn"}
    spec: Manifest = dict(made["spec"])
    assert spec.pop("targetRefs") == [target]
    return spec


def balanced(**asked: Any) -> Manifest:
    return spec_of(backend_traffic_policy(owner=owner(), traffic=traffic(**asked)))


def secured(**asked: Any) -> Manifest:
    return spec_of(security_policy(owner=owner(), traffic=traffic(**asked), route_uid=None))


def test_where_nothing_is_asked_there_is_no_policy() -> None:
    assert backend_traffic_policy(owner=owner(), traffic=traffic(authentication=KEYS)) is None
    assert security_policy(owner=owner(), traffic=traffic(retries={"attempts": 1}), route_uid=None) is None


def test_a_policy_is_named_and_labelled_like_all_that_is_ours() -> None:
    made = security_policy(owner=owner(), traffic=traffic(authentication=KEYS), route_uid=None)
    assert made
    assert made["metadata"]["name"] == "churn"
    assert made["metadata"]["labels"]["serving.slipway.dev/model-deployment"] == "churn"


def test_the_pod_with_the_fewest_requests_comes_next() -> None:
    assert balanced(loadBalancing="LeastRequest") == {"loadBalancer": {"type": "LeastRequest"}}


def test_only_what_was_never_sent_is_sent_again() -> None:
    retry = balanced(retries={"attempts": 3})["retry"]
    assert retry == {"numRetries": 3, "retryOn": {"triggers": ["connect-failure"]}}


def test_larger_bodies_are_refused_before_a_byte_of_them_reaches_a_pod() -> None:
    assert balanced(maxRequestSize="16Mi") == {"requestBuffer": {"limit": "16Mi"}}


def test_each_address_has_a_count_of_its_own() -> None:
    rules = balanced(rateLimit={"requests": 100, "per": "Minute"})["rateLimit"]["local"]["rules"]
    assert rules == [
        {"clientSelectors": [{"sourceCIDR": {"type": "Distinct", "value": block}}], "limit": PER_MINUTE}
        for block in ("0.0.0.0/0", "::/0")
    ]


def test_each_value_of_a_header_has_a_count_of_its_own_and_to_leave_it_out_is_no_way_around() -> None:
    by_header, *by_address = balanced(rateLimit={"requests": 100, "per": "Minute", "header": "x-tenant"})["rateLimit"][
        "local"
    ]["rules"]
    assert by_header["clientSelectors"] == [{"headers": [{"type": "Distinct", "name": "x-tenant"}]}]
    without = {"type": "RegularExpression", "name": "x-tenant", "value": ".+", "invert": True}
    for rule, block in zip(by_address, ("0.0.0.0/0", "::/0"), strict=True):
        address = {"type": "Distinct", "value": block}
        assert rule == {"clientSelectors": [{"headers": [without], "sourceCIDR": address}], "limit": PER_MINUTE}


@pytest.mark.parametrize(
    ("limit", "counted_by", "forwarded"),
    [
        (None, None, {}),
        ({}, None, {}),
        ({"header": "x-tenant"}, "x-tenant", {}),
        ({"header": "X-API-Key"}, "slipway-client", {"forwardClientIDHeader": "slipway-client"}),
    ],
)
def test_a_key_stays_at_the_gateway_also_where_requests_are_counted_by_it(
    limit: dict[str, str] | None, counted_by: str | None, forwarded: dict[str, str]
) -> None:
    asked = {} if limit is None else {"rateLimit": {"requests": 1, "per": "Hour", **limit}}
    assert secured(authentication=KEYS, **asked)["apiKeyAuth"] == {
        "credentialRefs": [{"name": "clients"}],
        "extractFrom": [{"headers": ["x-api-key"]}],
        "sanitize": True,
        **forwarded,
    }
    if asked:
        rules = balanced(authentication=KEYS, **asked)["rateLimit"]["local"]["rules"]
        distinct = {h["name"] for r in rules for s in r["clientSelectors"] for h in s.get("headers", [])}
        assert distinct == ({counted_by} if counted_by else set())


def test_a_token_is_held_against_its_issuers_keys_and_must_not_be_missing() -> None:
    provider = {
        "name": "jwt",
        "issuer": "https://issuer.example",
        "extractFrom": {"headers": [{"name": "Authorization", "valuePrefix": "Bearer "}]},
        "remoteJWKS": {
            "uri": "https://issuer.example/keys",
            "backendSettings": {"timeout": {"http": {"requestTimeout": "5s"}}},
        },
    }
    assert secured(authentication=JWT) == {"jwt": {"providers": [provider]}}
    for_one = {"jwt": {**JWT["jwt"], "audiences": ["churn"]}}
    assert secured(authentication=for_one)["jwt"]["providers"] == [{**provider, "audiences": ["churn"]}]


def test_with_keys_and_tokens_both_are_asked_for() -> None:
    assert secured(authentication=KEYS | JWT).keys() == {"apiKeyAuth", "jwt"}


def test_what_guards_a_route_is_owned_by_it_too_so_that_it_never_goes_first() -> None:
    made = security_policy(owner=owner(), traffic=traffic(authentication=KEYS), route_uid="uid-7")
    assert made
    reference = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "name": "churn", "uid": "uid-7"}
    assert made["metadata"]["ownerReferences"] == [reference]
