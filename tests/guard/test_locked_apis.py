"""What a client of the Service may ask of the real server, and what not (HTTP and gRPC)."""

import http.client
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tritonclient.grpc
from tritonclient.utils import InferenceServerException

from testbed.plane import free_port
from tests.guard.pod import Container, container
from tests.triton import models
from tests.triton.installation import Installation

pytestmark = pytest.mark.triton

Grpc = Any
"""A client of tritonclient.grpc, which is not typed."""


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory, tritonserver: Installation) -> Iterator[Container]:
    made = container(Path(tmp_path_factory.mktemp("locked")), tritonserver)
    models.linear(made.repository)
    made.start()
    made.until_verified()
    yield made
    made.remove()


@pytest.fixture(scope="module")
def grpc_client(serving: Container) -> Iterator[Grpc]:
    with tritonclient.grpc.InferenceServerClient(f"127.0.0.1:{serving.ports[1]}") as client:
        yield client


def _http(pod: Container, method: str, path: str, body: object = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", pod.ports[0], timeout=5)
    connection.request(method, path, None if body is None else json.dumps(body))
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, text


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v2/repository/index", {}),
        ("POST", "/v2/repository/models/m/load", {}),
        ("POST", "/v2/repository/models/m/unload", {}),
        ("GET", "/v2/trace/setting", None),
        ("POST", "/v2/trace/setting", {"trace_level": ["TIMESTAMPS"]}),
        ("POST", "/v2/models/m/trace/setting", {"trace_level": ["TIMESTAMPS"]}),
        ("GET", "/v2/logging", None),
        ("POST", "/v2/logging", {"log_verbose_level": 1}),
        ("GET", "/v2/systemsharedmemory/status", None),
        ("POST", "/v2/systemsharedmemory/region/r/register", {"key": "/k", "offset": 0, "byte_size": 8}),
        ("POST", "/v2/systemsharedmemory/unregister", {}),
        ("POST", "/v2/cudasharedmemory/region/r/register", {"raw_handle": {"b64": ""}, "device_id": 0, "byte_size": 8}),
    ],
)
def test_control_is_refused_over_http(serving: Container, method: str, path: str, body: object) -> None:
    status, text = _http(serving, method, path, body)
    assert (status, "restricted" in text) == (403, True), text


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.get_model_repository_index(),
        lambda client: client.load_model("m"),
        lambda client: client.unload_model("m"),
        lambda client: client.get_trace_settings(),
        lambda client: client.update_trace_settings(settings={"trace_level": ["TIMESTAMPS"]}),
        lambda client: client.get_log_settings(),
        lambda client: client.update_log_settings({"log_verbose_level": 1}),
        lambda client: client.get_system_shared_memory_status(),
        lambda client: client.register_system_shared_memory("r", "/k", 8),
        lambda client: client.unregister_system_shared_memory(),
        lambda client: client.get_cuda_shared_memory_status(),
    ],
    ids=["index", "load", "unload", "trace", "set trace", "log", "set log", "shm", "register", "unregister", "cuda"],
)
def test_control_is_refused_over_grpc(grpc_client: Grpc, call: Callable[[Grpc], object]) -> None:
    with pytest.raises(InferenceServerException, match="restricted"):
        call(grpc_client)


def test_inference_metadata_health_configuration_and_statistics_are_open(serving: Container, grpc_client: Grpc) -> None:
    for path in ("/v2/health/live", "/v2/models/m/ready", "/v2/models/m", "/v2/models/m/config", "/v2/models/m/stats"):
        assert _http(serving, "GET", path)[0] == 200, path
    assert serving.ask() == [7.0]
    assert grpc_client.is_server_live()
    assert grpc_client.is_model_ready("m")
    assert grpc_client.get_model_metadata("m").name == "m"
    assert grpc_client.get_model_config("m").config.max_batch_size == 8
    assert grpc_client.get_inference_statistics("m").model_stats[0].name == "m"


def test_configuration_and_statistics_are_locked_where_that_is_asked_for(
    tmp_path: Path, tritonserver: Installation
) -> None:
    made = container(tmp_path, tritonserver)
    models.linear(made.repository)
    made.start(locked_apis=["ModelConfig", "Statistics"])
    try:
        made.until_verified()
        for path in ("/v2/models/m/config", "/v2/models/m/versions/1/config", "/v2/models/m/stats", "/v2/models/stats"):
            status, text = _http(made, "GET", path)
            assert (status, "restricted" in text) == (403, True), (path, text)
        assert made.ask() == [7.0]
        with tritonclient.grpc.InferenceServerClient(f"127.0.0.1:{made.ports[1]}") as client:
            assert client.get_model_metadata("m").name == "m"
            for call in (client.get_model_config, client.get_inference_statistics):
                with pytest.raises(InferenceServerException, match="restricted"):
                    call("m")
    finally:
        made.remove()


def test_a_grpc_channel_is_told_to_reconnect(serving: Container) -> None:
    (server,) = serving.processes("tritonserver")
    assert "--grpc-max-connection-age=5000" in server.cmdline()


def test_no_variable_opens_a_server_beside_the_locked_one(tmp_path: Path, tritonserver: Installation) -> None:
    """AIP_MODE alone starts Vertex AI's, whose redirects know no lock, and stops HTTP."""
    beside = free_port()
    made = container(tmp_path, tritonserver)
    models.linear(made.repository)
    made.start(
        AIP_MODE="PREDICTION",
        AIP_HTTP_PORT=str(beside),
        AIP_PREDICT_ROUTE="/predict",
        AIP_HEALTH_ROUTE="/health",
    )
    try:
        made.until_verified()
        with pytest.raises(ConnectionRefusedError):
            http.client.HTTPConnection("127.0.0.1", beside, timeout=5).request("GET", "/health")
        assert "the server does not get AIP_HEALTH_ROUTE, AIP_HTTP_PORT, AIP_MODE, AIP_PREDICT_ROUTE" in made.log
    finally:
        made.remove()
