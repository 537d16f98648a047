from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guard.pod import Container, container
from tests.triton.installation import Installation, installed


@pytest.fixture(scope="session")
def tritonserver() -> Installation:
    return installed()


@pytest.fixture
def pod(tmp_path: Path, tritonserver: Installation) -> Iterator[Container]:
    made = container(tmp_path / "pod", tritonserver)
    yield made
    made.remove()
