"""A ModelDeployment with operators of its own, which die as a story wants it.

They are forked where everything is imported already: lives are short, and many of them run at once. What kills one is
in dying.py.
"""

import multiprocessing
import threading
from collections.abc import Callable
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from typing import Any, Final

from testbed.api import Manifest
from testbed.operating import until
from testbed.plane import free_port
from tests.stories.dying import NEVER, Countdown, Life
from tests.stories.ending import drained, end_of
from tests.stories.rollouts.model import BEGINNING, Model
from tests.stories.story import Story

PODS: Final = 3
PATIENCE: Final = 480
POLL_SECONDS: Final = 2
FORKING: Final = multiprocessing.get_context("forkserver")
FORKING.set_forkserver_preload(["pytest", "tests.stories.dying"])
STARTING: Final = threading.Lock()
"""multiprocessing keeps a list of children that threads must not change at once."""

Disturbance = Callable[[Model], None]
Ended = Callable[[Model], bool]


class Cell:
    """Its operators die after their k-th write: the first of them alone or, `again`, each that comes after one.
    `leaders` of them lead at once."""

    def __init__(self, story: Story, k: int = NEVER, *, again: bool = False, leaders: int = 1, **spec: Any) -> None:
        self.k = k
        self.model = Model(Story(story.plane, story.api).begin(), "churn")
        self.lives = 0
        self._again, self._spec = again, {"replicas": PODS, **spec}
        self._file = story.plane.dir / self.model.story.namespace
        self._counted, self._counts = self._file.with_suffix(".writes"), self._file.with_suffix(".counts")
        self._leading: list[BaseProcess | None] = [None] * leaders

    @property
    def writes(self) -> list[str]:
        """Those that counted."""
        return self._counted.read_text().splitlines() if self._counted.exists() else []

    def tell(self, before: Disturbance, what: Disturbance, done: Ended) -> Manifest:
        """From version 1 through what comes before, and then what it is about. Answers the end."""
        self.begin()
        before(self.model)
        end = self.comes_to(what, done)
        self.leave()
        return end

    def begin(self) -> None:
        """Version 1, Ready."""
        model = self.model
        with BEGINNING:
            model.apply("1", **self._spec)
            self._lives_until(lambda: model.story.api.get("services", model.story.namespace, model.name))
        self._lives_until(lambda: model.story.is_ready(model.name, "1"))

    def comes_to(self, what: Disturbance, done: Ended) -> Manifest:
        """From now on writes count. Answers the end."""
        model = self.model
        self._counts.touch()
        what(model)
        # Asked again: what has drained stays so, and what was done may have been so before it drained.
        self._lives_until(lambda: done(model) and drained(model.story, model.name) and done(model))
        for process in filter(None, self._leading):
            process.kill()
            process.join()
        return end_of(model.story, model.name)

    def leave(self) -> None:
        """Make room for others."""
        self.model.story.kubectl("delete", "modeldeployment", self.model.name, "--wait=false")

    def _lives_until(self, done: Callable[[], object]) -> None:
        """Whenever an operator is dead another one starts, as Kubernetes has it."""

        def done_or_dead() -> object:
            self._leading = [p if p and p.is_alive() else self._started() for p in self._leading]
            connection.wait([p.sentinel for p in self._leading if p], POLL_SECONDS)
            return done()

        until(f"k={self.k} is done", done_or_dead, PATIENCE, poll_seconds=0)

    def _started(self) -> BaseProcess:
        story, dies = self.model.story, self._again or self.lives < len(self._leading)
        self.lives += 1
        life = Life(
            argv=_argv(story.namespace, lease=f"{story.namespace}-{self.lives}"),
            kubeconfig=story.plane.kubeconfig("operator"),
            log=self._file.with_suffix(".log"),
            countdown=Countdown(left=self.k, since=self._counts, counter=self._counted)
            if dies
            else Countdown(left=NEVER),
        )
        with STARTING:
            process = FORKING.Process(target=life.begin, daemon=True)
            process.start()
        return process


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


def changed(one: Manifest, other: Manifest) -> Manifest:
    """What two ends have not in common."""
    return {key: (one[key], other[key]) for key in one if one[key] != other[key]}
