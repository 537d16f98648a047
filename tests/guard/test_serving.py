"""While it serves, on the real server: what ends the container, and what is left alone."""

import re
import signal
import socket
from contextlib import suppress

import pytest

from tests.guard.pod import Container
from tests.triton import models

pytestmark = pytest.mark.triton

INTERVAL = 2.0


def test_answers_that_turn_wrong_end_the_container_within_three_intervals(pod: Container) -> None:
    model = models.obedient(pod.repository)
    pod.golden(models.golden())
    pod.start(interval=INTERVAL)
    pod.until_verified()
    models.order(model, wrong_by=2)
    pod.until(lambda: pod.verdict, seconds=3 * INTERVAL)
    assert pod.until_ended() == 1
    assert pod.verdict["reason"] == "WrongAnswer"
    assert "y[0, 0] (element 0): expected 7.0, got 9.0" in pod.verdict["message"]
    assert pod.verdict["message"].endswith("it answered rightly before")


def test_a_killed_stub_ends_the_container_with_the_servers_words(pod: Container) -> None:
    models.obedient(pod.repository)
    pod.golden(models.golden())
    pod.start(interval=2 * INTERVAL)
    pod.until_verified()
    (stub,) = pod.processes("triton_python_backend_stub")
    stub.kill()
    assert pod.client.live(1.0)
    assert pod.client.model_ready(1.0)  # as before: no probe would ever see it
    pod.until(lambda: pod.verdict, seconds=3 * 2 * INTERVAL)
    assert pod.until_ended(seconds=10) == 1
    assert pod.verdict["reason"] == "BackendDead"
    assert re.search(r"500: .*Stub process .* is not healthy", pod.verdict["message"])
    assert pod.verdict["message"].endswith("it answered before, and failed 3 times in a row")


def test_a_backend_that_does_nothing_but_fail_ends_the_container_though_every_endpoint_says_ready(
    pod: Container,
) -> None:
    """As one whose CUDA context is poisoned does: each request fails until the process is another."""
    model = models.obedient(pod.repository)
    pod.golden(models.golden())
    pod.start(interval=2 * INTERVAL)
    pod.until_verified()
    models.order(model, error=1)
    pod.until(lambda: "as ordered" in pod.log)
    assert pod.client.live(1.0)
    assert pod.client.model_ready(1.0)
    assert pod.until_ended(seconds=3 * 2 * INTERVAL + 5) == 1
    assert pod.verdict["reason"] == "BackendDead"
    assert pod.verdict["message"].endswith("as ordered; it answered before, and failed 3 times in a row")


def test_a_model_that_gets_slow_is_left_alone(pod: Container) -> None:
    model = models.obedient(pod.repository)
    pod.golden(models.golden())
    pod.start(interval=0.2, request_timeout=0.5)
    pod.until_verified()
    models.order(model, seconds=1.5)
    pod.until(lambda: pod.log.count("golden/0.json: no answer within 0.5 s") >= 4)
    assert pod.running
    models.order(model)
    pod.until(lambda: pod.ask() == [7.0])
    assert pod.verdict == {}


def test_a_full_queue_is_slowness(pod: Container) -> None:
    model = models.obedient(pod.repository)
    pbtxt = model / "config.pbtxt"
    pbtxt.write_text(pbtxt.read_text() + "dynamic_batching {default_queue_policy {max_queue_size: 1}}\n")
    pod.golden(models.golden())
    pod.start(interval=0.1, request_timeout=0.2)
    pod.until_verified()
    models.order(model, seconds=1.0)
    pod.until(lambda: pod.log.count("the server answered 503: Exceeds maximum queue size") >= 4)
    assert pod.running
    assert pod.verdict == {}


def test_without_an_interval_the_model_is_asked_only_at_its_start(pod: Container) -> None:
    model = models.obedient(pod.repository)
    pod.golden(models.golden())
    pod.start(interval=0)
    pod.until_verified()
    pod.ask()
    assert models.begun(model) == 2


@pytest.mark.parametrize("deadly", [signal.SIGSEGV, signal.SIGKILL])
def test_a_server_that_dies_by_a_signal_is_a_crash_and_leaves_no_process(
    pod: Container, deadly: signal.Signals
) -> None:
    models.obedient(pod.repository, instances=2)
    pod.start()
    pod.until_verified()
    stubs = pod.processes("triton_python_backend_stub")
    assert len(stubs) == 2
    pod.processes("tritonserver")[0].send_signal(deadly)
    assert pod.until_ended(seconds=8) == 1
    assert pod.verdict["reason"] == "CrashLoop"
    cause = "one large or chunked HTTP body ends Triton 2.51.0 so: see who sends what, or use 2.62 (25.10) or later"
    assert f"died by signal {deadly.name} while it served ({cause}); its last words: " in pod.verdict["message"]
    assert not any(stub.is_running() for stub in stubs)


def test_a_server_that_stops_by_itself_is_a_crash_whatever_its_exit_code(pod: Container) -> None:
    model = models.obedient(pod.repository)
    pod.start(request_timeout=1)
    pod.until_verified()
    models.order(model, kill_server=int(signal.SIGTERM))
    pod.ask()
    assert pod.until_ended() == 1
    assert pod.verdict["reason"] == "CrashLoop"
    assert "died by exit code" in pod.verdict["message"]


def test_one_request_ends_the_server_that_is_for_trying_and_the_verdict_says_so(pod: Container) -> None:
    """CVE-2025-23310: why no server below the least version is started unless the platform lowers it."""
    models.linear(pod.repository)
    pod.start()
    pod.until_verified()
    body = b"1\r\nx\r\n" * 1_000_000
    head = b"POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", pod.ports[0])) as stranger, suppress(OSError):
        stranger.sendall(head + body + b"0\r\n\r\n")
        stranger.recv(1)
    assert pod.until_ended() == 1
    assert pod.verdict["reason"] == "CrashLoop"
    assert "(one large or chunked HTTP body ends Triton 2.51.0 so: see who sends what" in pod.verdict["message"]
