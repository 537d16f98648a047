"""Keras is no package of this project: its tests run where a Python has it, which KERAS_PYTHON then names."""

import os
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import pytest

from slipway.bundle.serve import Served
from slipway.bundle.throughput import Load
from tests.bundle.serving import serve_bundle
from tests.triton.installation import Installation, installed

collect_ignore = [] if os.environ.get("KERAS_PYTHON") else ["test_keras.py"]


class Serve(Protocol):
    """Loads a bundle in the real server; with a load, asks it batch after batch."""

    def __call__(self, bundle: Path, load: Load | None = None) -> Served: ...


@pytest.fixture(scope="session")
def tritonserver() -> Installation:
    return installed()


@pytest.fixture
def served(tritonserver: Installation) -> Serve:
    """Have the real server load a bundle and answer its golden requests."""
    return partial(serve_bundle, tritonserver)


@pytest.fixture
def out(tmp_path: Path) -> dict[str, Any]:
    """Where a bundle goes."""
    return {"out": tmp_path / "bundle", "name": "m"}
