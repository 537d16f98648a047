"""`slipway ask` against a real Triton, whose guard has asked it the same golden requests."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from slipway.cli.ask import ask
from tests.cli.kubelet import Kubelet, served
from tests.cli.scenes import scene
from tests.guard.pod import Container
from tests.triton import models

pytestmark = pytest.mark.triton

RIGHT = models.golden()
STABLE = "11111111"


@pytest.fixture(scope="module")
def pod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    with served(tmp_path_factory.mktemp("pod")) as made:
        yield made


@pytest.fixture
def kubelet(tmp_path: Path, pod: Container, monkeypatch: pytest.MonkeyPatch) -> Kubelet:
    """A canary's stable version, whose golden requests are the bundle's."""
    made, found = (
        Kubelet.made(tmp_path / "kubectl", port=pod.ports[0], root=pod.root / "slipway"),
        scene("canary-paused"),
    )
    monkeypatch.setenv("PATH", f"{made.folder}{os.pathsep}{os.environ['PATH']}")
    made.has("modeldeployments.serving.slipway.dev", found.body)
    made.has("pods", {"items": found.pods})
    kept(made)
    return made


def kept(made: Kubelet, *of_spec: dict[str, Any], asks: tuple[Any, ...] = ()) -> None:
    """The revision's record."""
    text = {"data": {"golden.json": json.dumps({"requests": of_spec})}} if of_spec else {}
    data = {
        "version": "3",
        "verification": "spec" if of_spec else "bundle",
        "children": [{"kind": "ConfigMap", **text}],
        "resolved": {"asks": list(asks)},
    }
    made.has("controllerrevisions.apps", {"data": data})


def asked(*words: str) -> Result:
    return CliRunner().invoke(ask, ["churn", *words])


def outcomes(told: Result) -> list[str]:
    return [each["outcome"] for each in json.loads(told.stdout)["asked"]]


def test_the_bundles_golden_requests_are_asked_and_judged(kubelet: Kubelet) -> None:
    told = asked()
    assert told.exit_code == 0, told.output
    who, head, line = told.output.splitlines()
    assert who == f"churn: version 3 (revision {STABLE}), pod churn-{STABLE}-0"
    assert head.split() == ["REQUEST", "ANSWER", "TIME"]
    assert line.startswith("golden/0.json  right   ")
    assert line.endswith(" ms")


def test_a_wrong_answer_is_told_beside_the_right_one_and_fails(kubelet: Kubelet) -> None:
    kept(kubelet, RIGHT, models.golden(3, 8))
    told = asked("-o", "json")
    assert (told.exit_code, outcomes(told)) == (1, ["right", "wrong"])
    wrong = json.loads(told.stdout)["asked"][1]
    assert (wrong["request"], wrong["expected"][0]["data"], wrong["outputs"][0]["data"]) == (
        *("verification.requests[1]", [8.0], [7.0]),
    )
    assert "expected 8.0, got 7.0" in wrong["words"]
    assert not [each for each in kubelet.asked if each.startswith("exec")], "the spec's are in the revision"


def test_without_a_right_to_look_into_the_pod_the_answers_are_shown_and_not_judged(kubelet: Kubelet) -> None:
    kubelet.refuses("exec")
    kept(kubelet, asks=({"inputs": RIGHT["inputs"]},))
    told = asked()
    assert told.exit_code == 0
    assert "the bundle's golden request 1  answered" in told.output
    assert "y  FP32[1,1] 7\n" in told.output
    assert "it takes the right to create pods/exec" in told.output.replace("\n", " ")


def test_a_request_of_ones_own(kubelet: Kubelet, tmp_path: Path) -> None:
    told = asked("--input", "x=[1, 2]")
    assert told.exit_code == 0
    assert "y  FP32[2,1] 3, 5\n" in told.output
    file = tmp_path / "request.json"
    file.write_text(json.dumps({"inputs": RIGHT["inputs"]}))
    assert outcomes(asked(str(file), "-o", "json")) == ["answered"]
    file.write_text(json.dumps(models.golden(3, 8)))
    assert outcomes(asked(str(file), "-o", "json")) == ["wrong"]


def test_what_the_server_refuses_is_told_in_its_words(kubelet: Kubelet, tmp_path: Path) -> None:
    # given: a name that is longer than a line
    file = tmp_path / f"{'request' * 20}.json"
    file.write_text(json.dumps(RIGHT).replace('"x"', '"z"'))
    told = asked(str(file))
    assert told.exit_code == 1
    assert "the server answered 400: " in re.sub(r"\s+", " ", told.output)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--input", "z=1"], "Error: --input z: the model has no such input; it takes x\n"),
        (["no.json"], "Error: no.json: No such file or directory; give a file with a request, or leave it out\n"),
        (["--revision", "00000000"], "revision 00000000 has no pod that is ready"),
    ],
)
def test_what_cannot_be_asked_is_told_with_its_field(kubelet: Kubelet, words: list[str], said: str) -> None:
    told = asked(*words)
    assert told.exit_code == 1
    assert said in told.output


def test_a_right_that_is_missing_is_named(kubelet: Kubelet) -> None:
    denied = 'User "a" cannot create resource "pods/portforward" in API group "" in the namespace "shop"'
    kubelet.refuses("port-forward", f"Error from server (Forbidden): pods is forbidden: {denied}")
    told = asked()
    assert told.exit_code == 1
    assert "no right to create pods/portforward" in told.output


@pytest.mark.parametrize("content", ["nothing", "[" * 100_000, '{"a": 1}', "[]"])
def test_whatever_the_pod_writes_in_place_of_its_files_is_no_golden_request(kubelet: Kubelet, content: str) -> None:
    program = kubelet.folder / "kubectl"
    program.write_text(program.read_text().replace("root = (", f"print({content!r}); sys.exit()\n    root = ("))
    told = asked()
    assert told.exit_code == 1
    assert "the bundle's golden files could not be read in the pod" in told.output


def test_no_port_forward_is_left(kubelet: Kubelet) -> None:
    assert asked().exit_code == 0
    assert not [
        each
        for each in Path("/proc").iterdir()
        if each.name.isdigit() and str(kubelet.folder / "kubectl") in _command(each)
    ]


def _command(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""
