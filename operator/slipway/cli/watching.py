"""What kubectl's watches bring, as it comes: a model and its pods, and when the cluster is out of reach.

A watch ends after WATCH_SECONDS and all is listed anew: what a proxy swallows is late by no more than that.
"""

import queue
import subprocess
import threading
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from slipway.api.v1alpha1 import MODELS
from slipway.cli.kubectl import DeniedError, Kubectl, KubectlError
from slipway.cli.reading import read
from slipway.core.body import mapping, within
from slipway.core.names import MODEL_DEPLOYMENT

WATCH_SECONDS: Final = 30
_LONGEST_REST: Final = 10
_BY_NAME_SECONDS: Final = 2
"""Between two looks at a model that may be got, and neither listed nor watched."""
_TICK_SECONDS: Final = 1.0
_DRAWS_A_SECOND: Final = 5
_EVENTS: Final = ("ADDED", "MODIFIED", "DELETED")

Object = dict[str, Any]


@dataclass
class Seen:
    """The newest of each object, and since when the cluster does not answer."""

    model: Object | None = None
    pods: dict[str, Object] = field(default_factory=dict)
    lost: str | None = None
    lost_at: datetime | None = None
    without_pods: str | None = None
    """Why the pods may be old, or are missing."""


@dataclass(frozen=True)
class _News:
    """What one watch has to say: a whole list, one event, or why there is nothing."""

    resource: str
    items: list[Object] | None = None
    event: Object | None = None
    error: str | None = None


def seen(kubectl: Kubectl, name: str) -> Generator[Seen, None, None]:
    """The state again and again: with each change, and each second. KubectlError where the first look at the model is
    refused."""
    news: queue.Queue[_News] = queue.Queue()
    selectors = {MODELS: f"--field-selector=metadata.name={name}", "pods": f"--selector={MODEL_DEPLOYMENT}={name}"}
    state = Seen()
    try:
        _apply(state, _News(MODELS, items=kubectl.items(MODELS, selectors[MODELS])))
    except DeniedError:
        _apply(state, _alone(kubectl, name))
    try:
        _apply(state, _News("pods", items=kubectl.items("pods", selectors["pods"])))
    except KubectlError as error:
        _apply(state, _News("pods", error=str(error)))
    watches = [
        _Watch(kubectl, resource, selector, news, name if resource == MODELS else None)
        for resource, selector in selectors.items()
    ]
    for watch in watches:
        watch.start()
    try:
        while True:
            yield state
            _take(state, news)
    finally:
        for watch in watches:
            watch.end()


def _alone(kubectl: Kubectl, name: str) -> _News:
    """The model as whoever may not list it, and may get it by its name, sees it."""
    body = kubectl.named(MODELS, name)
    return _News(MODELS, items=[body] if body else [])


def _take(state: Seen, news: "queue.Queue[_News]") -> None:
    """All that has come: a burst of changes is one."""
    with suppress(queue.Empty):
        _apply(state, news.get(timeout=_TICK_SECONDS))
        time.sleep(1 / _DRAWS_A_SECOND)
        while True:
            _apply(state, news.get_nowait())


def _apply(state: Seen, news: _News) -> None:
    if news.resource == MODELS:
        _apply_to_model(state, news)
    else:
        _apply_to_pods(state, news)


def _apply_to_model(state: Seen, news: _News) -> None:
    if news.error is not None:
        state.lost, state.lost_at = news.error, state.lost_at or datetime.now(UTC)
        return
    state.lost = state.lost_at = None
    if news.items is not None:
        state.model = next(iter(news.items), None)
    elif news.event is not None:
        state.model = None if news.event.get("type") == "DELETED" else dict(within(news.event, "object"))


def _apply_to_pods(state: Seen, news: _News) -> None:
    state.without_pods = news.error
    if news.items is not None:
        state.pods = {_name(each): each for each in news.items}
    elif news.event is not None:
        pod = within(news.event, "object")
        if news.event.get("type") == "DELETED":
            state.pods.pop(_name(pod), None)
        else:
            state.pods[_name(pod)] = dict(pod)


def _name(body: Any) -> str:
    return str(within(body, "metadata").get("name", ""))


class _Watch(threading.Thread):
    """Lists and watches one kind of objects, again and again, ever more slowly while nobody answers. `name`: of the one
    that is got by itself where it may not be listed."""

    def __init__(
        self, kubectl: Kubectl, resource: str, selector: str, news: "queue.Queue[_News]", name: str | None
    ) -> None:
        super().__init__(daemon=True)
        self._kubectl, self._resource, self._selector, self._news = kubectl, resource, selector, news
        self._name = name
        self._ended = threading.Event()
        self._process: subprocess.Popen[str] | None = None

    def end(self) -> None:
        """Stop it, and its kubectl."""
        self._ended.set()
        if self._process:
            self._process.terminate()

    def run(self) -> None:
        """See threading.Thread."""
        rest = 1
        while not self._ended.is_set():
            began = time.monotonic()
            try:
                self._look()
                rest = 1
            # The boundary to kubectl and what it hands out: a look that fails is followed by another.
            except Exception as error:  # noqa: BLE001
                self._tell(error=str(error) if isinstance(error, KubectlError) else f"{type(error).__name__}: {error}")
                rest = min(2 * rest, _LONGEST_REST)
            self._ended.wait(max(0.0, rest - (time.monotonic() - began)))

    def _look(self) -> None:
        try:
            self._tell(items=self._kubectl.items(self._resource, self._selector))
        except DeniedError:
            if self._name is None:
                raise
            self._news.put(_alone(self._kubectl, self._name))
            self._ended.wait(_BY_NAME_SECONDS)
            return
        self._watch()

    def _tell(self, **news: Any) -> None:
        self._news.put(_News(self._resource, **news))

    def _watch(self) -> None:
        """Until it ends, for whatever reason: the next list says whether anybody is there."""
        words = ("get", self._resource, self._selector, "--watch", "--output-watch-events", "-o", "json")
        with self._kubectl.start(*words, f"--request-timeout={WATCH_SECONDS}s") as process:
            self._process = process
            assert process.stdout
            try:
                for event in _objects(process.stdout):
                    if event.get("type") not in _EVENTS:
                        raise KubectlError(f"the watch ends: {within(event, 'object').get('message') or 'unreadable'}")
                    self._tell(event=event)
            finally:
                process.terminate()


def _objects(lines: Iterable[str]) -> Iterator[Object]:
    """JSON objects one after another, each over as many lines as kubectl likes."""
    text = ""
    for line in lines:
        text += line
        if line.startswith(("}", "{")) and line.rstrip().endswith("}"):
            whole, text = text, ""
            with suppress(ValueError):
                yield dict(mapping(read(whole)))
