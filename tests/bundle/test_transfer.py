"""Bundles to a real S3 server and back: the same bytes, the same digest, and nothing is ever overwritten."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import obstore
import pytest

from slipway.bundle import directory, transfer
from slipway.bundle.check import check
from slipway.bundle.errors import BundleError
from slipway.bundle.place import Place
from slipway.bundle.sign import sign, verify
from slipway.bundle.transfer import copy, pull, push
from slipway.fetch.policy import MIB
from tests.bundle import commands
from tests.bundle.folders import files, packed
from tests.bundle.keys import key
from tests.bundle.places import bundle, gateway, place, s3
from tests.fetch.conftest import Gateway

__all__ = ["bundle", "gateway", "place", "s3"]


def stored(s3: Gateway, place: Place) -> Path:
    """Where the server keeps the objects."""
    return s3.files / place.uri.removeprefix("s3://")


def test_what_was_pushed_comes_back_and_is_served_under_its_digest(bundle: Path, place: Place, tmp_path: Path) -> None:
    pushed = push(bundle, place)
    pulled = pull(place, tmp_path / "back")
    assert pushed.digest == pulled.digest == check(bundle).digest
    assert files(tmp_path / "back") == files(bundle)
    assert pushed.files == 5


def test_a_second_push_does_nothing(bundle: Path, place: Place, s3: Gateway) -> None:
    push(bundle, place)
    before = {p: p.stat().st_mtime_ns for p in stored(s3, place).rglob("*")}
    assert push(bundle, place).files == 0
    assert {p: p.stat().st_mtime_ns for p in stored(s3, place).rglob("*")} == before


def test_other_bytes_under_that_name_are_an_error(bundle: Path, place: Place, s3: Gateway, tmp_path: Path) -> None:
    first = push(bundle, place)
    other = packed(tmp_path / "other", x=5.0)
    with pytest.raises(BundleError, match=f"holds {first.digest}, and this bundle is sha256:.*; push to an address"):
        push(other, place)
    assert files(stored(s3, place)) == files(bundle)


def test_two_who_push_at_once_never_mix(place: Place, s3: Gateway, tmp_path: Path) -> None:
    """Whoever puts its list first has the address; the other one has put nothing."""
    first, second = packed(tmp_path / "first"), packed(tmp_path / "second", x=5.0)
    stored(s3, place).parent.mkdir(parents=True)
    create = transfer._Writable.create

    def overtaken(store: Any, path: str, content: Any) -> bool:
        transfer._Writable.create = create  # type: ignore[method-assign]
        push(second, place)
        return create(store, path, content)

    transfer._Writable.create = overtaken  # type: ignore[assignment, method-assign]
    try:
        with pytest.raises(BundleError, match="and this bundle is"):
            push(first, place)
    finally:
        transfer._Writable.create = create  # type: ignore[method-assign]
    assert files(stored(s3, place)) == files(second)


@pytest.mark.parametrize("written", range(6))
def test_a_push_that_was_killed_goes_on_where_it_was(
    written: int, bundle: Path, place: Place, s3: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    left = [written]
    put = obstore.put

    def dying(*arguments: Any, **how: Any) -> Any:
        if not left[0]:
            raise Killed
        left[0] -= 1
        return put(*arguments, **how)

    with monkeypatch.context() as patched:
        patched.setattr(obstore, "put", dying)
        with pytest.raises(Killed):
            push(bundle, place)
    if written:
        with pytest.raises(BundleError, match="SourceNotFound"):
            pull(place, bundle.parent / "early")  # a reader misses files, and takes nothing for a bundle without a list
    push(bundle, place)
    assert files(stored(s3, place)) == files(bundle)


def test_kill_9_in_the_middle_of_a_large_file(place: Place, s3: Gateway, tmp_path: Path) -> None:
    """Parts that were uploaded are no file: the next push puts it whole."""
    bundle = packed(tmp_path / "bundle")
    with (bundle / "1" / "weights.bin").open("wb") as file:
        file.truncate(transfer._WHOLE_BYTES + 40 * MIB)
    digest = directory.seal(bundle)
    words = ["push", str(bundle), place.uri, "--endpoint", str(place.endpoint), "--keys", str(place.keys)]
    dying = subprocess.Popen(
        [sys.executable, "-c", f"from slipway.program import main; main({words!r})"],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    while not (stored(s3, place) / "SHA256SUMS").exists():
        assert dying.poll() is None
        time.sleep(0.01)
    os.kill(dying.pid, signal.SIGKILL)
    dying.wait()
    assert push(bundle, place).digest == digest
    assert (stored(s3, place) / "1" / "weights.bin").stat().st_size == transfer._WHOLE_BYTES + 40 * MIB


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        ("notes.txt", b"mine", "holds notes.txt and no SHA256SUMS; push to an address of its own"),
        ("config.pbtxt", b"mine", "holds config.pbtxt and no SHA256SUMS"),
    ],
)
def test_nothing_goes_where_something_else_is(
    path: str, content: bytes, message: str, bundle: Path, place: Place, s3: Gateway
) -> None:
    bucket, _, prefix = place.uri.removeprefix("s3://").partition("/")
    s3.upload(bucket, prefix, {path: content})
    with pytest.raises(BundleError, match=message):
        push(bundle, place)
    assert files(stored(s3, place)) == {path: content}


@pytest.mark.parametrize(
    ("path", "message"), [("notes.txt", "notes.txt: not of this bundle"), ("1/model.onnx", "1/model.onnx: has 4 bytes")]
)
def test_what_does_not_belong_is_named(path: str, message: str, bundle: Path, place: Place, s3: Gateway) -> None:
    push(bundle, place)
    (stored(s3, place) / path).write_bytes(b"mine")
    with pytest.raises(BundleError, match=message):
        push(bundle, place)


def test_other_bytes_of_that_size_are_found(bundle: Path, place: Place, s3: Gateway) -> None:
    """Nothing but their content tells them from ours."""
    push(bundle, place)
    bucket, _, prefix = place.uri.removeprefix("s3://").partition("/")
    model = (bundle / "1/model.onnx").read_bytes()
    s3.upload(bucket, prefix, {"1/model.onnx": model[::-1]})
    with pytest.raises(BundleError, match=r"1/model\.onnx: holds other bytes of that size; delete it"):
        push(bundle, place)


@pytest.mark.parametrize("size", [0, 5, transfer._WHOLE_BYTES + 1])
def test_what_was_put_whole_or_in_parts_is_known_without_being_read(
    size: int, tmp_path: Path, s3: Gateway, place: Place
) -> None:
    made = packed(tmp_path / "b")
    (made / "1/weights.bin").write_bytes(b"x" * size)
    directory.seal(made)
    push(made, place)
    said: list[str] = []
    assert push(made, place, say=said.append).files == 0
    assert not [words for words in said if words.startswith("reading")]


def test_a_signature_comes_after_and_replaces_none(bundle: Path, place: Place, tmp_path: Path) -> None:
    unsigned = push(bundle, place)
    sign(bundle, key=key(tmp_path))
    signed = push(bundle, place)
    assert (unsigned.signed, signed.signed, signed.digest) == (False, True, unsigned.digest)
    pull(place, tmp_path / "back")
    verify(tmp_path / "back", key=tmp_path / "key.pub")
    sign(bundle, key=key(tmp_path, "other"), replace=True)
    with pytest.raises(BundleError, match=r"model\.sig: another signature is there"):
        push(bundle, place)


def test_a_bundle_that_is_made_and_signed_again_goes_on_with_the_signature_that_is_there(
    bundle: Path, place: Place, tmp_path: Path
) -> None:
    """Who was cut after a push makes the same bytes, and another signature of them."""
    assert not transfer.take_signature(bundle, place)
    push(bundle, place)
    assert not transfer.take_signature(bundle, place)
    sign(bundle, key=key(tmp_path))
    push(bundle, place)
    (bundle / "model.sig").unlink()
    sign(bundle, key=tmp_path / "key.pem", add=transfer.take_signature(bundle, place))
    assert push(bundle, place).signed
    other = packed(tmp_path / "other", x=5.0)
    assert not transfer.take_signature(other, place)
    assert not (other / "model.sig").exists()


def test_a_copy_has_the_same_digest_and_signature(bundle: Path, place: Place, s3: Gateway, tmp_path: Path) -> None:
    sign(bundle, key=key(tmp_path))
    pushed = push(bundle, place)
    s3.bucket("elsewhere")
    target = Place(uri=f"s3://elsewhere/{secrets.token_hex(4)}", endpoint=s3.endpoint, keys=place.keys)
    assert copy(place, target).digest == pushed.digest
    assert files(stored(s3, target)) == files(bundle)


def test_a_pull_takes_only_the_digest_that_is_meant(bundle: Path, place: Place, tmp_path: Path) -> None:
    push(bundle, place)
    wrong = Place(uri=place.uri, endpoint=place.endpoint, keys=place.keys, digest=f"sha256:{'0' * 64}")
    with pytest.raises(BundleError, match="DigestMismatch"):
        pull(wrong, tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_a_pull_takes_nothing_that_is_spoilt_or_unlisted(
    bundle: Path, place: Place, s3: Gateway, tmp_path: Path
) -> None:
    push(bundle, place)
    model = stored(s3, place) / "1" / "model.onnx"
    model.write_bytes(bytes(len(model.read_bytes())))
    with pytest.raises(BundleError, match=r"BundleCorrupt: .*1/model\.onnx"):
        pull(place, tmp_path / "back")
    (stored(s3, place) / "SHA256SUMS").unlink()
    with pytest.raises(BundleError, match="has no SHA256SUMS"):
        pull(place, tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_keys_that_are_refused_are_named(bundle: Path, place: Place, tmp_path: Path) -> None:
    (tmp_path / "credentials" / "AWS_SECRET_ACCESS_KEY").write_text("wrong-secret")
    with pytest.raises(BundleError, match="SourceDenied: s3://"):
        push(bundle, place)


@pytest.mark.parametrize("uri", ["models/churn", "s3://", "ftp://host/x", "https://host/x", "pvc://claim/x"])
def test_where_no_bundle_can_be_pushed_is_said(uri: str, bundle: Path) -> None:
    with pytest.raises(BundleError, match=r"no address of a bundle; write it|pushed to s3://, gs://, az:// or oci://"):
        push(bundle, Place(uri=uri))


def test_a_bundle_that_would_be_refused_is_not_pushed(bundle: Path, place: Place, s3: Gateway) -> None:
    (bundle / "1" / "model.onnx").write_bytes(b"spoilt")
    with pytest.raises(BundleError, match=r"BundleCorrupt: 1/model\.onnx"):
        push(bundle, place)
    assert not stored(s3, place).exists()


def test_the_commands_take_keys_from_the_environment(bundle: Path, place: Place, s3: Gateway, tmp_path: Path) -> None:
    environment = {
        "AWS_ACCESS_KEY_ID": s3.access_key,
        "AWS_SECRET_ACCESS_KEY": s3.secret_key,
        "AWS_ENDPOINT_URL": s3.endpoint,
    }

    def slipway(*words: object) -> dict[str, Any]:
        told = commands.slipway(*words, "-o", "json", **environment)
        assert told.exit_code == 0, told.output
        found: dict[str, Any] = json.loads(told.stdout)
        return found

    pushed = slipway("push", bundle, place.uri)
    assert slipway("push", bundle, place.uri)["files"] == 0
    assert slipway("check", place.uri)["digest"] == pushed["digest"]
    assert slipway("pull", place.uri, tmp_path / "back", "--digest", pushed["digest"])["digest"] == pushed["digest"]
    assert slipway("copy", place.uri, f"{place.uri}-copy")["digest"] == pushed["digest"]
