"""What the fetcher is told, as the operator tells it, and the other tools' variables beside it."""

import json
from pathlib import Path
from typing import Any

from bench.fetch.bundle import Made
from bench.fetch.servers import KEY, SECRET


def order(
    made: Made, base: Path, *, uri: str, endpoint: str | None = None, plain: Path | None = None, **source: Any
) -> dict[str, str]:
    """The environment of a fetch below `base`; `plain` is where plaintext goes."""
    s3 = {"s3": {"endpoint": endpoint, "forcePathStyle": True}} if endpoint else {}
    resolved = {"digest": made.digest, "size": made.size, "unverified": False}
    told = {"source": {"uri": uri, **s3, **source}, "model": "churn", "resolved": resolved}
    return {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "SLIPWAY_SOURCE": json.dumps(told),
        "SLIPWAY_ROOT": str(base / "root"),
        "SLIPWAY_PLAIN": str(plain or base / "plain"),
        "SLIPWAY_KEYS": str(base / "keys"),
        "SLIPWAY_IDENTITIES": str(base / "identities"),
        "SLIPWAY_TERMINATION_LOG": str(base / "termination-log"),
    }
