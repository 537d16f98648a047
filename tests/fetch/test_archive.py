"""Archives: streamed once, unpacked safely, and never trusted."""

import bz2
import contextlib
import gzip
import io
import lzma
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from slipway.fetch import archive, layout
from slipway.fetch.policy import Policy
from slipway.fetch.settings import Source
from slipway.fetch.verdict import FetchError, Reason
from tests.fetch import bundles
from tests.fetch.bundles import tar
from tests.fetch.calls import fetch, resolve
from tests.fetch.conftest import Order
from tests.fetch.fakes import Fault, fake

BUNDLE = bundles.listed(bundles.files())
SIZE = sum(map(len, BUNDLE.values()))
PACKED: dict[str, Callable[[bytes], bytes]] = {
    "b.tar": lambda plain: plain,
    "b.tar.gz": lambda plain: gzip.compress(plain, 1),
    "b.tgz": lambda plain: gzip.compress(plain, 1),
    "b.tar.zst": zstandard.compress,
}


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return info


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("below", ["", "./", "churn-3/"])
async def test_each_kind_of_archive_is_resolved_and_fetched(
    order: Order, policy: Policy, name: str, below: str
) -> None:
    async with fake({name: PACKED[name](tar(BUNDLE, below=below))}, prefix="a") as server:
        uri = f"{server.address}/a/{name}"
        answer = await resolve(order(uri), policy)
        assert (answer["digest"], answer["size"], answer["golden"]) == (bundles.digest(BUNDLE), SIZE, 1)
        settings = order(uri, answer["digest"], answer["size"])
        await fetch(settings, policy)
    repository = settings.root / "repository/churn"
    assert (repository / "1/model.onnx").read_bytes() == bundles.MODEL
    assert sorted(path.name for path in repository.iterdir()) == ["1", "config.pbtxt", "labels.txt"]
    assert not (settings.root / ".unpacked").exists()


async def test_a_broken_connection_goes_on_in_the_middle_of_an_archive(order: Order, policy: Policy) -> None:
    content = PACKED["b.tar.gz"](tar(BUNDLE))
    async with fake({"b.tar.gz": content}, prefix="a") as server:
        server.later = {"a/b.tar.gz": Fault(sends=1000, times=2)}
        settings = order(f"{server.address}/a/b.tar.gz", bundles.digest(BUNDLE), SIZE)
        await fetch(settings, policy)
        assert [request.start for request in server.asked("a/b.tar.gz")] == [0, 0, 1000, 2000]
    assert (settings.root / "repository/churn/1/model.onnx").read_bytes() == bundles.MODEL


async def test_an_archive_that_its_server_calls_encoded_is_read_as_it_is(order: Order, policy: Policy) -> None:
    content = PACKED["b.tgz"](tar(BUNDLE))
    async with fake({"b.tgz": content}, {"b.tgz": Fault(headers={"Content-Encoding": "x-gzip"})}, prefix="a") as server:
        answer = await resolve(order(f"{server.address}/a/b.tgz"), policy)
    assert answer["digest"] == bundles.digest(BUNDLE)


async def test_an_archive_of_unknown_size_is_streamed(order: Order, policy: Policy) -> None:
    faults = {"b.tar": Fault(chunked=True, ranges=False)}
    async with fake({"b.tar": tar(BUNDLE)}, faults, prefix="a") as server:
        answer = await resolve(order(f"{server.address}/a/b.tar"), policy)
    assert answer["digest"] == bundles.digest(BUNDLE)


async def test_an_archive_without_list_is_pinned_by_its_content(order: Order, policy: Policy) -> None:
    async with fake({"b.tar": tar(bundles.files())}, prefix="a") as server:
        uri = f"{server.address}/a/b.tar"
        answer = await resolve(order(uri), policy)
        assert answer["unverified"] is True
        settings = order(uri, answer["digest"], answer["size"], unverified=True)
        await fetch(settings, policy)
        other = bundles.files(**{"labels.txt": b"NO\nYES\n"[:7]})
        server.files["a/b.tar"] = tar(other)
        with pytest.raises(FetchError, match="the listing is") as refused:
            await fetch(settings, policy)
    assert refused.value.reason is Reason.SOURCE_CHANGED


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (member("1/link", tarfile.SYMTYPE, "/etc/passwd"), "1/link: a link"),
        (member("1/link", tarfile.LNKTYPE, "config.pbtxt"), "1/link: a link"),
        (member("1/pipe", tarfile.FIFOTYPE), "1/pipe: not a plain file"),
        (member("1/null", tarfile.CHRTYPE), "1/null: not a plain file"),
        (member("../evil", size=3), "leaves the bundle's directory"),
        (member("/etc/evil", size=3), "leaves the bundle's directory"),
        (member("1/../../evil", size=3), "leaves the bundle's directory"),
        (member("1/model.onnx", size=3), "1/model.onnx: twice in the archive"),
        (member("1/model.onnx/x", size=3), "1/model.onnx"),
        (member("1/__pycache__/x.pyc", size=3), "__pycache__"),
        (member("extra", size=3), "extra: in the bundle but not in SHA256SUMS"),
        (member("2.tmp/x", size=3), "2.tmp/x: in the bundle but not in SHA256SUMS"),
    ],
)
@pytest.mark.parametrize("command", [resolve, fetch])
async def test_what_may_not_be_in_a_bundle_is_refused(
    order: Order, policy: Policy, tmp_path: Path, bad: tarfile.TarInfo, said: str, command: Callable[..., object]
) -> None:
    async with fake({"b.tar": tar(BUNDLE, bad)}, prefix="a") as server:
        settings = order(f"{server.address}/a/b.tar", bundles.digest(BUNDLE), SIZE + 100)
        with pytest.raises(FetchError) as refused:
            await command(settings, policy)  # type: ignore[misc]
    assert said in refused.value.message
    assert refused.value.reason is Reason.BUNDLE_INVALID
    assert not (tmp_path / "root/repository").exists()
    assert not [name for _, _, names in os.walk(tmp_path) for name in names if name == "evil"]
    assert not (tmp_path / "root/.unpacked").exists()


@pytest.mark.parametrize(
    ("name", "spoil", "reason"),
    [
        ("b.tar", lambda content: content[:5000], Reason.BUNDLE_TRUNCATED),
        ("b.tar.gz", lambda content: content[:-20], Reason.BUNDLE_TRUNCATED),
        ("b.tar.zst", lambda content: content[: len(content) // 2], Reason.BUNDLE_TRUNCATED),
        ("b.tar.gz", lambda content: content[:-8] + bytes(4) + content[-4:], Reason.BUNDLE_CORRUPT),
        ("b.tar", lambda _: b"what a disk made of it" * 100, Reason.BUNDLE_INVALID),
        ("b.tar", lambda content: content.replace(b"no\nyes", b"on\nyes"), Reason.BUNDLE_CORRUPT),
    ],
)
async def test_a_spoiled_archive_has_its_reason(
    order: Order, policy: Policy, name: str, spoil: Callable[[bytes], bytes], reason: Reason
) -> None:
    async with fake({name: spoil(PACKED[name](tar(BUNDLE)))}, prefix="a") as server:
        settings = order(f"{server.address}/a/{name}", bundles.digest(BUNDLE), SIZE)
        with pytest.raises(FetchError) as refused:
            await fetch(settings, policy)
    assert (refused.value.reason, name in refused.value.message or "labels.txt" in refused.value.message) == (
        reason,
        True,
    )
    assert not (settings.root / "repository").exists()


PLAIN = tar(BUNDLE)
KINDS = {
    "a plain tar": PLAIN,
    "a gzip file": gzip.compress(PLAIN, 1),
    "a zstd file": zstandard.compress(PLAIN),
    "a zip file": b"PK\x03\x04" + bytes(600),
    "an xz file": lzma.compress(PLAIN, preset=0),
    "a bzip2 file": bz2.compress(PLAIN, 1),
    "a web page": b"\n<!DOCTYPE html><title>Sign in</title>",
}
SAYS = {"b.tar": "a plain tar", "b.tar.gz": "a gzip file", "b.tgz": "a gzip file", "b.tar.zst": "a zstd file"}


@pytest.mark.parametrize(("name", "says"), SAYS.items())
@pytest.mark.parametrize("what", KINDS)
def test_an_archive_of_another_kind_than_its_name_says_is_told_as_what_it_is(name: str, says: str, what: str) -> None:
    if what == says:
        assert unpack(KINDS[what], _Sink(), name).keys() == BUNDLE.keys()
        return
    with pytest.raises(
        FetchError, match=f"https://host/{name}: {what}, and|https://host/{name}: {what}; arch"
    ) as found:
        unpack(KINDS[what], _Sink(), name)
    assert found.value.reason is (Reason.SOURCE_DENIED if what == "a web page" else Reason.BUNDLE_INVALID)
    assert "Sign in" not in found.value.message


@pytest.mark.parametrize("name", SAYS)
@pytest.mark.parametrize("cut", range(12))
def test_an_archive_that_is_cut_in_its_first_bytes_is_told_as_cut(name: str, cut: int) -> None:
    with pytest.raises(FetchError) as found:
        unpack(KINDS[SAYS[name]][:cut], _Sink(), name)
    assert found.value.reason is Reason.BUNDLE_TRUNCATED


@pytest.mark.parametrize(("name", "hint"), [("b.tar.gz", "other bytes follow"), ("b.tar.zst", "other bytes follow")])
def test_bytes_after_the_end_of_an_archive_are_told_as_such(name: str, hint: str) -> None:
    with pytest.raises(FetchError, match=hint) as found:
        unpack(KINDS[SAYS[name]] + b"and more, as a page", _Sink(), name)
    assert found.value.reason is Reason.BUNDLE_CORRUPT


def test_a_window_that_memory_has_no_room_for_is_told_for_zstd_alone() -> None:
    wide = zstandard.ZstdCompressionParameters(window_log=28, enable_ldm=True)
    content = zstandard.ZstdCompressor(compression_params=wide).compressobj()
    with pytest.raises(FetchError, match="zstd with a window of more than 128 MiB; write it with a smaller one"):
        unpack(content.compress(PLAIN) + content.flush(), _Sink(), "b.tar.zst")
    spoiled = KINDS["a gzip file"][:20] + bytes(8) + KINDS["a gzip file"][28:]
    with pytest.raises(FetchError, match="cannot be unpacked") as found:
        unpack(spoiled, _Sink(), "b.tar.gz")
    assert "zstd" not in found.value.message


async def test_an_archive_that_unpacks_to_more_than_was_resolved_is_stopped(order: Order, policy: Policy) -> None:
    bomb = gzip.compress(tar({**BUNDLE, "1/zeros": bytes(20_000_000)}))
    async with fake({"b.tar.gz": bomb}, prefix="a") as server:
        settings = order(f"{server.address}/a/b.tar.gz", bundles.digest(BUNDLE), SIZE)
        with pytest.raises(FetchError, match="more than when the revision was made") as refused:
            await fetch(settings, policy)
    assert refused.value.reason is Reason.SOURCE_CHANGED


class _Sink:
    def __init__(self) -> None:
        self.paths: list[str] = []

    def open(self, path: str) -> io.RawIOBase:
        self.paths.append(path)
        return archive.SmallFiles().open("1/anything")


def unpack(content: bytes, sink: archive.Sink, name: str = "b.tar") -> dict[str, archive.Member]:
    return archive.unpack(archive.Reader(iter((content,))), Source(uri=f"https://host/{name}"), sink, None)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
def test_a_header_that_claims_gigabytes_is_refused_before_it_is_read(kind: bytes) -> None:
    header = member("x", kind)
    header.size = 8 * 2**30
    with pytest.raises(FetchError, match="header of 8589934592 bytes"):
        unpack(header.tobuf(tarfile.GNU_FORMAT) + bytes(10240), _Sink())


def test_a_small_file_that_is_not_small_is_refused() -> None:
    with pytest.raises(FetchError, match=r"config\.pbtxt: .* the most"):
        unpack(tar({"config.pbtxt": bytes(17 * 2**20)}), archive.SmallFiles())


@given(st.lists(st.text(st.sampled_from("a./\\\n2"), min_size=1, max_size=10), max_size=5))
@hypothesis_settings(suppress_health_check=[HealthCheck.too_slow])
def test_no_name_in_an_archive_gets_out_of_its_directory(names: list[str]) -> None:
    sink = _Sink()
    with contextlib.suppress(FetchError):
        unpack(tar(dict.fromkeys(names, b"x")), sink)
    for path in sink.paths:
        layout.check_path(path)
        assert Path("/bundle", path).resolve().is_relative_to("/bundle/")


ODD: dict[str, tuple[dict[str, bytes], str]] = {
    "nothing": ({}, "the archive is empty; pack the bundle's files"),
    "a directory in a directory": (
        {f"models/churn/{path}": content for path, content in BUNDLE.items()},
        r"config\.pbtxt: not at the archive's top, but there is models/churn/config\.pbtxt; pack from inside",
    ),
    "two models": (
        {f"{name}/{path}": content for name in "ab" for path, content in BUNDLE.items()},
        r"the archive has a/config\.pbtxt, b/config\.pbtxt; a bundle has the model that clients ask at its top",
    ),
}


@pytest.mark.parametrize("what", ODD)
async def test_an_archive_that_is_no_bundle_says_how_to_pack_one(order: Order, policy: Policy, what: str) -> None:
    files, said = ODD[what]
    async with fake({"b.tar": tar(files)}) as server:
        with pytest.raises(FetchError, match=said) as refused:
            await resolve(order(f"{server.address}/models/churn/b.tar"), policy)
    assert refused.value.reason is Reason.BUNDLE_INVALID


async def test_a_list_that_was_written_beside_the_bundle_is_told(order: Order, policy: Policy, tmp_path: Path) -> None:
    lines = BUNDLE["SHA256SUMS"].replace(b"  ", b"  bundle/")
    bundles.write(tmp_path / "claim/a", {**BUNDLE, "SHA256SUMS": lines})
    said = r"SHA256SUMS: names bundle/config\.pbtxt, and the source has config\.pbtxt; write the list inside the bundle"
    with pytest.raises(FetchError, match=said):
        await resolve(order("pvc://c/a"), policy)
