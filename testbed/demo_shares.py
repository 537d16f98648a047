"""Which share each version was given, when, and what clients saw of it. Pure but for `following`."""

import itertools
import json
import math
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from load.report import Report
from load.split import tolerance
from testbed.kubectl import Kubectl
from testbed.served import EXAMPLE

SETTLE_SECONDS: Final = 2
"""From a route's write until its proxy has it, and requests that were on their way have ended."""
LEAST_SECONDS: Final = 3
RULES: Final[Mapping[str, tuple[str, ...]]] = {"HTTP": ("http",), "gRPC": ("grpc", "stream")}
"""Protocols by the rule of the route that leads them."""


@dataclass(frozen=True)
class Seen:
    """An object's part as it was from a time on, in seconds since the epoch."""

    at: float
    part: Mapping[str, Any]


@dataclass(frozen=True)
class Stretch:
    """A time in which the route's weights stayed as they were, in percent by version."""

    start: float
    end: float
    weights: Mapping[str, int]


@dataclass(frozen=True)
class Split:
    """What clients saw of one version's share by one rule of the route."""

    rule: str
    version: str
    asked: float
    seen: float
    requests: int

    @property
    def allowed(self) -> float:
        """How far off chance may bring it."""
        return tolerance(self.requests, self.asked)

    @property
    def holds(self) -> bool:
        """Whether it is no farther off."""
        return abs(self.seen - self.asked) <= self.allowed


@dataclass
class Story:
    """All that was seen of the ModelDeployment's status and of its route, as it came."""

    statuses: list[Seen] = field(default_factory=list)
    routes: list[Seen] = field(default_factory=list)

    @property
    def status(self) -> Mapping[str, Any]:
        """The latest."""
        return self.statuses[-1].part if self.statuses else {}

    @property
    def versions(self) -> dict[str, str]:
        """Every version that was ever there, by its revision."""
        return {
            told["revision"]: told["version"]
            for seen in list(self.statuses)
            for told in (*seen.part.get("revisions", ()), seen.part.get("candidate") or {}, seen.part["stable"])
            if told.get("revision")
        }

    def weights(self) -> list[Seen]:
        """What the route asked for from each time on, in percent by version; the same twice is told once."""
        told: list[Seen] = []
        versions = self.versions
        for seen in list(self.routes):
            weights = _percent(seen.part, versions)
            if weights and (not told or told[-1].part != weights):
                told.append(Seen(seen.at, weights))
        return told

    def stretches(self, end: float) -> list[Stretch]:
        """The times between changes of weights."""
        told = self.weights()
        ends = [*(seen.at for seen in told[1:]), end]
        return [Stretch(seen.at, until, seen.part) for seen, until in zip(told, ends, strict=True)]

    def breach(self) -> tuple[float, str]:
        """When the first measurement failed, and its words; (nan, "") when none did."""
        measured = (
            measurement
            for seen in self.statuses
            for measurement in (_analysis(seen.part).get("measurements") or ())
            if measurement["outcome"] == "Failure"
        )
        first = next(measured, None)
        return (seconds(first["at"]), first["message"]) if first else (math.nan, "")

    def emptied(self, version: str) -> float:
        """When the route last took a version's share away."""
        told, gone = self.weights(), math.nan
        for before, after in itertools.pairwise(told):
            if before.part.get(version) and not after.part.get(version):
                gone = after.at
        return gone


def splits(report: Report, stretch: Stretch, version: str) -> list[Split]:
    """A version's share in a stretch, by each rule, once it had settled; nothing of a stretch that is too short."""
    start = math.ceil(stretch.start - report.began + SETTLE_SECONDS)
    end = math.floor(min(stretch.end - report.began, report.seconds))
    if end - start < LEAST_SECONDS:
        return []
    asked = stretch.weights.get(version, 0) / 100
    counted = {rule: report.between(start, end, *protocols).counts for rule, protocols in RULES.items()}
    return [
        Split(rule, version, asked, counts.get(version, 0) / sum(counts.values()), sum(counts.values()))
        for rule, counts in counted.items()
        if counts
    ]


def so_far(before: Report | None, recent: Report) -> Report:
    """All of a run that was seen, from looks that overlap."""
    if before is None:
        return recent
    both = {protocol: {**before.timeline[protocol], **tallies} for protocol, tallies in recent.timeline.items()}
    return replace(recent, timeline=both)


def seconds(time_of_day: str) -> float:
    """A time as the API writes it, in seconds since the epoch."""
    return datetime.fromisoformat(time_of_day).timestamp()


@contextmanager
def following(kubectl: Kubectl) -> Iterator[Story]:
    """Follow the example's status and route for as long as the block lasts."""
    story = Story()
    with (
        _watching(kubectl, "modeldeployment", "{.status}", story.statuses.append),
        _watching(kubectl, "httproute", "{.spec}", story.routes.append),
    ):
        yield story


@contextmanager
def _watching(kubectl: Kubectl, kind: str, part: str, take: Callable[[Seen], None]) -> Iterator[None]:
    with kubectl.start("get", kind, EXAMPLE, "--watch", f"--output=jsonpath={part}{{'\\n'}}") as process:
        reader = threading.Thread(target=_read, args=(process, take), daemon=True)
        reader.start()
        try:
            yield
        finally:
            process.terminate()
            reader.join()


def _read(process: "subprocess.Popen[str]", take: Callable[[Seen], None]) -> None:
    assert process.stdout
    for line in process.stdout:
        if line.startswith("{"):
            take(Seen(time.time(), json.loads(line)))


def _percent(route: Mapping[str, Any], versions: Mapping[str, str]) -> dict[str, int]:
    """Weights of the rule for plain requests; a rule that a header leads to has one backend and no say in shares."""
    rules: Sequence[Mapping[str, Any]] = route["rules"]
    backends = rules[0]["backendRefs"]
    whole = sum(backend.get("weight", 1) for backend in backends)
    named = {versions.get(backend["name"].rpartition("-")[2], ""): backend.get("weight", 1) for backend in backends}
    return {version: round(100 * weight / whole) for version, weight in named.items() if version and whole}


def _analysis(status: Mapping[str, Any]) -> Mapping[str, Any]:
    rollout = status.get("rollout") or {}
    found: Mapping[str, Any] = (rollout.get("canary") or {}).get("analysis") or {}
    return found
