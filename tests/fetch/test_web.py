"""https:// and http://: what only the web does."""

import base64
from pathlib import Path

import pytest

from slipway.fetch.policy import Policy
from slipway.fetch.verdict import FetchError, Reason
from tests.fetch import bundles
from tests.fetch.calls import resolve
from tests.fetch.conftest import Order
from tests.fetch.fakes import Fault, fake

BUNDLE = bundles.listed(bundles.files())


async def test_a_directory_without_list_cannot_be_read(order: Order, policy: Policy) -> None:
    async with fake(bundles.files()) as server:
        with pytest.raises(
            FetchError, match=r"models/churn/SHA256SUMS: not there, and files are found by it"
        ) as refused:
            await resolve(order(f"{server.address}/models/churn"), policy)
    assert refused.value.reason is Reason.SOURCE_NOT_FOUND


async def test_a_list_is_checked_against_the_pin_before_anything_else(order: Order, policy: Policy) -> None:
    async with fake(BUNDLE) as server:
        with pytest.raises(FetchError, match=r"source\.digest says") as refused:
            await resolve(order(f"{server.address}/models/churn", digest="sha256:" + "1" * 64), policy)
    assert refused.value.reason is Reason.DIGEST_MISMATCH
    assert [request.path for request in server.requests] == ["models/churn/SHA256SUMS"]


async def test_a_list_that_names_paths_outside_asks_for_none_of_them(order: Order, policy: Policy) -> None:
    evil = bundles.listed(bundles.files(**{"../../etc/passwd": b"x"}))
    async with fake(evil) as server:
        with pytest.raises(FetchError, match="leaves the bundle's directory") as refused:
            await resolve(order(f"{server.address}/models/churn"), policy)
    assert refused.value.reason is Reason.BUNDLE_INVALID
    assert len(server.requests) == 1


async def test_a_missing_file_is_named(order: Order, policy: Policy) -> None:
    without = {path: content for path, content in BUNDLE.items() if path != "labels.txt"}
    async with fake(without) as server:
        with pytest.raises(FetchError, match=r"churn/labels\.txt: the store answers 404") as refused:
            await resolve(order(f"{server.address}/models/churn"), policy)
    assert refused.value.reason is Reason.SOURCE_NOT_FOUND


@pytest.mark.parametrize(
    ("keys", "header"),
    [
        ({"token": "t0ken\n"}, "Bearer t0ken"),
        ({"username": "u", "password": "p"}, f"Basic {base64.b64encode(b'u:p').decode()}"),
    ],
)
async def test_credentials_of_the_secret_are_sent(
    order: Order, policy: Policy, tmp_path: Path, keys: dict[str, str], header: str
) -> None:
    (tmp_path / "credentials").mkdir()
    for name, value in keys.items():
        (tmp_path / "credentials" / name).write_text(value)
    async with fake(BUNDLE) as server:
        await resolve(order(f"{server.address}/models/churn"), policy)
    assert {request.headers.get("authorization") for request in server.requests} == {header}


async def test_credentials_are_not_sent_to_where_a_redirect_leads(order: Order, policy: Policy, tmp_path: Path) -> None:
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials/token").write_text("secret")
    async with fake(BUNDLE, prefix="cdn") as other, fake({}) as server:
        for path in BUNDLE:
            server.faults[f"models/churn/{path}"] = Fault(redirect=f"{other.address}/cdn/{path}")
        await resolve(order(f"{server.address}/models/churn"), policy)
    assert other.requests
    assert not any("authorization" in request.headers for request in other.requests)


async def test_a_signed_addresss_query_stays_on_every_request_and_out_of_messages(order: Order, policy: Policy) -> None:
    async with fake(BUNDLE) as server:
        server.faults["models/churn/labels.txt"] = Fault(status=403)
        with pytest.raises(FetchError, match=r"labels\.txt") as refused:
            await resolve(order(f"{server.address}/models/churn?signature=s3cret"), policy)
    assert "s3cret" not in refused.value.message
