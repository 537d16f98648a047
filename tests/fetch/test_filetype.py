"""A file that only names what belongs there is told when the bundle is resolved, wherever it lies."""

from pathlib import Path

import pytest

from slipway.fetch import filetype
from slipway.fetch.policy import Policy
from slipway.fetch.settings import S3
from slipway.fetch.verdict import FetchError, Reason
from tests.fetch import bundles
from tests.fetch.bundles import tar
from tests.fetch.calls import resolve
from tests.fetch.conftest import Order
from tests.fetch.fakes import fake

POINTERS = {
    "a Git LFS pointer, not the file; git lfs pull": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 307200\n"
    ),
    "a git-annex pointer, not the file; git annex get": (b"/annex/objects/SHA256E-s307200--" + b"a" * 64 + b".onnx\n"),
}


@pytest.mark.parametrize("says", POINTERS)
@pytest.mark.parametrize("path", ["1/model.onnx", "labels.txt", "config.pbtxt", "golden/three.json"])
@pytest.mark.parametrize("listed", [True, False])
async def test_a_pointer_in_place_of_a_file_is_told_as_such(
    order: Order, policy: Policy, tmp_path: Path, says: str, path: str, listed: bool
) -> None:
    plain = bundles.files(**{path: POINTERS[says]})
    bundle = bundles.listed(plain) if listed else plain
    bundles.write(tmp_path / "claim/churn", bundle)
    async with fake(bundle) as server:
        server.files["a/churn.tar"] = tar(bundle)
        places = [
            order("s3://models/churn", s3=S3(endpoint=server.address, anonymous=True)),
            order("pvc://claim/churn"),
            order(f"{server.address}/a/churn.tar"),
            *([order(f"{server.address}/models/churn")] if listed else []),
        ]
        for place in places:
            with pytest.raises(FetchError) as refused:
                await resolve(place, policy)
            assert refused.value.reason is Reason.BUNDLE_INVALID
            assert refused.value.message.startswith(f"{path}: {says}, then write SHA256SUMS anew")


async def test_of_many_small_files_a_few_are_looked_at(order: Order, policy: Policy) -> None:
    many = {f"1/{number:03}.txt": b"small" for number in range(300)}
    async with fake(bundles.listed(bundles.files(**many))) as server:
        await resolve(order("s3://models/churn", s3=S3(endpoint=server.address, anonymous=True)), policy)
        assert len(server.requests) < 50


def test_what_only_speaks_of_pointers_is_a_file_like_others() -> None:
    pointer = next(iter(POINTERS.values()))
    filetype.check_file("1/about.txt", b"see " + pointer)
    filetype.check_file("1/large.txt", pointer + bytes(1024))
