"""hf://: the Hugging Face Hub's API, by a fake on loopback that answers as the Hub does, and lies, cuts and refuses."""

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from slipway.bundle.place import Place
from slipway.bundle.transfer import copy, pull
from slipway.fetch import sums
from slipway.fetch.policy import Policy
from slipway.fetch.stores.hub import Reference
from slipway.fetch.verdict import FetchError, Reason
from tests.fetch import bundles, calls
from tests.fetch.conftest import Gateway, Order
from tests.fetch.fakes import Fake, Fault

BUNDLE = bundles.listed(bundles.files())
DIGEST = bundles.digest(BUNDLE)
COMMIT = "c" * 40
API = "api/models/acme/churn"
REVISION = f"{API}/revision/v3"
TREE = f"{API}/tree/{COMMIT}"
URI = "hf://acme/churn@v3"


def entry(path: str, content: bytes, *, large: bool = False) -> dict[str, Any]:
    """As the Hub lists a file: large ones with their SHA-256."""
    found = {"type": "file", "path": path, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
    lfs = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 131}
    return {**found, "lfs": lfs} if large else found


def tree(files: dict[str, bytes]) -> list[dict[str, Any]]:
    listed = [entry(path, content, large=path.endswith(".onnx")) for path, content in files.items()]
    return [{"type": "directory", "path": "1", "size": 0, "oid": "d" * 40}, *listed]


def fake_hub(files: dict[str, bytes] | None = None, faults: dict[str, Fault] | None = None, **answers: object) -> Fake:
    """A hub with a repository of these files; answers of the API by `revision` and `tree`."""
    files = {".gitattributes": b"*.onnx filter=lfs\n", **(BUNDLE if files is None else files)}
    said = {"revision": {"id": "acme/churn", "sha": COMMIT}, "tree": tree(files), **answers}
    placed = {f"acme/churn/resolve/{COMMIT}/{path}": content for path, content in files.items()}
    placed |= {REVISION: json.dumps(said["revision"]).encode(), TREE: json.dumps(said["tree"]).encode()}
    return Fake(placed, faults or {})


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Lets the Hub be a fake."""
    return lambda server: monkeypatch.setenv("HF_ENDPOINT", server.address)


def of(path: str) -> str:
    return f"acme/churn/resolve/{COMMIT}/{path}"


async def test_a_repository_is_resolved_and_fetched_as_any_other_source(
    order: Order, policy: Policy, tmp_path: Path, at: Any
) -> None:
    async with fake_hub() as server:
        at(server)
        answer = await calls.resolve(order(URI), policy)
        await calls.fetch(order(URI, resolved=DIGEST), policy)
    assert answer["digest"] == DIGEST
    root = tmp_path / "root" / ".bundle"
    found = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert found == BUNDLE


async def test_a_listing_of_several_pages_is_read_to_its_end(order: Order, policy: Policy, at: Any) -> None:
    whole = tree(BUNDLE)
    async with fake_hub(tree=whole[:3]) as server:
        at(server)
        server.files[f"{API}/next"] = json.dumps(whole[3:]).encode()
        server.faults[TREE] = Fault(headers={"Link": f'<{server.address}/{API}/next?cursor=x>; rel="next"'})
        assert (await calls.resolve(order(URI), policy))["digest"] == DIGEST


async def test_the_token_goes_to_the_hub_and_to_nobody_to_whom_it_leads(
    order: Order, policy: Policy, tmp_path: Path, at: Any
) -> None:
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "token").write_text("hf_secret\n")
    async with Fake({"cdn": bundles.MODEL}, {}) as elsewhere, fake_hub() as server:
        at(server)
        server.faults[of("1/model.onnx")] = Fault(redirect=f"{elsewhere.address}/cdn")
        await calls.fetch(order(URI, resolved=DIGEST), policy)
        assert {request.headers.get("authorization") for request in server.requests} == {"Bearer hf_secret"}
        assert elsewhere.requests
        assert all("authorization" not in request.headers for request in elsewhere.requests)


async def test_without_a_list_large_files_are_held_to_the_hubs_own_hashes(
    order: Order, policy: Policy, at: Any
) -> None:
    files = bundles.files()
    async with fake_hub(files) as server:
        at(server)
        answer = await calls.resolve(order(URI), policy)
        server.faults[of("1/model.onnx")] = Fault(body=bytes(len(bundles.MODEL)))
        with pytest.raises(FetchError) as refused:
            await calls.fetch(order(URI, resolved=answer["digest"], unverified=True), policy)
    assert answer["unverified"]
    assert refused.value.reason is Reason.BUNDLE_CORRUPT


WRONG: dict[str, tuple[dict[str, Any], Reason]] = {
    "no commit": ({"revision": {}}, Reason.FETCH_FAILED),
    "a commit that is a path": ({"revision": {"sha": "../../x"}}, Reason.FETCH_FAILED),
    "no object": ({"revision": []}, Reason.FETCH_FAILED),
    "no listing": ({"tree": {"error": "x"}}, Reason.FETCH_FAILED),
    "an entry that is none": ({"tree": ["1/model.onnx"]}, Reason.FETCH_FAILED),
    "a size that is none": ({"tree": [{"type": "file", "path": "a", "size": True, "oid": "x"}]}, Reason.FETCH_FAILED),
    "a path that climbs": ({"tree": [entry("../x", b""), *tree(BUNDLE)]}, Reason.BUNDLE_INVALID),
    "a file that is not listed": ({"tree": [entry("stray.bin", b""), *tree(BUNDLE)]}, Reason.BUNDLE_INVALID),
    "no JSON": ({"faults": {REVISION: Fault(body=b"<html>")}}, Reason.FETCH_FAILED),
    "JSON without end": ({"faults": {TREE: Fault(body=b"[" * 100_000)}}, Reason.FETCH_FAILED),
    "an answer without end": ({"faults": {TREE: Fault(body=b" " * (5 << 20))}}, Reason.BUNDLE_INVALID),
    "a page elsewhere": (
        {"faults": {TREE: Fault(headers={"Link": '<http://127.0.0.1:9/x>; rel="next"'})}},
        Reason.FETCH_FAILED,
    ),
    "not allowed": ({"faults": {REVISION: Fault(status=401)}}, Reason.SOURCE_DENIED),
    "gated": ({"faults": {of(sums.NAME): Fault(status=403)}}, Reason.SOURCE_DENIED),
    "not there": ({"faults": {REVISION: Fault(status=404)}}, Reason.SOURCE_NOT_FOUND),
    "too many requests": ({"faults": {REVISION: Fault(status=429)}}, Reason.SOURCE_UNAVAILABLE),
    "down": ({"faults": {TREE: Fault(status=503)}}, Reason.SOURCE_UNAVAILABLE),
}


@pytest.mark.parametrize("case", WRONG)
async def test_what_the_hub_does_wrong_has_its_reason(order: Order, policy: Policy, at: Any, case: str) -> None:
    wrong, reason = WRONG[case]
    async with fake_hub(**wrong) as server:
        at(server)
        with pytest.raises(FetchError) as refused:
            await calls.resolve(order(URI), policy)
    assert refused.value.reason is reason
    assert URI in refused.value.message or reason is Reason.BUNDLE_INVALID


async def test_a_connection_that_drops_goes_on_where_it_was(order: Order, policy: Policy, at: Any) -> None:
    async with fake_hub(faults={of("1/model.onnx"): Fault(sends=1000, times=2)}) as server:
        at(server)
        await calls.fetch(order(URI, resolved=DIGEST), policy)


@pytest.mark.parametrize(
    "uri", ["hf://churn@v3", "hf://acme/churn", "hf://acme/churn@", "hf://acme/../x@v3", "hf://acme/churn@../v3"]
)
def test_an_address_names_one_version(uri: str) -> None:
    with pytest.raises(FetchError, match="write hf://ORG/REPO@REVISION, a branch, tag or commit"):
        Reference.parse(uri)


async def test_pull_and_copy_read_it_with_the_hubs_own_variable(
    tmp_path: Path, s3: Gateway, at: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    s3.bucket("models")
    target = Place(uri="s3://models/churn/3", endpoint=s3.endpoint, keys=tmp_path / "credentials")
    async with fake_hub() as server:
        at(server)
        pulled = await asyncio.to_thread(pull, Place(uri=URI), tmp_path / "back")
        copied = await asyncio.to_thread(copy, Place(uri=URI), target)
        assert {request.headers.get("authorization") for request in server.requests} == {"Bearer hf_secret"}
    assert pulled.digest == copied.digest == DIGEST
