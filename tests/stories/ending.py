"""Where a story of versions ends: what must be the same whatever happened to the operator on the way."""

import re
from typing import Any

from tests.stories.story import CHILDREN, Story

LASTING = tuple(plural for plural in CHILDREN if plural not in ("pods", "jobs", "controllerrevisions"))
"""Kinds of children that go with their version."""
_OF_A_POD = re.compile(r"(-[0-9a-f]{8})-[a-z0-9]{5,10}-[a-z0-9]{5}\b")
"""What a ReplicaSet and a pod add to a revision's name: never the same twice."""


def drained(story: Story, name: str) -> bool:
    """Of other versions only their place in history is left. Asked again and again, so what is cheap comes first."""
    status = story.status(name)
    if len(status["revisions"]) != 1:
        return False
    serving = f"{name}-{(status.get('stable') or {}).get('revision')}"
    return {child for _, child in story.children(name, LASTING)} == {name, serving}


def end_of(story: Story, name: str) -> dict[str, Any]:
    """What matters in the end: which children with what in them, and what status says, but for times."""
    status = story.status(name)
    refused = {key: _same(words) for key, words in (status.get("refused") or {}).items() if key != "at"}
    return {
        "children": {
            key: _asked(found) for key, found in story.children(name).items() if key[0] not in ("pods", "jobs")
        },
        "pods": sum(
            pod["metadata"]["labels"]["app.kubernetes.io/component"] == "server"
            for pod in story.children(name, ("pods",)).values()
        ),
        "stable": status["stable"],
        "candidate": status.get("candidate"),
        "refused": refused,
        "rollout": status.get("rollout"),
        "lastNumber": status["lastNumber"],
        "phase": status["phase"],
        "revisions": status["revisions"],
        "conditions": {c["type"]: (c["status"], c["reason"], _same(c["message"])) for c in status["conditions"]},
    }


def _same(words: str) -> str:
    return _OF_A_POD.sub(r"\1-POD", words)


def _asked(found: dict[str, Any]) -> Any:
    spec = {k: v for k, v in found.get("spec", {}).items() if k not in ("clusterIP", "clusterIPs")}
    return spec, found.get("data"), found.get("revision")
