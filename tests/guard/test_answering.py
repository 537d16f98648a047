"""The startup probe's answer: the guard's own, whatever the code of a bundle does."""

import http.client
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from slipway.guard.answering import Answering
from slipway.guard.verdict import Verdict
from testbed.plane import free_port
from tests.guard.pod import Container
from tests.triton import models


def asked(port: int, host: str = "127.0.0.1") -> int:
    """What the kubelet sees."""
    with closing(http.client.HTTPConnection(host, port, timeout=10)) as connection:
        connection.request("GET", "/verified")
        return connection.getresponse().status


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture(params=["127.0.0.1", "::1"])
def host(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def answering(port: int, host: str) -> Iterator[Answering]:
    made = Answering(port, ipv6=":" in host)
    yield made
    made.close()


def test_it_says_no_until_the_model_has_answered_and_yes_from_then_on(
    answering: Answering, port: int, host: str
) -> None:
    assert [asked(port, host) for _ in range(20)] == [503] * 20
    answering.verified()
    assert [asked(port, host) for _ in range(20)] == [200] * 20


def test_strangers_who_hold_connections_only_delay_it(answering: Answering, port: int, host: str) -> None:
    answering.verified()
    with ExitStack() as strangers:
        for _ in range(30):
            strangers.enter_context(socket.create_connection((host, port)))
        begun = time.monotonic()
        assert asked(port, host) == 200
        assert time.monotonic() - begun < 9  # the probe's own patience


@pytest.mark.parametrize(
    "options",
    [(), (socket.SO_REUSEADDR,), (socket.SO_REUSEPORT,), (socket.SO_REUSEADDR, socket.SO_REUSEPORT)],
    ids=["as it comes", "reuse address", "reuse port", "both"],
)
@pytest.mark.parametrize("everywhere", [True, False])
def test_nobody_takes_the_port_while_it_listens(
    answering: Answering, port: int, host: str, options: tuple[int, ...], *, everywhere: bool
) -> None:
    answering.verified()
    ipv6 = ":" in host
    address = ("::" if ipv6 else "0.0.0.0") if everywhere else host
    with socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET) as other:
        for option in options:
            other.setsockopt(socket.SOL_SOCKET, option, 1)
        with pytest.raises(OSError, match="in use"):
            other.bind((address, port))


def test_a_port_that_somebody_else_has_is_told(port: int) -> None:
    with socket.create_server(("0.0.0.0", port)), pytest.raises(Verdict, match=f"port {port} of the pod is Slipway's"):
        Answering(port, ipv6=False)


def test_nobody_may_look_into_the_guard_once_the_server_runs() -> None:
    dumpable = "import ctypes; from slipway.guard import answering as a; g = ctypes.CDLL(None).prctl; before = g(3);"
    code = f"{dumpable} a.keep_others_out(); print(before, g(3))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "0"]


HOSTILE = """
import os, socket, time
from pathlib import Path
import numpy
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def initialize(self, args):
        Path(os.environ["SLIPWAY_VERIFIED"]).write_text("verified, it says")
        found = []
        for address in ("127.0.0.1", "0.0.0.0"):
            other = socket.socket()
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            try:
                other.bind((address, int(os.environ["SLIPWAY_GUARD_PORT"])))
                other.listen()
                found.append("bound " + address)
            except OSError as error:
                found.append(error.strerror)
        Path(args["model_repository"], "found").write_text("; ".join(found))

    def execute(self, requests):
        while not (Path(__file__).parent / "go").exists():
            time.sleep(0.05)
        answers = []
        for request in requests:
            x = pb_utils.get_input_tensor_by_name(request, "x").as_numpy()
            answers.append(pb_utils.InferenceResponse([pb_utils.Tensor("y", (x * 2 + 1).astype(numpy.float32))]))
        return answers
"""


@pytest.mark.triton
def test_code_of_a_bundle_cannot_say_that_it_is_verified(pod: Container) -> None:
    """It writes the file that was once the probe's, and takes what ports it can, while its answers are slow."""
    model = models.obedient(pod.repository)
    (model / "1" / "model.py").write_text(HOSTILE)
    pod.golden(models.golden())
    pod.start()
    pod.until(pod.verified.exists)
    pod.until(lambda: (model / "found").exists() and (model / "found").read_text())
    assert (model / "found").read_text() == "Address already in use; Address already in use"
    assert asked(pod.guard_port) == 503
    (model / "1" / "go").touch()
    pod.until(lambda: asked(pod.guard_port) == 200)
    pod.until(lambda: pod.verified.read_text() == "1 golden request answered rightly\n")
