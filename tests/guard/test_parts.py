"""Several models in one server, the real one: all are ready before it is verified and stay so, and none hides behind a
cache. What clients ask is the entry model."""

import http.server
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from slipway.guard.prober import Prober
from slipway.guard.protocol import Client
from slipway.guard.server import parts_of
from slipway.guard.verdict import BACKEND_DEAD, Verdict
from tests.guard.pod import Container
from tests.triton import models

pytestmark = pytest.mark.triton

INTERVAL = 1.0
CACHE = "--cache-config=local,size=1048576"


def test_an_ensemble_is_proven_by_way_of_its_parts(pod: Container) -> None:
    models.linear(pod.repository, "first")
    models.obedient(pod.repository, "second")
    models.ensemble(pod.repository, "first: x -> between", "second: between -> y")
    pod.golden(models.golden(3, 15))
    pod.start(interval=INTERVAL)
    pod.until_verified()
    assert pod.verified.read_text() == "1 golden request answered rightly, with first, second\n"
    assert pod.ask(1) == [7]
    assert "python" not in pod.client.metadata(5)["platform"]

    # and: a part that turns wrong is seen
    models.order(pod.repository / "second", wrong_by=1)
    pod.until(lambda: pod.verdict)
    assert pod.verdict["reason"] == "WrongAnswer"
    assert "expected 15.0, got 16.0" in pod.verdict["message"]


def test_a_part_is_asked_its_own_golden_requests_and_is_named_where_it_is_wrong(pod: Container) -> None:

    models.linear(pod.repository, "first")
    models.obedient(pod.repository, "second")
    models.ensemble(pod.repository, "first: x -> between", "second: between -> y")
    pod.golden(models.golden(3, 15))
    pod.golden(models.golden(3, 7), part="second")
    pod.start(interval=INTERVAL)
    pod.until_verified()
    assert pod.verified.read_text() == "1 golden request answered rightly, with first, second (1 of its own)\n"

    models.order(pod.repository / "second", wrong_by=1)
    pod.until(lambda: pod.verdict)
    assert pod.verdict["reason"] == "WrongAnswer"
    assert pod.verdict["message"].startswith("models/second/golden/0.json: y[0, 0] (element 0): expected 7.0, got 8.0")


def test_a_part_is_wrong_although_the_entry_model_has_no_golden_request(pod: Container) -> None:
    models.linear(pod.repository, "part")
    models.ensemble(pod.repository, "part: x -> y")
    pod.golden(models.golden(3, 8), part="part")
    pod.start()
    assert pod.until_ended() == 1
    assert pod.verdict["reason"] == "WrongAnswer"
    assert pod.verdict["message"].startswith("models/part/golden/0.json: ")


def test_a_part_with_several_responses_is_asked_as_its_own_configuration_says(pod: Container) -> None:
    models.streaming(pod.repository, times=2, name="part")
    decoupled = "max_batch_size: 8\nmodel_transaction_policy { decoupled: true }"
    models.ensemble(pod.repository, "part: x -> y", more=decoupled)
    request = models.golden(3)
    del request["outputs"]
    pod.golden({**request, "responses": [{"outputs": models.golden(3, y)["outputs"]} for y in (7, 8)]}, part="part")
    pod.start()
    pod.until_verified()
    assert pod.verified.read_text().endswith("with part (1 of its own)\n")


def test_a_part_whose_golden_request_does_not_fit_is_the_bundles_fault(pod: Container) -> None:
    models.linear(pod.repository, "part")
    models.ensemble(pod.repository, "part: x -> y")
    pod.golden({"inputs": []}, part="part")
    pod.start()
    assert pod.until_ended() == 1
    assert pod.verdict["reason"] == "BundleInvalid"
    assert pod.verdict["message"].startswith("models/part/golden/0.json: ")


def test_a_part_whose_process_is_gone_is_seen(pod: Container) -> None:
    models.obedient(pod.repository, "part")
    models.ensemble(pod.repository, "part: x -> y")
    pod.golden(models.golden())
    pod.start(interval=INTERVAL)
    pod.until_verified()
    for stub in pod.processes("triton_python"):
        stub.send_signal(signal.SIGKILL)
    pod.until(lambda: pod.verdict)
    assert pod.verdict["reason"] == "BackendDead"


def test_a_python_model_asks_a_part(pod: Container) -> None:
    models.linear(pod.repository, "part")
    models.calling(pod.repository, "part")
    pod.golden(models.golden(3, 7))
    pod.start()
    pod.until_verified()
    assert pod.ask(5) == [11]


def test_a_part_that_does_not_load_is_told_by_its_name(pod: Container) -> None:
    models.linear(pod.repository, "part")
    (pod.repository / "part/1/model.onnx").write_bytes(b"no model")
    models.ensemble(pod.repository, "part: x -> y")
    pod.start()
    assert pod.until_ended() == 1
    assert pod.verdict["reason"] == "LoadFailed"
    assert pod.verdict["message"].startswith("failed to load 'part' version 1")


@pytest.mark.parametrize("interval", [0.0, INTERVAL])
def test_a_part_does_not_answer_out_of_a_cache(pod: Container, interval: float) -> None:
    models.linear(pod.repository, "part", more="max_batch_size: 8 response_cache { enable: true }")
    models.ensemble(pod.repository, "part: x -> y")
    pod.golden(models.golden(), models.golden(4, 9))
    pod.start(interval=interval, args=[CACHE, f"--cache-directory={pod.installation.caches}"])
    if not interval:  # asked at the start alone, the model itself has answered
        pod.until_verified()
        return
    assert pod.until_ended() == 1
    assert pod.verdict["reason"] == "SpecInvalid"
    assert "--cache-config: models/part/config.pbtxt has response_cache" in pod.verdict["message"]


def test_the_parts_are_what_was_laid_out_beside_the_entry_model(pod: Container) -> None:
    for name in ("m", "b", "a", ".a.old"):
        (pod.repository / name).mkdir()
    (pod.repository / "file").touch()
    assert parts_of(pod.root / "slipway", "m") == ["a", "b"]


class _FakeServer(http.server.BaseHTTPRequestHandler):
    """A server that has lost a model, as later ones than 2.51 tell it."""

    def do_GET(self) -> None:
        self.send_response(400)
        self.end_headers()
        self.wfile.write(b'{"error": "its stub is gone"}')

    def log_message(self, *args: object) -> None:
        """Nobody wants to know."""


def test_a_part_that_is_ready_no_more_is_dead_although_nothing_came_to_it() -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _FakeServer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        entry, part = (Client(server.server_port, name) for name in ("m", "part"))
        prober = Prober(entry, [], threading.Event(), parts={part: []}, asked_again=True)
        with pytest.raises(Verdict, match="the model 'part', which this one may ask, is not ready") as dead:
            prober.watch(0.01, 10)
        server.shutdown()
    assert dead.value.reason == BACKEND_DEAD
    assert "its stub is gone" in dead.value.message


def test_a_part_may_be_asked_by_itself(pod: Container) -> None:
    models.linear(pod.repository, "part")
    models.ensemble(pod.repository, "part: x -> y")
    pod.start()
    pod.until_verified()
    Client(pod.ports[0], "part").check_ready(5)


@pytest.mark.parametrize("how", ["as a step", "by a call"])
def test_a_request_that_is_in_a_part_is_answered_before_the_server_stops(pod: Container, how: str) -> None:
    part = models.obedient(pod.repository, "part")
    if how == "as a step":
        models.linear(pod.repository, "last")
        models.ensemble(pod.repository, "part: x -> between", "last: between -> y")
    else:
        models.calling(pod.repository, "part")
    pod.start(request_timeout=4)
    pod.until_verified()
    before = models.begun(part)
    models.order(part, seconds=1.5)
    with ThreadPoolExecutor() as threads:
        asked = threads.submit(pod.ask, 4.0)
        pod.until(lambda: models.begun(part) > before)
        pod.stop()
        assert asked.result() == [19.0 if how == "as a step" else 9.0]
    assert pod.until_ended() == 0
    assert pod.verdict == {}


def test_an_ensemble_of_an_ensemble_and_one_with_several_responses(pod: Container) -> None:
    models.linear(pod.repository, "first")
    models.streaming(pod.repository, times=2, name="second")
    decoupled = "max_batch_size: 8\nmodel_transaction_policy { decoupled: true }"
    models.ensemble(pod.repository, "second: x -> y", name="inner", more=decoupled)
    models.ensemble(pod.repository, "first: x -> between", "inner: between -> y", more=decoupled)
    request = models.golden(3)
    del request["outputs"]
    pod.golden({**request, "responses": [{"outputs": models.golden(3, y)["outputs"]} for y in (15, 16)]})
    pod.start()
    pod.until_verified()
    assert pod.verified.read_text() == "1 golden request answered rightly, with first, inner, second\n"
