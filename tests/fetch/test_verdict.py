"""Termination messages: the contract's words, within Kubernetes' limit."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from slipway.core.reasons import Reason as Core
from slipway.fetch import verdict
from slipway.fetch.progress import Progress
from slipway.fetch.verdict import FetchError, Reason


def test_every_reason_is_one_that_the_operator_knows() -> None:
    assert {reason.value for reason in Reason} <= {reason.value for reason in Core}


@given(st.text(st.characters(codec=None)))
@example("1/\udcff.bin: a link")
def test_a_verdict_fits_whatever_it_quotes(message: str) -> None:
    text = verdict.verdict_text(FetchError(Reason.FETCH_FAILED, message * 100))
    assert len(text.encode()) <= verdict.LIMIT_BYTES
    assert json.loads(text)["reason"] == "FetchFailed"


def test_a_short_message_is_whole() -> None:
    assert (
        verdict.verdict_text(FetchError(Reason.BUNDLE_CORRUPT, "a: b")) == '{"reason":"BundleCorrupt","message":"a: b"}'
    )


def _answer(tensors: int, name: str) -> dict[str, Any]:
    listed = [[f"{name}{n}", "FP32", [1]] for n in range(tensors)]
    return {"digest": "sha256:0", "model": {"backend": "onnxruntime", "inputs": listed, "outputs": listed}}


def test_tensors_beyond_32_are_cut() -> None:
    model = json.loads(verdict.answer_text(_answer(40, "t")))["resolved"]["model"]
    assert (len(model["inputs"]), len(model["outputs"])) == (32, 32)


def test_long_names_are_cut_further() -> None:
    text = verdict.answer_text(_answer(40, "n" * 200))
    assert len(text.encode()) <= verdict.LIMIT_BYTES
    assert json.loads(text)["resolved"]["model"]["backend"] == "onnxruntime"


def test_as_many_requests_are_told_as_fit_and_tensors_come_first() -> None:
    asks = [{"inputs": [{"name": "x", "data": list(range(n))}]} for n in (10, 20, 2000)]
    told = json.loads(verdict.answer_text({**_answer(2, "t"), "asks": asks}))["resolved"]
    assert told["asks"] == asks[:2]
    cut = verdict.answer_text({**_answer(40, "n" * 200), "asks": asks})
    assert len(cut.encode()) <= verdict.LIMIT_BYTES
    assert "asks" not in json.loads(cut)["resolved"]


def test_a_place_that_cannot_be_written_is_no_second_failure(tmp_path: Path) -> None:
    verdict.write(tmp_path / "no" / "such" / "place", "x")
    verdict.write(tmp_path / "log", "said")
    assert (tmp_path / "log").read_text() == "said"


def test_progress_tells_bytes_rate_and_time_left() -> None:
    now = 100.0
    progress = Progress("churn", 100 * 2**20, lambda: now)
    assert progress.line() == "churn: 0.0 MiB of 100.0 MiB, 0.0 MiB/s, waiting for bytes"
    progress.had(20 * 2**20)
    progress.add(40 * 2**20)
    now = 102.0
    assert progress.line() == "churn: 60.0 MiB of 100.0 MiB, 20.0 MiB/s, 2 s left"


def test_progress_of_an_unknown_size_has_no_end() -> None:
    now = 0.0
    progress = Progress("churn", None, lambda: now)
    progress.add(2**20)
    now = 1.0
    assert progress.line() == "churn: 1.0 MiB, 1.0 MiB/s"


def test_no_answer_holds_what_is_no_json() -> None:
    tensor = {"data": [float("inf")]}
    answer: dict[str, Any] = {"model": {"inputs": [], "outputs": []}, "asks": [{"inputs": [tensor]}]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        verdict.answer_text(answer)
