"""Running jobs: the resolve Jobs that have or may get a pod. Known beforehand: of a hostile tenant's there may be ten
thousands."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from slipway.controller.kinds import Key


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A resolve Job that runs."""

    key: Key
    name: str
    begun: datetime | None
    owner_uid: str | None


class RunningJobs:
    """The resolve Jobs that run, by namespace."""

    def __init__(self) -> None:
        self._by_namespace: dict[str | None, dict[str, RunningJob]] = {}

    def by_namespace(self) -> Iterator[Iterator[RunningJob]]:
        """Those of each namespace."""
        return (iter(jobs.values()) for jobs in self._by_namespace.values())

    def add(self, uid: str, job: RunningJob) -> None:
        """It runs."""
        self._by_namespace.setdefault(job.key.namespace, {})[uid] = job

    def drop(self, namespace: str | None, uid: str) -> None:
        """It runs no more, if it did."""
        jobs = self._by_namespace.get(namespace, {})
        if jobs.pop(uid, None) and not jobs:
            del self._by_namespace[namespace]
