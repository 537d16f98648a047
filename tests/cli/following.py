"""The command while it runs: what it has said so far, into a pipe or to a terminal."""

import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.cli.cluster import Command

Said = Callable[[], str]


@contextmanager
def piped(run: Command, *words: str) -> Iterator[Said]:
    """What it has said so far, without a terminal. Not what kubectl complains of for seconds, which is its own."""
    read, write = os.pipe()
    with _running(run, words, write, subprocess.DEVNULL) as process:
        os.close(write)
        yield _reader(read)
        process.send_signal(signal.SIGINT)
        process.wait(20)


@contextmanager
def in_a_terminal(run: Command, *words: str, columns: int) -> Iterator[Said]:
    """What it has written to a terminal of that width."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    with _running(run, words, slave, slave) as process:
        os.close(slave)
        yield _reader(master)
        process.send_signal(signal.SIGINT)
        process.wait(20)


@contextmanager
def _running(run: Command, words: tuple[str, ...], out: int, err: int) -> Iterator["subprocess.Popen[bytes]"]:
    # A shell has what it runs in the background ignore Ctrl-C, and all that is started from there inherits that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(run.argv(*words), env=run.env(), stdout=out, stderr=err, stdin=subprocess.DEVNULL)
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        try:
            yield process
        finally:
            process.kill()


def _reader(descriptor: int) -> Said:
    os.set_blocking(descriptor, False)
    said: list[bytes] = []

    def read() -> str:
        while True:
            try:
                more = os.read(descriptor, 65536)
            except (BlockingIOError, OSError):
                break
            if not more:
                break
            said.append(more)
        return b"".join(said).decode(errors="replace")

    return read
