"""Bodies of live children: whatever somebody makes of one, a pass goes on, and what we write is put right."""

import copy
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, Final

import pytest

from slipway.core.desired.history import spec_of
from slipway.core.drift import as_asked
from slipway.core.names import Manifest
from slipway.core.plan import Plan, place_of
from tests.core.cluster.scenario import APART, GATEWAY, KEYS, LIMIT, SCALING, answered, canary, pods_come, ready
from tests.core.cluster.simulator import Simulator

HEADER: Final[dict[str, Any]] = {"candidateHeader": {"name": "x-candidate", "value": "1"}}
PEERS: Final[dict[str, Any]] = {"allowFrom": [{"podSelector": {}}]}
Path = tuple[Any, ...]
GONE: Final = object()


def a_route_for_each_protocol() -> Simulator:
    cluster = canary({"shadow": 20, "weight": 10}, {"pause": {}}, traffic=APART | HEADER)
    pods_come(cluster)
    return cluster


def behind_a_guard() -> Simulator:
    cluster = canary({"weight": 10}, {"pause": {}}, traffic=GATEWAY | KEYS | LIMIT | PEERS)
    for _ in range(3):
        pods_come(cluster)
        answered(cluster)
    return cluster


def under_an_autoscaler() -> Simulator:
    cluster = ready(replicas=4, autoscaling=SCALING)
    cluster.starts("4")
    cluster.kubelet(cluster.revision_named("4"))
    cluster.settle()
    return cluster


def resolving() -> Simulator:
    cluster = ready(replicas=2)
    cluster.edit(version="5")
    cluster.settle()
    return cluster


SCENES: Final = (a_route_for_each_protocol, behind_a_guard, under_an_autoscaler, resolving)


def paths(value: Any, at: Path = ()) -> Iterator[Path]:
    yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in items:
        yield from paths(below, (*at, key))


def part(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value


def edited(manifest: Manifest, path: Path, to: Any) -> Manifest:
    found = copy.deepcopy(manifest)
    if to is GONE:
        del part(found, path[:-1])[path[-1]]
    else:
        part(found, path[:-1])[path[-1]] = to
    return found


def is_there_always(kind: str, path: Path) -> bool:
    """The API server sees to it, or there would be nothing to speak of."""
    identity = path in ((), ("kind",), ("apiVersion",), ("metadata",), ("spec",))
    named = len(path) > 1 and path[0] == "metadata" and path[1] not in ("annotations", "labels", "ownerReferences")
    whole_condition = kind == "Job" and "conditions" in path and len(path) > 2
    of_pods = path[:3] == ("spec", "template", "spec") and len(path) > 3  # nothing but the comparison reads them
    of_children = path[:2] == ("data", "children") and len(path) > 5
    return identity or named or whole_condition or of_pods or of_children


def edits(manifest: Manifest) -> Iterator[tuple[Path, Manifest]]:
    """The object with each of its fields taken out, emptied, and set to something else of its type."""
    kind = manifest["kind"]
    for path in paths(manifest):
        if is_there_always(kind, path):
            continue
        value = part(manifest, path)
        others = [GONE, type(value)()]
        others += ["somebody's"] if isinstance(value, str) else []
        others += [None, 7] if path[0] == "data" and kind == "ControllerRevision" else []  # it may hold anything
        for other in others:
            if other is GONE or other != value:
                yield path, edited(manifest, path, other)


def one_of_each_kind(cluster: Simulator) -> list[tuple[str, str]]:
    """The newest where there are several, and the root Service beside that of a revision."""
    last = {kind: (kind, name) for kind, name in cluster.objects}
    return [*last.values(), ("Service", "churn")]


def with_edits(cluster: Simulator) -> Iterator[tuple[str, Path, Manifest, Manifest, Plan]]:
    for key in one_of_each_kind(cluster):
        before = cluster.objects[key]
        for path, after in edits(before):
            cluster.objects[key] = after
            yield key[0], path, before, after, cluster.plan()
        cluster.objects[key] = before


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_whatever_a_child_holds_the_pass_goes_on_and_puts_right_what_we_write(scene: Callable[[], Simulator]) -> None:
    cluster = scene()
    seen = set()
    for kind, path, before, after, plan in with_edits(cluster):
        seen.add(kind)
        ours = path[0] == "spec" and path != ("spec", "replicas") and kind != "Job"  # a count is the rollout's to say
        if ours and not as_asked(after["spec"], before["spec"]):
            written = [place_of(action) for action in plan.actions]
            assert (kind, after["metadata"]["name"]) in written, (kind, path, written)
    assert seen == {kind for kind, _ in cluster.objects}


REFS: Final[dict[str, list[Any]]] = {
    "no rules": [],
    "a rule without backends": [{}],
    "a backend without a weight": [{"backendRefs": [{"name": "stable", "port": 8000}]}],
    "a backend without a name": [{"backendRefs": [{"weight": 1}]}],
    "somebody else's Service": [{"backendRefs": [{"name": "other", "weight": 50}, {"name": "stable", "weight": 50}]}],
    "a Service of another namespace": [{"backendRefs": [{"name": "stable", "namespace": "other", "weight": 1}]}],
    "another kind": [{"backendRefs": [{"name": "stable", "kind": "Backend", "group": "gateway.envoyproxy.io"}]}],
    "a mirror of a fraction": [
        {"filters": [{"type": "RequestMirror", "requestMirror": {"fraction": {"numerator": 1}}}]}
    ],
    "nothing but a header's rule": [{"matches": [{"headers": [{"name": "a", "value": "b"}]}]}],
}


@pytest.mark.parametrize("kind", ["HTTPRoute", "GRPCRoute"])
@pytest.mark.parametrize("rules", REFS.values(), ids=REFS)
def test_rules_that_somebody_else_wrote_are_put_right(kind: str, rules: list[Any]) -> None:
    cluster = a_route_for_each_protocol()
    stable = f"churn-{cluster.status['stable']['revision']}"
    route = cluster.objects[kind, "churn"]
    was = copy.deepcopy(route["spec"])
    route["spec"]["rules"] = [
        {**rule, "backendRefs": [{**ref, "name": stable} if ref.get("name") == "stable" else ref for ref in refs]}
        if (refs := rule.get("backendRefs"))
        else rule
        for rule in copy.deepcopy(rules)
    ]
    cluster.settle()
    assert cluster.objects[kind, "churn"]["spec"] == was


def test_a_service_that_is_not_of_a_revision_has_a_share_of_its_own() -> None:
    cluster = a_route_for_each_protocol()
    stable = cluster.status["stable"]["revision"]
    for kind in ("HTTPRoute", "GRPCRoute"):
        for rule in cluster.objects[kind, "churn"]["spec"]["rules"]:
            rule["backendRefs"] = [{"name": stable, "weight": 75}, {"name": f"churn-{stable}", "weight": 25}]
    scene = cluster.scene()
    assert scene.route
    assert scene.route.share(stable) == 25


@pytest.mark.parametrize("selector", [{}, None, GONE, {"app": "else"}], ids=["empty", "null", "none", "of others"])
def test_a_root_service_that_selects_no_pods_of_ours_reaches_none(selector: Any) -> None:
    cluster = ready(replicas=2)
    service = cluster.objects["Service", "churn"]
    cluster.objects["Service", "churn"] = edited(service, ("spec", "selector"), selector)
    assert cluster.scene().selected == frozenset()

    cluster.settle()
    assert cluster.objects["Service", "churn"]["spec"]["selector"] == service["spec"]["selector"]
    assert cluster.condition("Ready")["status"] == "True"


def test_what_was_asked_for_by_a_field_that_the_api_has_dropped_is_read_as_far_as_it_goes() -> None:
    cluster = a_route_for_each_protocol()
    for (kind, _), revision in cluster.objects.items():
        if kind == "ControllerRevision":
            revision["data"]["asked"]["model"] |= {"verification": {"interval": "5s", "dropped": 1}, "dropped": 1}
    scene = cluster.scene()
    stable = cluster.status["stable"]
    assert scene.golden(stable["revision"]).interval == timedelta(seconds=5)
    assert spec_of(scene, stable["ask"]) is None
    cluster.plan()
