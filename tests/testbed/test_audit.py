"""The audit log, as the API server writes it, read."""

import json
from pathlib import Path
from typing import Any

from testbed.audit import AuditLog


def _line(verb: str, stage: str = "ResponseComplete", **ref: str) -> str:
    event: dict[str, Any] = {
        "stage": stage,
        "verb": verb,
        "requestURI": "/",
        "user": {"username": "u"},
        "objectRef": ref,
    }
    return json.dumps(event, separators=(",", ":")) + "\n"


def test_a_watch_counts_once_when_it_opens(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.log")
    log.path.write_text(_line("watch", "ResponseStarted", resource="pods") + _line("watch", resource="pods"))
    assert log.count() == {("watch", "pods"): 1}


def test_only_calls_after_the_mark_count_and_a_subresource_is_named(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.log")
    log.path.write_text(_line("get", resource="pods"))
    mark = log.mark()
    with log.path.open("a") as more:
        more.write(_line("patch", resource="deployments", subresource="scale"))
    assert log.count(mark) == {("patch", "deployments/scale"): 1}


def test_a_line_that_is_still_being_written_is_left_for_the_next_look(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.log")
    log.path.write_text(_line("get", resource="pods") + '{"verb":"pa')
    assert len(log.calls()) == 1
