"""Clients: who answers a request to the Service, and one to the gateway, by what there is and by nothing else.

Nothing here reads the operator's status or plan: only pods, selectors, Services, and routes as the proxies have them.
"""

from collections.abc import Mapping

from slipway.core.children.route import ROUTES
from slipway.core.names import REVISION, Manifest
from tests.core.cluster.world import OWN_UID, World, is_ready, owner_of, parts_of, revision_of


def service_answers(world: World) -> dict[str, int]:
    """Ready pods by revision that the root Service selects: each gets the same part of the requests."""
    service = world.objects.get(("Service", "churn"))
    return _selected(world, service) if service else {}


def staying(world: World, revision: str) -> int:
    """Ready pods of a revision that nothing has told to go: its Deployment is there, and wants so many. A stranger's
    Deployment of its name makes none."""
    deployment = world.objects.get(("Deployment", f"churn-{revision}"))
    if deployment is None or "deletionTimestamp" in deployment["metadata"]:
        return 0
    pods = [world.pods[name] for name in world.active(f"churn-{revision}")]
    ready = sum(is_ready(pod) and pod["metadata"]["labels"].get(REVISION) == revision for pod in pods)
    return min(int(ready), int(deployment["spec"].get("replicas", 1)))


def selects(service: Manifest, revisions: frozenset[str]) -> frozenset[str]:
    """The revisions of those that a root Service's selector asks for. An empty selector asks for none."""
    selector = service["spec"].get("selector") or {}
    if REVISION in selector:
        return revisions & {selector[REVISION]}
    return revisions if selector else frozenset()


def shares(parts: Mapping[str, int]) -> dict[str, float]:
    """Percent of the requests by revision."""
    whole = sum(parts.values())
    return {revision: 100 * part / whole for revision, part in parts.items() if part} if whole else {}


def routed(world: World) -> list[dict[str, float]]:
    """Percent of the requests by revision for each way through the gateway, as proxies have it and as they will."""
    written = [parts_of(world.objects[kind, "churn"]) for kind in ROUTES if (kind, "churn") in world.objects]
    return [shares(parts) for parts in (*world.programmed.values(), *written) if parts]


def unanswered(world: World, route: Mapping[str, int]) -> set[str]:
    """Revisions with a part of a route whose own Service is not there, or is somebody else's."""
    services = {name: m for (kind, name), m in world.objects.items() if kind == "Service"}
    return {
        revision
        for revision, part in route.items()
        if part and owner_of(services.get(f"churn-{revision}", {"metadata": {}})) != OWN_UID
    }


def _selected(world: World, service: Manifest) -> dict[str, int]:
    selector = service["spec"].get("selector") or {}
    answers: dict[str, int] = {}
    for pod in world.pods.values():
        labels = pod["metadata"]["labels"]
        if selector and all(labels.get(key) == value for key, value in selector.items()) and is_ready(pod):
            revision = revision_of(pod["owner"])
            answers[revision] = answers.get(revision, 0) + 1
    return answers
