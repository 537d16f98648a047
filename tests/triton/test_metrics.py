"""Triton's metrics: text saved from a real server, text that is none, and the real server itself."""

import contextlib
import math
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from slipway.guard.protocol import Refused
from slipway.triton import metrics
from slipway.triton.metrics import MetricsError, ModelMetrics, parse
from tests.guard.pod import Container, container
from tests.triton import models
from tests.triton.installation import Installation

SAVED = Path(__file__).parent / "metrics"
ROOT = Path(__file__).parents[2]
COUNTED = 'nv_inference_request_success{model="m",version="1"} 7\n'


def test_a_busy_server_says_how_many_requests_it_had_and_how_long_they_took() -> None:
    found = parse((SAVED / "busy-2.51.txt").read_text(), "m")
    assert (found.succeeded, found.requests) == (36, 36)
    assert found.failed == {"OTHER": 0, "BACKEND": 0, "CANCELED": 0, "REJECTED": 0}
    assert found.queue_us > 0
    assert found.quantiles_us == {0.5: 688, 0.9: 51057, 0.99: 51357}


def test_a_server_that_was_idle_for_a_minute_has_no_quantiles() -> None:
    found = parse((SAVED / "idle-2.51.txt").read_text(), "m")
    assert found.succeeded == 36
    assert set(found.quantiles_us) == {0.5, 0.9, 0.99}
    assert all(math.isnan(value) for value in found.quantiles_us.values())


def test_series_that_differ_in_other_labels_are_summed_and_of_quantiles_the_largest_taken() -> None:
    text = """
nv_inference_request_success{gpu_uuid="GPU-1",model="m",version="1"} 5
nv_inference_request_success{gpu_uuid="GPU-2",model="m",version="1"} 6
nv_inference_request_success{model="other",version="1"} 100
nv_inference_request_failure{model="m",reason="BACKEND",version="1"} 1
nv_inference_request_failure{model="m",reason="BACKEND",version="2"} 2
nv_inference_queue_duration_us{model="m",version="1"} 9
nv_inference_request_summary_us{model="m",version="1",quantile="0.9"} Nan
nv_inference_request_summary_us{model="m",version="2",quantile="0.9"} 30
nv_inference_request_summary_us{model="m",version="3",quantile="0.9"} 20
nv_inference_request_summary_us_count{model="m",version="1"} 11
"""
    assert parse(text, "m") == ModelMetrics(succeeded=11, failed={"BACKEND": 3}, queue_us=9, quantiles_us={0.9: 30})


def test_failures_of_a_server_that_gives_no_reasons_are_counted() -> None:
    found = parse(COUNTED + 'nv_inference_request_failure{model="m",version="1"} 2\n', "m")
    assert found.failed == {"all": 2}


def test_of_what_a_pod_says_no_words_and_no_quantiles_are_kept_but_tritons_own() -> None:
    text = COUNTED + "".join(
        f'nv_inference_request_failure{{model="m",reason="{n}{"x" * 2000}"}} 1\n'
        f'nv_inference_request_summary_us{{model="m",quantile="0.{n + 100}"}} 7\n'
        f'nv_inference_request_summary_us{{model="m",quantile="NaN"}} 7\n'
        for n in range(100)
    )
    text += 'nv_inference_request_failure{model="m",reason="OTHER"} 2\n'
    text += 'nv_inference_request_summary_us{model="m",quantile="0.99"} 9\n'
    found = parse(text, "m")
    assert (found.failed, found.requests) == ({"OTHER": 102}, 109)
    assert found.quantiles_us == {0.99: 9}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "have no nv_inference_request_success of the model 'm'"),
        ("<html>not found</html>", "have no nv_inference_request_success"),
        ('nv_inference_request_success{model="other",version="1"} 7', "have no nv_inference_request_success"),
        ("nv_inference_request_success 7", "have no nv_inference_request_success"),
        ('nv_inference_request_success{model="m"} many', "do not parse"),
        ('nv_inference_request_success{model="m"', "do not parse"),
        ('nv_inference_request_success{model="m"} -1', "nv_inference_request_success is -1"),
        ('nv_inference_request_success{model="m"} NaN', "nv_inference_request_success is nan"),
        (COUNTED + 'nv_inference_request_summary_us{model="m",quantile="most"} 1', "quantile"),
        (COUNTED + 'nv_inference_request_failure{model="m",reason="' + "x" * 4096 + '"} 1', "longer than 4096"),
        (COUNTED + "# nothing\n" * 30_000, "longer than 256 KiB"),
        ('nv_inference_request_success{model="m"} ' + "9" * 400, "nv_inference_request_success is inf"),
        ('nv_inference_request_success{model="m"} 1e200', r"nv_inference_request_success is 1e\+200"),
        (COUNTED + 'nv_inference_queue_duration_us{model="m"} 1e16', r"nv_inference_queue_duration_us is 1e\+16"),
        ('nv_inference_request_success{model="m"} 1 now', "no number at its end"),
    ],
)
def test_text_that_says_nothing_of_the_model_is_an_error_in_words(text: str, says: str) -> None:
    with pytest.raises(MetricsError, match=says):
        parse(text, "m")


def test_labels_are_read_with_their_escapes_and_a_timestamp_is_passed_over() -> None:
    line = 'nv_inference_request_success{model="a\\"b\\\\c\\n,}",version="1"} 7 ' + "9" * 400
    assert parse(line, 'a"b\\c\n,}').succeeded == 7


def test_no_text_takes_longer_than_a_look_can_spare_in_the_images_own_environment() -> None:
    """With its malloc settings a reader that copies what is left, at each quote, needs minutes in place of seconds."""
    image = (ROOT / "images" / "operator" / "Dockerfile").read_text()
    malloc = dict(re.findall(r"^ENV (MALLOC_\w+)=(\S+)$", image, re.MULTILINE))
    assert malloc
    done = subprocess.run(
        [sys.executable, "-m", "tests.triton.hostile_metrics"],
        env={**os.environ, **malloc},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, _, text = done.stdout.partition(" ")
    assert float(seconds) < 0.25, text


@given(st.text(max_size=60))
@example('{model="m"} 1')
@example('{model="m",} 1 2 3')
@example('{"x"} ')
@example("{} 1\n# TYPE nv_inference_request_success")
def test_no_text_makes_it_fail_in_another_way(text: str) -> None:
    for line in (f"nv_inference_request_success{text}", f"{COUNTED}nv_inference_request_summary_us{text}"):
        with contextlib.suppress(MetricsError):
            assert parse(line, "m").succeeded >= 0


# -- the real server


@pytest.fixture
def pod(tmp_path: Path, tritonserver: Installation) -> Iterator[Container]:
    made = container(tmp_path, tritonserver)
    yield made
    made.remove()


def _scraped(pod: Container) -> ModelMetrics:
    with urllib.request.urlopen(f"http://127.0.0.1:{pod.ports[2]}/metrics") as response:
        return parse(response.read().decode(), "m")


FAILING = """
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        answers = []
        for request in requests:
            x = pb_utils.get_input_tensor_by_name(request, "x").as_numpy()
            if x[0, 0] == 1:
                raise ValueError("it breaks")
            error = pb_utils.TritonError("it says so") if x[0, 0] == 2 else None
            answers.append(pb_utils.InferenceResponse([pb_utils.Tensor("y", x)], error))
        return answers
"""


@pytest.mark.triton
def test_the_real_server_counts_golden_requests_answers_and_what_breaks(pod: Container) -> None:
    model = models.obedient(pod.repository)
    (model / "1" / "model.py").write_text(FAILING)
    pod.start(args=[metrics.KEEP_LATENCIES])
    pod.until_verified()
    pod.until(lambda: _scraped(pod).requests == 1)  # it counts a moment after it has answered
    assert [_status(pod, x) for x in (0, 1, 1, 0)] == [200, 500, 500, 200]
    pod.until(lambda: _scraped(pod).requests == 5)
    found = _scraped(pod)
    assert found.failed == {"BACKEND": 2, "REJECTED": 0, "CANCELED": 0, "OTHER": 0}
    assert found.quantiles_us.keys() >= {0.5, 0.9, 0.99}
    assert all(value > 0 for value in found.quantiles_us.values())


@pytest.mark.triton
def test_an_error_that_a_python_model_answers_with_is_counted_as_a_success(pod: Container) -> None:
    """Why ErrorRate also counts what our own requests saw."""
    model = models.obedient(pod.repository)
    (model / "1" / "model.py").write_text(FAILING)
    pod.start()
    pod.until_verified()
    assert [_status(pod, x) for x in (2, 2)] == [500, 500]
    pod.until(lambda: _scraped(pod).requests == 3)
    assert _scraped(pod).succeeded == 3


@pytest.mark.triton
def test_a_request_that_a_full_queue_turns_away_is_in_no_counter(pod: Container) -> None:
    """Why ErrorRate also counts what our own requests saw."""
    model = models.obedient(pod.repository)
    batching = "dynamic_batching {default_queue_policy {max_queue_size: 1}}\n"
    (model / "config.pbtxt").write_text((model / "config.pbtxt").read_text() + batching)
    pod.start()
    pod.until_verified()
    models.order(model, seconds=0.5)
    with ThreadPoolExecutor(12) as threads:
        statuses = list(threads.map(lambda _: _status(pod), range(12)))
    assert set(statuses) == {200, 503}
    pod.until(lambda: _scraped(pod).succeeded == 1 + statuses.count(200))
    assert sum(_scraped(pod).failed.values()) == 0


def _status(pod: Container, x: float = 3) -> int:
    try:
        pod.ask(x)
    except Refused as error:
        return error.status
    return 200
