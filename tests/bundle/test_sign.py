"""Who vouches for a bundle: exactly these bytes, all of them, and by the key that is meant."""

import base64
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from slipway.bundle import directory, pack
from slipway.bundle.check import check
from slipway.bundle.errors import BundleError
from slipway.bundle.sign import sign, verify
from slipway.fetch.signature import parsed, public_key, signers_of
from slipway.program import main
from tests.bundle import graphs
from tests.bundle.keys import PEM, key


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return pack.onnx(graphs.linear(tmp_path / "m.onnx"), np.array([[1.0], [2.0]]), out=tmp_path / "bundle").directory


def test_signing_changes_no_digest_and_the_fetcher_passes_the_signature_over(bundle: Path, tmp_path: Path) -> None:
    before = check(bundle)
    signed = sign(bundle, key=key(tmp_path))
    assert signed.digest == before.digest == check(bundle).digest
    assert check(bundle).files == before.files
    assert verify(bundle, key=tmp_path / "key.pub").keys == signed.keys
    assert signed.files == before.files + 1


def test_the_official_program_agrees(bundle: Path, tmp_path: Path) -> None:
    sign(bundle, key=key(tmp_path, password=b"secret"), password="secret")
    words = ["verify", "key", "--public_key", "key.pub", "--signature", "bundle/model.sig", "bundle"]
    subprocess.run([sys.executable, "-m", "model_signing", *words], cwd=tmp_path, check=True, capture_output=True)


def test_no_path_of_this_machine_is_in_the_signature(bundle: Path, tmp_path: Path) -> None:
    sign(bundle, key=key(tmp_path))
    envelope = json.loads((bundle / "model.sig").read_text())["dsseEnvelope"]
    assert str(tmp_path).encode() not in base64.b64decode(envelope["payload"])


def rewritten(bundle: Path, change: Callable[[list[dict[str, str]]], Any]) -> None:
    """The signature with another statement in it."""
    found = json.loads((bundle / "model.sig").read_text())
    statement = json.loads(base64.b64decode(found["dsseEnvelope"]["payload"]))
    change(statement["predicate"]["resources"])
    found["dsseEnvelope"]["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()
    (bundle / "model.sig").write_text(json.dumps(found))


def sealed(bundle: Path) -> None:
    (bundle / "golden" / "one.json").unlink()
    directory.seal(bundle)


SPOILT: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a changed file": (lambda b: (b / "1" / "model.onnx").write_bytes(b"x"), "BundleCorrupt: 1/model.onnx"),
    "another bundle": (sealed, "model.sig: SHA256SUMS is signed with another hash"),
    "a file too many": (lambda b: (b / "more").touch(), "more: in the bundle but not in SHA256SUMS"),
    "a statement over less": (lambda b: rewritten(b, list.pop), "golden/one.json is not signed"),
    "a statement over more": (
        lambda b: rewritten(b, lambda found: found.append({"name": "more", "digest": "0"})),
        "model.sig: more is not there",
    ),
    "a statement that says the same": (lambda b: rewritten(b, list.reverse), "bundle/model.sig: "),
    "no signature": (lambda b: (b / "model.sig").unlink(), "it is not signed; sign it with slipway sign"),
    "an empty one": (lambda b: (b / "model.sig").write_bytes(b""), "not a signature in OpenSSF's format"),
    "a truncated one": (
        lambda b: (b / "model.sig").write_bytes((b / "model.sig").read_bytes()[:-9]),
        "not a signature in OpenSSF's format",
    ),
    "a huge one": (lambda b: (b / "model.sig").write_bytes(b" " * 2**21), "larger than 1048576 bytes"),
    "not JSON's object": (lambda b: (b / "model.sig").write_text("[]"), "not a signature in OpenSSF's format"),
}


@pytest.mark.parametrize("case", SPOILT)
def test_what_was_signed_is_what_is_there(case: str, bundle: Path, tmp_path: Path) -> None:
    spoil, message = SPOILT[case]
    sign(bundle, key=key(tmp_path))
    spoil(bundle)
    with pytest.raises(BundleError) as found:
        verify(bundle, key=tmp_path / "key.pub")
    assert message in str(found.value)


def test_another_key_vouches_for_nothing(bundle: Path, tmp_path: Path) -> None:
    sign(bundle, key=key(tmp_path))
    key(tmp_path, "other")
    with pytest.raises(BundleError, match=r"bundle/model\.sig: "):
        verify(bundle, key=tmp_path / "other.pub")


def test_what_is_signed_is_signed_again_only_when_asked(bundle: Path, tmp_path: Path) -> None:
    sign(bundle, key=key(tmp_path))
    with pytest.raises(BundleError, match="it is signed already"):
        sign(bundle, key=key(tmp_path, "other"))
    sign(bundle, key=tmp_path / "other.pem", replace=True)
    verify(bundle, key=tmp_path / "other.pub")
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []


def test_several_keys_sign_at_once_or_one_after_the_other(bundle: Path, tmp_path: Path) -> None:
    at_once = sign(bundle, key=[key(tmp_path, "a"), key(tmp_path, "b")])
    added = sign(bundle, key=key(tmp_path, "c"), add=True)
    again = sign(bundle, key=tmp_path / "b.pem", add=True)
    assert (at_once.signatures, added.signatures, again.signatures) == (2, 3, 3)
    verified = verify(bundle, key=[tmp_path / f"{name}.pub" for name in "abc"])
    assert verified.keys == (*at_once.keys, *added.keys)
    assert verified.digest == check(bundle).digest
    key(tmp_path, "d")
    with pytest.raises(BundleError, match=r"bundle/model\.sig: not signed by d\.pub \(sha256:"):
        verify(bundle, key=[tmp_path / "a.pub", tmp_path / "d.pub"])


def test_what_several_keys_signed_has_as_many_signers_for_the_fetcher(bundle: Path, tmp_path: Path) -> None:
    sign(bundle, key=[key(tmp_path, "a"), key(tmp_path, "b")])
    keys = [public_key(tmp_path / f"{name}.pub", "test") for name in "ab"]
    assert signers_of(parsed((bundle / "model.sig").read_bytes()), keys) == keys


@pytest.mark.parametrize("spoil", ["other files", "another statement", "no signature"])
def test_nothing_is_added_to_a_signature_of_something_else(spoil: str, bundle: Path, tmp_path: Path) -> None:
    sign(bundle, key=key(tmp_path))
    if spoil == "other files":
        sealed(bundle)
    elif spoil == "another statement":
        rewritten(bundle, list.reverse)
    else:
        (bundle / "model.sig").write_text("[]")
    before = (bundle / "model.sig").read_bytes()
    with pytest.raises(BundleError, match=r"model\.sig: .*sign"):
        sign(bundle, key=key(tmp_path, "other"), add=True)
    assert (bundle / "model.sig").read_bytes() == before
    assert sign(bundle, key=tmp_path / "other.pem", add=True, replace=True).signatures == 1


def test_no_more_sign_than_are_read(bundle: Path, tmp_path: Path) -> None:
    keys = [key(tmp_path, f"k{number}") for number in range(17)]
    with pytest.raises(BundleError, match="17 signatures, and 16 are read"):
        sign(bundle, key=keys)
    assert sign(bundle, key=keys[:16]).signatures == 16


@pytest.mark.parametrize("kind", ["nothing", "text", "public", "ed25519", "locked"])
def test_a_key_that_cannot_sign_is_named(kind: str, bundle: Path, tmp_path: Path) -> None:
    file = key(tmp_path, "key", b"secret" if kind == "locked" else None)
    if kind == "nothing":
        file.unlink()
    elif kind == "text":
        file.write_text("no key")
    elif kind == "public":
        shutil.copy(tmp_path / "key.pub", file)
    elif kind == "ed25519":
        other = ed25519.Ed25519PrivateKey.generate()
        secret = serialization.NoEncryption()
        file.write_bytes(other.private_bytes(PEM, serialization.PrivateFormat.PKCS8, secret))
    remedy = r"--password, SLIPWAY_KEY_PASSWORD" if kind == "locked" else "key.* in PEM form"
    with pytest.raises(BundleError, match=rf"key\.pem: .*{remedy}") as found:
        sign(bundle, key=file)
    assert "object has no attribute" not in str(found.value)
    assert not (bundle / "model.sig").exists()


def test_a_bundle_that_would_be_refused_is_not_signed(bundle: Path, tmp_path: Path) -> None:
    (bundle / "config.pbtxt").write_text("backend: 3")
    directory.seal(bundle)
    with pytest.raises(BundleError, match=r"BundleInvalid: config\.pbtxt"):
        sign(bundle, key=key(tmp_path))


def test_a_list_that_names_the_signature_is_refused(bundle: Path) -> None:
    listed = bundle / "SHA256SUMS"
    (bundle / "model.sig").touch()
    listed.write_text(listed.read_text() + f"{'0' * 64}  model.sig\n")
    with pytest.raises(BundleError, match=r"line 6: lists model\.sig, which is made of this list; take the line out"):
        check(bundle)


def test_the_commands_sign_and_check(bundle: Path, tmp_path: Path) -> None:
    key(tmp_path)
    signed = CliRunner().invoke(main, ["sign", str(bundle), "--key", str(tmp_path / "key.pem")])
    assert signed.exit_code == 0, signed.output
    key(tmp_path, "other")
    more = CliRunner().invoke(main, ["sign", str(bundle), "--key", str(tmp_path / "other.pem"), "--add", "-o", "json"])
    assert json.loads(more.stdout)["signatures"] == 2
    words = ["check", str(bundle), "--key", str(tmp_path / "key.pub"), "--key", str(tmp_path / "other.pub")]
    assert "signed by the key sha256:" in CliRunner().invoke(main, words).stdout
    (bundle / "model.sig").unlink()
    unsigned = CliRunner().invoke(main, words)
    assert (unsigned.exit_code, "it is not signed" in unsigned.stderr) == (1, True)
