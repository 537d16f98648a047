"""model.sig stands beside the list: it changes no digest, is not fetched, and is not served."""

from pathlib import Path

import pytest

from slipway.fetch import sums
from slipway.fetch.fetch import fetch
from slipway.fetch.policy import Policy
from slipway.fetch.resolve import resolve
from slipway.fetch.settings import S3
from tests.fetch import bundles
from tests.fetch.conftest import Gateway, Order

BUNDLES = {"listed": bundles.listed(bundles.files()), "without a list": bundles.files()}


@pytest.mark.parametrize("name", BUNDLES)
def test_a_claims_signature_is_passed_over(name: str, order: Order, policy: Policy, tmp_path: Path) -> None:
    folder = bundles.write(tmp_path / "claim" / "a", BUNDLES[name])
    before = resolve(order("pvc://claim/a"), policy)
    (folder / sums.SIGNATURE).write_bytes(b"{}")
    assert resolve(order("pvc://claim/a"), policy) == before
    fetch(order("pvc://claim/a", before["digest"], before["size"], unverified=before["unverified"]), policy)
    assert not list((tmp_path / "root" / "repository").rglob(sums.SIGNATURE))


def test_a_stores_signature_is_not_downloaded(s3: Gateway, order: Order, policy: Policy, tmp_path: Path) -> None:
    bundle = BUNDLES["listed"]
    s3.upload("signed", "a", {**bundle, sums.SIGNATURE: b"{}"})
    settings = order("s3://signed/a", bundles.digest(bundle), s3=S3(endpoint=s3.endpoint))
    fetch(settings, policy)
    assert (tmp_path / "root" / ".bundle" / "1" / "model.onnx").is_file()
    assert not list((tmp_path / "root").rglob(sums.SIGNATURE))
