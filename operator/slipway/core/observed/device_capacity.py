"""Device capacity: what the devices of a class are doing now, in one sentence, and whether those of a pod would do.

Whether a device fits a request is for the scheduler to say: selectors are expressions of anybody's, and none is
evaluated here. What can be said of a device is whether it is taken, tainted or out of reach; where devices take from
common counters, or have room for several claims, not even that.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from slipway.api.v1alpha1.spec import Accelerator, DeviceAlternative
from slipway.core.children.accelerator import device_requests
from slipway.core.observed.devices import ClaimFacts, DeviceFacts, DeviceName, Devices, PodId, SliceFacts
from slipway.core.observed.nodes import NodeFacts
from slipway.core.reasons import fit

LONGEST: Final = 768
"""Characters of the sentence: it goes into a condition's message, next to the scheduler's own words."""
_NAMED: Final = 3
"""Devices that are named with their taints; of more it says how many."""
_KINDS_SHOWN: Final = 4


class DeviceState(StrEnum):
    """What a device is doing. Each is its word in messages."""

    FREE = "free"
    TAKEN = "taken"
    TAINTED = "tainted"
    UNREACHABLE = "on a node that is cordoned or not ready"
    INCOMPLETE = "in a pool that is not published whole"
    UNKNOWN = "that the scheduler alone can tell of (shared, or cut out of others)"


class Fit(StrEnum):
    """Whether the devices of a pod that goes would do for one that comes."""

    YES = "Yes"
    NO = "No"
    UNKNOWN = "Unknown"
    """Only the scheduler knows: type Auto finds out as it does where nothing is known beforehand."""


@dataclass(frozen=True, kw_only=True)
class DeviceStanding:
    """A published device, and what it is doing."""

    name: DeviceName
    facts: DeviceFacts
    state: DeviceState
    node: str | None = None
    """Where it is; None where that is not known here."""


def standings(devices: Devices, nodes: Sequence[NodeFacts] = ()) -> tuple[DeviceStanding, ...]:
    """Every device of the newest generation of its pool."""
    slices = list(_newest((devices.slices or {}).values()))
    taken = _taken(devices)
    around = _Surroundings(
        taken=taken,
        whole=_whole_pools(slices),
        drawn_upon=_drawn_upon(slices, taken),
        nodes_away=_away(nodes),
    )
    named = ((DeviceName(of.driver, of.pool, facts.name), facts, of) for of in slices for facts in of.devices)
    return tuple(
        DeviceStanding(name=name, facts=facts, state=around.state(name, facts, of), node=of.node)
        for name, facts, of in named
    )


_Pool = tuple[str, str]
"""Driver and name."""


@dataclass(frozen=True, kw_only=True)
class _Surroundings:
    """What decides of a device, beside what is published of it."""

    taken: frozenset[DeviceName]
    whole: frozenset[_Pool]
    """Pools of which every slice is there: of others nothing is given out."""
    drawn_upon: Mapping[_Pool, frozenset[str]]
    """Sets of counters from which a device that is taken has its part."""
    nodes_away: frozenset[str]

    def state(self, name: DeviceName, device: DeviceFacts, of: SliceFacts) -> DeviceState:
        """Most certain first: what is taken is so whatever else is the matter."""
        pool = (of.driver, of.pool)
        if name in self.taken:
            return DeviceState.UNKNOWN if device.shareable else DeviceState.TAKEN
        if device.taints:
            return DeviceState.TAINTED
        if of.node in self.nodes_away:
            return DeviceState.UNREACHABLE
        if pool not in self.whole:
            return DeviceState.INCOMPLETE
        return DeviceState.UNKNOWN if device.counters & self.drawn_upon.get(pool, frozenset()) else DeviceState.FREE


def _away(nodes: Sequence[NodeFacts]) -> frozenset[str]:
    return frozenset(node.name for node in nodes if not node.takes_pods)


def _newest(slices: Iterable[SliceFacts]) -> Iterator[SliceFacts]:
    """Slices of an older generation are about to go, and no device of theirs is given out."""
    slices = list(slices)
    newest: dict[_Pool, int] = defaultdict(int)
    for each in slices:
        newest[each.driver, each.pool] = max(newest[each.driver, each.pool], each.generation)
    return (each for each in slices if each.generation == newest[each.driver, each.pool])


def _whole_pools(slices: Sequence[SliceFacts]) -> frozenset[_Pool]:
    there = Counter((each.driver, each.pool) for each in slices)
    return frozenset((each.driver, each.pool) for each in slices if there[each.driver, each.pool] >= each.of)


def _taken(devices: Devices) -> frozenset[DeviceName]:
    claims: Iterable[ClaimFacts] = (devices.claims or {}).values()
    return frozenset(name for claim in claims for name in claim.devices if name not in claim.looks_on)


def _drawn_upon(slices: Sequence[SliceFacts], taken: frozenset[DeviceName]) -> Mapping[_Pool, frozenset[str]]:
    drawn: dict[_Pool, frozenset[str]] = defaultdict(frozenset)
    for each in slices:
        for device in each.devices:
            if DeviceName(each.driver, each.pool, device.name) in taken:
                drawn[each.driver, each.pool] |= device.counters
    return drawn


# -- in words


def what_devices_there_are(devices: Devices, nodes: Sequence[NodeFacts], accelerator: Accelerator) -> str:
    """What the devices of the classes that are asked for are doing, as far as that can be seen."""
    if devices.slices is None or devices.claims is None or devices.classes is None:
        return "which devices there are cannot be seen: the operator may not list resource.k8s.io"
    missing = sorted({each.device_class for each in device_requests(accelerator)} - devices.classes.keys())
    lacks = f"there is no DeviceClass {' or '.join(missing)}" if missing else ""
    asked = _grantable(devices, accelerator)
    if not asked:
        there = ", ".join(sorted(devices.classes)[:_KINDS_SHOWN]) or "none"
        return fit(f"{lacks}; there are: {there}", LONGEST)
    of = _of_classes(devices, accelerator, standings(devices, nodes))
    counted = f"devices {_asked(asked)}: {_counted(of)}{_chosen(asked, of)}"
    words = counted if of else f"no driver publishes a device {_asked(asked)}"
    return fit("; ".join(filter(None, [words, lacks])), LONGEST)


def _grantable(devices: Devices, accelerator: Accelerator) -> Sequence[DeviceAlternative]:
    """The requests whose class is there: by the others no pod is ever given a device. All where nobody may see
    classes."""
    asked = device_requests(accelerator)
    return [each for each in asked if devices.classes is None or each.device_class in devices.classes]


def _of_classes(
    devices: Devices, accelerator: Accelerator, all_standings: Iterable[DeviceStanding]
) -> tuple[DeviceStanding, ...]:
    """Those that may be of one of the classes: a class whose driver is not plain may have any."""
    drivers = _drivers(devices, accelerator)
    return tuple(each for each in all_standings if drivers is None or each.name.driver in drivers)


def _drivers(devices: Devices, accelerator: Accelerator) -> frozenset[str] | None:
    """Whose devices can be of the classes that are asked for and there; None: anybody's."""
    named = [(devices.classes or {}).get(each.device_class) for each in _grantable(devices, accelerator)]
    drivers = [each.driver if each else None for each in named]
    return None if None in drivers else frozenset(filter(None, drivers))


def _asked(requests: Iterable[DeviceAlternative]) -> str:
    return f"of {' or '.join(dict.fromkeys(each.device_class for each in requests))}"


def _counted(of: Sequence[DeviceStanding]) -> str:
    """`4 x NVIDIA H100 (3 taken, 1 tainted: node-1/gpu-3 gpu.nvidia.com/xid=48:NoSchedule)`."""
    kinds: dict[str, list[DeviceStanding]] = defaultdict(list)
    for each in of:
        kinds[_kind(each)].append(each)
    ordered = sorted(kinds.items(), key=lambda kind: (-len(kind[1]), kind[0]))
    parts = [f"{len(members)} x {kind} ({_states(members)})" for kind, members in ordered[:_KINDS_SHOWN]]
    rest = sum(len(members) for _, members in ordered[_KINDS_SHOWN:])
    return ", ".join(parts) + (f", and {rest} more" if rest else "")


def _kind(each: DeviceStanding) -> str:
    profile = f" {each.facts.profile}" if each.facts.profile else ""
    return f"{each.facts.product or each.name.driver}{profile}"


def _states(members: Sequence[DeviceStanding]) -> str:
    counts = Counter(each.state for each in members)
    parts = [f"{counts[state]} {state}" for state in DeviceState if counts[state] and state is not DeviceState.TAINTED]
    tainted = [each for each in members if each.state is DeviceState.TAINTED]
    if tainted:
        named = [f"{each.name.pool}/{each.name.device} {' '.join(each.facts.taints)}" for each in tainted[:_NAMED]]
        more = f" and {len(tainted) - _NAMED} more" if len(tainted) > _NAMED else ""
        parts.append(f"{len(tainted)} {DeviceState.TAINTED}: {', '.join(named)}{more}")
    return ", ".join(parts)


def _chosen(requests: Iterable[DeviceAlternative], of: Sequence[DeviceStanding]) -> str:
    """That a device which seems free is none for this pod has a reason that cannot be seen here."""
    if not any(each.state in (DeviceState.FREE, DeviceState.UNKNOWN) for each in of):
        return ""
    selects = any(each.selectors for each in requests)
    return "; which of them fit the selectors only the scheduler knows" if selects else ""


# -- whether an old pod's devices would do


def would_do(
    devices: Devices, pod: PodId, accelerator: Accelerator, *, same_ask: bool, nodes: Sequence[NodeFacts] = ()
) -> Fit:
    """Whether the devices of a pod, with those that are free beside them, would do for a pod that asks for
    `accelerator`. `same_ask`: it has them by the very same request."""
    if devices.claims is None or devices.slices is None:
        return Fit.UNKNOWN
    asked = _grantable(devices, accelerator)
    if not asked:
        return Fit.NO
    held = {name for claim in devices.claims_of(pod) for name in claim.devices if name not in claim.looks_on}
    away = _away(nodes)
    eligible = _of_classes(devices, accelerator, standings(devices, nodes))
    usable = [each for each in eligible if each.name in held and not each.facts.taints and each.node not in away]
    if not usable:
        return Fit.NO
    open_to_all = (DeviceState.FREE, DeviceState.UNKNOWN)
    beside = [each for each in eligible if each.state in open_to_all and each.name not in held]
    if _most_on_one_node(usable, beside) < min(each.count for each in asked):
        return Fit.NO
    return Fit.YES if same_ask else Fit.UNKNOWN


def _most_on_one_node(usable: Sequence[DeviceStanding], beside: Sequence[DeviceStanding]) -> int:
    """Devices that one pod could have, of these and of those: no pod is on two nodes. What is nobody knows where may be
    anywhere."""
    together = [*usable, *beside]
    nodes = {each.node for each in usable}
    if None in nodes:
        return len(together)
    return max(sum(each.node in (node, None) for each in together) for node in nodes)
