"""Killed after its k-th write, for every k: a rollout, and the way back out of one that failed in the middle.

Each k has a namespace and an operator of its own, forked where everything is imported already, and all of them run at
once. What kills an operator is in dying.py.
"""

import multiprocessing
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final

import pytest

from testbed.operating import until
from testbed.plane import free_port
from tests.stories.dying import NEVER, Countdown, Life
from tests.stories.ending import drained, end_of
from tests.stories.rollouts.model import Model
from tests.stories.story import Story

pytestmark = pytest.mark.plane

ROLLING: Final = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
PODS: Final = 3
PATIENCE: Final = 480
POLL_SECONDS: Final = 1
FORKING: Final = multiprocessing.get_context("forkserver")
FORKING.set_forkserver_preload(["pytest", "tests.stories.dying"])
STARTING: Final = threading.Lock()
"""multiprocessing keeps a list of children that threads must not change at once."""

BEGINNING: Final = threading.BoundedSemaphore(6)
"""An API server hands out few addresses of Services a second: all at once would only wait for each other."""

Disturbance = Callable[[Model], None]


class Cell:
    """One k of the matrix: a ModelDeployment, and an operator that dies after so many writes, once."""

    def __init__(self, story: Story, folder: Path, k: int) -> None:
        self.k = k
        self._model = Model(Story(story.plane, story.api).begin(), "churn")
        self._counted, self._counts, self._log = folder / f"{k}.writes", folder / f"{k}.counts", folder / f"{k}.log"
        self._countdown = Countdown(left=k, since=self._counts, counter=self._counted)
        self._lives = 0
        self._process: BaseProcess | None = None

    @property
    def writes(self) -> list[str]:
        """Those that counted, in the first life."""
        return self._counted.read_text().splitlines() if self._counted.exists() else []

    def tell(self, before: Disturbance, what: Disturbance, done: Callable[[Model], bool]) -> dict[str, Any]:
        """From version 1 through what comes before the matrix, and then what it is about. Answers the end."""
        model = self._model
        with BEGINNING:
            model.apply("1", replicas=PODS, rollout=ROLLING)
            self._lives_until(lambda: model.story.api.get("services", model.story.namespace, model.name))
        self._lives_until(lambda: model.story.is_ready(model.name, "1"))
        before(model)
        self._counts.touch()
        what(model)
        # Asked again: what has drained stays so, and what was done may have been so before it drained.
        self._lives_until(lambda: done(model) and drained(model.story, model.name) and done(model))
        self._end()
        end = end_of(model.story, model.name)
        model.story.kubectl("delete", "modeldeployment", model.name, "--wait=false")
        return end

    def _lives_until(self, done: Callable[[], object]) -> None:
        """Whenever the operator is dead another one starts, as Kubernetes has it."""

        def done_or_dead() -> object:
            if self._process is None or not self._process.is_alive():
                self._begin()
            return done()

        until(f"k={self.k} is done", done_or_dead, PATIENCE, POLL_SECONDS)

    def _begin(self) -> None:
        story, first = self._model.story, not self._lives
        self._lives += 1
        life = Life(
            argv=_argv(story.namespace, lease=f"{story.namespace}-{self._lives}"),
            kubeconfig=story.plane.kubeconfig("operator"),
            log=self._log,
            countdown=Countdown(left=self.k, since=self._counts, counter=self._counted)
            if first
            else Countdown(left=NEVER),
        )
        with STARTING:
            self._process = FORKING.Process(target=life.begin, daemon=True)
            self._process.start()

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()


def _argv(namespace: str, *, lease: str) -> list[str]:
    return [
        "run",
        "--fetcher-image=testbed/fetcher",
        "--server-image=testbed/server",
        f"--namespaces={namespace}",
        "--lease-namespace=default",
        f"--lease-name={lease}",
        f"--health-port={free_port()}",
        f"--metrics-port={free_port()}",
    ]


def _matrix(story: Story, name: str, k_max: int, *tale: Any) -> None:
    """Tell it for every k, and once for a k that is never reached; all ends must be the same."""
    folder = story.plane.dir / name
    folder.mkdir()
    cells = [Cell(story, folder, k) for k in (NEVER, *range(1, k_max + 1))]
    with ThreadPoolExecutor(len(cells)) as pool:
        undisturbed, *ends = pool.map(lambda cell: cell.tell(*tale), cells)
    killed = [cell.k for cell in cells[1:] if len(cell.writes) == cell.k]
    assert len(cells[0].writes) < k_max, cells[0].writes  # there is no write without its k
    assert len(killed) >= len(cells[0].writes) * 3 // 4, killed  # what falls into one pass is written once
    pairs = zip(cells[1:], ends, strict=True)
    different = {cell.k: changed for cell, end in pairs if (changed := _changed(undisturbed, end))}
    assert not different, str(different)


def _changed(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {key: (one[key], other[key]) for key in one if one[key] != other[key]}


def test_a_rollout_ends_the_same_whichever_write_was_the_operators_last(story: Story) -> None:
    def done(model: Model) -> bool:
        return model.story.is_ready(model.name, "2")

    _matrix(story, "rollout", 32, lambda _: None, lambda model: model.moves("2"), done)


def test_a_rollback_ends_the_same_whichever_write_was_the_operators_last(story: Story) -> None:
    _matrix(story, "rollback", 22, _half_way, _fails, _is_back)


def _half_way(model: Model) -> None:
    model.moves("2")
    new = model.shifts()
    model.until("it has two pods", lambda: model.count(new) == 2)


def _fails(model: Model) -> None:
    """The servers of the new version end by themselves, all of them."""
    model.crash(model.candidate())


def _is_back(model: Model) -> bool:
    status = model.status
    refused = (status.get("refused") or {}).get("reason")
    if refused is None and status.get("candidate"):
        _fails(model)
    return refused == "CrashLoop" and status["stable"]["version"] == "1" and status["ready"] == f"{PODS}/{PODS}"
