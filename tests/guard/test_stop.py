"""How it stops, on the real server: what is in flight ends well, and nothing holds the pod for longer than it may."""

import http.client
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import numpy
import psutil
import pytest
import tritonclient.grpc

from slipway.guard import protocol
from tests.guard.pod import Container, pid_namespace
from tests.triton import models

pytestmark = pytest.mark.triton


def test_an_idle_server_stops_with_exit_code_0_and_no_verdict(pod: Container) -> None:
    models.linear(pod.repository)
    pod.start()
    pod.until_verified()
    pod.stop()
    assert pod.until_ended() == 0
    assert pod.verdict == {}


def test_requests_in_flight_are_answered_over_http_and_grpc(pod: Container) -> None:
    model = models.obedient(pod.repository, instances=2)
    pod.start(request_timeout=8)
    pod.until_verified()
    before = models.begun(model)
    models.order(model, seconds=2)
    with ThreadPoolExecutor() as threads:
        over_http = threads.submit(pod.ask, 4.0)
        over_grpc = threads.submit(_ask_grpc, pod.ports[1], 5.0)
        pod.until(lambda: models.begun(model) == before + 2)
        pod.stop()
        assert over_http.result() == [9.0]
        assert over_grpc.result() == [11.0]
    assert pod.until_ended() == 0


def test_a_connection_that_idles_holds_the_pod_for_the_request_timeout_and_no_longer(pod: Container) -> None:
    models.linear(pod.repository)
    pod.start(request_timeout=2)
    pod.until_verified()
    connection = http.client.HTTPConnection("127.0.0.1", pod.ports[0], timeout=5)
    connection.request("GET", "/v2")
    connection.getresponse().read()
    started = time.monotonic()
    pod.stop()
    assert pod.until_ended() == 0
    assert time.monotonic() - started >= 2
    assert pod.verdict == {}
    connection.close()


def test_requests_that_outlast_the_exit_timeout_are_cut_and_leave_no_process(pod: Container) -> None:
    model = models.obedient(pod.repository)
    pod.start(request_timeout=1)
    pod.until_verified()
    before = models.begun(model)
    models.order(model, seconds=20)
    with ThreadPoolExecutor() as threads:
        cut = threads.submit(pod.ask)
        pod.until(lambda: models.begun(model) == before + 1)
        stubs = pod.processes("triton_python_backend_stub")
        pod.stop()
        with pytest.raises(protocol.Unreachable):
            cut.result()
    assert pod.until_ended(seconds=10) == 0
    assert not any(stub.is_running() for stub in stubs)
    assert pod.verdict == {}


def test_as_pid_1_it_stops_a_loading_server_at_once(pod: Container) -> None:
    namespace = pid_namespace()
    if not namespace:
        pytest.skip("this machine does not let us make a PID namespace")
    models.obedient(pod.repository, load_seconds=60)
    pod.start(prefix=namespace)
    pod.until(lambda: pod.processes("triton_python_backend_stub"))
    assert pod.process is not None
    (guard,) = psutil.Process(pod.process.pid).children()
    guard.send_signal(signal.SIGTERM)
    assert pod.until_ended(seconds=5) == 0


def test_as_pid_1_it_serves_and_stops(pod: Container) -> None:
    namespace = pid_namespace()
    if not namespace:
        pytest.skip("this machine does not let us make a PID namespace")
    models.obedient(pod.repository)
    pod.start(prefix=namespace)
    pod.until_verified()
    assert pod.process is not None
    (guard,) = psutil.Process(pod.process.pid).children()
    guard.send_signal(signal.SIGTERM)
    assert pod.until_ended(seconds=10) == 0


def _ask_grpc(port: int, x: float) -> list[float]:
    with tritonclient.grpc.InferenceServerClient(f"127.0.0.1:{port}") as client:
        tensor = tritonclient.grpc.InferInput("x", [1, 1], "FP32")
        tensor.set_data_from_numpy(numpy.array([[x]], numpy.float32))
        found: list[float] = client.infer("m", [tensor]).as_numpy("y").ravel().tolist()
        return found
