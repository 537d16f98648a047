import pytest

from tests.triton.installation import Installation, installed


@pytest.fixture(scope="session")
def tritonserver() -> Installation:
    return installed()
