"""pvc://: served in place, verified, never copied."""

import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from slipway.fetch import resolve as resolving
from slipway.fetch.policy import Policy
from slipway.fetch.settings import Resolved
from slipway.fetch.verdict import FetchError, Reason
from tests.fetch import bundles
from tests.fetch.calls import fetch, resolve
from tests.fetch.conftest import Order

BUNDLE = bundles.listed(bundles.files(**{"2/model.onnx": b"second"}))


@pytest.fixture
def claim(tmp_path: Path) -> Path:
    return bundles.write(tmp_path / "claim/models/churn", BUNDLE)


async def test_version_directories_are_links_into_the_claim(order: Order, policy: Policy, claim: Path) -> None:
    answer = await resolve(order("pvc://models/models/churn"), policy)
    settings = order("pvc://models/models/churn", answer["digest"])
    await fetch(settings, policy)
    repository = settings.root / "repository/churn"
    assert {path.name: path.readlink() for path in repository.iterdir() if path.is_symlink()} == {
        "1": claim / "1",
        "2": claim / "2",
        "labels.txt": claim / "labels.txt",
    }
    assert 'name: "churn"' in (repository / "config.pbtxt").read_text()
    assert (settings.root / "golden/three.json").exists()
    assert not (settings.root / ".bundle").exists()


@pytest.mark.parametrize("kind", ["files", "directories"])
async def test_a_claim_with_more_in_it_than_any_bundle_is_left_soon(
    order: Order, policy: Policy, claim: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slipway.fetch.stores.claim._MOST_CHILDREN", 20)
    for number in range(20):
        (claim / f"more-{number}").mkdir() if kind == "directories" else (claim / f"more-{number}").touch()
    with pytest.raises(FetchError, match="has more than 10000 files") as refused:
        await resolve(order("pvc://models/models/churn"), policy)
    assert refused.value.reason is Reason.BUNDLE_INVALID


async def test_a_corrupt_file_is_found_in_place(order: Order, policy: Policy, claim: Path) -> None:
    (claim / "1/model.onnx").write_bytes(b"other")
    settings = order("pvc://models/models/churn", bundles.digest(BUNDLE))
    with pytest.raises(FetchError, match=r"1/model\.onnx: its SHA-256 is not what SHA256SUMS says") as refused:
        await fetch(settings, policy)
    assert refused.value.reason is Reason.BUNDLE_CORRUPT
    assert not (settings.root / "repository").exists()


async def test_a_claim_without_list_is_unverified_until_a_file_changes(
    order: Order, policy: Policy, claim: Path
) -> None:
    (claim / "SHA256SUMS").unlink()
    settings = order("pvc://models/models/churn")
    answer = await resolve(settings, policy)
    assert answer["unverified"] is True
    settings = replace(settings, resolved=Resolved(digest=answer["digest"], unverified=True))
    await fetch(settings, policy)
    os.utime(claim / "labels.txt", ns=(1, 1))
    with pytest.raises(FetchError) as refused:
        await fetch(settings, policy)
    assert refused.value.reason is Reason.SOURCE_CHANGED


@pytest.mark.parametrize("path", ["models/nothing", "models/churn/config.pbtxt"])
async def test_a_directory_that_is_not_there_is_not_found(order: Order, policy: Policy, claim: Path, path: str) -> None:
    with pytest.raises(FetchError, match="no such directory in the claim") as refused:
        await resolve(order(f"pvc://models/{path}"), policy)
    assert refused.value.reason is Reason.SOURCE_NOT_FOUND


async def test_links_are_refused(order: Order, policy: Policy, claim: Path) -> None:
    (claim / "1/link").symlink_to("/etc/passwd")
    with pytest.raises(FetchError, match="1/link: a link") as refused:
        await resolve(order("pvc://models/models/churn"), policy)
    assert refused.value.reason is Reason.BUNDLE_INVALID


async def test_a_pipe_is_refused_and_not_waited_for(order: Order, policy: Policy, claim: Path) -> None:
    os.mkfifo(claim / "1/pipe")
    with pytest.raises(FetchError, match="1/pipe: neither a file nor a directory"):
        await resolve(order("pvc://models/models/churn"), policy)


async def test_an_empty_version_directory_is_refused_because_triton_hangs_on_it(
    order: Order, policy: Policy, claim: Path
) -> None:
    (claim / "3").mkdir()
    with pytest.raises(FetchError, match="3/: an empty version directory"):
        await resolve(order("pvc://models/models/churn"), policy)


READER = os.getuid() or 65534
CLOSED = {
    "every file": (["*", "1/*", "golden/*"], "1/model.onnx"),
    "a model file": (["1/model.onnx"], "1/model.onnx"),
    "the list": (["SHA256SUMS"], "SHA256SUMS"),
    "a directory": (["1"], "1"),
    "the bundle": (["."], ""),
}


@pytest.mark.parametrize("what", CLOSED)
def test_what_another_user_may_not_read_is_named_when_it_is_resolved(what: str, order: Order, policy: Policy) -> None:
    """A claim that root has written, and the fetcher is not root."""
    patterns, named = CLOSED[what]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        bundle = bundles.write(root / "hub/churn", BUNDLE)
        for path in [bundle] if patterns == ["."] else [path for each in patterns for path in bundle.glob(each)]:
            if path.is_file() or len(patterns) == 1:
                path.chmod(0)
        refused = _as_another_user(
            lambda: resolving.resolve(replace(order("pvc://c/hub/churn"), source_root=root), policy)
        )
    where = f"pvc://c/hub/churn{f'/{named}' if named else ''}"
    remedy = "give it read rights (chmod -R a+rX), or an fsGroup to the claim's driver"
    assert refused == ("SourceDenied", f"{where}: user {READER} may not read it; {remedy}")


def _as_another_user(call: Callable[[], object]) -> tuple[str, str]:
    """The verdict of a call in a process that may read little."""
    reader, writer = os.pipe()
    if not (child := os.fork()):
        try:
            os.setuid(READER)
            call()
        except FetchError as error:
            os.write(writer, json.dumps([error.reason, error.message]).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        found = json.loads(pipe.read() or b'["none", ""]')
    os.waitpid(child, 0)
    return found[0], found[1]


@pytest.mark.parametrize("path", ["../outside", "out"])
async def test_a_path_that_leaves_the_claim_is_refused(order: Order, policy: Policy, tmp_path: Path, path: str) -> None:
    bundles.write(tmp_path / "outside", BUNDLE)
    (tmp_path / "claim").mkdir()
    (tmp_path / "claim/out").symlink_to(tmp_path / "outside")
    with pytest.raises(FetchError, match="leaves the claim") as refused:
        await resolve(order(f"pvc://models/{path}"), policy)
    assert refused.value.reason is Reason.SPEC_INVALID
