"""Object stores: how settings and keys reach the library, and gs:// and az:// against a fake of their protocols."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from slipway.fetch.policy import Policy
from slipway.fetch.settings import S3
from slipway.fetch.stores.objects import of_status, read_keys, s3_config
from slipway.fetch.verdict import FetchError, Reason
from tests.fetch import bundles
from tests.fetch.calls import fetch, resolve
from tests.fetch.conftest import Order
from tests.fetch.fakes import fake

BUNDLE = bundles.listed(bundles.files())


@pytest.mark.parametrize(
    ("s3", "keys", "expected"),
    [
        ({}, {}, {"region": "us-east-1", "virtual_hosted_style_request": True}),
        ({"region": "eu-central-1"}, {"AWS_REGION": "us-west-2"}, {"region": "eu-central-1"}),
        ({}, {"AWS_REGION": "us-west-2"}, {"region": "us-west-2"}),
        ({"endpoint": "http://s3:9000/"}, {}, {"endpoint": "http://s3:9000", "virtual_hosted_style_request": False}),
        (
            {"endpoint": "https://s3.example.com", "force_path_style": False},
            {},
            {"endpoint": "https://models.s3.example.com", "virtual_hosted_style_request": True},
        ),
        ({"force_path_style": True}, {}, {"virtual_hosted_style_request": False}),
        ({}, {"AWS_ENDPOINT_URL": "http://minio"}, {"endpoint": "http://minio", "virtual_hosted_style_request": False}),
        ({"endpoint": "http://a"}, {"AWS_ENDPOINT_URL": "http://b"}, {"endpoint": "http://a"}),
        ({"anonymous": True}, {}, {"skip_signature": True}),
        (
            {},
            {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"},
            {"access_key_id": "k", "secret_access_key": "s", "session_token": "t"},
        ),
    ],
)
def test_the_spec_wins_over_the_secret(s3: dict[str, Any], keys: dict[str, str], expected: dict[str, object]) -> None:
    config = s3_config(S3(**s3), "models", keys)
    assert expected.items() <= config.items()
    assert "endpoint_url" not in config


def test_only_the_stores_own_keys_are_read_and_line_breaks_are_dropped(tmp_path: Path) -> None:
    (tmp_path / "AWS_ACCESS_KEY_ID").write_text("key\n")
    (tmp_path / "GOOGLE_SERVICE_ACCOUNT_KEY").write_text("{}")
    (tmp_path / "unrelated").write_text("x")
    assert read_keys("s3", tmp_path) == {"AWS_ACCESS_KEY_ID": "key"}
    assert read_keys("az", tmp_path) == {}


async def test_gs_is_fetched(order: Order, policy: Policy, tmp_path: Path) -> None:
    async with fake(BUNDLE) as server:
        account = {
            "gcs_base_url": server.address,
            "disable_oauth": True,
            "client_email": "",
            "private_key": "",
            "private_key_id": "",
        }
        (tmp_path / "credentials").mkdir()
        (tmp_path / "credentials/GOOGLE_SERVICE_ACCOUNT_KEY").write_text(json.dumps(account))
        settings = order("gs://models/churn", bundles.digest(BUNDLE))
        await fetch(settings, policy)
    assert (settings.root / "repository/churn/1/model.onnx").read_bytes() == bundles.MODEL


@pytest.mark.parametrize("key", ["{", '{"client_email": "x"}'])
async def test_keys_that_cannot_be_used_are_denied(order: Order, policy: Policy, tmp_path: Path, key: str) -> None:
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials/GOOGLE_SERVICE_ACCOUNT_KEY").write_text(key)
    with pytest.raises(FetchError, match=r"the settings or keys cannot be used: .* correct the Secret") as refused:
        await resolve(order("gs://models/churn"), policy)
    assert refused.value.reason is Reason.SOURCE_DENIED


async def test_az_is_fetched(order: Order, policy: Policy, tmp_path: Path) -> None:
    async with fake(BUNDLE) as server:
        (tmp_path / "credentials").mkdir()
        keys = {"ACCOUNT_NAME": "account", "ACCOUNT_KEY": "a2V5", "ENDPOINT": server.address}
        for name, value in keys.items():
            (tmp_path / f"credentials/AZURE_STORAGE_{name}").write_text(value)
        settings = order("az://models/churn", bundles.digest(BUNDLE))
        await fetch(settings, policy)
    assert (settings.root / "repository/churn/1/model.onnx").read_bytes() == bundles.MODEL


@pytest.mark.parametrize(
    ("code", "reason", "remedy"),
    [
        ("InvalidObjectState", Reason.FETCH_FAILED, "the object is archived: restore it"),
        ("RequestTimeTooSkewed", Reason.SOURCE_DENIED, "set the clock of the node"),
        ("AccessDenied", Reason.SOURCE_DENIED, "check the keys in the Secret"),
        ("InvalidAccessKeyId", Reason.SOURCE_DENIED, "check the keys in the Secret"),
    ],
)
def test_what_a_store_answers_403_for_has_its_own_remedy(code: str, reason: Reason, remedy: str) -> None:
    found = of_status("s3://b/a", 403, f"{code}: As the store says")
    assert found.reason is reason
    assert remedy in found.message
    assert f"{code}: As the store says" in found.message


@asynccontextmanager
async def answering(status: int, body: bytes) -> AsyncIterator[str]:
    """A server that gives one answer to whatever it is asked."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 {status} Said\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
        writer.write(head + (b"" if asked.startswith(b"HEAD") else body))
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


NO_STORE = "s3://models/churn: what answers there is no object store; let the endpoint be the store's own"
REGION = "s3://models/churn: the store has the bucket in another region{}; set source.s3.region"
MALFORMED = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>expecting 'eu-west-1'</Message></Error>"


@pytest.mark.parametrize(
    ("status", "body", "reason", "said"),
    [
        (200, "<!doctype html><html><body>hunter2</body></html>", Reason.FETCH_FAILED, NO_STORE),
        (200, "<ListAllMyBucketsResult><Buckets/></ListAllMyBucketsResult>", Reason.FETCH_FAILED, NO_STORE),
        (200, '{"password": "hunter2"}', Reason.FETCH_FAILED, NO_STORE),
        (301, "<Error><Code>PermanentRedirect</Code></Error>", Reason.SPEC_INVALID, REGION.format("")),
        (
            400,
            MALFORMED,
            Reason.SPEC_INVALID,
            REGION.format(" (AuthorizationHeaderMalformed: expecting 'eu-west-1')"),
        ),
    ],
)
async def test_an_endpoint_that_is_not_the_buckets_store_is_told_from_a_prefix_without_objects(
    order: Order, policy: Policy, status: int, body: str, reason: Reason, said: str
) -> None:
    async with answering(status, body.encode()) as address:
        with pytest.raises(FetchError) as refused:
            await resolve(order("s3://models/churn", s3=S3(endpoint=address, anonymous=True)), policy)
    assert refused.value.reason is reason
    assert refused.value.message.startswith(said)
    assert "hunter2" not in refused.value.message
