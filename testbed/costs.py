"""What tests cost, by folder: a pytest plugin for unit tests and stories alike.

CPU is that of the test process and of all that it started and that is still its own: operators, control planes,
servers. It is looked at when a worker goes from one file to the next, so that looking costs nothing.
"""

import json
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import psutil
import pytest

COSTS_ENV: Final = "SLIPWAY_TEST_COSTS"
"""Names a file to which the costs of a run are written as JSON, for who prints them later."""

COLLECTION: Final = "(collection)"


@dataclass
class Cost:
    """Of some tests. `clock_seconds` is the sum over workers that ran side by side."""

    tests: int = 0
    cpu_seconds: float = 0
    clock_seconds: float = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.tests + other.tests,
            self.cpu_seconds + other.cpu_seconds,
            self.clock_seconds + other.clock_seconds,
        )


def summed(costs: Iterable[tuple[str, Cost]]) -> dict[str, Cost]:
    """The sums of what has the same name, the dearest first."""
    sums: dict[str, Cost] = {}
    for name, cost in costs:
        sums[name] = sums.get(name, Cost()) + cost
    return dict(sorted(sums.items(), key=lambda entry: -entry[1].cpu_seconds))


def rows(costs: dict[str, Cost]) -> Iterator[str]:
    """The lines of a table."""
    yield f"{'':24} {'tests':>6} {'CPU s':>8} {'clock s':>8}"
    for name, cost in [*costs.items(), ("sum", sum(costs.values(), Cost()))]:
        yield f"{name:24} {cost.tests:6} {cost.cpu_seconds:8.1f} {cost.clock_seconds:8.1f}"


def folder_of(file: str) -> str:
    """The folder that a file's costs are told for: the first one in `tests`; `e2e` is one."""
    parts = Path(file).parts
    return "/".join(parts[: 2 if parts[0] == "tests" and len(parts) > 2 else 1])


def cpu_seconds() -> float:
    """CPU time, user and system, of this process and of its children, those that have ended included."""
    used = 0.0
    this = psutil.Process()
    for process in (this, *this.children(recursive=True)):
        try:
            used += sum(process.cpu_times()[:4])  # user, system, and both of children that were waited for
        except psutil.Error:
            continue
    return used


class Costs:
    """Takes the costs of each file in this process, and those that workers hand over."""

    def __init__(self) -> None:
        self.by_folder: dict[str, Cost] = {}
        self._cpu, self._clock, self._tests = 0.0, time.monotonic(), 0

    def add(self, costs: Iterable[tuple[str, Cost]]) -> None:
        """More of them."""
        self.by_folder = summed([*self.by_folder.items(), *costs])

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """What it takes to start and to import all tests, in this worker."""
        if session.items:
            self._take(COLLECTION)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
        if not self._tests:
            self._clock = time.monotonic()  # nothing was done while it waited for work
        done = yield
        self._tests += 1
        file = item.nodeid.split("::", 1)[0]
        if nextitem is None or nextitem.nodeid.split("::", 1)[0] != file:
            self._take(folder_of(file))
        return done

    def _take(self, name: str) -> None:
        cpu, clock = cpu_seconds(), time.monotonic()
        self.add([(name, Cost(self._tests, max(0.0, cpu - self._cpu), clock - self._clock))])
        self._cpu, self._clock, self._tests = cpu, clock, 0

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """A worker hands over; the one that has no workers, or all of them, keeps a file for later."""
        if handed := getattr(session.config, "workeroutput", None):
            handed["costs"] = {name: asdict(cost) for name, cost in self.by_folder.items()}
        elif path := os.environ.get(COSTS_ENV):
            Path(path).write_text(json.dumps({name: asdict(cost) for name, cost in self.by_folder.items()}))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """A worker has ended. Of one that crashed nothing is known."""
        self.add(read(getattr(node, "workeroutput", {}).get("costs", {})))

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self.by_folder:
            terminalreporter.section("costs: CPU of all processes, clock summed over workers")
            for row in rows(self.by_folder):
                terminalreporter.write_line(row)


def read(kept: dict[str, dict[str, float]]) -> Iterator[tuple[str, Cost]]:
    """Costs as they were written."""
    return ((name, Cost(**cost)) for name, cost in kept.items())  # type: ignore[arg-type]


def register(config: pytest.Config) -> None:
    """Have the costs of this run told."""
    if not config.pluginmanager.has_plugin("costs"):
        config.pluginmanager.register(Costs(), "costs")
