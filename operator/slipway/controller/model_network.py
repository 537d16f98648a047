"""The network rules of an installation, from the JSON that the chart gives: docs/contracts.md says what is in it."""

import json
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import Any, Final

from slipway.core.children.network_policy import EVERYWHERE
from slipway.core.platform import NetworkRules

CLOSED: Final = "Namespace"
_WORTHS: Final = ("Open", CLOSED)
_LISTS: Final[Mapping[str, type]] = {
    "allowFrom": dict,
    "metricsFrom": dict,
    "gatewayNamespaces": str,
    "allowTo": dict,
    "denyTo": str,
}


def network_rules(text: str, api_server: str | None = None) -> NetworkRules:
    """Read them; ValueError names what is wrong. `api_server`: the address of its Service, where one is known."""
    asked = _read(text)
    policy = asked.pop("policy", "Open")
    if policy not in _WORTHS:
        raise ValueError(f"policy: {policy!r} is none of {', '.join(_WORTHS)}")
    lists = {name: _list(asked.pop(name, None), name, kind) for name, kind in _LISTS.items()}
    if asked:
        raise ValueError(f"{', '.join(asked)}: only policy, {', '.join(_LISTS)} are known")
    return NetworkRules(
        closed=policy == CLOSED,
        callers=lists["allowFrom"],
        scrapers=lists["metricsFrom"],
        proxy_namespaces=lists["gatewayNamespaces"],
        stores=lists["allowTo"],
        unreachable=(*map(_block, lists["denyTo"]), *_service(api_server)),
    )


def _read(text: str) -> dict[str, Any]:
    match json.loads(text or "{}"):
        case dict() as asked:
            return asked
        case _:
            raise ValueError("is no JSON object")


def _list(found: object, name: str, kind: type) -> tuple[Any, ...]:
    if found is None:
        return ()
    if not isinstance(found, list) or not all(isinstance(item, kind) for item in found):
        raise ValueError(f"{name}: is no list of {'objects' if kind is dict else 'texts'}")
    return tuple(found)


def _block(text: str) -> str:
    try:
        block = str(ip_network(text))
    except ValueError as error:
        raise ValueError(f"denyTo: {error}; write it like 10.0.0.0/16") from error
    if block in EVERYWHERE:
        raise ValueError(f"denyTo: {block} is every address; name in allowTo what may be reached instead")
    return block


def _service(address: str | None) -> tuple[str, ...]:
    """The API server's Service, for networks that look at an address before it becomes a pod's or a node's."""
    try:
        return (str(ip_network(ip_address(address))),) if address else ()
    except ValueError:  # a name
        return ()
