"""The port `load` of a real server under a real load: what is offered, of what it can do."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from tests.guard.pod import Container
from tests.triton import models

pytestmark = pytest.mark.triton

SECONDS = 0.1
"""One execution of the model."""


def published(pod: Container) -> dict[str, float]:
    with closing(HTTPConnection("127.0.0.1", pod.load_port, timeout=10)) as connection:
        connection.request("GET", "/metrics")
        response = connection.getresponse()
        assert response.status == 200
        lines = response.read().decode().splitlines()
    return {name: float(value) for name, value in (line.split() for line in lines if not line.startswith("#"))}


class Executing(NamedTuple):
    """What the server itself has counted of the model: not what is published."""

    requests: int
    seconds: float
    """Of their executions, a batch's whole time for each request of it."""


def executing(pod: Container) -> Executing:
    with closing(HTTPConnection("127.0.0.1", pod.ports[0], timeout=10)) as connection:
        connection.request("GET", f"/v2/models/{pod.model}/stats")
        (stats,) = json.loads(connection.getresponse().read())["model_stats"]
    counted = stats["inference_stats"]["compute_infer"]
    return Executing(int(counted["count"]), int(counted["ns"]) / 1e9)


def serve(pod: Container, *, instances: int, batching: str = "", interval: float = 0) -> Path:
    model = models.obedient(pod.repository, instances=instances)
    config = model / "config.pbtxt"
    config.write_text(f"{config.read_text()}\n{batching}")
    pod.golden(models.golden())
    pod.start(interval=interval)
    pod.until_verified()
    models.order(model, seconds=SECONDS)
    return model


def offer(pod: Container, a_second: float, seconds: float, pool: ThreadPoolExecutor) -> int:
    """An open loop: requests leave when they are due, however slow the answers are; how many have left."""
    begun = time.monotonic()
    sent = 0
    done = threading.Event()
    while (due := begun + sent / a_second) < begun + seconds:
        done.wait(max(0.0, due - time.monotonic()))
        pool.submit(pod.ask, timeout_seconds=60)
        sent += 1
    return sent


@pytest.mark.parametrize(
    ("instances", "batching", "capacity", "load"),
    [
        (2, "", 20, 0.5),
        (1, "dynamic_batching {}", 80, 0.3),
        (1, "", 10, 0.75),
    ],
    ids=["several instances", "dynamic batching", "no batching"],
)
def test_the_ratio_is_what_is_offered_of_what_the_server_can_do(
    pod: Container, instances: int, batching: str, capacity: float, load: float
) -> None:
    serve(pod, instances=instances, batching=batching)
    pod.until(lambda: "slipway_load_ratio" in published(pod))
    before, spent = published(pod)["slipway_requests_total"], executing(pod)
    with ThreadPoolExecutor(64) as pool:
        sent = offer(pod, load * capacity, 36, pool)
        shown = published(pod)
    pod.until(lambda: published(pod)["slipway_requests_total"] == before + sent)
    now = executing(pod)
    # On a machine with other work one execution takes longer than it is told to, and the same offer is more of a load.
    slower = (now.seconds - spent.seconds) / (now.requests - spent.requests) / SECONDS
    assert shown["slipway_load_ratio"] == pytest.approx(min(1.0, load * slower), abs=0.1, rel=0.25)
    assert shown["slipway_backlog_seconds"] < 1 or load * slower > 0.9


def test_more_than_it_can_do_is_a_full_server_and_a_backlog_that_is_true(pod: Container) -> None:
    model = serve(pod, instances=1)
    pod.until(lambda: "slipway_load_ratio" in published(pod))
    with ThreadPoolExecutor(200) as pool:
        offer(pod, 20, 10, pool)  # twice what it can do: a hundred more wait
        pod.until(lambda: published(pod)["slipway_pending"] > 50)
        shown, begun = published(pod), time.monotonic()
        models.order(model, seconds=SECONDS)
    drained = time.monotonic() - begun
    assert shown["slipway_load_ratio"] > 0.3  # ten seconds of it, of thirty at most
    # The queue is read every five seconds, between empty and full.
    assert 1 < shown["slipway_backlog_seconds"] < 6 + 1.6 * drained


def test_golden_requests_are_no_load(pod: Container) -> None:
    serve(pod, instances=1, interval=1)
    pod.until(lambda: "slipway_load_ratio" in published(pod))
    pod.until(lambda: executing(pod).requests >= 12)
    shown = published(pod)
    assert shown["slipway_requests_total"] <= 1  # one may end between two looks
    assert shown["slipway_load_ratio"] < 0.05


def test_while_triton_is_silent_the_gauges_are_absent_and_the_count_stays(pod: Container) -> None:
    serve(pod, instances=1)
    for _ in range(3):
        pod.ask()
    pod.until(lambda: published(pod).get("slipway_requests_total") == 3 and "slipway_load_ratio" in published(pod))
    (server,) = [each for each in pod.processes("tritonserver") if isinstance(each, psutil.Process)]
    server.suspend()
    pod.until(lambda: of_load(pod) == {"slipway_requests_total": 3})
    server.resume()
    pod.until(lambda: "slipway_load_ratio" in published(pod))


def of_load(pod: Container) -> dict[str, float]:
    """What is said of the load: what the start took is known, whoever is silent now."""
    told = published(pod)
    return {name: told[name] for name in told if not name.startswith(("slipway_start_", "slipway_shared_memory_"))}


def test_a_port_that_somebody_has_is_no_reason_not_to_serve(pod: Container) -> None:
    pod.load_port = pod.guard_port  # the startup probe's answers come first
    serve(pod, instances=1)
    assert pod.ask() == [7.0]
    assert "the load is not published" in pod.log


def test_before_it_is_verified_it_says_nothing(pod: Container) -> None:
    models.obedient(pod.repository, load_seconds=3)
    pod.golden(models.golden())
    pod.start()
    pod.until(lambda: pod.running and reachable(pod))
    assert published(pod) == {}
    pod.until_verified()


def reachable(pod: Container) -> bool:
    try:
        return published(pod) is not None
    except OSError:
        return False
