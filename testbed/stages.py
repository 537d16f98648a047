"""All that `make test` does, stage by stage, and at the end where its time went.

A few tests that fail are run once more, alone. Those that pass then are flaky: each is a fault of the test or of the
product and named as such at the end, but one in ten thousand does not keep all other work from landing.

The stories' cluster is made anew: one that an earlier run left behind, or that came back with the engine, may answer
and still be half of what it was.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from testbed.costs import COSTS_ENV, Cost, read, summed
from testbed.shell import ROOT
from testbed.time_left import UNTIL_ENV

Command = tuple[str, ...]

_TESTBED: Final = (sys.executable, "-m", "testbed")
DOWN: Final = (*_TESTBED, "down", "--name", "slipway-e2e")
STAGES: Final[Mapping[str, Command]] = {
    "engine": (*_TESTBED, "engine"),
    "lint": ("make", "lint"),
    "tools": (*_TESTBED, "tools"),
    "unit": ("make", "unit"),
    "plane": ("make", "plane"),
    "earlier cluster": DOWN,
    "cluster": ("make", "story-cluster"),
    "stories": ("make", "stories"),
}
_AT_ANY_TIME: Final = ("env", f"--unset={UNTIL_ENV}")
"""What has failed is run again however late it is: what is left out then would not have passed."""
AGAIN: Final[Mapping[str, Command]] = {
    name: (*_AT_ANY_TIME, *STAGES[name], "PYTEST=--last-failed --numprocesses=0")
    for name in ("unit", "plane", "stories")
}
FEW: Final = 3
"""More failures than that are no accident of timing."""
_LAST_FAILED: Final = ROOT / ".pytest_cache" / "v" / "cache" / "lastfailed"


@dataclass(frozen=True)
class Stage:
    """One that has run. CPU is that of its own processes: a container engine's is not in it."""

    name: str
    code: int
    cpu_seconds: float
    clock_seconds: float
    by_folder: dict[str, Cost] = field(default_factory=dict)
    failures: tuple[str, ...] = ()
    """Tests that failed, if few did and each passed when it was run again."""


def run_all(
    *,
    keep: bool,
    stages: Mapping[str, Command] = STAGES,
    again: Mapping[str, Command] = AGAIN,
    last_failed: Path = _LAST_FAILED,
    down: Command = DOWN,
) -> list[Stage]:
    """Run the stages up to the first that fails; then take the cluster away, unless it is to be kept."""
    done: list[Stage] = []
    for name, command in stages.items():
        last_failed.unlink(missing_ok=True)
        done.append(run_stage(name, command))
        failures = _failures(last_failed) if name in again else ()
        if done[-1].code and 0 < len(failures) <= FEW:
            done.append(run_stage(f"{name}, again", again[name]))
            if not done[-1].code:
                done[-2] = replace(done[-2], code=0, failures=failures)
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


def _failures(last_failed: Path) -> tuple[str, ...]:
    """The tests that pytest keeps as failed: none where it ended before it had run them."""
    return tuple(json.loads(last_failed.read_text())) if last_failed.exists() else ()


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def rows(stages: Sequence[Stage]) -> Iterator[str]:
    """A table of stages, under each its folders of tests with their clock summed over workers; then what is flaky."""
    yield f"{'stage':28} {'tests':>6} {'CPU s':>8} {'clock s':>8}"
    for stage in stages:
        tests = sum(cost.tests for cost in stage.by_folder.values()) or ""
        failed = f"  exit status {stage.code}" if stage.code else ""
        yield f"{stage.name:28} {tests:>6} {stage.cpu_seconds:8.1f} {stage.clock_seconds:8.1f}{failed}"
        for name, cost in stage.by_folder.items():
            yield f"  {name:26} {cost.tests:6} {cost.cpu_seconds:8.1f} {cost.clock_seconds:8.1f}"
    for test in (test for stage in stages for test in stage.failures):
        yield f"FLAKY, failed once and passed alone: {test}"
