"""Gateways and their classes: what speaks against sending clients through one.

They are somebody else's: only read, and of them only what says that something is wrong at the generation that is there.
A condition that is missing says nothing, since some implementations never set it. What changes with every attached
route or replica of a proxy is left out, so that nobody is looked at again for nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from slipway.core.body import conditions, mappings, within
from slipway.core.reasons import Finding, Reason, finding


@dataclass(frozen=True, kw_only=True)
class Complaint:
    """A condition that says that something is wrong."""

    type: str
    status: str
    reason: str
    message: str

    def __str__(self) -> str:
        return f"{self.type} is {self.status}: {self.reason}: {self.message}"


@dataclass(frozen=True, kw_only=True)
class ListenerFacts:
    """A listener of a Gateway."""

    name: str
    hostname: str | None
    """Absent: it takes every hostname."""
    complaint: Complaint | None

    def fits(self, hostnames: Sequence[str]) -> bool:
        """Whether requests for any of these may come in here; for none named: all."""
        return self.hostname is None or not hostnames or any(_meet(self.hostname, name) for name in hostnames)


@dataclass(frozen=True, kw_only=True)
class GatewayFacts:
    """A Gateway, slim."""

    namespace: str
    name: str
    class_name: str
    deleting: bool
    complaint: Complaint | None
    listeners: tuple[ListenerFacts, ...]


@dataclass(frozen=True, kw_only=True)
class GatewayClassFacts:
    """A GatewayClass, slim."""

    name: str
    controller: str
    complaint: Complaint | None


@dataclass(frozen=True, kw_only=True)
class Gateways:
    """What can be read of them; None where RBAC or the cluster does not let us."""

    gateways: Mapping[tuple[str, str], GatewayFacts] | None = None
    """By (namespace, name)."""
    classes: Mapping[str, GatewayClassFacts] | None = None

    def controller(self, namespace: str, name: str) -> str | None:
        """Who has to answer for a Gateway, if that can be told."""
        gateway = (self.gateways or {}).get((namespace, name))
        gateway_class = (self.classes or {}).get(gateway.class_name) if gateway else None
        return gateway_class.controller if gateway_class else None


def gateway_facts(manifest: Mapping[str, Any]) -> GatewayFacts:
    """Project a live Gateway."""
    meta, spec, status = manifest["metadata"], within(manifest, "spec"), within(manifest, "status")
    generation = meta.get("generation")
    conditions_of = {each.get("name"): each.get("conditions") for each in mappings(status.get("listeners"))}
    return GatewayFacts(
        namespace=meta["namespace"],
        name=meta["name"],
        class_name=spec.get("gatewayClassName", ""),
        deleting="deletionTimestamp" in meta,
        complaint=_complaint(status.get("conditions"), generation),
        listeners=tuple(
            ListenerFacts(
                name=each.get("name", ""),
                hostname=each.get("hostname") or None,
                complaint=_complaint(conditions_of.get(each.get("name")), generation),
            )
            for each in mappings(spec.get("listeners"))
        ),
    )


def gateway_class_facts(manifest: Mapping[str, Any]) -> GatewayClassFacts:
    """Project a live GatewayClass."""
    meta, status = manifest["metadata"], within(manifest, "status")
    return GatewayClassFacts(
        name=meta["name"],
        controller=within(manifest, "spec").get("controllerName", ""),
        complaint=_complaint(status.get("conditions"), meta.get("generation")),
    )


_WRONG: Final = {"Conflicted": "True", "ResolvedRefs": "False", "Accepted": "False", "Programmed": "False"}
"""Causes before what follows from them: a listener whose certificate is missing is not programmed, either."""

_NO_ADDRESS: Final = "AddressNotAssigned"
"""Where no load balancer hands out addresses a Gateway waits for one for ever, and its proxies serve all the same."""


def _complaint(condition: Any, generation: int | None) -> Complaint | None:
    current = {c["type"]: c for c in conditions(condition) if c.get("observedGeneration", generation) == generation}
    if (current.get("Programmed") or {}).get("status") == "True":
        current.pop("ResolvedRefs", None)  # some of what it names is there, and that is served
    wrong = (current[kind] for kind, status in _WRONG.items() if current.get(kind, {}).get("status") == status)
    first = next((c for c in wrong if c.get("reason") != _NO_ADDRESS), None)
    if first is None:
        return None
    reason, message = str(first.get("reason", "")), str(first.get("message", ""))
    return Complaint(type=first["type"], status=first["status"], reason=reason, message=message)


def _meet(one: str, other: str) -> bool:
    """Whether two hostnames, either of which may begin with `*.`, have any in common."""
    return one == other or any(a.startswith("*.") and b.endswith(a[1:]) for a, b in ((one, other), (other, one)))


def gateway_problem(
    among: Gateways, *, namespace: str, name: str, section: str | None, hostnames: Sequence[str], field: str
) -> Finding | None:
    """What speaks against a Gateway, or that listener of it: the first, causes before what follows from them. `field`
    names the listener, for messages."""
    if among.gateways is None:
        return None
    where = f"Gateway {namespace}/{name}"
    gateway = among.gateways.get((namespace, name))
    if gateway is None:
        return finding(Reason.GATEWAY_NOT_FOUND, f"{where} is not there: create it, or correct traffic.gateway")
    if gateway.deleting:
        return finding(Reason.GATEWAY_NOT_FOUND, f"{where} is being deleted: create it again, or name another one")
    names = [listener.name for listener in gateway.listeners]
    if section is not None and section not in names:
        message = f"{where} has no listener {section}: it has {', '.join(names) or 'none'}"
        return finding(Reason.GATEWAY_NOT_FOUND, f"{message}; correct {field}, or take it out")
    if among.classes is not None and gateway.class_name not in among.classes:
        message = f"GatewayClass {gateway.class_name}, which {where} names, is not there: create it"
        return finding(Reason.GATEWAY_NOT_FOUND, message)
    complaint = next(_complaints(among, gateway, section, hostnames), None)
    return finding(Reason.GATEWAY_NOT_READY, complaint) if complaint else None


def _complaints(among: Gateways, gateway: GatewayFacts, section: str | None, hostnames: Sequence[str]) -> Iterator[str]:
    where = f"Gateway {gateway.namespace}/{gateway.name}"
    gateway_class = (among.classes or {}).get(gateway.class_name)
    if gateway_class and gateway_class.complaint:
        yield f"GatewayClass {gateway_class.name} of {where}: {gateway_class.complaint}"
    if gateway.complaint:
        yield f"{where}: {gateway.complaint}"
    asked = [listener for listener in gateway.listeners if listener.name == section or section is None]
    fitting = [listener for listener in asked if listener.fits(hostnames)]
    broken = [listener for listener in fitting if listener.complaint]
    if broken and len(broken) == len(fitting):
        yield f"listener {broken[0].name} of {where}: {broken[0].complaint}"
