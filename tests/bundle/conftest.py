"""Keras is no package of this project: its tests run where a Python has it, which KERAS_PYTHON then names."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slipway.bundle.check import laid_out
from slipway.bundle.serve import Served, serve
from tests.triton.installation import VERSION, Installation, installed

collect_ignore = [] if os.environ.get("KERAS_PYTHON") else ["test_keras.py"]

Serve = Callable[[Path], Served]


@pytest.fixture(scope="session")
def tritonserver() -> Installation:
    return installed()


@pytest.fixture
def served(tritonserver: Installation) -> Serve:
    """Have the real server load a bundle and answer its golden requests."""

    def load(bundle: Path) -> Served:
        with laid_out(bundle) as (_, root):
            return serve(
                root,
                timeout_seconds=60,
                least_version=VERSION,
                arguments=tritonserver.arguments,
                environment=tritonserver.environment,
            )

    return load


@pytest.fixture
def out(tmp_path: Path) -> dict[str, Any]:
    """Where a bundle goes."""
    return {"out": tmp_path / "bundle", "name": "m"}
