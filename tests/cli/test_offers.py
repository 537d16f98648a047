"""The program of `slipway fit` in a pod: whoever has the pod may have written it, so it is believed as one."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from slipway.cli.kubectl import DeniedError, Kubectl
from slipway.cli.offers import LateError, Offers, PodGoneError, first_within
from slipway.cli.rates import Ask, Round
from slipway.guard import wire
from slipway.guard.golden import GoldenRequest, read

KUBECTL = """#!{python}
import json, sys
for _ in range(3):
    sys.stdin.readline()  # the program, what is asked, and a round
say = sys.stdout.write
{says}
"""
ROUND = {"sent": 3, "answered": 3, "failed": {}, "words": "", "seconds": 3, "p50": 0.01, "p99": 0.01, "late": 0}
DENIED = (
    'Error from server (Forbidden): pods "churn-0" is forbidden: User "u" cannot {verb} resource "{what}" in API group'
)


@pytest.fixture
def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Its kubectl, without what it says."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return tmp_path / "kubectl"


def install(pod: Path, program: str) -> None:
    pod.write_text(program)
    pod.chmod(0o755)


def large_request() -> GoldenRequest:
    """More than a pipe holds."""
    tensor = {"name": "x", "datatype": "FP64", "shape": [1, 100_000], "data": [0] * 100_000}
    answer = {"name": "y", "datatype": "FP32", "shape": [1], "data": [0]}
    return read(json.dumps({"inputs": [tensor], "outputs": [answer]}).encode(), "golden/large.json")


def round_of(pod: Path, says: str) -> Round:
    install(pod, KUBECTL.format(python=sys.executable, says=says))
    with Offers.within(Kubectl(), "churn-0", "churn", [], objective=0.05, patience=2, seconds=60) as offers:
        return offers.round(Ask(rate=1, seconds=3), 60)


def says(**other: Any) -> str:
    return f"say({json.dumps(ROUND | other)!r} + chr(10))"


@pytest.mark.parametrize(
    "without_end",
    ["while True: say('x' * 1000 + chr(10))", "while True: say('x' * 65536)", "while True: say(chr(10))"],
    ids=["lines", "line", "empty"],
)
def test_a_pod_that_writes_without_an_end_is_one_whose_program_has_ended(pod: Path, without_end: str) -> None:
    with pytest.raises(PodGoneError) as error:
        round_of(pod, without_end)
    assert len(str(error.value)) < 5000
    assert round_of(pod, f"{says()}\n{without_end}").answered == 3


@pytest.mark.parametrize(
    "other", [{"sent": 10**10}, {"answered": -1}, {"failed": {"x": 10**12}}, {"seconds": -1}, {"p99": 1e300}]
)
def test_numbers_that_cannot_be_are_no_round(pod: Path, other: dict[str, Any]) -> None:
    with pytest.raises(PodGoneError):
        round_of(pod, says(**other))


def test_the_words_of_a_failure_are_a_sentence(pod: Path) -> None:
    assert len(round_of(pod, says(words="x" * 10_000, failed={"status 500": 1})).words) == 300


def test_a_right_that_kubectl_lacks_is_told_and_of_others_the_pod_asks_for_nothing(pod: Path) -> None:
    lacks = DENIED.format(verb="create", what="pods/exec") + ' "" in the namespace "shop"'
    with pytest.raises(DeniedError, match="no right to create pods/exec: ask for it"):
        round_of(pod, f"say({lacks!r})")
    for verb, what, end in (
        ("escalate", "clusterroles", ' "rbac.authorization.k8s.io" at the cluster scope'),
        ("get", "secrets", ' "" in the namespace "shop"'),
    ):
        forged = DENIED.format(verb=verb, what=what) + end
        with pytest.raises(PodGoneError) as error:
            round_of(pod, f"say({forged!r})")
        assert "ask for it" not in str(error.value)
    with pytest.raises(PodGoneError) as error:
        round_of(pod, "say('the server doesn\\'t have a resource type')")
    assert "install" not in str(error.value)


@pytest.mark.parametrize(
    "reads",
    ["", "sys.stdin.readline()", "while sys.stdin.buffer.read1(1): time.sleep(0.01)"],
    ids=["nothing", "the program", "all, byte by byte"],
)
def test_a_pod_that_does_not_read_is_late_when_the_time_is_up_and_its_kubectl_ends(pod: Path, reads: str) -> None:
    note = pod.with_name("pid")
    install(
        pod,
        f"#!{sys.executable}\nimport os, pathlib, signal, sys, time\n"
        f"pathlib.Path({str(note)!r}).write_text(str(os.getpid()))\n{reads}\nsignal.pause()\n",
    )
    with (
        pytest.raises(LateError),
        Offers.within(Kubectl(), "churn-0", "churn", [large_request()], objective=0.05, patience=2, seconds=1),
    ):
        pytest.fail("nobody has read what is to be asked")
    assert not note.exists() or not psutil.pid_exists(int(note.read_text()))


def test_what_kubectl_has_started_and_leaves_running_keeps_nobody_waiting(pod: Path) -> None:
    note, began = pod.with_name("pid"), time.monotonic()
    install(
        pod,
        f"#!{sys.executable}\nimport pathlib, subprocess\nchild = subprocess.Popen(['sleep', '30'])\n"
        f"pathlib.Path({str(note)!r}).write_text(str(child.pid))\nchild.wait()\n",
    )
    with (
        pytest.raises(LateError),
        Offers.within(Kubectl(), "churn-0", "churn", [large_request()], objective=0.05, patience=2, seconds=2),
    ):
        pytest.fail("nobody has read what is to be asked")
    assert time.monotonic() - began < 20
    psutil.Process(int(note.read_text())).kill()


def test_the_first_requests_that_have_room_together_are_asked_and_each_is_encoded_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    requests, encoded = [large_request() for _ in range(20)], list[object]()
    encode = wire.infer_request

    def counted(*arguments: Any) -> Any:
        encoded.append(arguments)
        return encode(*arguments)

    monkeypatch.setattr(wire, "infer_request", counted)
    one = 8 * 100_000 * 4 // 3
    assert first_within(requests, 5 * one) == requests[:4], "each has a head, too"
    assert len(encoded) == 5
    assert first_within(requests, one) == []
    assert first_within(requests[:3]) == requests[:3]
