"""A port that many connect to and say nothing: whoever asks is answered all the same."""

import http.client
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from slipway.guard import listener
from slipway.guard.listener import MOST, MOST_OF_A_SOURCE, Listener
from testbed.plane import free_port

LARGE_BYTES = 4 << 20
"""More than a connection takes that nobody reads from."""


def says(request: bytes) -> tuple[str, str]:
    if request.startswith(b"GET /fails "):
        raise ZeroDivisionError
    return "200 OK", LARGE_BYTES * "x" if request.startswith(b"GET /large ") else request.decode().split(" ", 2)[1]


@pytest.fixture
def port() -> Iterator[int]:
    number = free_port()
    made = Listener(number, says, ipv6=False)
    yield number
    made.close()


@pytest.fixture
def strangers() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def connected(port: int, source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(source, 0))


def asked(port: int, path: str = "/verified", source: str = "127.0.0.1") -> str:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10, source_address=(source, 0))) as connection:
        connection.request("GET", path)
        return connection.getresponse().read().decode()


def is_closed(stranger: socket.socket) -> bool:
    """Within the time that each has."""
    try:
        return stranger.recv(1) == b""
    except ConnectionResetError:
        return True


def sent(stranger: socket.socket) -> bool:
    """Whether another byte was taken."""
    time.sleep(0.05)
    try:
        stranger.sendall(b"x")
    except OSError:
        return False
    return True


@pytest.mark.parametrize("one", [True, False], ids=["one source", "many sources"])
def test_hundreds_of_silent_connections_delay_nobody(port: int, strangers: ExitStack, *, one: bool) -> None:
    begun = time.monotonic()
    for number in range(300):
        strangers.enter_context(connected(port, "127.0.0.2" if one else f"127.0.1.{number // 8 + 1}"))
        if number % 50 == 0:
            assert asked(port) == "/verified"
    assert asked(port) == "/verified"
    assert time.monotonic() - begun < 9  # a probe's own patience


def test_a_source_takes_places_of_its_own_and_of_nobody_else(port: int, strangers: ExitStack) -> None:
    patient = strangers.enter_context(connected(port, "127.0.0.9"))
    patient.sendall(b"GET /slow HTTP/1.1\r\n")
    first = strangers.enter_context(connected(port, "127.0.0.2"))
    for _ in range(MOST_OF_A_SOURCE):
        strangers.enter_context(connected(port, "127.0.0.2"))
    assert is_closed(first)
    patient.sendall(b"Host: x\r\n\r\n")
    assert b"/slow" in patient.recv(4096)


def test_in_all_there_are_so_many_and_the_oldest_silent_one_goes_first(port: int, strangers: ExitStack) -> None:
    begun = time.monotonic()
    held = [strangers.enter_context(connected(port, f"127.0.1.{number // 8 + 1}")) for number in range(MOST + 1)]
    assert is_closed(held[0])
    assert time.monotonic() - begun < listener.REQUEST_SECONDS
    held[-1].sendall(b"GET /last HTTP/1.1\r\n\r\n")
    assert b"/last" in held[-1].recv(4096)


@pytest.mark.parametrize("sent", [b"", b"GET /verif", b"GET / HTTP/1.1\r\nHost: x\r\n"])
def test_each_has_a_short_time_for_its_request(port: int, strangers: ExitStack, sent: bytes) -> None:
    stranger = strangers.enter_context(connected(port))
    stranger.sendall(sent)
    assert is_closed(stranger)


def test_one_that_sends_a_byte_now_and_then_gets_no_more_time(port: int, strangers: ExitStack) -> None:
    stranger = strangers.enter_context(connected(port))
    begun = time.monotonic()
    until_it_ends = iter(lambda: sent(stranger), False)
    assert sum(1 for _ in until_it_ends) > 5
    assert time.monotonic() - begun < 3


def test_who_does_not_read_the_answer_keeps_nobody_from_theirs(port: int, strangers: ExitStack) -> None:
    for _ in range(MOST_OF_A_SOURCE):
        deaf = strangers.enter_context(connected(port, "127.0.0.2"))
        deaf.sendall(b"GET /large HTTP/1.1\r\n\r\n")
    assert asked(port) == "/verified"
    size = len(asked(port, "/large", "127.0.0.3"))
    assert size == LARGE_BYTES


@pytest.mark.parametrize(
    "pieces", [[b"GET /a HTTP/1.1\r\n\r\n"], [b"GE", b"T /a HT", b"TP/1.1\r", b"\n\r\n"], [b"GET /a \n\n"]]
)
def test_a_request_may_come_in_pieces(port: int, strangers: ExitStack, pieces: list[bytes]) -> None:
    stranger = strangers.enter_context(connected(port))
    for piece in pieces:
        stranger.sendall(piece)
        time.sleep(0.01)
    assert stranger.recv(4096).endswith(b"/a")


def test_a_head_that_does_not_end_is_answered_by_its_beginning(port: int, strangers: ExitStack) -> None:
    stranger = strangers.enter_context(connected(port))
    stranger.sendall(b"GET /long " + b"x" * 4086)
    assert b"/long" in stranger.recv(8192)


def test_a_request_that_cannot_be_answered_ends_nothing(port: int) -> None:
    assert asked(port, "/fails") == ""
    assert asked(port) == "/verified"


def test_a_port_that_is_closed_is_free_and_its_connections_end() -> None:
    number = free_port()
    made = Listener(number, says, ipv6=False)
    with connected(number) as waits:
        made.close()
        assert is_closed(waits)
        with socket.create_server(("127.0.0.1", number)):
            pass
