"""A fetch that is started again goes on with what is on the volume, and trusts none of it unseen."""

from dataclasses import replace
from pathlib import Path

import pytest

from slipway.fetch.policy import Policy
from slipway.fetch.settings import S3, Settings
from slipway.fetch.verdict import FetchError
from tests.fetch import bundles
from tests.fetch.calls import fetch
from tests.fetch.conftest import Order
from tests.fetch.fakes import Fake, Fault, fake

BUNDLE = bundles.listed(bundles.files())
MODEL = "1/model.onnx"


def _order(order: Order, server: Fake) -> Settings:
    uri = "s3://models/churn"
    return order(uri, bundles.digest(BUNDLE), s3=S3(endpoint=server.address, anonymous=True))


async def _broken_off(settings: Settings, policy: Policy, server: Fake) -> None:
    """A first run in which the last range of the model never comes."""
    server.break_ranges_from = {f"models/churn/{MODEL}": 4 * policy.part_bytes}
    with pytest.raises(FetchError):
        await fetch(settings, policy)
    server.break_ranges_from = {}
    server.requests.clear()


async def test_what_was_complete_is_not_asked_for_again_although_the_store_is_down(
    order: Order, policy: Policy
) -> None:
    async with fake(BUNDLE) as server:
        settings = _order(order, server)
        await fetch(settings, policy)
    await fetch(settings, policy)
    assert (settings.root / "repository/churn" / MODEL).read_bytes() == bundles.MODEL


async def test_a_file_that_changed_on_the_volume_is_fetched_anew(order: Order, policy: Policy) -> None:
    async with fake(BUNDLE) as server:
        settings = _order(order, server)
        await fetch(settings, policy)
        (settings.root / ".bundle" / MODEL).write_bytes(b"rotten")
        server.requests.clear()
        await fetch(settings, policy)
        assert {request.path for request in server.requests} == {
            f"models/churn/{path}" for path in (MODEL, "SHA256SUMS")
        }
    assert (settings.root / "repository/churn" / MODEL).read_bytes() == bundles.MODEL


async def test_only_the_ranges_that_never_came_are_asked_for(order: Order, policy: Policy) -> None:
    # One after the other: of several at once, those in flight beside the broken one never came either.
    policy = replace(policy, streams=1)
    async with fake(BUNDLE) as server:
        settings = _order(order, server)
        await _broken_off(settings, policy, server)
        await fetch(settings, policy)
        starts = {request.start for request in server.asked(f"models/churn/{MODEL}")}
    assert starts == {4 * policy.part_bytes}
    assert (settings.root / "repository/churn" / MODEL).read_bytes() == bundles.MODEL


async def test_ranges_of_an_earlier_run_that_are_not_right_are_fetched_anew(order: Order, policy: Policy) -> None:
    async with fake(BUNDLE) as server:
        settings = _order(order, server)
        await _broken_off(settings, policy, server)
        (part,) = [path for path in (settings.root / ".parts").iterdir() if path.stat().st_size == len(bundles.MODEL)]
        with part.open("r+b") as file:
            file.write(b"rotten")
        await fetch(settings, policy)
    assert (settings.root / "repository/churn" / MODEL).read_bytes() == bundles.MODEL


async def test_a_corrupt_download_leaves_nothing_to_go_on_with(order: Order, policy: Policy) -> None:
    wrong = Fault(body=bundles.MODEL[:-1] + b"!")
    async with fake(BUNDLE, {MODEL: wrong}) as server:
        settings = _order(order, server)
        with pytest.raises(FetchError, match="SHA-256 is"):
            await fetch(settings, policy)
        assert not list(settings.root.rglob("model.onnx*"))
        assert len(bundles.MODEL) not in {path.stat().st_size for path in (settings.root / ".parts").iterdir()}
        server.faults.clear()
        await fetch(settings, policy)
    assert (settings.root / "repository/churn" / MODEL).read_bytes() == bundles.MODEL


async def test_files_of_another_bundle_on_the_volume_are_removed(order: Order, policy: Policy) -> None:
    async with fake(BUNDLE) as server:
        settings = _order(order, server)
        bundles.write(settings.root / ".bundle", {"1/old.bin": b"old", f"{MODEL}/1": b"a directory of that name"})
        bundles.write(settings.root / ".parts", {"0" * 64: b"older", "2/3": b"oldest"})
        await fetch(settings, policy)
    assert _names(settings.root / ".bundle") == sorted(BUNDLE)


async def test_the_repository_is_replaced_whole(order: Order, policy: Policy) -> None:
    async with fake(BUNDLE) as server:
        settings = _order(order, server)
        bundles.write(settings.root / "repository", {"churn/7/model.onnx": b"old", ".churn.new/x": b"half made"})
        bundles.write(settings.root, {"golden/old.json": b"{}"})
        await fetch(settings, policy)
    assert sorted(path.name for path in (settings.root / "repository").iterdir()) == ["churn"]
    assert not (settings.root / "repository/churn/7").exists()
    assert [path.name for path in (settings.root / "golden").iterdir()] == ["three.json"]


def _names(directory: Path) -> list[str]:
    return sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())
