"""V2: version 2 is broken in one of five ways. It is refused with the reason, and version 1 never notices."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from e2e import bundles
from e2e.bundles import Bundle
from e2e.space import Manifest, Space, total_restarts


@dataclass(frozen=True)
class Fault:
    """What is wrong with a version 2, and how it shows."""

    bundle: Bundle
    reason: str
    says: str
    phase: str = "Refused"
    asked: dict[str, Any] = field(default_factory=dict)


FAULTS: Final[dict[str, Callable[[], Fault]]] = {
    # It cannot even be resolved: it never gets a pod, and the store alone can put it right.
    "broken": lambda: Fault(
        bundles.linear({"config.pbtxt": b"name {"}), "BundleInvalid", "config.pbtxt", phase="Stalled"
    ),
    "unloadable": lambda: Fault(bundles.linear({"1/model.onnx": b"no network at all"}), "LoadFailed", "failed to load"),
    "wrong": lambda: Fault(bundles.linear(bundles.WRONG), "WrongAnswer", "expected 8"),
    "late": lambda: Fault(
        bundles.obedient(load_seconds=600),
        "DeadlineExceeded",
        "10 s after",
        asked={"server": {"startupTimeout": "10s"}},
    ),
    "short-lived": lambda: Fault(bundles.obedient(lives_seconds=4), "CrashLoop", "SIGKILL"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_version_1_never_notices_a_version_2_that_is(space: Space, name: str) -> None:
    # given: version 1 serves, under load
    fault = FAULTS[name]()
    space.apply("line", space.upload("1", bundles.linear()))
    space.until_ready("line")
    serving = _server(space)
    with space.client.load(space.host("line"), "line") as load:
        # when: version 2 is asked for
        space.apply("line", space.upload("2", fault.bundle), version="2", **fault.asked)

        # then: it is not taken, for the right reason, which is said; kstatus calls that failed
        space.until_phase("line", fault.phase)
        said = space.until_reason("line", fault.reason)
        assert said.startswith("2: "), said
        assert fault.says in said
        assert _stalled(space.model("line"))
        space.until("only version 1 has a pod", lambda: len(space.pods("line")) == 1)

    # and: the pod of version 1 is the one that it was, and it answered every request
    load.assert_nothing_failed()
    assert load.versions == {"1"}
    assert _server(space) == serving
    status = space.model("line")["status"]
    assert status["stable"]["version"] == "1"

    # and: who was refused is remembered, and an Event has told of it
    if fault.phase == "Refused":
        assert status["refused"]["version"] == "2"
        assert space.events("line")[fault.reason].startswith("refused: 2: ")


def _server(space: Space) -> tuple[str, int]:
    """The only pod, and how often its server was started again."""
    pod = space.pod("line")
    return pod["metadata"]["uid"], total_restarts(pod)


def _stalled(model: Manifest) -> bool:
    """kstatus calls it failed: Stalled is true, and speaks of the spec as it is."""
    (found,) = (condition for condition in model["status"]["conditions"] if condition["type"] == "Stalled")
    return (found["status"], found["observedGeneration"]) == ("True", model["metadata"]["generation"])
