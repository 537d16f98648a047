"""Addresses and keys that a store's library does not take end with the field, and never without a verdict."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.fetch.policy import Policy
from slipway.fetch.settings import S3, Source
from slipway.fetch.stores import address
from slipway.fetch.verdict import FetchError, Reason
from tests.fetch.calls import resolve
from tests.fetch.conftest import Order

NOWHERE = "http://127.0.0.1:9"
AWS = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}
AZURE = {"AZURE_STORAGE_ACCOUNT_NAME": "a", "AZURE_STORAGE_ACCOUNT_KEY": "a2V5", "AZURE_STORAGE_ENDPOINT": NOWHERE}
ENDPOINTS = {
    "minio.ns:9000": "'minio.ns:9000' has no scheme; write http://minio.ns:9000, or https://",
    "minio": "'minio' has no scheme",
    "ftp://minio": "is not http(s)://",
    "http://minio:99999": "is no address (Port out of range",
    "http://minio:abc": "is no address (Port",
    "http://minio:0": "names no host, or port 0",
    "http://": "names no host",
    "http://[::1": "is no address (Invalid IPv6 URL)",
    "http://mi nio": "has a blank",
    "http://miniö": "has 'miniö' for a host, which is neither a name in ASCII nor an IP address",
    "http://a%20b": "has 'a%20b' for a host",
    "http://a|b": "has 'a|b' for a host",
    "http://999.1.1.1": "has '999.1.1.1' for a host",
    "http://1.2.3.4.5": "has '1.2.3.4.5' for a host",
}


async def _refused(order: Order, policy: Policy, uri: str, keys: dict[str, str] | None = None, **s3: Any) -> FetchError:
    settings = order(uri, s3=S3(**s3) if s3 else None)
    settings.credentials.mkdir()
    for name, value in (keys or {}).items():
        (settings.credentials / name).write_text(value)
    with pytest.raises(FetchError) as refused:
        await resolve(settings, policy)
    return refused.value


@pytest.mark.parametrize("scheme", ["s3", "gs", "az"])
@pytest.mark.parametrize("path", ["team//churn", "./churn", "churn/.", "a/./b"])
async def test_a_path_of_parts_that_are_none_is_the_specs_fault(
    order: Order, policy: Policy, scheme: str, path: str
) -> None:
    refused = await _refused(order, policy, f"{scheme}://models/{path}", AZURE)
    assert refused.reason is Reason.SPEC_INVALID
    assert refused.message.startswith(f"source.uri: {scheme}://models/{path}: an empty or `.` part in the path")


@pytest.mark.parametrize("scheme", ["s3", "gs", "az"])
@pytest.mark.parametrize("path", ["..", "../4", "a/../b", "a/.."])
async def test_a_path_that_climbs_is_the_specs_fault(order: Order, policy: Policy, scheme: str, path: str) -> None:
    refused = await _refused(order, policy, f"{scheme}://models/{path}", AZURE)
    assert refused.reason is Reason.SPEC_INVALID
    assert refused.message == f"source.uri: {scheme}://models/{path}: climbs with `..`; write the path that is meant"


@pytest.mark.parametrize("uri", ["s3://mo dels/x", "s3://models/a\tb", "s3://models/a\0b"])
async def test_what_no_address_holds_is_the_specs_fault(order: Order, policy: Policy, uri: str) -> None:
    refused = await _refused(order, policy, uri, endpoint=NOWHERE, anonymous=True)
    assert refused.reason is Reason.SPEC_INVALID
    assert "a blank or a control character in it" in refused.message


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("where", ["spec", "AWS_ENDPOINT_URL", "AZURE_STORAGE_ENDPOINT"])
async def test_an_endpoint_that_is_no_address_is_named_where_it_stands(
    order: Order, policy: Policy, endpoint: str, where: str
) -> None:
    if where == "spec":
        refused = await _refused(order, policy, "s3://models/churn", AWS, endpoint=endpoint)
    elif where == "AWS_ENDPOINT_URL":
        refused = await _refused(order, policy, "s3://models/churn", {**AWS, where: endpoint})
    else:
        refused = await _refused(order, policy, "az://models/churn", {**AZURE, where: endpoint})
    field = "source.s3.endpoint: " if where == "spec" else f"{where} in the Secret of source.secretName: "
    assert refused.reason is (Reason.SPEC_INVALID if where == "spec" else Reason.SOURCE_DENIED)
    assert refused.message.startswith(field)
    assert ENDPOINTS[endpoint] in refused.message


@pytest.mark.parametrize("of_secret", [True, False])
async def test_no_bucket_stands_before_an_ip_address(order: Order, policy: Policy, of_secret: bool) -> None:
    keys = {**AWS, "AWS_ENDPOINT_URL": NOWHERE} if of_secret else AWS
    s3 = {"force_path_style": False, **({} if of_secret else {"endpoint": NOWHERE})}
    refused = await _refused(order, policy, "s3://models/churn", keys, **s3)
    assert "is an IP address, before which no bucket's name can stand; take s3.forcePathStyle out" in refused.message


@pytest.mark.parametrize(
    ("uri", "keys", "name"),
    [
        ("s3://b/a", {**AWS, "AWS_REGION": "eu\nwest"}, "AWS_REGION"),
        ("s3://b/a", {"AWS_ACCESS_KEY_ID": "k\0", "AWS_SECRET_ACCESS_KEY": "s"}, "AWS_ACCESS_KEY_ID"),
        ("https://127.0.0.1:9/b", {"token": "schlüssel"}, "token"),
        ("https://127.0.0.1:9/b", {"token": "a\nb"}, "token"),
    ],
)
async def test_a_key_that_no_request_can_carry_is_named_and_not_quoted(
    order: Order, policy: Policy, uri: str, keys: dict[str, str], name: str
) -> None:
    refused = await _refused(order, policy, uri, keys)
    assert refused.reason is Reason.SOURCE_DENIED
    assert refused.message.startswith(f"{name} in the Secret of source.secretName: holds a line break or another")
    assert keys[name] not in refused.message


@pytest.mark.parametrize(
    "uri",
    ["https://[::1/a", "https://[/a", "http://h:abc/a", "http://a..b/x", f"http://{'a' * 300}/x", "http://xn--/a"],
)
async def test_an_address_of_no_host_is_the_specs_fault(order: Order, policy: Policy, uri: str) -> None:
    refused = await _refused(order, policy, uri)
    assert refused.reason is Reason.SPEC_INVALID
    assert refused.message.startswith(f"source.uri: {uri}: no address of the web (")


@given(st.text(st.sampled_from("hts:/[]@.1a-é \n?#%")), st.booleans())
@settings(deadline=None)
def test_any_endpoint_is_taken_or_refused(text: str, of_host: bool) -> None:
    for endpoint in (text, f"http://{text}"):
        try:
            address.check_endpoint(endpoint, "x", Reason.SPEC_INVALID, bucket_in_host=of_host)
        except FetchError as refused:
            assert refused.message.startswith("x: ")  # noqa: PT017  both ends are right


def test_what_a_library_panics_over_is_a_verdict_too(tmp_path: Path) -> None:
    """A panic of Rust's is no Exception: without a word of ours the Job only ended."""
    panicking = (
        "from slipway.fetch import main\n"
        "class FakePanic(BaseException): pass\n"
        "def panic(_): raise FakePanic('called `Result::unwrap()` on an `Err` value: InvalidPort')\n"
        "main._run(panic)"
    )
    log = tmp_path / "log"
    order = json.dumps({"source": {"uri": "s3://a/b"}, "model": "m"})
    env = {**os.environ, "SLIPWAY_SOURCE": order, "SLIPWAY_TERMINATION_LOG": str(log)}
    done = subprocess.run([sys.executable, "-c", panicking], env=env, capture_output=True, timeout=60, check=False)
    assert done.returncode == 1
    assert json.loads(log.read_text())["reason"] == "FetchFailed"
    assert "(FakePanic: called `Result::unwrap()`" in log.read_text()


def test_the_ending_of_an_archive_is_read_in_any_case() -> None:
    for uri in ("https://h/a.TAR.GZ", "https://h/a.Tar?x=/y", "https://h/a.tgz#b", "https://h/a.tar.ZST"):
        assert Source(uri=uri).is_archive
    for uri in ("https://h/a.zip", "https://h/get?file=a.tar.gz", "https://h/a.tar.gz/", "s3://b/a.tar.gz"):
        assert not Source(uri=uri).is_archive
