"""The route as it may be written now: nobody gets an address that is not guarded."""

from slipway.core.body import within
from slipway.core.children.route import ROUTE
from slipway.core.children.security_policy import SECURITY_POLICY
from slipway.core.names import Manifest
from slipway.core.observed.objects import Child, Observed
from slipway.core.observed.traffic_policies import PolicyFacts, addresses_of, is_open, own_child, parents_of
from slipway.core.owner import Owner


def guarded_route(policies: PolicyFacts, wanted: Manifest, observed: Observed, owner: Owner) -> Manifest | None:
    """The route that may be written now; None: what is there, if anything, stays as it is.

    A share may move at any time, but nobody gets an address that is not guarded. An open route cannot always wait where
    it is: another Gateway or listener accepts nothing before it is named. Then it closes on the way.
    """
    if not policies.guards:
        return wanted
    child = own_child(observed, ROUTE, owner)
    body = child.body if child else None
    live = body if body and is_open(body) else None
    if live and policies.exchanged:
        return _closed(wanted)
    if policies.guarded:
        further = live and _reaches_further(live, wanted, observed, owner)
        return _closed(wanted) if further else wanted
    if live and addresses_of(live) == addresses_of(wanted):
        return wanted
    if live and parents_of(live) == parents_of(wanted):
        return None
    return _closed(wanted) if policies.readable else None


def guard_of(policies: PolicyFacts, route: Manifest, observed: Observed, owner: Owner) -> Child | None:
    """The guard that has to be in force still when this route is written; None where the write opens nothing."""
    live = own_child(observed, ROUTE, owner)
    opens = is_open(route) and not (live and is_open(live.body) and addresses_of(live.body) == addresses_of(route))
    return own_child(observed, SECURITY_POLICY, owner) if policies.guards and opens else None


def _reaches_further(live: Manifest, wanted: Manifest, observed: Observed, owner: Owner) -> bool:
    """Whether new hostnames bring listeners along that have no guard of this route yet. The policy is accepted as it
    stands, so nothing more would be waited for."""
    [ref] = wanted["spec"]["parentRefs"]
    before, after = (within(route, "spec").get("hostnames") or () for route in (live, wanted))
    narrows = not before or (after and set(after) <= set(before))
    if narrows or ref.get("sectionName") or parents_of(live) != parents_of(wanted):
        return False
    gateway = (observed.gateways.gateways or {}).get((ref.get("namespace", owner.namespace), ref["name"]))
    if gateway is None:
        return True
    return any(listener.fits(after) and not listener.fits(before) for listener in gateway.listeners)


def _closed(route: Manifest) -> Manifest:
    """The same addresses, and nothing behind them."""
    rules = [
        {name: part for name, part in rule.items() if name not in ("backendRefs", "filters")}
        for rule in route["spec"]["rules"]
    ]
    return {**route, "spec": {**route["spec"], "rules": rules}}
