"""The network rules of an installation, from the JSON that the chart gives: docs/contracts.md says what is in it.

All of it is part of every model's NetworkPolicy: a block or a peer that the API server refuses would stop them all. So
it is read here, and an operator that cannot read it does not start.
"""

import json
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from slipway.api.addresses import is_part
from slipway.core.children.network_policy import EVERYWHERE
from slipway.core.platform import KEDA, NetworkRules

CLOSED: Final = "Namespace"
_HOW: Final = "write it like 10.0.0.0/16 or fd00::/8"


def network_rules(text: str, api_server: str | None = None) -> NetworkRules:
    """Read them; ValueError names what is wrong. `api_server`: the address of its Service, where one is known."""
    given = _read(text)
    try:
        asked = _Asked.model_validate(given)
    except ValidationError as error:
        raise ValueError(_words(error)) from None
    return NetworkRules(
        closed=asked.policy == CLOSED,
        callers=tuple(given.get("allowFrom", ())),
        scrapers=tuple(given.get("metricsFrom", ())),
        keda=tuple(given.get("kedaFrom", KEDA)),
        proxy_namespaces=tuple(asked.gateway_namespaces),
        stores=tuple(given.get("allowTo", ())),
        unreachable=(*asked.deny_to, *_service(api_server)),
    )


def _read(text: str) -> dict[str, Any]:
    match json.loads(text or "{}"):
        case dict() as asked:
            return {name: value for name, value in asked.items() if value is not None}
        case _:
            raise ValueError("is no JSON object")


def _words(error: ValidationError) -> str:
    fault = error.errors(include_url=False)[0]
    where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in fault["loc"]).removeprefix(".")
    match fault["type"]:
        case "extra_forbidden":
            return f"{where}: no such field"
        case "model_type" | "literal_error":
            return f"{where}: {fault['msg'].partition(' or instance')[0]}, not {fault['input']!r}"
    return f"{where or 'denyTo'}: {fault['msg'].removeprefix('Value error, ')}"


def _block(text: str) -> str:
    """A block that the API server takes in a policy, as it is written shortest."""
    try:
        block = ip_network(text)
    except ValueError as error:
        raise ValueError(f"{error}; {_HOW}") from None
    first = block.network_address
    mapped = isinstance(first, IPv6Address) and (first.ipv4_mapped or first.scope_id)
    if mapped or not text.partition("/")[2].isdecimal():
        raise ValueError(f"{text} is refused in a policy; {_HOW}")
    return str(block)


def _denied(block: str) -> str:
    if block in EVERYWHERE:
        raise ValueError(f"{block} is every address; name in allowTo what may be reached instead")
    return block


class _Part(BaseModel):
    """A part of what is given: nothing unknown is in it, since a misspelt selector selects everybody."""

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=False, validate_by_alias=True, extra="forbid", strict=True
    )


Block = Annotated[str, AfterValidator(_block)]


class _Expression(_Part):
    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: list[str] = []


class _Selector(_Part):
    match_labels: dict[str, str] = {}
    match_expressions: list[_Expression] = []


class _IpBlock(_Part):
    cidr: Block
    excepted: list[Block] = Field([], alias="except")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if outside := [each for each in self.excepted if not is_part(each, self.cidr)]:
            raise ValueError(f"except: {outside[0]} is no part of {self.cidr}")
        return self


class _Peer(_Part):
    namespace_selector: _Selector | None = None
    pod_selector: _Selector | None = None
    ip_block: _IpBlock | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        pods = self.namespace_selector is not None or self.pod_selector is not None
        if pods == (self.ip_block is not None):
            raise ValueError("must be an ipBlock, or a namespaceSelector, a podSelector or both")
        return self


class _Asked(_Part):
    policy: Literal["Open", "Namespace"] = "Open"
    allow_from: list[_Peer] = []
    metrics_from: list[_Peer] = []
    keda_from: list[_Peer] = []
    gateway_namespaces: list[Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]] = []
    allow_to: list[_Peer] = []
    deny_to: list[Annotated[Block, AfterValidator(_denied)]] = []

    @model_validator(mode="after")
    def _check(self) -> Self:
        for cidr in (peer.ip_block.cidr for peer in self.allow_to if peer.ip_block):
            if any(cidr == each or is_part(cidr, each) for each in self.deny_to):
                raise ValueError(f"leaves nothing of {cidr} in allowTo: take it out of one of them")
        return self


def _service(address: str | None) -> tuple[str, ...]:
    """The API server's Service, for networks that look at an address before it becomes a pod's or a node's."""
    try:
        return (_block(str(ip_network(ip_address(address)))),) if address else ()
    except ValueError:  # a name
        return ()
