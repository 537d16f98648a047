"""s3:// against a real S3 server."""

import json
import secrets
from dataclasses import replace
from pathlib import Path

import obstore
import pytest

from slipway.fetch.policy import Policy
from slipway.fetch.settings import S3, Resolved
from slipway.fetch.verdict import FetchError, Reason
from tests.fetch import bundles
from tests.fetch.calls import fetch, resolve
from tests.fetch.conftest import Gateway, Order

BUNDLE = bundles.listed(bundles.files())


@pytest.fixture
def uri(s3: Gateway) -> str:
    """A bundle in a bucket of its own."""
    bucket = f"b-{secrets.token_hex(4)}"
    s3.upload(bucket, "models/churn/3", BUNDLE)
    return f"s3://{bucket}/models/churn/3"


async def test_resolve_says_what_the_bundle_is(uri: str, s3: Gateway, order: Order, policy: Policy) -> None:
    answer = await resolve(order(uri, s3=S3(endpoint=s3.endpoint)), policy)
    assert answer == {
        "digest": bundles.digest(BUNDLE),
        "unverified": False,
        "size": sum(map(len, BUNDLE.values())),
        "files": len(BUNDLE) - 1,
        "golden": 1,
        "asks": [{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [3.0]}]}],
        "model": {
            "backend": "onnxruntime",
            "maxBatchSize": 8,
            "instances": 1,
            "inputs": [("x", "FP32", [1])],
            "outputs": [("y", "FP32", [1])],
        },
    }


async def test_fetch_lays_out_the_repository(uri: str, s3: Gateway, order: Order, policy: Policy) -> None:
    settings = order(f"{uri}/", bundles.digest(BUNDLE), s3=S3(endpoint=s3.endpoint))
    (settings.config).mkdir()
    (settings.config / "overlay.json").write_text(json.dumps({"maxBatchSize": 4}))
    await fetch(settings, policy)
    repository = settings.root / "repository" / "churn"
    assert (repository / "1/model.onnx").read_bytes() == bundles.MODEL
    assert (repository / "labels.txt").read_bytes() == BUNDLE["labels.txt"]
    config = (repository / "config.pbtxt").read_text()
    assert 'name: "churn"' in config
    assert "max_batch_size: 4" in config
    assert sorted(path.name for path in repository.iterdir()) == ["1", "config.pbtxt", "labels.txt"]
    assert (settings.root / "golden/three.json").read_bytes() == BUNDLE["golden/three.json"]
    assert (settings.root / "guard.pyz").stat().st_size > 0


async def test_names_with_blanks_umlauts_and_percent_signs_arrive(s3: Gateway, order: Order, policy: Policy) -> None:
    odd = {"1/ein ü + 100%41 name~.txt": b"kept", "1/empty": b""}
    bundle = bundles.listed(bundles.files(**odd))
    s3.upload("odd", "b", bundle)
    settings = order("s3://odd/b", bundles.digest(bundle), s3=S3(endpoint=s3.endpoint))
    await fetch(settings, policy)
    for path, content in odd.items():
        assert (settings.root / "repository/churn" / path).read_bytes() == content


async def test_an_unverified_bundle_is_fetched_until_its_listing_changes(
    s3: Gateway, order: Order, policy: Policy, tmp_path: Path
) -> None:
    s3.upload("listing", "b", bundles.files())
    settings = order("s3://listing/b", s3=S3(endpoint=s3.endpoint))
    answer = await resolve(settings, policy)
    assert answer["unverified"] is True
    settings = replace(settings, resolved=Resolved(digest=answer["digest"], unverified=True))
    await fetch(settings, policy)
    assert (tmp_path / "root/repository/churn/1/model.onnx").read_bytes() == bundles.MODEL
    s3.upload("listing", "b", {"labels.txt": b"other\n"})
    with pytest.raises(FetchError, match=r"the listing is sha256:.* now and was") as refused:
        await fetch(settings, policy)
    assert refused.value.reason is Reason.SOURCE_CHANGED


async def test_a_list_that_was_replaced_after_the_revision_was_made_is_found(
    uri: str, s3: Gateway, order: Order, policy: Policy
) -> None:
    s3.upload(*_split(uri), bundles.listed(bundles.files(**{"labels.txt": b"other"})))
    settings = order(uri, bundles.digest(BUNDLE), s3=S3(endpoint=s3.endpoint))
    with pytest.raises(FetchError, match="SHA256SUMS is sha256:") as refused:
        await fetch(settings, policy)
    assert refused.value.reason is Reason.SOURCE_CHANGED
    assert not (settings.root / "repository").exists()


async def test_a_file_that_is_not_what_the_list_says_is_found(
    uri: str, s3: Gateway, order: Order, policy: Policy
) -> None:
    s3.upload(*_split(uri), {"1/model.onnx": bundles.MODEL[:-1] + b"!"})
    settings = order(uri, bundles.digest(BUNDLE), s3=S3(endpoint=s3.endpoint))
    with pytest.raises(
        FetchError, match=r"1/model\.onnx: SHA-256 is .*, SHA256SUMS says .*; upload it again"
    ) as refused:
        await fetch(settings, policy)
    assert refused.value.reason is Reason.BUNDLE_CORRUPT
    assert not (settings.root / "repository").exists()


async def test_a_pinned_digest_must_be_the_lists(uri: str, s3: Gateway, order: Order, policy: Policy) -> None:
    pinned = order(uri, digest="sha256:" + "1" * 64, s3=S3(endpoint=s3.endpoint))
    with pytest.raises(FetchError, match=r"source\.digest says sha256:1111") as refused:
        await resolve(pinned, policy)
    assert refused.value.reason is Reason.DIGEST_MISMATCH


async def test_a_pin_without_list_is_refused(s3: Gateway, order: Order, policy: Policy) -> None:
    s3.upload("nopin", "b", bundles.files())
    with pytest.raises(FetchError, match=r"has no SHA256SUMS, which source\.digest pins") as refused:
        await resolve(order("s3://nopin/b", digest=bundles.digest(BUNDLE), s3=S3(endpoint=s3.endpoint)), policy)
    assert refused.value.reason is Reason.BUNDLE_INVALID


async def test_an_unlisted_file_is_refused(uri: str, s3: Gateway, order: Order, policy: Policy) -> None:
    s3.upload(*_split(uri), {"1/model.onnx.bak": b"old"})
    with pytest.raises(FetchError, match=r"1/model\.onnx\.bak: in the bundle but not in SHA256SUMS"):
        await resolve(order(uri, s3=S3(endpoint=s3.endpoint)), policy)


async def test_a_listed_file_that_is_not_there_is_named(uri: str, s3: Gateway, order: Order, policy: Policy) -> None:
    bucket, prefix = _split(uri)
    obstore.delete(s3.bucket(bucket), f"{prefix}/labels.txt")
    with pytest.raises(FetchError, match=r"labels\.txt: SHA256SUMS names it") as refused:
        await resolve(order(uri, s3=S3(endpoint=s3.endpoint)), policy)
    assert refused.value.reason is Reason.SOURCE_NOT_FOUND


@pytest.mark.parametrize("tail", ["s3://{bucket}/nothing/here", "s3://no-such-bucket/x"])
async def test_nothing_there_is_not_found(uri: str, s3: Gateway, order: Order, policy: Policy, tail: str) -> None:
    address = tail.format(bucket=_split(uri)[0])
    with pytest.raises(FetchError, match="s3://") as refused:
        await resolve(order(address, s3=S3(endpoint=s3.endpoint)), policy)
    assert refused.value.reason is Reason.SOURCE_NOT_FOUND


async def test_an_endpoint_with_the_bucket_in_it_is_told(uri: str, s3: Gateway, order: Order, policy: Policy) -> None:
    endpoint = f"{s3.endpoint}/{_split(uri)[0]}"
    with pytest.raises(FetchError, match=r"endpoint has the bucket in it, which source\.uri names") as refused:
        await resolve(order(uri, s3=S3(endpoint=endpoint)), policy)
    assert refused.value.reason is Reason.SOURCE_NOT_FOUND


@pytest.mark.parametrize("name", ["churn.tar.gz", "1/model.onnx"])
async def test_an_object_is_no_prefix(uri: str, s3: Gateway, order: Order, policy: Policy, name: str) -> None:
    bucket, prefix = _split(uri)
    s3.upload(bucket, prefix, {name: b"whole"})
    with pytest.raises(FetchError, match=rf"{prefix}/{name}: is one object, and a bundle is all objects") as refused:
        await resolve(order(f"{uri}/{name}", s3=S3(endpoint=s3.endpoint)), policy)
    assert refused.value.reason is Reason.SPEC_INVALID


async def test_wrong_keys_are_denied_in_the_stores_words(uri: str, s3: Gateway, order: Order, policy: Policy) -> None:
    settings = order(uri, s3=S3(endpoint=s3.endpoint))
    (settings.credentials / "AWS_SECRET_ACCESS_KEY").write_text("wrong")
    with pytest.raises(FetchError, match=r"SignatureDoesNotMatch.*source\.secretName") as refused:
        await resolve(settings, policy)
    assert refused.value.reason is Reason.SOURCE_DENIED


async def test_an_unsigned_request_to_a_private_bucket_is_denied(
    uri: str, s3: Gateway, order: Order, policy: Policy
) -> None:
    with pytest.raises(FetchError, match="AccessDenied") as refused:
        await resolve(order(uri, s3=S3(endpoint=s3.endpoint, anonymous=True)), policy)
    assert refused.value.reason is Reason.SOURCE_DENIED


async def test_the_endpoint_may_stand_in_the_secret(uri: str, s3: Gateway, order: Order, policy: Policy) -> None:
    settings = order(uri)
    (settings.credentials / "AWS_ENDPOINT_URL").write_text(s3.endpoint)
    assert (await resolve(settings, policy))["digest"] == bundles.digest(BUNDLE)


async def test_a_store_that_is_down_is_unavailable(order: Order, policy: Policy, s3: Gateway) -> None:
    with pytest.raises(FetchError, match=r"no connection to http://127\.0\.0\.1:1:") as refused:
        await resolve(order("s3://models/churn", s3=S3(endpoint="http://127.0.0.1:1")), policy)
    assert refused.value.reason is Reason.SOURCE_UNAVAILABLE


def _split(uri: str) -> tuple[str, str]:
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    return bucket, prefix
