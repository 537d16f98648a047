"""What `get --watch` makes of what kubectl's watches bring: each look that fails is said, and another follows."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from slipway.cli import watching
from slipway.cli.kubectl import Kubectl
from slipway.cli.watching import Seen, seen
from tests.cli.scenes import scene
from tests.cli.speaking import script

MODEL = scene("serving").body


def states_until(holds: Callable[[Seen], object]) -> list[Seen]:
    """As they come, copied, until one of which that holds."""
    found = list[Seen]()
    states = seen(Kubectl(), "churn")
    deadline = time.monotonic() + 20
    for state in states:
        assert time.monotonic() < deadline, "it did not come to that"
        found.append(replace(state, pods=dict(state.pods)))
        if holds(state):
            break
    states.close()
    return found


def kubectl(monkeypatch: pytest.MonkeyPatch, folder: Path, watch: str, pods: str = "cat empty") -> None:
    """`watch` is what a watch of models brings; `pods` a shell's command for the list of pods."""
    monkeypatch.setattr(watching, "_TICK_SECONDS", 0.05)
    (folder / "empty").write_text('{"items": []}')
    (folder / "models").write_text(json.dumps({"items": [MODEL]}))
    (folder / "watch").write_text(watch)
    script(
        monkeypatch,
        folder,
        f'cd "{folder}"\ncase "$*" in\n*pods*--watch*) exec sleep 60;;\n*--watch*) cat watch; exec sleep 60;;\n'
        f"*pods*) {pods};;\n*) cat models;;\nesac\n",
    )


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({"type": "ERROR", "object": {"kind": "Status", "message": "too old"}}, "the watch ends: too old"),
        ({"type": "ERROR", "object": 7}, "the watch ends: unreadable"),
        ({}, "the watch ends: unreadable"),
    ],
)
def test_an_error_of_a_watch_is_no_model(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, event: dict[str, object], said: str
) -> None:
    kubectl(monkeypatch, tmp_path, f"{json.dumps(event)}\n")
    found = states_until(lambda state: state.lost)
    assert found[-1].lost == said
    assert all(state.model == MODEL for state in found)


def test_who_may_not_list_pods_sees_the_rest_and_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    later = {**MODEL, "status": {"phase": "Suspended"}}
    refused = 'echo "error: no pods for you" >&2; exit 1'
    kubectl(monkeypatch, tmp_path, f"{json.dumps({'type': 'MODIFIED', 'object': later})}\n", refused)
    first, *_, last = states_until(lambda state: state.model == later)
    assert (first.model, first.pods, first.lost) == (MODEL, {}, None)
    assert first.without_pods == last.without_pods == "kubectl: no pods for you"
    assert last.lost is None
