"""Weights that only the holder of a key can read; what cannot be read whole is not read at all."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from slipway.bundle import directory, pack
from slipway.bundle.check import check
from slipway.bundle.encrypt import decrypted, encrypt
from slipway.bundle.errors import BundleError
from slipway.bundle.shrink import shrink
from slipway.bundle.sign import sign, verify
from slipway.program import main
from tests.bundle import graphs
from tests.bundle.folders import files
from tests.bundle.keys import identity, key


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    rows = np.array([[1.0, 2.0], [2.0, 3.0]])
    return pack.onnx(graphs.beside(tmp_path / "m.onnx"), rows, out=tmp_path / "bundle").directory


def test_weights_are_encrypted_and_what_resolve_reads_is_not(bundle: Path, tmp_path: Path) -> None:
    found = encrypt(bundle, out=tmp_path / "e", recipients=[identity(tmp_path / "id")])
    plain, cipher = files(bundle), files(tmp_path / "e")
    kept = {"config.pbtxt", "README.md", "golden/one.json", "golden/batch.json"}
    assert cipher.keys() == kept | {"1/model.onnx.age", "1/weights.bin.age", "SHA256SUMS"}
    assert {name: cipher[name] for name in kept} == {name: plain[name] for name in kept}
    assert all(cipher[f"1/{name}.age"].startswith(b"age-encryption.org/v1") for name in ("model.onnx", "weights.bin"))
    assert found.digest != found.original == check(bundle).digest


def test_each_recipient_reads_what_was_packed(bundle: Path, tmp_path: Path) -> None:
    both = [identity(tmp_path / "now"), identity(tmp_path / "next")]
    encrypt(bundle, out=tmp_path / "e", recipients=both)
    for name in ("now", "next"):
        with decrypted(tmp_path / "e", tmp_path / name) as (plain, _):
            assert files(plain) == files(bundle)


def test_shrink_encrypt_sign_is_the_order(bundle: Path, tmp_path: Path) -> None:
    encrypt(bundle, out=tmp_path / "e", recipients=[identity(tmp_path / "id")])
    with pytest.raises(BundleError, match=r"1/model\.onnx\.age is encrypted; shrink the plain bundle"):
        shrink(tmp_path / "e", out=tmp_path / "s")
    with pytest.raises(BundleError, match=r"1/model\.onnx\.age: it is encrypted already"):
        encrypt(tmp_path / "e", out=tmp_path / "ee", recipients=[identity(tmp_path / "id2")])
    sign(tmp_path / "e", key=key(tmp_path))
    assert verify(tmp_path / "e", key=tmp_path / "key.pub").files == 7
    sign(bundle, key=tmp_path / "key.pem")
    encrypt(bundle, out=tmp_path / "again", recipients=[identity(tmp_path / "id3")])
    assert not (tmp_path / "again" / "model.sig").exists()


def reseal(change: Callable[[bytes], bytes]) -> Callable[[Path], Any]:
    """Change the ciphertext, and the list of hashes with it, as who can write the store may."""

    def spoil(folder: Path) -> None:
        file = folder / "1" / "model.onnx.age"
        file.write_bytes(change(file.read_bytes()))
        directory.seal(folder)

    return spoil


SPOILT: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a truncated one": (reseal(lambda c: c[:-5]), "model.onnx.age: cannot be decrypted"),
    "one without its end": (reseal(lambda c: c[:-40]), "model.onnx.age: cannot be decrypted"),
    "a flipped bit": (reseal(lambda c: c[:-20] + bytes([c[-20] ^ 1]) + c[-19:]), "model.onnx.age: cannot be decrypted"),
    "more behind its end": (reseal(lambda c: c + b"more"), "model.onnx.age: cannot be decrypted"),
    "plain where cipher belongs": (reseal(lambda _: b"plain"), "model.onnx.age: cannot be decrypted"),
    "an empty one": (reseal(lambda _: b""), "model.onnx.age: cannot be decrypted"),
    "changed behind the list": (
        lambda b: (b / "1" / "model.onnx.age").write_bytes(b"x"),
        "BundleCorrupt: 1/model.onnx.age",
    ),
}


@pytest.mark.parametrize("case", SPOILT)
def test_what_is_not_authentic_to_its_last_byte_is_refused(case: str, bundle: Path, tmp_path: Path) -> None:
    spoil, message = SPOILT[case]
    encrypt(bundle, out=tmp_path / "e", recipients=[identity(tmp_path / "id")])
    spoil(tmp_path / "e")
    with pytest.raises(BundleError) as found, decrypted(tmp_path / "e", tmp_path / "id"):
        pass
    assert message in str(found.value)


def test_keys_that_do_not_fit_are_named(bundle: Path, tmp_path: Path) -> None:
    public = identity(tmp_path / "id")
    secret = (tmp_path / "id").read_text().splitlines()[-1]
    for recipients, message in (
        ([], "recipients: there are none"),
        (["age1nonsense"], "recipients: 'age1nonsense': "),
        ([secret], "recipients: a secret key: "),
        (["ssh-ed25519 AAAA"], "give a public key of age-keygen's"),
    ):
        with pytest.raises(BundleError) as found:
            encrypt(bundle, out=tmp_path / "e", recipients=recipients)
        assert message in str(found.value)
        assert secret not in str(found.value)
    encrypt(bundle, out=tmp_path / "e", recipients=[public])
    identity(tmp_path / "other")
    (tmp_path / "empty").write_text("# nothing\n")
    (tmp_path / "text").write_text("no key\n")
    for name, message in (
        ("other", "KeyMissing: 1/model.onnx.age: no identity in"),
        ("empty", "not there, or holds no key"),
        ("text", "text: line 1 is no identity of age's"),
        ("gone", "gone: cannot be read"),
    ):
        with pytest.raises(BundleError) as found, decrypted(tmp_path / "e", tmp_path / name):
            pass
        assert message in str(found.value)


def test_a_plain_bundle_is_not_taken_where_a_key_is_given(bundle: Path, tmp_path: Path) -> None:
    identity(tmp_path / "id")
    with (
        pytest.raises(BundleError, match="nothing in it is encrypted, and a key was given"),
        decrypted(bundle, tmp_path / "id"),
    ):
        pass


def test_the_commands_encrypt_and_check(bundle: Path, tmp_path: Path) -> None:
    words = ["encrypt", str(bundle), "--out", str(tmp_path / "e"), "-r", identity(tmp_path / "id")]
    told = CliRunner().invoke(main, words)
    assert told.exit_code == 0, told.output
    assert "encrypted  1/model.onnx, 1/weights.bin\n" in told.stdout
    checked = CliRunner().invoke(main, ["check", str(tmp_path / "e"), "--identity", str(tmp_path / "id")])
    assert checked.exit_code == 0, checked.output
    assert checked.stdout.split()[:2] == told.stdout.split()[:2]
