"""A volume that is too small: said with what is needed and what there is."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from slipway.fetch import fetch as module
from slipway.fetch.policy import Policy
from slipway.fetch.settings import S3, Settings
from slipway.fetch.verdict import FetchError, Reason
from tests.fetch import bundles
from tests.fetch.calls import fetch
from tests.fetch.conftest import Order
from tests.fetch.fakes import Fake, Fault, fake

BUNDLE = bundles.listed(bundles.files())
MODEL = "models/churn/1/model.onnx"
SIZE = sum(map(len, BUNDLE.values()))


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
            "s3://models/churn", bundles.digest(BUNDLE), SIZE, s3=S3(endpoint=server.address, anonymous=True)
        )
        with pytest.raises(FetchError, match=rf"needs {SIZE} bytes and \d+ are available") as refused:
            await fetch(replace(settings, root=small_volume), policy)
    assert refused.value.reason is Reason.STORAGE_FULL
    assert not (small_volume / "repository").exists()


@pytest.mark.parametrize("scheme", ["s3", "http"])
async def test_a_bundle_that_is_larger_than_its_volume_may_become_is_not_begun(
    order: Order, policy: Policy, scheme: str
) -> None:
    """An emptyDir is a directory of the node's disk: what is free there is no measure of it."""
    async with fake(BUNDLE) as server:
        settings = replace(_order(order, server, scheme, SIZE), storage=SIZE - 1)
        with pytest.raises(FetchError, match=rf"holds {SIZE - 1} bytes and the bundle has {SIZE}; raise") as refused:
            await fetch(settings, policy)
        assert len(server.asked(MODEL)) <= 1  # of its size
    assert refused.value.reason is Reason.STORAGE_FULL


@pytest.mark.parametrize("grown", [1, 10_000_000])
@pytest.mark.parametrize("where", ["listed", "body", "web"])
async def test_a_source_that_has_grown_since_fills_no_disk(
    order: Order, policy: Policy, where: str, grown: int
) -> None:
    """With the same SHA256SUMS: what was resolved is what may be written."""
    more = bundles.MODEL + bytes(grown)
    async with fake(BUNDLE) as server:
        if where == "listed":
            server.files[MODEL] = more
        else:
            server.faults[MODEL] = Fault(body=more)
        settings = _order(order, server, "http" if where == "web" else "s3", SIZE)
        with pytest.raises(FetchError) as refused:
            await fetch(settings, policy)
    assert refused.value.reason is Reason.SOURCE_CHANGED
    assert _written(settings) <= SIZE


@pytest.mark.parametrize("scheme", ["s3", "http"])
async def test_what_a_source_sends_beyond_a_range_is_not_written(order: Order, policy: Policy, scheme: str) -> None:
    async with fake(BUNDLE, {"1/model.onnx": Fault(overflows=10_000_000)}) as server:
        settings = _order(order, server, scheme, SIZE)
        await fetch(settings, policy)
    assert (settings.root / "repository/churn/1/model.onnx").read_bytes() == bundles.MODEL


def _written(settings: Settings) -> int:
    files = (path for path in settings.root.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(path.stat().st_size for path in files)


def _order(order: Order, server: Fake, scheme: str, size: int) -> Settings:
    digest = bundles.digest(BUNDLE)
    if scheme == "s3":
        return order("s3://models/churn", digest, size, s3=S3(endpoint=server.address, anonymous=True))
    return order(f"{server.address}/models/churn", digest, size)
