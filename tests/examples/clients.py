"""A bundle in the real tritonserver, asked by an example's own clients."""

import sys
from pathlib import Path
from typing import Any

from slipway.bundle.check import laid_out
from slipway.bundle.serve import running
from testbed.shell import run
from testbed.training import EXAMPLES
from tests.examples.answers import Lines
from tests.triton.installation import VERSION, installed


def words_of(bundle: Path, name: str) -> tuple[Lines, Lines]:
    """What the REST client and the gRPC client print, word by word."""
    server: dict[str, Any] = {"arguments": installed().arguments, "environment": installed().environment}
    with (
        laid_out(bundle, model=name) as (_, root),
        running(root, model=name, timeout_seconds=60, least_version=VERSION, **server) as found,
    ):
        return ask(name, found.http_port, found.grpc_port)


def ask(name: str, http_port: int, grpc_port: int) -> tuple[Lines, Lines]:
    """The same of a server that answers at these ports of this machine."""
    return _told(name, "rest", f"http://localhost:{http_port}"), _told(name, "grpc", f"localhost:{grpc_port}")


def _told(name: str, protocol: str, place: str) -> Lines:
    told = run(sys.executable, EXAMPLES / name / f"ask_{protocol}.py", place)
    return [line.split() for line in told.splitlines()]
