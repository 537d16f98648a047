"""A bundle in the real tritonserver, asked by an example's own clients."""

import sys
from pathlib import Path
from typing import Any

from slipway.bundle.check import laid_out
from slipway.bundle.serve import Running, running
from testbed.shell import run
from testbed.training import EXAMPLES
from tests.triton.installation import VERSION, installed

Lines = list[list[str]]


def words_of(bundle: Path, name: str) -> tuple[Lines, Lines]:
    """What the REST client and the gRPC client print, word by word."""
    server: dict[str, Any] = {"arguments": installed().arguments, "environment": installed().environment}
    with (
        laid_out(bundle, model=name) as (_, root),
        running(root, model=name, timeout_seconds=60, least_version=VERSION, **server) as found,
    ):
        return _asked(name, "rest", found), _asked(name, "grpc", found)


def _asked(name: str, protocol: str, server: Running) -> Lines:
    place = {"rest": f"http://localhost:{server.http_port}", "grpc": f"localhost:{server.grpc_port}"}[protocol]
    told = run(sys.executable, EXAMPLES / name / f"ask_{protocol}.py", place)
    return [line.split() for line in told.splitlines()]
