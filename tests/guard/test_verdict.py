"""A verdict always is JSON that the kubelet hands on whole."""

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from slipway.core.reasons import Reason
from slipway.guard import verdict
from slipway.guard.verdict import Verdict


def test_a_verdict_is_compact_json(tmp_path: Path) -> None:
    verdict.write(Verdict("WrongAnswer", "naïve"), tmp_path / "log")
    assert (tmp_path / "log").read_text(encoding="utf-8") == '{"reason":"WrongAnswer","message":"naïve"}'


@given(st.text(st.characters(codec="utf-8"), max_size=200), st.integers(1, 200))
def test_a_long_message_loses_its_end_and_nothing_else(text: str, times: int) -> None:
    message = text * times
    rendered = verdict.render(Verdict("LoadFailed", message))
    assert len(rendered) <= 4096
    read = json.loads(rendered)
    assert read["reason"] == "LoadFailed"
    cut = read["message"]
    assert cut == message or (cut.endswith("…") and message.startswith(cut[:-1]))
    assert cut == message or len(rendered) > 4096 - 1200


def test_every_reason_of_the_guard_is_one_of_the_operators() -> None:
    ours = {value for name, value in vars(verdict).items() if name.isupper() and isinstance(value, str)}
    assert len(ours) == 8
    assert ours <= set(Reason)
