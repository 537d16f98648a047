"""A server's words are printed as words: no terminal obeys them."""

import asyncio
import json
from pathlib import Path

import pytest

from load.__main__ import main
from load.answers import Answers
from load.background import end
from load.clients import Answer, HttpClient
from load.generator import Load, Plan
from load.latencies import Latencies
from load.question import Question
from load.report import Report
from load.table import table
from load.words import WORDS_KEPT, printable, printable_lines, values_in_words
from slipway.guard.printable import STEERS
from testbed.plane import free_port
from tests.triton import models

ORDERS = "\x1b]0;mine\x07\x1b[2J\u202eall is well\nhttp answered 100"


def test_nothing_that_a_terminal_obeys_is_left() -> None:
    everything = "".join(map(chr, range(0x11000)))
    assert not STEERS.search(printable(everything))
    assert printable("Größe 1 ≥ 2, 東京") == "Größe 1 ≥ 2, 東京"
    assert printable_lines("one\ntwo\x1b") == "one\ntwo\\x1b"


def test_a_failure_is_one_line_of_the_table_whatever_its_words() -> None:
    lines = table(Report(0, 1, 1, {}, Latencies(), (f"0.1 s: http status 503: {ORDERS}",))).split("\n")
    assert lines[2:] == [f"0.1 s: http status 503: {printable(ORDERS)}"]


def test_the_log_of_a_run_that_is_gone_orders_no_terminal_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("load.background.PATIENCE_SECONDS", 0)
    monkeypatch.setattr("os.kill", lambda *_: None)
    (tmp_path / "pid").write_text("1")
    (tmp_path / "log").write_text(ORDERS)
    with pytest.raises(SystemExit) as ended:
        end(tmp_path)
    assert str(ended.value) == f"there is no report.json: {printable_lines(ORDERS)}"


def test_whoever_fails_while_the_rate_is_looked_for_is_told_in_a_sentence(tmp_path: Path) -> None:
    asked = ["--http", f"http://127.0.0.1:{free_port()}", "--model", "m", "--request", json.dumps(models.golden())]
    with pytest.raises(SystemExit, match=r"^--busy: a request failed: connect: "):
        main([*asked, "--answers", "v1=7", "--busy", "0.5", "--out", str(tmp_path / "report.json")])


def test_of_a_wrong_answer_with_many_values_the_first_are_kept() -> None:
    assert values_in_words((9.0, 0.5)) == "[9.0, 0.5]"
    many = values_in_words([float(each) for each in range(50_000)])
    assert many.startswith("[0.0, 1.0, 2.0, ")
    assert many.endswith("… (50000 values)")
    assert len(many) < WORDS_KEPT + 20


async def test_a_run_that_gets_large_wrong_answers_keeps_little_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    async def wrong(*_: object) -> Answer:
        return Answer(tuple(map(float, range(50_000))))

    monkeypatch.setattr(HttpClient, "ask", wrong)
    question, answers = Question.of("m", models.golden()), Answers.parse(["v1=7"])
    plan = Plan(question=question, answers=answers, http="http://nobody", grpc="", rate=1000, duration_seconds=0.01)
    report = await Load(plan).run(asyncio.Event())
    assert report.total().wrong.total() == 10
    assert len(report.to_json()) < 10_000
