"""How it stops, on the real server: what is in flight ends well, and nothing holds the pod for longer than it may."""

import http.client
import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from typing import Any

import numpy
import psutil
import pytest
import tritonclient.grpc
from tritonclient.utils import InferenceServerException

from slipway.guard import protocol
from slipway.guard.arguments import GRPC_CONNECTION_AGE_MS
from slipway.triton.memory import PRE_STOP, termination_grace
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
    with ThreadPoolExecutor() as threads, _channel(pod) as channel:
        over_http = threads.submit(pod.ask, 4.0)
        over_grpc = threads.submit(_ask_over, channel, 5.0)
        pod.until(lambda: models.begun(model) == before + 2)
        pod.stop()
        assert over_http.result() == [9.0]
        assert over_grpc.result() == 11.0
    assert pod.until_ended() == 0


def test_while_it_drains_http_lets_nobody_new_in_and_whoever_is_connected_is_served(pod: Container) -> None:
    model = models.obedient(pod.repository, instances=2)
    pod.start(request_timeout=10)
    pod.until_verified()
    before = models.begun(model)
    with ThreadPoolExecutor() as threads, closing(_connected(pod)) as kept, _channel(pod) as channel:
        assert _ask_over(channel, 1.0) == 3.0
        models.order(model, seconds=6)
        in_flight = threads.submit(pod.ask, 4.0)
        pod.until(lambda: models.begun(model) == before + 2)
        models.order(model)
        pod.stop()

        # The kubelet's probes come anew each time: the pod is ready no more.
        pod.until(lambda: not pod.client.model_ready(1.0), seconds=2)
        with pytest.raises(protocol.Unreachable):
            pod.ask()
        assert _ask_on(kept, 5.0) == 11.0
        assert _ask_over(channel, 6.0) == 13.0
        with _channel(pod) as another:
            assert _ask_over(another, 7.0) == 15.0
        assert not in_flight.done()
        assert in_flight.result() == [9.0]
    assert pod.until_ended() == 0


def test_a_client_that_keeps_sending_is_answered_for_the_request_timeout_and_then_cut(pod: Container) -> None:
    models.linear(pod.repository)
    pod.start(request_timeout=3)
    pod.until_verified()
    with closing(_connected(pod)) as kept:
        stopped = time.monotonic()
        pod.stop()
        assert set(_answers_until_cut(kept)) == {11.0}
        assert 2 <= time.monotonic() - stopped < 10
    assert pod.until_ended() == 0
    assert pod.verdict == {}


def test_a_grpc_channel_that_stays_is_told_of_no_such_model_so_it_has_to_end_before_the_stop(pod: Container) -> None:
    models.obedient(pod.repository, instances=3)  # they take seconds to stop, each after the other
    pod.start(request_timeout=20)
    pod.until_verified()
    with _channel(pod) as channel:
        pod.stop()
        refused = _first_refusal(channel)
    assert refused.status() == "StatusCode.NOT_FOUND"
    assert "has no available versions" in refused.message()
    assert timedelta(milliseconds=GRPC_CONNECTION_AGE_MS) < PRE_STOP


def test_instances_that_stop_one_after_another_have_the_time_that_the_pod_gets(pod: Container) -> None:
    models.obedient(pod.repository, instances=4)
    pod.start(request_timeout=20)
    pod.until_verified()
    grace = termination_grace(request_timeout=timedelta(0), instances=4) - PRE_STOP
    pod.stop()
    assert pod.until_ended(grace.total_seconds()) == 0


def test_a_stop_before_the_first_answer_is_at_once(pod: Container) -> None:
    model = models.obedient(pod.repository, seconds=20)
    pod.golden(models.golden())
    pod.start(request_timeout=30)
    pod.until(lambda: models.begun(model))
    pod.stop()
    assert pod.until_ended(seconds=5) == 0
    assert pod.verdict == {}


def test_a_connection_that_idles_holds_the_pod_for_the_request_timeout_and_no_longer(pod: Container) -> None:
    models.linear(pod.repository)
    pod.start(request_timeout=2)
    pod.until_verified()
    with closing(_connected(pod)):
        started = time.monotonic()
        pod.stop()
        assert pod.until_ended() == 0
    assert time.monotonic() - started >= 2
    assert pod.verdict == {}


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


def _connected(pod: Container) -> http.client.HTTPConnection:
    """A connection that has been used, is kept, and never makes itself anew."""
    connection = http.client.HTTPConnection("127.0.0.1", pod.ports[0], timeout=5)
    connection.request("GET", "/v2")
    connection.getresponse().read()
    connection.auto_open = 0
    return connection


def _ask_on(connection: http.client.HTTPConnection, x: float) -> float:
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [x]}
    connection.request("POST", "/v2/models/m/infer", json.dumps({"inputs": [tensor]}))
    response = connection.getresponse()
    answer = json.loads(response.read())
    assert response.status == 200, answer
    (y,) = answer["outputs"][0]["data"]
    return float(y)


def _answers_until_cut(connection: http.client.HTTPConnection) -> list[float]:
    answers = []
    try:
        while True:
            answers.append(_ask_on(connection, 5.0))
    except (OSError, http.client.HTTPException):
        return answers


def _channel(pod: Container) -> Any:
    """A client of tritonclient.grpc, which is not typed."""
    return tritonclient.grpc.InferenceServerClient(f"127.0.0.1:{pod.ports[1]}")


def _ask_over(channel: Any, x: float) -> float:
    tensor = tritonclient.grpc.InferInput("x", [1, 1], "FP32")
    tensor.set_data_from_numpy(numpy.array([[x]], numpy.float32))
    (y,) = channel.infer("m", [tensor]).as_numpy("y").ravel().tolist()
    return float(y)


def _first_refusal(channel: Any) -> Any:
    try:
        while True:
            assert _ask_over(channel, 5.0) == 11.0
    except InferenceServerException as refused:
        return refused
