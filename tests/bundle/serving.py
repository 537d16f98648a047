"""A bundle in the real server."""

from pathlib import Path

from slipway.bundle.check import laid_out
from slipway.bundle.serve import Served, serve
from slipway.bundle.throughput import Load
from tests.triton.installation import VERSION, Installation


def serve_bundle(server: Installation, bundle: Path, load: Load | None = None) -> Served:
    """Have a server load a bundle and answer its golden requests; with a load, ask it batch after batch."""
    with laid_out(bundle) as (_, root):
        return serve(
            root,
            timeout_seconds=60,
            least_version=VERSION,
            arguments=server.arguments,
            environment=server.environment,
            load=load,
        )
