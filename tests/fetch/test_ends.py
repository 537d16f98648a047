"""Whatever a bundle or a store holds, the fetcher ends with a verdict: a reason, and a sentence that fits."""

import hashlib
import json
import struct
import tarfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from slipway.core.children.memory import grace_seconds, shared
from slipway.core.children.resolved import Resolved
from slipway.fetch import golden, layout, model, sums, verdict
from slipway.fetch.policy import Policy
from slipway.fetch.settings import S3
from slipway.fetch.verdict import FetchError, Reason
from slipway.guard.model_config import ModelConfig
from tests.core.gen import md_spec
from tests.fetch import bundles
from tests.fetch.archives import surveyed
from tests.fetch.calls import resolve
from tests.fetch.conftest import Order
from tests.fetch.fakes import Fault, fake

MIB = 2**20
BUNDLE = bundles.listed(bundles.files())


# -- archives


def _pax(records: bytes, kind: bytes = tarfile.XHDTYPE) -> bytes:
    header = tarfile.TarInfo("h")
    header.type, header.size = kind, len(records)
    return header.tobuf(tarfile.USTAR_FORMAT) + records + bytes(-len(records) % 512)


def _record(key: str, value: str) -> bytes:
    rest = f" {key}={value}\n"
    length = len(rest) + len(str(len(rest) + 2))
    return f"{length}{rest}".encode()


def _file(name: str = "x", content: bytes = b"") -> bytes:
    header = tarfile.TarInfo(name)
    header.size = len(content)
    return header.tobuf(tarfile.USTAR_FORMAT) + content + bytes(-len(content) % 512)


def _directories(count: int) -> bytes:
    header = tarfile.TarInfo("d")
    header.type = tarfile.DIRTYPE
    return header.tobuf(tarfile.USTAR_FORMAT) * count


ARCHIVES: dict[str, bytes] = {
    "headers in headers": _pax(_record("comment", "x")) * 2000 + _file(),
    "global headers in headers": _pax(_record("comment", "x"), tarfile.XGLTYPE) * 2000 + _file(),
    "long names of long names": _pax(b"x" * 8, tarfile.GNUTYPE_LONGNAME) * 2000 + _file(),
    "a sparse map that is none": _pax(_record("GNU.sparse.map", "1,x")) + _file(),
    "a sparse map of format 1": _pax(_record("GNU.sparse.major", "1") + _record("GNU.sparse.minor", "0")) + _file(),
    "a sparse size that is none": _pax(_record("GNU.sparse.map", "0,1") + _record("GNU.sparse.size", "x")) + _file(),
    "a size that is none": _pax(_record("size", "many")) + _file(),
    "a size without end": _pax(_record("size", "9" * 5000)) + _file(),
    "a time that is none": _pax(_record("mtime", "nan")) + _file(),
    "a record without an end": _pax(b"9" * 100) + _file(),
    "a length without end": _pax(b"9" * 5000 + b" a=b\n") + _file(),
    "a name that is not UTF-8": _file("\udcff") + _file("\udcff"),
    "nothing but directories": _directories(layout.MAX_ENTRIES + 10),
    "a directory called as the list": _file(f"{sums.NAME}/x") + _file("config.pbtxt") + _file("1/x"),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_no_archive_ends_the_fetcher_without_a_verdict(name: str) -> None:
    with pytest.raises(FetchError) as refused:
        surveyed(ARCHIVES[name] + bytes(10240))
    assert refused.value.reason in {Reason.BUNDLE_INVALID, Reason.BUNDLE_TRUNCATED}
    assert json.loads(verdict.verdict_text(refused.value))


GOOD = _pax(_record("path", "config.pbtxt")) + _file("x", bundles.CONFIG) + _file("1/m", b"m" * 600) + bytes(1024)


@given(st.dictionaries(st.integers(0, len(GOOD) - 1), st.integers(0, 255), max_size=8), st.binary(max_size=40))
@hypothesis_settings(suppress_health_check=[HealthCheck.too_slow])
def test_no_spoiled_archive_does(changes: dict[int, int], middle: bytes) -> None:
    content = bytearray(GOOD)
    for place, value in changes.items():
        content[place] = value
    with suppress(FetchError):
        surveyed(bytes(content[:512]) + middle + bytes(content[512:]))


# -- sources


@pytest.mark.parametrize(
    "header", ["bytes 0-0/" + "9" * 5000, "bytes 0-0/\u0663", "bytes 0-0/", "bytes", "bytes 0-0/-1"]
)
async def test_no_size_that_a_server_claims_does(order: Order, policy: Policy, header: str) -> None:
    async with fake(BUNDLE, {"1/model.onnx": Fault(headers={"Content-Range": header})}) as server:
        with pytest.raises(FetchError, match="does not say its size") as refused:
            await resolve(order(f"{server.address}/models/churn"), policy)
    assert refused.value.reason is Reason.FETCH_FAILED


async def test_no_listing_without_an_end_does(order: Order, policy: Policy) -> None:
    async with fake(BUNDLE) as server:
        server.endless = {"models": 1000}
        with pytest.raises(FetchError, match="more than 10000 files") as refused:
            await resolve(order("s3://models/churn", s3=S3(endpoint=server.address, anonymous=True)), policy)
        assert server.listed <= layout.MAX_ENTRIES / 1000 + 2
    assert refused.value.reason is Reason.BUNDLE_INVALID


async def test_no_directory_of_a_claim_that_is_too_deep_does(order: Order, policy: Policy, tmp_path: Path) -> None:
    deep = tmp_path / "claim/churn"
    deep.mkdir(parents=True)
    for _ in range(30):
        deep /= "/".join(["d" * 10] * 5)
        deep.mkdir(parents=True)
    with pytest.raises(FetchError, match="longer than a file system takes"):
        await resolve(order("pvc://models/churn"), policy)


async def test_no_size_beyond_all_disks_does(order: Order, policy: Policy) -> None:
    size = {"Content-Range": f"bytes 0-0/{2**51}"}
    async with fake(BUNDLE, {"1/model.onnx": Fault(headers=size)}) as server:
        with pytest.raises(FetchError, match="are the most"):
            await resolve(order(f"{server.address}/models/churn"), policy)


# -- what a bundle says


async def test_golden_files_that_fill_the_memory_are_refused_while_they_come(order: Order, policy: Policy) -> None:
    """As those of an archive are."""
    large = b" " * (15 * MIB)
    names = {f"golden/{n}.json": large for n in range(6)}
    digest = hashlib.sha256(large).hexdigest()
    bundle = bundles.listed(bundles.files())
    bundle |= names | {sums.NAME: bundle[sums.NAME] + b"".join(f"{digest}  {name}\n".encode() for name in names)}
    async with fake(bundle) as server:
        with pytest.raises(FetchError, match=r"golden/: more than \d+ bytes") as refused:
            await resolve(order("s3://models/churn", s3=S3(endpoint=server.address, anonymous=True)), policy)
    assert refused.value.reason is Reason.BUNDLE_INVALID


@pytest.mark.parametrize("unit", [b'"",', b"[0],", b"1,"])
def test_a_golden_file_of_more_values_than_memory_holds_is_refused(unit: bytes) -> None:
    data = (unit * (15 * MIB // len(unit)))[:-1]
    content = b'{"inputs":[{"name":"x","datatype":"BYTES","shape":[1],"data":[%s]}]}' % data
    with pytest.raises(FetchError, match="more than 2000000 values"):
        golden.check(
            "golden/x.json", content, model.configure(bundles.CONFIG, None, "m").declared, frozenset(), ModelConfig()
        )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "data", "shape"]), inner),
    max_leaves=10,
)


@given(
    st.fixed_dictionaries(
        {}, optional={"inputs": st.lists(JSON, max_size=2), "outputs": st.lists(JSON, max_size=2), "tolerance": JSON}
    ).map(lambda value: json.dumps(value).encode())
    | st.binary(max_size=30)
)
@example(b"[" * 100_000)
@example(b'{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[' + b"9" * 5000 + b"]}]}")
@example(b'{"inputs":[{"name":"x","datatype":"FP32","shape":[1e400],"data":[1]}]}')
@example(b'{"inputs":[{"name":"x","datatype":"FP32","shape":[1,1],"data":[1e400]}],"tolerance":{"absolute":"1e999"}}')
def test_no_golden_file_does(content: bytes) -> None:
    with suppress(FetchError):
        golden.check(
            "golden/x.json", content, model.configure(bundles.CONFIG, None, "m").declared, frozenset(), ModelConfig()
        )


@given(st.binary(max_size=200))
def test_no_list_of_sums_does(content: bytes) -> None:
    with suppress(FetchError):
        sums.parse(content)


NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 300)
TENSORS = st.lists(
    st.builds(
        'name: "{}" data_type: {} dims: {}'.format,
        st.text(st.sampled_from("xy"), max_size=3),
        st.sampled_from(["TYPE_FP32", "TYPE_STRING", "99", "-1", "0"]),
        st.lists(NUMBERS, max_size=4),
    ),
    max_size=3,
)
LINES = st.one_of(
    TENSORS.map(lambda each: "\n".join(f"input {{ {one} }}" for one in each)),
    st.builds("max_batch_size: {}".format, NUMBERS),
    st.builds("instance_group {{ count: {} gpus: {} }}".format, NUMBERS, st.lists(st.integers(0, 7), max_size=3)),
    st.builds('platform: "{}"'.format, st.text(max_size=3)),
    st.text(max_size=10),
)


@given(st.lists(LINES, max_size=4))
@example(["instance_group { count: -5 }"])
@example(["instance_group { count: 2147483647 gpus: [0, 1, 2] }"])
@example(["max_batch_size: -1"])
@example(['input { name: "z" data_type: 99 dims: 1 }'])
@example(['input { name: "z" data_type: TYPE_FP32 dims: [' + ", ".join(["9223372036854775807"] * 60) + "] }"])
@example(["max_batch_size: " + "9" * 5000])
@example(["parameters {" * 3000])
def test_no_configuration_does_and_the_operator_can_use_what_is_answered(lines: list[str]) -> None:
    text = "\n".join([bundles.CONFIG.decode(), *lines])
    with suppress(FetchError):
        _usable(text)


def test_a_backend_of_any_length_is_no_answer_that_nobody_can_read() -> None:
    with pytest.raises(FetchError, match="128 are the most"):
        _usable(bundles.CONFIG.decode().replace("onnxruntime", "x" * 5000))


def _usable(text: str) -> None:
    """What the operator makes of an answer: memory, disk and time of the pod."""
    declared = model.configure(text.encode(), None, "m").declared
    answer = {"digest": f"sha256:{'0' * 64}", "size": 1, "model": declared}
    resolved = Resolved.parse(json.loads(verdict.answer_text(answer))["resolved"])
    assert struct.pack("<q", shared(md_spec(), resolved))  # a quantity that Kubernetes can hold
    assert struct.pack("<q", grace_seconds(md_spec(), resolved))
