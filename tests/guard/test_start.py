"""From start to the first right answers, on the real server."""

import http.client
import json
import signal
import time

import pytest

from slipway.guard import protocol
from tests.guard.pod import Container
from tests.triton import models

pytestmark = pytest.mark.triton


def test_a_model_that_answers_its_golden_requests_is_verified_and_serves(pod: Container) -> None:
    models.linear(pod.repository)
    pod.golden(models.golden(), models.golden(5, 11))
    pod.start()
    pod.until_verified()
    assert pod.verified.read_text() == "2 golden requests answered rightly\n"
    assert pod.ask(10) == [21.0]


def test_golden_requests_of_the_spec_stand_in_for_the_bundles(pod: Container) -> None:
    models.linear(pod.repository)
    pod.golden(models.golden(3, 99))
    pod.golden(models.golden(3, 7), of_spec=True)
    pod.start()
    pod.until_verified()
    assert pod.verified.read_text() == "1 golden request answered rightly\n"


def test_without_golden_requests_the_model_must_answer_its_declared_shapes(pod: Container) -> None:
    models.linear(pod.repository)
    pod.start()
    pod.until_verified()
    assert pod.verified.read_text() == "no golden requests; the model answers its declared shapes\n"


def test_nothing_answers_and_nothing_is_verified_while_the_model_loads(pod: Container) -> None:
    models.obedient(pod.repository, load_seconds=3)
    pod.verified.write_text("left by an earlier container")
    pod.start()
    pod.until(lambda: pod.processes("triton_python_backend_stub"))
    assert not pod.verified.exists()
    with pytest.raises(protocol.Unreachable):
        pod.ask()
    pod.until_verified()
    assert pod.ask() == [7.0]


def test_a_stop_while_the_model_loads_takes_seconds_not_the_load_time(pod: Container) -> None:
    models.obedient(pod.repository, load_seconds=60)
    pod.start(startup_timeout=120)
    pod.until(lambda: pod.processes("triton_python_backend_stub"))
    stubs = pod.processes("triton_python_backend_stub")
    pod.stop()
    assert pod.until_ended(seconds=5) == 0
    assert not any(stub.is_running() for stub in stubs)
    assert pod.verdict == {}


def test_a_wrong_answer_ends_the_container_before_it_was_ready(pod: Container) -> None:
    models.linear(pod.repository)
    pod.golden(models.golden(3, 7), models.golden(3, 8))
    pod.start()
    assert pod.until_ended() == 1
    assert pod.verdict == {
        "reason": "WrongAnswer",
        "message": "golden/1.json: y[0, 0] (element 0): expected 8.0, got 7.0; tolerance 0.0001 + 0.001 x |expected|",
    }
    assert not pod.verified.exists()


def test_an_empty_tensor_is_a_wrong_answer(pod: Container) -> None:
    models.obedient(pod.repository, empty=1)
    pod.start()
    assert pod.until_ended() == 1
    assert pod.verdict["reason"] == "WrongAnswer"
    assert "its declared shapes" in pod.verdict["message"]


def test_a_golden_request_that_the_model_cannot_take_is_its_authors_fault(pod: Container) -> None:
    models.linear(pod.repository)
    document = models.golden()
    document["inputs"][0]["name"] = "z"
    pod.golden(document, of_spec=True)
    pod.start()
    assert pod.until_ended() == 1
    assert pod.verdict["reason"] == "SpecInvalid"
    assert pod.verdict["message"].startswith("verification.requests[0]: the server answered 400")
    assert "'z'" in pod.verdict["message"]


def test_a_malformed_golden_file_is_refused_before_a_server_starts(pod: Container) -> None:
    models.linear(pod.repository)
    document = models.golden()
    document["outputs"][0]["shape"] = [2, 1]
    pod.golden(document)
    pod.start()
    assert pod.until_ended() == 1
    assert pod.verdict == {
        "reason": "BundleInvalid",
        "message": "golden/0.json: outputs[0].data: shape [2, 1] has 2 elements, found 1",
    }
    assert "model_lifecycle" not in pod.log


def test_a_model_that_is_not_done_in_time_says_so_with_the_servers_last_words(pod: Container) -> None:
    models.obedient(pod.repository, load_seconds=60)
    started = time.monotonic()
    pod.start(startup_timeout=2)
    assert pod.until_ended(seconds=8) == 1
    assert time.monotonic() - started >= 2
    assert pod.verdict["reason"] == "DeadlineExceeded"
    assert "2 s after its start" in pod.verdict["message"]
    assert "TRITONBACKEND_ModelInstanceInitialize: m_0_0" in pod.verdict["message"]


def test_a_first_answer_may_take_longer_than_later_ones(pod: Container) -> None:
    models.obedient(pod.repository, seconds=2)
    pod.golden(models.golden())
    pod.start(request_timeout=1)
    pod.until_verified()


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        ("corrupt", "failed to load 'm' version 1: Internal: InvalidProtobuf"),
        ("missing", "File doesn't exist"),
        ("name", "config.pbtxt declares input 'z', model.onnx has no such input; it has x"),
        ("type", "config.pbtxt declares input 'x' as TYPE_INT8, model.onnx has it as tensor(float)"),
        ("config", 'has no field named "foo"'),
        ("version", "at least one version must be available"),
        ("backend", "unable to find backend library for backend 'tensorrt'"),
    ],
)
def test_a_model_that_cannot_load_is_told_in_tritons_own_words(pod: Container, break_it: str, words: str) -> None:
    model = models.linear(pod.repository)
    file, pbtxt = model / "1" / "model.onnx", model / "config.pbtxt"
    match break_it:
        case "corrupt":
            file.write_bytes(file.read_bytes()[:50])
        case "missing":
            file.unlink()
        case "name":
            pbtxt.write_text(pbtxt.read_text().replace('"x"', '"z"'))
        case "type":
            pbtxt.write_text(pbtxt.read_text().replace("TYPE_FP32", "TYPE_INT8", 1))
        case "config":
            pbtxt.write_text(pbtxt.read_text() + "foo: 1\n")
        case "version":
            (model / "1").rename(model / "one")
        case "backend":
            pbtxt.write_text(pbtxt.read_text().replace("onnxruntime", "tensorrt"))
    pod.start()
    assert pod.until_ended() == 1
    assert pod.verdict["reason"] == "LoadFailed"
    assert words in pod.verdict["message"]
    assert "\nAt:" not in pod.verdict["message"]


def test_a_backend_that_the_image_lacks_is_told_with_those_that_it_has(pod: Container) -> None:
    models.linear(pod.repository, backend="tensorrt")
    pod.start()
    pod.until_ended()
    assert "This image has the backends: onnxruntime, python." in pod.verdict["message"]


def test_a_server_without_the_model_of_that_name_is_a_failed_load(pod: Container) -> None:
    models.linear(pod.repository, "another")
    pod.start()
    assert pod.until_ended() == 1
    assert pod.verdict["reason"] == "LoadFailed"
    assert "does not have the model 'm' ready" in pod.verdict["message"]


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("--model-control-mode=explicit", "--model-control-mode=explicit: --model-control-mode is Slipway's to set"),
        ("--foo=1", "--foo=1: not one that is known to be harmless"),
        ("--log-verbose=much", "tritonserver does not take them"),
    ],
)
def test_an_argument_that_cannot_be_taken_is_named(pod: Container, argument: str, words: str) -> None:
    models.linear(pod.repository)
    pod.start(args=[argument])
    assert pod.until_ended() == 1
    assert pod.verdict["reason"] == "SpecInvalid"
    assert words in pod.verdict["message"]


def test_an_image_that_states_no_version_is_asked_for_its_flags(pod: Container) -> None:
    models.linear(pod.repository)
    pod.start(TRITON_SERVER_VERSION="")
    pod.until_verified()


def test_a_server_that_dies_while_loading_is_a_crash(pod: Container) -> None:
    models.obedient(pod.repository, load_seconds=60)
    pod.start()
    pod.until(lambda: pod.processes("triton_python_backend_stub"))
    pod.processes("tritonserver")[0].send_signal(signal.SIGSEGV)
    assert pod.until_ended() == 1
    assert pod.verdict["reason"] == "CrashLoop"
    assert "died by signal SIGSEGV before it had answered" in pod.verdict["message"]


def test_leftovers_in_shared_memory_are_cleared(pod: Container) -> None:
    models.linear(pod.repository)
    left = pod.root / "shm" / "triton_python_backend_shm_region_1"
    left.write_bytes(b"0" * 4096)
    pod.start()
    pod.until_verified()
    assert not left.exists()


def test_the_servers_output_is_passed_on_without_the_key_of_the_locked_apis(pod: Container) -> None:
    models.linear(pod.repository)
    pod.start()
    pod.until_verified()
    (server,) = pod.processes("tritonserver")
    key = next(arg for arg in server.cmdline() if arg.startswith("--http-restricted-api")).rpartition("=")[2]
    assert len(key) == 64
    assert "successfully loaded 'm'" in pod.log
    assert key not in pod.log


def test_health_and_metadata_are_open(pod: Container) -> None:
    models.linear(pod.repository)
    pod.start()
    pod.until_verified()
    connection = http.client.HTTPConnection("127.0.0.1", pod.ports[0], timeout=5)
    for path in ("/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/m/ready", "/v2/models/m"):
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
        assert response.status == 200, (path, body)
    assert json.loads(body)["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 1]}]
    connection.close()
