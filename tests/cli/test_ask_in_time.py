"""`slipway ask` and Try ask nothing any more once the time for all of it is up, whatever the pod has them ask."""

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Event

import pytest

from slipway.cli.asking import asked_in_time, golden_files
from slipway.cli.kubectl import Kubectl
from slipway.cli.requests import NothingToAskError
from slipway.guard.golden import GoldenRequest
from slipway.guard.model_config import ModelConfig
from slipway.guard.protocol import Client
from slipway.guard.tensors import Tensor
from tests.cli.kubelet import Kubelet
from tests.console.answering import Says, Server
from tests.serving import running

STEP = GoldenRequest("one", (Tensor("x", "FP32", (1, 1), (1.0,)),), (), exact=False)
MANY = 400
SECONDS, SLOWLY = 2, 0.5


@dataclass
class Slow(Says):
    """SLOWLY, each answer."""

    def to(self, request: BaseHTTPRequestHandler, ended: Event) -> None:
        ended.wait(SLOWLY)
        super().to(request, ended)


@pytest.fixture
def server() -> Iterator[Server]:
    with running(Server()) as started:
        yield started


@pytest.mark.parametrize(
    ("says", "requests"),
    [
        (Says(endless=True), (STEP,) * MANY),
        (Slow(), (STEP,) * MANY),
        (Slow(), (replace(STEP, then=(STEP,) * MANY),)),
    ],
    ids=["an answer without an end", "many requests", "one sequence of many steps"],
)
def test_what_comes_after_the_time_is_up_is_not_asked(
    server: Server, says: Says, requests: tuple[GoldenRequest, ...]
) -> None:
    server.says, client = says, Client(server.server_address[1], "churn")
    began = time.monotonic()
    asked = list(asked_in_time(client, ModelConfig(sequences=True), list(requests), until=began + SECONDS))
    assert asked[-1].outcome == "failed"
    assert re.search("time is up|time was up|within", asked[-1].words)
    assert len(asked) <= 2 + SECONDS / SLOWLY < MANY


def test_more_golden_files_than_a_bundle_may_have_are_none(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubelet = Kubelet.made(tmp_path / "kubectl", port=server.server_address[1], root=tmp_path)
    monkeypatch.setenv("PATH", f"{kubelet.folder}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "golden").mkdir()
    for number in range(257):
        (tmp_path / "golden" / f"{number}.json").write_text("{}")
    with pytest.raises(NothingToAskError, match="says that it has 257 golden files; no bundle has more than 256"):
        golden_files(Kubectl(namespace="shop"), "churn-11111111-0")
