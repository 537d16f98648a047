"""A model is asked in the way that its configuration says, on the real server: in sequences, as a stream, every version
of it, and never by way of a cache."""

import json
import shutil
from typing import Any

import pytest
from onnx import helper

from tests.guard.pod import Container
from tests.triton import models

pytestmark = pytest.mark.triton

INTERVAL = 1.0


def _responses(x: float, *ys: float) -> dict[str, Any]:
    request = models.golden(x)
    del request["outputs"]
    return {**request, "responses": [{"outputs": models.golden(x, y)["outputs"]} for y in ys]}


# -- sequences


def test_a_model_with_sequences_is_asked_in_one_of_its_own_each_time(pod: Container) -> None:
    models.summing(pod.repository)
    pod.golden(models.golden(3, 7), models.golden(3, 7), [models.golden(3, 7), models.golden(1, 9)])
    pod.start(interval=INTERVAL)
    pod.until_verified()
    pod.until(lambda: pod.client.statistics(2).answered >= 3 * 4)
    assert pod.verdict == {}


def test_without_golden_requests_a_model_with_sequences_is_asked_for_its_declared_shapes(pod: Container) -> None:
    models.summing(pod.repository)
    pod.start()
    pod.until_verified()


def test_an_iterative_sequence_is_named_by_the_server(pod: Container) -> None:
    models.obedient(pod.repository)
    pbtxt = pod.repository / "m" / "config.pbtxt"
    pbtxt.write_text(pbtxt.read_text() + "sequence_batching { iterative_sequence: true }\n")
    pod.golden(models.golden())
    pod.start()
    pod.until_verified()


def test_requests_of_the_spec_that_name_one_sequence_are_asked_in_it(pod: Container) -> None:
    models.summing(pod.repository)
    pod.golden(
        {**models.golden(3, 7), "sequence": "a"},
        models.golden(3, 7),
        {**models.golden(1, 8), "sequence": "a"},
        of_spec=True,
    )
    pod.start()
    assert pod.until_ended() == 1
    assert pod.verdict["reason"] == "WrongAnswer"
    assert pod.verdict["message"].startswith("verification.requests[2]: y[0, 0] (element 0): expected 8.0, got 9.0")


def test_state_that_is_wrong_at_a_later_step_is_told_with_the_step(pod: Container) -> None:
    models.summing(pod.repository)
    pod.golden([models.golden(3, 7), models.golden(1, 8)])
    pod.start()
    assert pod.until_ended() == 1
    assert pod.verdict["reason"] == "WrongAnswer"
    assert pod.verdict["message"].startswith("golden/0.json[1]: y[0, 0] (element 0): expected 8.0, got 9.0")


def test_a_sequence_for_a_model_without_them_is_its_authors_fault(pod: Container) -> None:
    models.linear(pod.repository)
    pod.golden([models.golden(), models.golden()])
    pod.start()
    assert pod.until_ended() == 1
    assert pod.verdict["reason"] == "BundleInvalid"
    assert "config.pbtxt has no sequence_batching" in pod.verdict["message"]


# -- decoupled models


def test_a_decoupled_models_responses_are_compared_in_their_order(pod: Container) -> None:
    models.streaming(pod.repository, times=2)
    pod.golden(_responses(3, 7, 8), {**models.golden(5, 11), "parameters": {"times": 1}})
    pod.start(interval=INTERVAL)
    pod.until_verified()
    pod.until(lambda: pod.client.statistics(2).answered >= 4)
    assert pod.verdict == {}


def test_the_specs_requests_have_parameters_and_several_responses_too(pod: Container) -> None:
    models.streaming(pod.repository, times=2)
    pod.golden(_responses(3, 7, 8), {**models.golden(5, 11), "parameters": {"times": 1}}, of_spec=True)
    pod.start()
    pod.until_verified()


def test_without_golden_requests_a_decoupled_model_has_to_respond(pod: Container) -> None:
    models.streaming(pod.repository, times=3)
    pod.start()
    pod.until_verified()


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (_responses(3, 7, 9), "golden/0.json: response 1: y[0, 0] (element 0): expected 9.0, got 8.0"),
        (_responses(3, 7), "golden/0.json: expected 1 response, got 2"),
        ({**models.golden(), "parameters": {"times": 0}}, "golden/0.json: the server answered 500: has nothing to say"),
    ],
)
def test_a_wrong_response_is_told_with_its_number(pod: Container, request_: dict[str, Any], words: str) -> None:
    models.streaming(pod.repository, times=2)
    pod.golden(request_)
    pod.start()
    assert pod.until_ended() == 1
    assert pod.verdict["reason"] == "WrongAnswer"
    assert pod.verdict["message"].startswith(words)


def test_a_decoupled_model_that_turns_wrong_is_seen(pod: Container) -> None:
    model = models.obedient(pod.repository)
    code = model / "1" / "model.py"
    sends = "[r.get_response_sender().send(a, flags=1) for r, a in zip(requests, answers)]\n        return None"
    code.write_text(code.read_text().replace("        return answers\n", f"        {sends}\n"))
    pbtxt = model / "config.pbtxt"
    pbtxt.write_text(pbtxt.read_text() + "model_transaction_policy { decoupled: true }\n")
    pod.golden(models.golden())
    pod.start(interval=INTERVAL)
    pod.until_verified()
    models.order(model, wrong_by=2)
    pod.until(lambda: pod.verdict, seconds=3 * INTERVAL)
    assert pod.verdict["reason"] == "WrongAnswer"


def test_what_cannot_be_asked_of_a_decoupled_model_is_no_wrong_answer(pod: Container) -> None:
    models.streaming(pod.repository)
    request = models.golden()
    request["inputs"][0].update(shape=[1, 1, 1])
    pod.golden(request, of_spec=True)
    pod.start()
    assert pod.until_ended() == 1
    assert pod.verdict["reason"] == "SpecInvalid"
    assert "inputs[0].shape: [1, 1, 1] cannot be asked of a decoupled model" in pod.verdict["message"]


# -- versions


@pytest.mark.parametrize("wrong", ["1", "2"])
def test_every_served_version_is_asked_and_named(pod: Container, wrong: str) -> None:
    model = models.linear(pod.repository, more="max_batch_size: 8\nversion_policy { all {} }")
    shutil.copytree(model / "1", model / "2")
    other = models.onnx_model(
        pod.root / "another",
        [helper.make_node("Identity", ["x"], ["y"])],
        {"x": ("FP32", [1])},
        {"y": ("FP32", [1])},
        "",
    )
    shutil.copy(other / "1" / "model.onnx", model / wrong / "model.onnx")
    pod.golden(models.golden())
    pod.start()
    assert pod.until_ended() == 1
    assert pod.verdict["reason"] == "WrongAnswer"
    assert pod.verdict["message"].startswith(f"version {wrong}: golden/0.json: y[0, 0] (element 0)")


def test_versions_that_all_answer_rightly_are_verified(pod: Container) -> None:
    model = models.linear(pod.repository, more="max_batch_size: 8\nversion_policy { all {} }")
    shutil.copytree(model / "1", model / "7")
    pod.golden(models.golden())
    pod.start()
    pod.until_verified()
    assert pod.verified.read_text() == "1 golden request answered rightly by each of the versions 1, 7\n"


# -- caches


def _cached(pod: Container) -> None:
    model = models.obedient(pod.repository)
    pbtxt = model / "config.pbtxt"
    pbtxt.write_text(pbtxt.read_text() + "response_cache { enable: true }\n")
    pod.golden(models.golden())


def _cache(pod: Container) -> list[str]:
    return ["--cache-config=local,size=1048576", f"--cache-directory={pod.installation.caches}"]


def test_a_model_behind_a_cache_is_not_served_as_one_that_is_watched(pod: Container) -> None:
    _cached(pod)
    pod.start(interval=INTERVAL, args=_cache(pod))
    assert pod.until_ended() == 1
    assert pod.verdict["reason"] == "SpecInvalid"
    assert pod.verdict["message"].startswith("server.args: --cache-config: config.pbtxt has response_cache")


def test_a_model_behind_a_cache_of_its_own_can_be_asked_once(pod: Container) -> None:
    _cached(pod)
    pod.golden(models.golden(), models.golden())  # the second is the cache's, with what the model said to the first
    pod.start(interval=0, args=_cache(pod))
    pod.until_verified()


def test_a_cache_that_is_not_there_is_nobodys_fault(pod: Container) -> None:
    _cached(pod)
    pod.start(interval=INTERVAL)
    pod.until_verified()


def test_a_cache_that_the_model_does_not_use_is_nobodys_fault(pod: Container) -> None:
    models.obedient(pod.repository)
    pod.golden(models.golden())
    pod.start(interval=INTERVAL, args=_cache(pod))
    pod.until_verified()


# -- empty answers, and those that never come


def test_a_model_that_rightly_finds_nothing_in_zeros_is_verified(pod: Container) -> None:
    tensors = {"x": ("FP32", [-1])}, {"index": ("INT64", [1, -1])}
    nodes = [helper.make_node("NonZero", ["x"], ["index"])]
    pbtxt = models.config("m", "onnxruntime", *tensors, "max_batch_size: 0")
    models.onnx_model(pod.repository / "m", nodes, *tensors, pbtxt, batched=False)
    pod.start()
    pod.until_verified()


def test_who_is_late_is_told_with_what_was_asked_last(pod: Container) -> None:
    model = models.obedient(pod.repository)
    pbtxt = model / "config.pbtxt"
    expires = "dynamic_batching { default_queue_policy { default_timeout_microseconds: 1 } }\n"
    pbtxt.write_text(pbtxt.read_text() + expires)
    pod.golden(models.golden())
    pod.start(startup_timeout=3)
    assert pod.until_ended() == 1
    assert pod.verdict["reason"] == "DeadlineExceeded"
    assert "golden/0.json: the server answered 503: Request timeout expired" in json.dumps(pod.verdict)


# -- bytes


def test_bytes_that_are_no_text_go_to_a_model_and_come_back(pod: Container) -> None:
    models.echoing(pod.repository)
    right = {"datatype": "BYTES", "shape": [1, 1], "data": [{"b64": "/9j/4A=="}]}
    pod.golden({"inputs": [{"name": "x", **right}], "outputs": [{"name": "y", **right}]})
    pod.start()
    pod.until_verified()
