"""Sources that misbehave: each fault has its own reason, names the file, and Triton never sees one."""

import asyncio
from dataclasses import replace

import pytest

from slipway.fetch.policy import Policy
from slipway.fetch.settings import S3, Settings
from slipway.fetch.verdict import FetchError, Reason
from tests.fetch import bundles
from tests.fetch.calls import fetch, resolve
from tests.fetch.conftest import Order
from tests.fetch.fakes import Fake, Fault, fake

BUNDLE = bundles.listed(bundles.files())
MODEL = "1/model.onnx"
SCHEMES = pytest.mark.parametrize("scheme", ["s3", "http"])


def _order(order: Order, server: Fake, scheme: str) -> Settings:
    digest = bundles.digest(BUNDLE)
    if scheme == "s3":
        return order("s3://models/churn", digest, s3=S3(endpoint=server.address, anonymous=True))
    return order(f"{server.address}/models/churn", digest)


@SCHEMES
async def test_a_healthy_source_is_fetched_in_ranges(order: Order, policy: Policy, scheme: str) -> None:
    async with fake(BUNDLE) as server:
        settings = _order(order, server, scheme)
        await fetch(settings, policy)
    assert (settings.root / "repository/churn" / MODEL).read_bytes() == bundles.MODEL
    starts = {request.start for request in server.asked(f"models/churn/{MODEL}")}
    assert starts >= set(range(0, len(bundles.MODEL), policy.part_bytes))


@SCHEMES
async def test_a_broken_connection_goes_on_from_the_byte_where_it_broke(
    order: Order, policy: Policy, scheme: str
) -> None:
    cut = 10_000  # often enough: while all goes well, S3's chunks are gathered, and a stream's first cut loses them
    async with fake(BUNDLE, {MODEL: Fault(sends=cut, times=2 * policy.streams)}) as server:
        settings = _order(order, server, scheme)
        await fetch(settings, policy)
    assert (settings.root / "repository/churn" / MODEL).read_bytes() == bundles.MODEL
    starts = [request.start for request in server.asked(f"models/churn/{MODEL}")]
    assert any(start is not None and start % policy.part_bytes == cut for start in starts)


@SCHEMES
async def test_a_stalled_connection_is_left_and_resumed(order: Order, hasty: Policy, scheme: str) -> None:
    async with fake(BUNDLE, {MODEL: Fault(sends=10_000, then="stall", times=2)}) as server:
        settings = _order(order, server, scheme)
        await fetch(settings, replace(hasty, stall_seconds=60))
    assert (settings.root / "repository/churn" / MODEL).read_bytes() == bundles.MODEL


@pytest.mark.parametrize(
    ("fault", "reason", "said"),
    [
        (Fault(status=403), Reason.SOURCE_DENIED, "refuses|403"),
        (Fault(status=401), Reason.SOURCE_DENIED, "refuses|401"),
        (Fault(status=404), Reason.SOURCE_NOT_FOUND, "not there|404"),
        (Fault(status=500), Reason.SOURCE_UNAVAILABLE, "500"),
        (Fault(status=503), Reason.SOURCE_UNAVAILABLE, "503"),
        (Fault(status=418), Reason.FETCH_FAILED, "418"),
        (Fault(sends=0), Reason.BUNDLE_TRUNCATED, r"ends at byte \d+ of 307200"),
        (Fault(body=bundles.MODEL[:-1] + b"!"), Reason.BUNDLE_CORRUPT, "SHA-256 is .*, SHA256SUMS says .*; upload"),
    ],
)
@SCHEMES
async def test_each_fault_of_a_file_has_its_reason(
    order: Order, policy: Policy, scheme: str, fault: Fault, reason: Reason, said: str
) -> None:
    fault.times = 1_000_000
    async with fake(BUNDLE, {MODEL: fault}) as server:
        settings = _order(order, server, scheme)
        with pytest.raises(FetchError, match=said) as refused:
            await fetch(settings, policy)
    assert refused.value.reason is reason
    assert MODEL in refused.value.message
    assert not (settings.root / "repository").exists()


@SCHEMES
async def test_a_source_that_sends_no_byte_any_more_has_stalled(order: Order, hasty: Policy, scheme: str) -> None:
    async with fake(BUNDLE) as server:
        settings = _order(order, server, scheme)
        server.faults[f"models/churn/{MODEL}"] = Fault(sends=0, then="stall")
        with pytest.raises(FetchError, match=r"1/model\.onnx: no byte for 1 s at byte \d+ of 307200") as refused:
            await fetch(settings, hasty)
    assert refused.value.reason is Reason.FETCH_STALLED
    assert not (settings.root / "repository").exists()


async def test_a_verdict_does_not_wait_until_the_other_streams_have_all(order: Order, policy: Policy) -> None:
    async with fake(BUNDLE) as server:
        settings = _order(order, server, "s3")
        server.faults[f"models/churn/{MODEL}"] = Fault(status=403, times=1)
        with pytest.raises(FetchError, match=r"refuses|403"):
            await fetch(settings, replace(policy, part_bytes=1024))
        assert len(server.asked(f"models/churn/{MODEL}")) < len(bundles.MODEL) / 1024 / 2


@pytest.mark.parametrize("archive", [False, True])
async def test_an_answer_whose_headers_have_no_end_has_stalled(order: Order, policy: Policy, archive: bool) -> None:
    """Each byte is in time, and a hundred thousand of them may come."""
    name = "b.tar" if archive else MODEL
    async with fake({**BUNDLE, **({name: b"tar"} if archive else {})}) as server:
        settings = _order(order, server, "http")
        if archive:
            settings = replace(settings, source=replace(settings.source, uri=f"{settings.source.uri}/{name}"))
        server.later = {f"models/churn/{name}": Fault(drips=True)}
        with pytest.raises(FetchError, match=f"{name}: its answer has no end after 5 s") as refused:
            await fetch(settings, replace(policy, answer_seconds=5))
    assert refused.value.reason is Reason.FETCH_STALLED


async def test_a_source_that_never_answers_has_stalled(order: Order, hasty: Policy) -> None:
    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ended.wait()
        writer.close()

    ended = asyncio.Event()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        settings = order("s3://models/churn", s3=S3(endpoint=f"http://127.0.0.1:{port}", anonymous=True))
        with pytest.raises(FetchError, match=r"no byte for 1 s") as refused:
            await resolve(settings, hasty)
        ended.set()
    assert refused.value.reason is Reason.FETCH_STALLED


@SCHEMES
async def test_a_fault_that_passes_is_outlived(order: Order, policy: Policy, scheme: str) -> None:
    passing = {path: Fault(status=503, times=2) for path in ("SHA256SUMS", "config.pbtxt", MODEL)}
    async with fake(BUNDLE, passing) as server:
        settings = _order(order, server, scheme)
        await resolve(settings, policy)
        for fault in passing.values():
            fault.times = 2
        await fetch(settings, policy)
    assert (settings.root / "repository/churn" / MODEL).read_bytes() == bundles.MODEL


@pytest.mark.parametrize(
    ("scheme", "fault"),
    [
        ("s3", Fault(status=412)),
        ("s3", Fault(body=bundles.MODEL + b"more")),
        ("http", Fault(tag='"other"')),
        ("http", Fault(body=bundles.MODEL + b"more")),
    ],
)
async def test_a_file_that_is_replaced_while_it_is_read_is_found(
    order: Order, policy: Policy, scheme: str, fault: Fault
) -> None:
    async with fake(BUNDLE) as server:
        settings = _order(order, server, scheme)
        server.later = {f"models/churn/{MODEL}": fault}
        with pytest.raises(FetchError, match="upload each version under an address of its own") as refused:
            await fetch(settings, policy)
    assert refused.value.reason is Reason.SOURCE_CHANGED


async def test_a_server_that_claims_more_than_it_sends_is_found(order: Order, policy: Policy) -> None:
    async with fake(BUNDLE, {"labels.txt": Fault(claims=1000, ranges=False)}) as server:
        settings = _order(order, server, "http")
        with pytest.raises(FetchError, match=r"labels\.txt: ends at byte 7 of 1000") as refused:
            await fetch(settings, policy)
    assert refused.value.reason is Reason.BUNDLE_TRUNCATED


async def test_a_file_that_ends_early_is_told_once(order: Order, policy: Policy) -> None:
    async with fake(BUNDLE) as server:
        server.later = {"models/churn/labels.txt": Fault(ranges=False, body=b"no\n")}
        with pytest.raises(FetchError, match=r"labels\.txt: ends at byte 3 of 7; upload it again$") as refused:
            await fetch(_order(order, server, "http"), policy)
    assert refused.value.reason is Reason.BUNDLE_TRUNCATED


async def test_a_server_that_claims_less_than_there_is_gives_a_corrupt_file(order: Order, policy: Policy) -> None:
    async with fake(BUNDLE, {"labels.txt": Fault(claims=3, sends=3, ranges=False)}) as server:
        settings = _order(order, server, "http")
        with pytest.raises(FetchError, match=r"labels\.txt: SHA-256 is") as refused:
            await fetch(settings, policy)
    assert refused.value.reason is Reason.BUNDLE_CORRUPT


async def test_a_server_without_ranges_is_read_whole_and_resumed_by_skipping(order: Order, policy: Policy) -> None:
    async with fake(BUNDLE, {MODEL: Fault(ranges=False)}) as server:
        settings = _order(order, server, "http")
        server.later = {f"models/churn/{MODEL}": Fault(ranges=False, sends=100_000, times=1)}
        await fetch(settings, policy)
    assert (settings.root / "repository/churn" / MODEL).read_bytes() == bundles.MODEL
    assert len(server.asked(f"models/churn/{MODEL}")) == 3


async def test_a_redirect_is_followed_and_a_circle_of_them_refused(order: Order, policy: Policy) -> None:
    async with fake(BUNDLE, prefix="real") as server:
        settings = _order(order, server, "http")
        for path in BUNDLE:
            server.faults[f"models/churn/{path}"] = Fault(redirect=f"/real/{path}")
        await fetch(settings, policy)
        assert (settings.root / "repository/churn" / MODEL).read_bytes() == bundles.MODEL
        server.faults["models/churn/SHA256SUMS"] = Fault(redirect="/models/churn/SHA256SUMS")
        with pytest.raises(FetchError, match="redirects") as refused:
            await resolve(settings, policy)
    assert refused.value.reason is Reason.FETCH_FAILED


@pytest.mark.parametrize("host", ["x" * 64, "[::1", "é" * 63, ""])
async def test_a_redirect_to_a_host_that_is_none_is_told(order: Order, policy: Policy, host: str) -> None:
    leads = Fault(redirect=f"http://{host}/")
    async with fake(BUNDLE, {"SHA256SUMS": leads}) as server:
        with pytest.raises(FetchError) as refused:
            await resolve(_order(order, server, "http"), policy)
    assert refused.value.reason in {Reason.FETCH_FAILED, Reason.SOURCE_UNAVAILABLE}


async def test_a_fault_of_the_listing_is_told_as_such(order: Order, policy: Policy) -> None:
    async with fake(BUNDLE) as server:
        server._listing = lambda *_: b"<not xml"  # type: ignore[method-assign]
        settings = _order(order, server, "s3")
        with pytest.raises(FetchError, match="s3://models/churn"):
            await resolve(settings, policy)


async def test_a_key_that_leaves_the_prefix_is_refused(order: Order, policy: Policy) -> None:
    async with fake({**BUNDLE, "../evil": b"x"}) as server:
        settings = _order(order, server, "s3")
        with pytest.raises(FetchError, match=r"\.\.") as refused:
            await resolve(settings, policy)
    assert refused.value.reason is Reason.BUNDLE_INVALID
