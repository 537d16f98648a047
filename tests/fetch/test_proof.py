"""Proof that nobody would read is told: a bundle with a near miss of its names is refused when it is resolved."""

import json

import pytest

from slipway.fetch import proof
from slipway.fetch.policy import Policy
from slipway.fetch.settings import S3
from slipway.fetch.verdict import FetchError, Reason
from tests.fetch import bundles
from tests.fetch.calls import resolve
from tests.fetch.conftest import Order
from tests.fetch.fakes import fake

WRONG = json.dumps(bundles.GOLDEN).replace("7", "999").encode()


@pytest.mark.parametrize(
    "path",
    [
        "golden/set/one.json",
        "golden/one.JSON",
        "golden/one.jsonl",
        "golden/one.json.txt",
        "golden/README.md",
        "Golden/one.json",
        "GOLDEN/one.json",
        "goldens/one.json",
        "1/golden/one.json",
        "golden.json",
        "1/golden.json",
        "golden.jsonl",
    ],
)
async def test_a_golden_request_that_nobody_would_ask_is_named(order: Order, policy: Policy, path: str) -> None:
    async with fake(bundles.listed(bundles.files(**{"golden/three.json": None, path: WRONG}))) as server:
        with pytest.raises(FetchError) as refused:
            await resolve(order(f"{server.address}/models/churn"), policy)
    assert refused.value.reason is Reason.BUNDLE_INVALID
    assert refused.value.message.startswith(f"{path}: not asked, since golden requests lie directly in golden/")


@pytest.mark.parametrize(
    "name", ["sha256sums", "SHA256SUMS.txt", "sha256sum.txt", "SHA256SUM", "sha-256", "Sha256Sums"]
)
async def test_a_list_of_hashes_that_nobody_would_read_is_named(order: Order, policy: Policy, name: str) -> None:
    bundle = bundles.listed(bundles.files())
    bundle[name] = bundle.pop("SHA256SUMS")
    async with fake(bundle) as server:
        with pytest.raises(FetchError) as refused:
            await resolve(order("s3://models/churn", s3=S3(endpoint=server.address, anonymous=True)), policy)
    assert refused.value.reason is Reason.BUNDLE_INVALID
    assert refused.value.message.startswith(f"{name}: is it the list of the files' hashes? It is read as SHA256SUMS")


@pytest.mark.parametrize(
    "path",
    [
        "golden/one.json",
        "golden/.gitkeep",
        "golden/.ipynb_checkpoints/one.json",
        "golden-retriever.txt",
        "breeds/golden/one.json",
        "1/golden/data.bin",
        "1/package/tests/golden/one.json",
        "model.sha256",
        "sha256.py",
        "1/SHA256SUMS.txt",
    ],
)
@pytest.mark.parametrize("listed", [True, False])
def test_other_names_are_the_models_own(path: str, listed: bool) -> None:
    proof.check(["config.pbtxt", "1/model.onnx", path], listed=listed)


def test_beside_the_list_another_of_its_kind_is_a_file() -> None:
    proof.check(["config.pbtxt", "1/model.onnx", "sha256sums.txt"], listed=True)


async def test_what_a_browser_of_buckets_leaves_for_a_directory_is_no_request(order: Order, policy: Policy) -> None:
    async with fake({**bundles.files(), "golden": b""}) as server:
        answer = await resolve(order("s3://models/churn", s3=S3(endpoint=server.address, anonymous=True)), policy)
    assert answer["golden"] == 1
