"""Logs: one line an occurrence, whatever is in it."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from slipway.controller import logs

FORGED = "v2\n2026-11-28 23:00:00,000 INFO    slipway: all is well\r\x1b[2K\x9b31m\u202e\u2028"


@pytest.fixture
def root() -> Iterator[None]:
    """What `configure` changes, put back."""
    root, levels = logging.getLogger(), {name: logging.getLogger(name).level for name in (None, *logs.NOISY)}
    handlers = root.handlers[:]
    yield
    root.handlers[:] = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def logged(form: str) -> list[str]:
    logs.configure(level="info", form=form)
    (handler,) = logging.getLogger().handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(stream := io.StringIO())
    with logs.context(name="churn"):
        try:
            raise ValueError(FORGED)
        except ValueError:
            logging.getLogger("slipway.x").exception("%s: refused", FORGED)
    return stream.getvalue().split("\n")


def test_no_words_of_a_tenant_make_a_line_of_their_own_or_order_a_terminal_about(root: None) -> None:
    lines = logged("text")

    assert all(line.isprintable() for line in lines)
    assert all(line.startswith("    ") for line in lines[1:-1])
    assert lines[0].endswith(
        r"name=churn: v2\n2026-11-28 23:00:00,000 INFO    slipway: all is well\r\x1b[2K\x9b31m\u202e\u2028: refused"
    )


def test_json_has_them_on_one_line_as_they_are(root: None) -> None:
    line, *rest = logged("json")

    assert rest == [""]
    assert line.isprintable()
    assert json.loads(line)["message"] == f"{FORGED}: refused"
