"""Scores: the guard asks its own server the bundle's labelled rows, when somebody wants to know."""

import json
import threading
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from slipway.guard.model_config import ModelConfig
from slipway.guard.protocol import Refused, Statistics, TooSlow
from slipway.guard.scoring import AGAIN_SECONDS, KEPT_SECONDS, LONGEST_SECONDS, Scoring
from slipway.guard.tensors import Tensor
from tests.guard.pod import Container
from tests.triton import models


def lay(directory: Path, *rows: tuple[float, float]) -> None:
    """Rows for a model of one number."""
    directory.mkdir(exist_ok=True)
    text = "\n".join(json.dumps({"inputs": {"x": [x]}, "label": y}) for x, y in rows)
    (directory / "rows.jsonl").write_text(text)


def scores(pod: Container) -> dict[str, Any]:
    with urlopen(f"http://127.0.0.1:{pod.guard_port}/scores", timeout=5) as response:
        found: dict[str, Any] = json.load(response)
        return found


def until_scored(pod: Container) -> dict[str, Any]:
    pod.until(lambda: not scores(pod).get("pending"))
    return scores(pod)


@pytest.mark.triton
def test_the_real_server_is_asked_all_rows_and_only_on_request(pod: Container) -> None:
    # given: y = 2x + 1, and labels that are off by a half in one row of forty
    model = models.linear(pod.repository)
    lay(model / "labelled", *((x, 2 * x + 1 + (x == 7) / 2) for x in range(40)))
    pod.golden(models.golden())
    pod.start(interval=0.5)
    pod.until_verified()
    asked_before = pod.client.statistics(5).answered

    # when
    found = until_scored(pod)

    # then
    assert found["rows"] == 40
    assert found["requests"] == 5  # eight at a time
    assert found["outputs"]["y"]["mean_absolute_error"] == pytest.approx(0.5 / 40)
    assert found["outputs"]["y"]["r2"] == pytest.approx(1, abs=1e-3)
    assert "labels are fractions" in found["outputs"]["y"]["accuracy"]
    assert asked_before < 10
    assert pod.running
    assert not pod.verdict


@pytest.mark.triton
def test_a_bundle_without_rows_says_so_and_serves(pod: Container) -> None:
    models.linear(pod.repository)
    pod.golden(models.golden())
    pod.start()
    pod.until_verified()
    assert until_scored(pod)["trouble"].startswith("the bundle has no labelled rows")
    assert pod.ask() == [7]


@pytest.mark.triton
def test_rows_that_the_model_refuses_are_no_fault_of_the_model(pod: Container) -> None:
    model = models.linear(pod.repository)
    lay(model / "labelled", (1, 3))
    (model / "labelled" / "z.jsonl").write_text('{"inputs": {"x": [1, 2]}, "label": 3}')
    pod.golden(models.golden())
    pod.start()
    pod.until_verified()
    assert "labelled/z.jsonl:1" in until_scored(pod)["trouble"]
    assert pod.running


class FakeClient:
    """A model that answers its input, after failures as they are listed."""

    def __init__(self, *failures: Exception, cached: bool = False) -> None:
        self.failures, self.cached, self.asked = list(failures), cached, 0

    def config(self, _: float) -> ModelConfig:
        return ModelConfig(
            batched=True,
            max_batch_size=1,
            inputs={"x": (-1, 1)},
            datatypes={"x": "FP32"},
            outputs={"y": "FP32"},
            response_cache=self.cached,
        )

    def infer(self, inputs: Any, _outputs: Any, _timeout: float) -> list[Tensor]:
        self.asked += 1
        if self.failures:
            raise self.failures.pop(0)
        return [Tensor("y", "FP32", inputs[0].shape, inputs[0].data)]

    def statistics(self, _: float) -> Statistics:
        return Statistics(answered=self.asked, cache_hits=1, cache_misses=1)


class FakeStop(threading.Event):
    """Nobody waits: the time that would pass does."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def wait(self, timeout: float | None = None) -> bool:
        self.now += timeout or 0
        return self.is_set()


def made(tmp_path: Path, client: FakeClient, stop: FakeStop, *, rows: int = 2, timeout_seconds: float = 1) -> Scoring:
    lay(tmp_path, *((x, x) for x in range(rows)))
    told: Any = client
    return Scoring(told, tmp_path, stop, timeout_seconds=timeout_seconds, clock=lambda: stop.now)


def ended(scoring: Scoring) -> dict[str, Any]:
    """The document once nobody is asking any more."""
    for thread in threading.enumerate():
        if thread.name == "scoring":
            thread.join(10)
    found: dict[str, Any] = json.loads(scoring.document())
    return found


def test_a_full_queue_and_a_slow_answer_are_asked_again(tmp_path: Path) -> None:
    client = FakeClient(Refused(503, "the queue is full"), TooSlow("no answer within 1 s"))
    scoring = made(tmp_path, client, FakeStop())
    assert json.loads(scoring.document()).get("pending") or client.asked
    found = ended(scoring)
    assert found["outputs"]["y"]["mean_absolute_error"] == 0
    assert (found["requests"], found["answered"], found["open"]) == (4, 2, 0)


def test_a_request_that_is_on_its_way_is_told_as_such(tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []

    class Asking(FakeClient):
        def infer(self, inputs: Any, outputs: Any, timeout: float) -> list[Tensor]:
            seen.append(json.loads(scoring.document()))
            return super().infer(inputs, outputs, timeout)

    scoring = made(tmp_path, Asking(), FakeStop())
    scoring.document()
    ended(scoring)
    assert [(each["requests"], each["answered"], each["open"]) for each in seen] == [(1, 0, 1), (2, 1, 1)]


def test_a_server_that_stays_busy_is_given_up(tmp_path: Path) -> None:
    client = FakeClient(*[Refused(503, "the queue is full")] * int(LONGEST_SECONDS + 10))
    scoring = made(tmp_path, client, FakeStop())
    scoring.document()
    assert "not all rows were answered within 600 s" in ended(scoring)["trouble"]


@pytest.mark.parametrize("seconds", [50.0, 400.0, 5000.0])
def test_a_server_that_answers_slowly_is_asked_for_ten_minutes_and_no_longer(tmp_path: Path, seconds: float) -> None:
    stop, limits = FakeStop(), list[float]()

    class Slow(FakeClient):
        def infer(self, inputs: Any, outputs: Any, timeout: float) -> list[Tensor]:
            limits.append(timeout)
            stop.now += min(seconds, timeout)
            if seconds > timeout:
                raise TooSlow(f"no answer within {timeout:g} s")
            return super().infer(inputs, outputs, timeout)

    scoring = made(tmp_path, Slow(), stop, rows=100, timeout_seconds=1000)
    scoring.document()
    assert "not all rows were answered within 600 s" in ended(scoring)["trouble"]
    assert stop.now <= LONGEST_SECONDS + max(seconds if seconds < LONGEST_SECONDS else 0, 1)  # a pause is as long
    assert limits[0] == LONGEST_SECONDS


def test_an_error_is_the_rows_fault_and_said(tmp_path: Path) -> None:
    scoring = made(tmp_path, FakeClient(Refused(400, "unexpected shape")), FakeStop())
    scoring.document()
    assert ended(scoring)["trouble"] == "labelled/rows.jsonl:1: the server answered 400: unexpected shape"


def test_what_nobody_foresaw_is_no_score_and_no_end(tmp_path: Path) -> None:
    scoring = made(tmp_path, FakeClient(RuntimeError("oh")), FakeStop())
    scoring.document()
    assert ended(scoring)["trouble"] == "labelled rows could not be asked: RuntimeError"


def test_answers_of_a_cache_are_no_answers_of_the_model(tmp_path: Path) -> None:
    scoring = made(tmp_path, FakeClient(cached=True), FakeStop())
    scoring.document()
    assert "response cache" in ended(scoring)["trouble"]


def test_whoever_asks_often_brings_no_load_and_old_scores_are_made_anew(tmp_path: Path) -> None:
    client, stop = FakeClient(), FakeStop()
    scoring = made(tmp_path, client, stop)
    scoring.document()
    assert ended(scoring)["rows"] == 2
    for _ in range(100):
        assert ended(scoring)["requests"] == 2
    stop.now += AGAIN_SECONDS + 1
    assert json.loads(scoring.document())["rows"] == 2  # what is known, while it is made anew
    assert ended(scoring)["requests"] == 4
    stop.now += KEPT_SECONDS + 1
    assert json.loads(scoring.document()).get("pending")
    assert ended(scoring)["requests"] == 6
