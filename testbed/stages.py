"""All that `make test` does, stage by stage, and at the end where its time went."""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from testbed.costs import COSTS_ENV, Cost, read, summed
from testbed.shell import ROOT

Command = tuple[str, ...]

_TESTBED: Final = (sys.executable, "-m", "testbed")
STAGES: Final[Mapping[str, Command]] = {
    "engine": (*_TESTBED, "engine"),
    "lint": ("make", "lint"),
    "tools": (*_TESTBED, "tools"),
    "unit": ("make", "unit"),
    "cluster": ("make", "story-cluster"),
    "stories": ("make", "stories"),
}
DOWN: Final = (*_TESTBED, "down", "--name", "slipway-e2e")


@dataclass(frozen=True)
class Stage:
    """One that has run. CPU is that of its own processes: a container engine's is not in it."""

    name: str
    code: int
    cpu_seconds: float
    clock_seconds: float
    by_folder: dict[str, Cost] = field(default_factory=dict)


def run_all(*, keep: bool, stages: Mapping[str, Command] = STAGES, down: Command = DOWN) -> list[Stage]:
    """Run the stages up to the first that fails; then take the cluster away, unless it is to be kept."""
    done: list[Stage] = []
    for name, command in stages.items():
        done.append(run_stage(name, command))
        if done[-1].code:
            break
    if not keep and any(stage.name == "cluster" for stage in done):
        done.append(run_stage("down", down))
    return done


def run_stage(name: str, command: Command) -> Stage:
    """Run one to its end and say what it cost, of tests by folder."""
    with tempfile.TemporaryDirectory() as folder:
        costs = Path(folder) / "costs.json"
        cpu, clock = _cpu_of_children(), time.monotonic()
        code = subprocess.run(command, cwd=ROOT, env={**os.environ, COSTS_ENV: str(costs)}, check=False).returncode
        return Stage(
            name=name,
            code=code,
            cpu_seconds=_cpu_of_children() - cpu,
            clock_seconds=time.monotonic() - clock,
            by_folder=summed(read(json.loads(costs.read_text()))) if costs.exists() else {},
        )


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def rows(stages: Iterable[Stage]) -> Iterator[str]:
    """A table of stages, and under each of tests its folders; their clock is the sum over workers."""
    yield f"{'stage':28} {'tests':>6} {'CPU s':>8} {'clock s':>8}"
    for stage in stages:
        tests = sum(cost.tests for cost in stage.by_folder.values()) or ""
        failed = f"  exit status {stage.code}" if stage.code else ""
        yield f"{stage.name:28} {tests:>6} {stage.cpu_seconds:8.1f} {stage.clock_seconds:8.1f}{failed}"
        for name, cost in stage.by_folder.items():
            yield f"  {name:26} {cost.tests:6} {cost.cpu_seconds:8.1f} {cost.clock_seconds:8.1f}"
