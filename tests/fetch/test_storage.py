"""A volume that is too small: said with what is needed and what there is."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from slipway.fetch import fetch as module
from slipway.fetch.policy import Policy
from slipway.fetch.settings import S3
from slipway.fetch.verdict import FetchError, Reason
from tests.fetch import bundles
from tests.fetch.calls import fetch
from tests.fetch.conftest import Order
from tests.fetch.fakes import fake

BUNDLE = bundles.listed(bundles.files())


@pytest.fixture
def small_volume(tmp_path: Path) -> Iterator[Path]:
    """A file system of 128 KiB."""
    target = tmp_path / "small"
    target.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", target], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    yield target
    subprocess.run(["umount", target], check=True)


async def test_a_bundle_that_cannot_fit_is_not_begun(order: Order, policy: Policy, small_volume: Path) -> None:
    async with fake(BUNDLE) as server:
        settings = order("s3://models/churn", bundles.digest(BUNDLE), s3=S3(endpoint=server.address, anonymous=True))
        with pytest.raises(
            FetchError, match=r"needs \d+ bytes and \d+ are available; raise spec\.model\.storage\.size"
        ) as refused:
            await fetch(replace(settings, root=small_volume), policy)
        assert not server.asked("models/churn/1/model.onnx")
    assert refused.value.reason is Reason.STORAGE_FULL
    needed = int(re.findall(r"needs (\d+)", refused.value.message)[0])
    assert needed == sum(map(len, BUNDLE.values())) - len(BUNDLE["SHA256SUMS"])


async def test_a_volume_that_fills_up_meanwhile_is_told_the_same_way(
    order: Order, policy: Policy, small_volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_check_room", lambda *_: None)
    async with fake(BUNDLE) as server:
        settings = order(
            "s3://models/churn", bundles.digest(BUNDLE), 314_000, s3=S3(endpoint=server.address, anonymous=True)
        )
        with pytest.raises(FetchError, match=r"needs 314000 bytes and \d+ are available") as refused:
            await fetch(replace(settings, root=small_volume), policy)
    assert refused.value.reason is Reason.STORAGE_FULL
    assert not (small_volume / "repository").exists()
