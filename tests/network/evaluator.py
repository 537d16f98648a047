"""An evaluator of NetworkPolicies: whether what is rendered would let one pod reach another.

It stands in for a network that enforces them. By the words of the API: a pod is shut in a direction as soon as a policy
of its namespace selects it for that; then it is open to what some rule of one of those lets through. The kubelet's
probes, which always pass, are not asked about.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

Manifest = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class End:
    """One end of a connection: a pod, or what is outside the cluster."""

    address: str
    namespace: str | None = None
    """Of a pod; None: not one."""
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def namespace_labels(self) -> Mapping[str, str]:
        """Those that every namespace has of itself."""
        return {"kubernetes.io/metadata.name": self.namespace or ""}


def may_reach(policies: Sequence[Manifest], source: End, target: End, port: int, protocol: str = "TCP") -> bool:
    """Whether the one lets it out and the other lets it in."""
    out = _lets(policies, "Egress", source, target, port, protocol)
    return out and _lets(policies, "Ingress", target, source, port, protocol)


def _lets(policies: Iterable[Manifest], direction: str, pod: End, peer: End, port: int, protocol: str) -> bool:
    of_pod = [policy for policy in policies if _is_of(policy, direction, pod)]
    rules = [(rule, policy["metadata"]["namespace"]) for policy in of_pod for rule in _rules(policy, direction)]
    return not of_pod or any(_passes(rule, where, direction, peer, port, protocol) for rule, where in rules)


def _is_of(policy: Manifest, direction: str, pod: End) -> bool:
    spec = policy["spec"]
    return (
        policy["metadata"]["namespace"] == pod.namespace
        and direction in spec["policyTypes"]
        and _selects(spec["podSelector"], pod.labels)
    )


def _rules(policy: Manifest, direction: str) -> Iterator[Manifest]:
    yield from policy["spec"].get(direction.lower()) or ()


def _passes(rule: Manifest, namespace: str, direction: str, peer: End, port: int, protocol: str) -> bool:
    peers, ports = rule.get("from" if direction == "Ingress" else "to"), rule.get("ports")
    is_peer = not peers or any(_is(each, namespace, peer) for each in peers)
    return is_peer and (not ports or any(_takes(each, port, protocol) for each in ports))


def _is(rule: Manifest, namespace: str, peer: End) -> bool:
    if block := rule.get("ipBlock"):
        return _within(block["cidr"], peer) and not any(_within(each, peer) for each in block.get("except") or ())
    if peer.namespace is None:
        return False
    spaces, pods = rule.get("namespaceSelector"), rule.get("podSelector")
    there = peer.namespace == namespace if spaces is None else _selects(spaces, peer.namespace_labels)
    return there and (pods is None or _selects(pods, peer.labels))


def _takes(rule: Manifest, port: int, protocol: str) -> bool:
    first = rule.get("port")
    if rule.get("protocol", "TCP") != protocol:
        return False
    return first is None or int(first) <= port <= int(rule.get("endPort") or first)


def _within(block: str, end: End) -> bool:
    return ip_address(end.address) in ip_network(block)


def _selects(selector: Manifest, labels: Mapping[str, str]) -> bool:
    wanted = selector.get("matchLabels") or {}
    return wanted.items() <= labels.items() and all(
        _fits(each, labels) for each in selector.get("matchExpressions") or ()
    )


def _fits(expression: Manifest, labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case other:
            raise ValueError(f"{other} is no operator of a selector")
