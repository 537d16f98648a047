"""All that became of one ModelDeployment, change by change: what polling would miss is in a watch.

The API server numbers the changes of all kinds in one sequence, so the changes that its watches tell of are put in
their order by it.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, Final, Self

import httpx

from testbed.api import Api, Manifest
from tests.stories.story import OWNER, REVISION

ROUND_SECONDS: Final = 30
"""One watch lasts so long; then the next goes on from where it ended."""
LAST_SECONDS: Final = 2
"""The watch at the end, which has to tell of nothing but what there was already."""


@dataclass
class Moment:
    """What there was after one change."""

    model: Manifest = field(default_factory=dict)
    deployments: dict[str, Manifest] = field(default_factory=dict)
    pods: dict[str, Manifest] = field(default_factory=dict)
    selector: dict[str, str] = field(default_factory=dict)
    """Of the root Service."""
    route: Manifest = field(default_factory=dict)
    """What gives shares where a gateway is asked for."""

    def counts(self) -> dict[str, int]:
        """Pods that each revision's Deployment is set to."""
        return {_revision(found): int(found["spec"]["replicas"]) for found in self.deployments.values()}

    def reached(self, revision: str = "") -> int:
        """Ready pods that the root Service sends requests to."""
        wanted = (*self.selector.items(), *([(REVISION, revision)] if revision else []))
        return sum(
            is_ready(pod) and all(pod["metadata"]["labels"].get(key) == value for key, value in wanted)
            for pod in self.pods.values()
        )

    def available(self) -> dict[str, int]:
        """Pods that each revision's Deployment tells of as available; no more than it is set to."""
        told = {_revision(d): int(d.get("status", {}).get("availableReplicas", 0)) for d in self.deployments.values()}
        return {revision: min(told[revision], count) for revision, count in self.counts().items()}

    def shares(self) -> dict[str, int]:
        """Each revision's part of the requests, by what the route says of each protocol alike."""
        rules = [rule["backendRefs"] for rule in self.route.get("spec", {}).get("rules", ())]
        named = [{ref["name"]: ref["weight"] for ref in rule if ref["weight"]} for rule in rules]
        assert all(each == named[0] for each in named), named
        own = f"{self.model['metadata']['name']}-"
        return {name.removeprefix(own): weight for name, weight in named[0].items()} if named else {}

    def rollout(self) -> Manifest:
        """Where status says that the rollout stands."""
        return dict((self.model.get("status") or {}).get("rollout") or {})

    def strategy(self) -> Manifest:
        """How status says that versions change."""
        return dict(self.rollout().get("strategy") or {})


class History:
    """A context: from its beginning to its end every change is kept."""

    def __init__(self, api: Api, namespace: str, name: str) -> None:
        owned = {"labelSelector": f"{OWNER}={name}"}
        itself = {"fieldSelector": f"metadata.name={name}"}
        self._asked = {
            "modeldeployments": itself,
            "services": itself,
            "httproutes": itself,
            "deployments": owned,
            "pods": owned,
        }
        self._api, self._namespace = api, namespace
        self._seen: dict[tuple[int, str], Manifest] = {}
        self._before = Moment()
        self._since: dict[str, str] = {}
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._follow, args=(plural,), daemon=True) for plural in self._asked]
        self._failed: list[httpx.HTTPError] = []

    def __enter__(self) -> Self:
        for plural, query in self._asked.items():
            listed = self._api.listing(plural, self._namespace, query)
            self._since[plural] = listed["metadata"]["resourceVersion"]
            for item in listed["items"]:
                _put(self._before, plural, {"type": "ADDED", "object": item})
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with ThreadPoolExecutor(len(self._asked)) as last:
            list(last.map(self._round, self._asked, repeat(LAST_SECONDS)))
        self._over.set()
        if self._failed:
            raise self._failed[0]

    def _follow(self, plural: str) -> None:
        try:
            while not self._over.is_set():
                self._round(plural, ROUND_SECONDS)
        except httpx.HTTPError as error:
            self._failed.append(error)

    def _round(self, plural: str, seconds: int) -> None:
        """Keep what one watch tells of. Two at once keep the same."""
        asked, since = self._asked[plural], self._since[plural]
        for event in self._api.watch(plural, self._namespace, asked, since=since, seconds=seconds):
            version = event["object"]["metadata"]["resourceVersion"]
            if self._over.is_set():
                return
            if event["type"] != "BOOKMARK":
                self._seen[int(version), plural] = event
            self._since[plural] = version

    def moments(self) -> Iterator[Moment]:
        """What there was at the beginning, and after each change. The same object each time, moved on."""
        first = self._before
        now = Moment(first.model, dict(first.deployments), dict(first.pods), first.selector, first.route)
        yield now
        for (_, plural), event in sorted(self._seen.items(), key=lambda seen: seen[0]):
            _put(now, plural, event)
            yield now

    def __str__(self) -> str:
        """For a failed test: each step, the counts, and what was reached."""
        lines: list[str] = []
        for moment in self.moments():
            counts = ", ".join(f"{revision} {count}" for revision, count in moment.counts().items())
            selected = moment.selector.get(REVISION, "all")
            shares = f"; shares {moment.shares()}" if moment.route else ""
            line = f"{moment.rollout().get('phase')}: {counts}; {selected} selected, {moment.reached()} reached{shares}"
            if not lines or lines[-1] != line:
                lines.append(line)
        return "\n".join(lines)

    def fewest_reached(self) -> int:
        """Ready pods that the root Service sent requests to, at the worst moment."""
        return min(moment.reached() for moment in self.moments())

    def most_pods(self) -> int:
        """Pods that all Deployments were set to, at the fullest moment."""
        return max(sum(moment.counts().values()) for moment in self.moments())


def is_ready(pod: Manifest) -> bool:
    """Ready, and not about to end."""
    ready = any((c["type"], c["status"]) == ("Ready", "True") for c in pod.get("status", {}).get("conditions") or ())
    return ready and "deletionTimestamp" not in pod["metadata"]


def _revision(found: Manifest) -> str:
    return str(found["metadata"]["labels"][REVISION])


def _put(now: Moment, plural: str, event: dict[str, Any]) -> None:
    found = event["object"]
    if plural == "modeldeployments":
        now.model = found
    elif plural == "services":
        now.selector = found["spec"]["selector"]
    elif plural == "httproutes":
        now.route = {} if event["type"] == "DELETED" else found
    else:
        kept: dict[str, Manifest] = getattr(now, plural)
        if event["type"] == "DELETED":
            kept.pop(found["metadata"]["uid"], None)
        else:
            kept[found["metadata"]["uid"]] = found
