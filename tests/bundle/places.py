"""Fixtures: a small bundle, and an address for it in a real S3 server."""

import secrets
from pathlib import Path

import pytest

from slipway.bundle.place import Place
from tests.bundle.folders import packed
from tests.fetch.conftest import Gateway, gateway, s3

__all__ = ["bundle", "gateway", "place", "s3"]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return packed(tmp_path / "bundle")


@pytest.fixture
def place(s3: Gateway, tmp_path: Path) -> Place:
    """An address in a bucket of its own."""
    bucket = f"b-{secrets.token_hex(4)}"
    s3.bucket(bucket)
    return Place(uri=f"s3://{bucket}/models/churn/3", endpoint=s3.endpoint, keys=tmp_path / "credentials")
