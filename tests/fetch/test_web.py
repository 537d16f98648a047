"""https:// and http://: what only the web does."""

import base64
import gzip
from pathlib import Path

import httpx
import pytest

from slipway.fetch.policy import Policy
from slipway.fetch.settings import Source
from slipway.fetch.stores import web
from slipway.fetch.verdict import FetchError, Reason
from tests.fetch import bundles
from tests.fetch.calls import resolve
from tests.fetch.conftest import Order
from tests.fetch.fakes import Fault, fake

SECRET = "hunter2"

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


PAGE = f"db password is {SECRET}\n".encode()
RANGES = {"Content-Range": f"bytes {SECRET}"}
LEAKS = {
    "a page where the list belongs": ("SHA256SUMS", Fault(body=PAGE)),
    "a page of many lines": ("SHA256SUMS", Fault(body=b"\n" + PAGE * 100)),
    "a status in words of its own": ("labels.txt", Fault(status=500, phrase=SECRET)),
    "a status that nobody knows": ("labels.txt", Fault(status=599, phrase=SECRET)),
    "a range that is none": ("labels.txt", Fault(headers=RANGES)),
    "a length that is none": ("labels.txt", Fault(ranges=False, headers={"Content-Length": SECRET})),
    "no HTTP at all": ("labels.txt", Fault(raw=f"SSH-2.0-{SECRET}\r\n".encode())),
    "a header that is none": ("labels.txt", Fault(raw=f"HTTP/1.1 200 OK\r\n{SECRET}\r\n\r\n".encode())),
    "a chunk that is none": (
        "labels.txt",
        Fault(raw=f"HTTP/1.1 206 OK\r\nTransfer-Encoding: chunked\r\n\r\n{SECRET}\r\n".encode()),
    ),
}


@pytest.mark.parametrize("what", LEAKS)
async def test_nothing_of_where_a_source_leads_to_is_repeated(order: Order, policy: Policy, what: str) -> None:
    """A redirect may lead to any service that the fetcher reaches, and messages stand in status for many to read."""
    path, fault = LEAKS[what]
    async with fake(BUNDLE, {path: fault}, prefix="internal") as internal, fake(BUNDLE) as server:
        server.faults[f"models/churn/{path}"] = Fault(redirect=f"{internal.address}/internal/{path}")
        with pytest.raises(FetchError) as refused:
            await resolve(order(f"{server.address}/models/churn"), policy)
    assert SECRET not in refused.value.message


@pytest.mark.parametrize("path", ["SHA256SUMS", "config.pbtxt", "1/model.onnx"])
@pytest.mark.parametrize(("said", "found"), [("gzip", "gzip"), ("BR", "br"), ("identity, x-gzip", "x-gzip")])
async def test_a_file_that_comes_encoded_is_told_as_such(
    order: Order, policy: Policy, path: str, said: str, found: str
) -> None:
    body = gzip.compress(BUNDLE[path])
    async with fake(BUNDLE, {path: Fault(body=body, headers={"Content-Encoding": said})}) as server:
        with pytest.raises(FetchError, match=rf"churn/{path}: comes encoded as {found}, although") as refused:
            await resolve(order(f"{server.address}/models/churn"), policy)
    assert refused.value.reason is Reason.FETCH_FAILED


@pytest.mark.parametrize("said", ["aws-chunked", "identity", "hunter2"])
async def test_what_is_said_of_bytes_that_are_as_they_are_changes_nothing(
    order: Order, policy: Policy, said: str
) -> None:
    faults = {path: Fault(headers={"Content-Encoding": said}) for path in BUNDLE}
    async with fake(BUNDLE, faults) as server:
        await resolve(order(f"{server.address}/models/churn"), policy)


async def test_a_page_in_place_of_the_list_is_told_as_one(order: Order, policy: Policy) -> None:
    """Where one has to sign in first, many servers answer 200 and a page."""
    faults = {"SHA256SUMS": Fault(body=b"<!doctype html>\n<title>Sign in</title>")}
    async with fake(BUNDLE, faults) as server:
        with pytest.raises(FetchError, match="SHA256SUMS: a web page, and not the file; if one signs in") as refused:
            await resolve(order(f"{server.address}/models/churn"), policy)
    assert refused.value.reason is Reason.SOURCE_DENIED


@pytest.mark.parametrize(
    ("begun", "leads", "refused"),
    [
        ("https://models.example/b", "https://cdn.example/b", None),
        ("https://models.example/b", "https://models.example/c", None),
        ("http://10.0.0.1/b", "http://10.0.0.2/b", None),
        ("http://models.example/b", "https://models.example/b", None),
        ("http://127.0.0.1:1/b", "http://127.0.0.1:2/b", None),
        ("https://models.example/b", "http://models.example/b", "not encrypted"),
        ("https://10.0.0.1/b", "http://10.0.0.2/b", "not encrypted"),
        ("http://10.0.0.1/b", "http://169.254.169.254/latest/meta-data", "cloud's metadata"),
        ("http://10.0.0.1/b", "http://[fe80::1]/b", "of the node"),
        ("http://10.0.0.1/b", "http://[fd00:ec2::254]/latest/meta-data", "cloud's metadata"),
        ("http://10.0.0.1/b", "http://[64:ff9b::a9fe:a9fe]/latest/meta-data", "cloud's metadata"),
        ("http://10.0.0.1/b", "http://[::ffff:127.0.0.1]/b", "of the node"),
        ("https://10.0.0.1/b", "https://localhost/b", "of the node"),
        ("https://10.0.0.1/b", "https://0.0.0.0/b", "of the node"),
        ("https://10.0.0.1/b", "https://2130706433/b", "of the node"),
    ],
)
def test_a_redirect_leads_neither_to_plain_text_nor_to_the_node(begun: str, leads: str, refused: str | None) -> None:
    if refused is None:
        web.check_way(httpx.URL(leads), Source(uri=begun))
        return
    with pytest.raises(FetchError, match=refused) as error:
        web.check_way(httpx.URL(leads), Source(uri=begun))
    assert error.value.reason is Reason.FETCH_FAILED


def test_every_step_of_a_way_is_looked_at(policy: Policy, tmp_path: Path) -> None:
    def redirected(request: httpx.Request) -> httpx.Response:
        steps = {"/b": "https://cdn.example/c", "/c": "http://cdn.example/d"}
        return httpx.Response(302, headers={"Location": steps[request.url.path]})

    source = Source(uri="https://models.example/b")
    with web.client(source, tmp_path, policy) as client:
        client._transport = httpx.MockTransport(redirected)
        with pytest.raises(FetchError, match=r"models\.example/b: is redirected to http://, which is not encrypted"):
            client.get(source.uri)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("churn.zip", r"churn\.zip/SHA256SUMS: not there, .*; where source\.uri is one file: archives are those that"),
        ("churn.tar.xz", r"archives are those that end in \.tar, \.tar\.gz, \.tgz or \.tar\.zst"),
        ("1/model.onnx", "archives are those"),
        ("download?file=churn.tar.gz", "archives are those"),
        ("churn/3", "files are found by it; write it with sha256sum, upload it$"),
    ],
)
async def test_an_address_of_one_file_is_told_from_a_directory(
    order: Order, policy: Policy, path: str, said: str
) -> None:
    async with fake({}) as server:
        with pytest.raises(FetchError, match=said) as refused:
            await resolve(order(f"{server.address}/models/{path}"), policy)
    assert refused.value.reason is Reason.SOURCE_NOT_FOUND
