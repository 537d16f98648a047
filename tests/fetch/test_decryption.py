"""Encrypted bundles: exactly what the spec promises is served; plaintext is in memory alone, whole or not at all."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyrage
import pytest

from slipway.fetch import decryption, sums
from slipway.fetch.fetch import fetch
from slipway.fetch.policy import Policy
from slipway.fetch.resolve import resolve
from slipway.fetch.settings import S3, Decryption, Resolved, Settings
from slipway.fetch.verdict import FetchError, Reason
from testbed.operating import until
from tests.fetch import bundles
from tests.fetch.conftest import Gateway, Order

PLAIN = bundles.files(**{"1/weights.bin": bundles.MODEL[::-1], "README.md": b"# A card\n"})
FAILED, NO_KEY = Reason.DECRYPTION_FAILED, Reason.KEY_MISSING
Files = dict[str, bytes]


def encrypted(plain: Files, *recipients: Any) -> Files:
    """As `slipway encrypt` makes it."""
    keys = list(recipients)
    secret = {path for path in plain if not decryption.stays_plain(path)}
    found = {f"{path}.age": pyrage.encrypt(plain[path], keys) for path in sorted(secret)}
    return {**{path: plain[path] for path in plain.keys() - secret}, **found}


class Encrypted:
    """A claim with an encrypted bundle, and the Secret with its key."""

    def __init__(self, tmp_path: Path, order: Order, policy: Policy) -> None:
        self.key, self.other = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
        self.files = encrypted(PLAIN, self.key.to_public())
        self.claim, self.secret, self.root = tmp_path / "claim" / "a", tmp_path / "identities", tmp_path / "root"
        self.plain = tmp_path / "plain"
        self.policy, self._order = policy, order
        for folder in (self.secret, self.plain):
            folder.mkdir()
        (self.secret / "identity").write_text(f"# created: today\n# public key: …\n{self.key}\n")

    def put(self, files: Files | None = None) -> None:
        bundles.write(self.claim, bundles.listed(self.files if files is None else files))

    def settings(self, uri: str = "pvc://claim/a", *, promised: bool = True, **source: Any) -> Settings:
        return replace(
            self._order(uri, **source),
            decryption=Decryption(secret_name="models-key") if promised else None,
            identities=self.secret,
            plain=self.plain,
        )

    def fetch(self, **asked: Any) -> None:
        fetch(self.settings(**asked), self.policy)

    def refused(self, **asked: Any) -> FetchError:
        with pytest.raises(FetchError) as refused:
            self.fetch(**asked)
        assert not (self.root / "repository").exists()
        return refused.value

    def served(self) -> Files:
        repository = self.root / "repository" / "churn"
        found = [Path(at) / name for at, _, names in os.walk(repository, followlinks=True) for name in names]
        return {path.relative_to(repository).as_posix(): path.read_bytes() for path in found}

    def clear(self) -> Files:
        """All that is in the memory volume."""
        found = [path for path in self.plain.rglob("*") if path.is_file()]
        return {path.relative_to(self.plain / ".bundle").as_posix(): path.read_bytes() for path in found}


@pytest.fixture
def made(tmp_path: Path, order: Order, policy: Policy) -> Encrypted:
    return Encrypted(tmp_path, order, policy)


def weights(files: Files) -> Files:
    return {path: content for path, content in files.items() if path.startswith("1/")}


def test_what_was_packed_is_served_and_is_in_memory_only(made: Encrypted, s3: Gateway) -> None:
    s3.upload("encrypted", "a", bundles.listed(made.files))
    made.fetch(uri="s3://encrypted/a", s3=S3(endpoint=s3.endpoint))
    assert weights(made.served()) == weights(PLAIN)
    assert made.clear() == PLAIN
    on_disk = [path.read_bytes() for path in made.root.rglob("*") if path.is_file() and not path.is_symlink()]
    assert not {content for content in on_disk if bundles.MODEL in content or bundles.MODEL[::-1] in content}


def test_what_lies_on_a_claim_is_decrypted_into_memory_too(made: Encrypted) -> None:
    made.put()
    made.fetch()
    assert weights(made.served()) == weights(PLAIN)
    assert [path.name for path in (made.root / "golden").iterdir()] == ["three.json"]


def test_resolve_needs_no_key_and_tells_how_many_files_are_encrypted(made: Encrypted) -> None:
    made.put()
    for file in made.secret.iterdir():
        file.unlink()
    assert resolve(made.settings(), made.policy)["encrypted"] == 3
    made.claim.rename(made.claim.with_name("gone"))
    made.put(PLAIN)
    assert "encrypted" not in resolve(made.settings(promised=False), made.policy)


def test_a_container_that_starts_again_needs_no_store_and_no_plaintext_of_before(made: Encrypted, s3: Gateway) -> None:
    bundle = bundles.listed(made.files)
    s3.upload("again", "a", bundle)
    settings = made.settings("s3://again/a", s3=S3(endpoint=s3.endpoint))
    settings = replace(settings, resolved=Resolved(digest=bundles.digest(bundle)))
    fetch(settings, made.policy)
    shutil.rmtree(s3.files / "again" / "a")
    (made.plain / ".bundle" / "1" / "model.onnx").write_bytes(b"whatever an earlier run left")
    (made.plain / ".parts").mkdir()
    (made.plain / ".parts" / "more").write_bytes(b"half")
    fetch(settings, made.policy)
    assert made.clear() == PLAIN


# -- both downgrades, by what the spec says


def without(*paths: str, **more: bytes) -> Callable[[Encrypted], Files]:
    return lambda made: {**{path: made.files[path] for path in made.files if path not in paths}, **more}


def renamed(path: str, to: str) -> Callable[[Encrypted], Files]:
    return lambda made: {to if name == path else name: content for name, content in made.files.items()}


PROMISED: dict[str, tuple[Callable[[Encrypted], Files], Reason, str]] = {
    "plain": (lambda _: PLAIN, FAILED, "1/model.onnx: is not encrypted, and source.decryption says that it is"),
    "plain, of what is read without a key alone": (
        without("1/model.onnx.age", "1/weights.bin.age", "labels.txt.age", **{"1/golden.age": b""}),
        FAILED,
        "1/golden.age: cannot be decrypted",
    ),
    "in part": (
        without("1/weights.bin.age", **{"1/weights.bin": b"plain"}),
        FAILED,
        "1/weights.bin: is not encrypted",
    ),
    "one in plain beside it": (without(**{"1/model.onnx": b"x"}), FAILED, "1/model.onnx: is not encrypted"),
    "an encrypted configuration": (without(**{"config.pbtxt.age": b"x"}), FAILED, "config.pbtxt.age: is encrypted"),
    "an encrypted golden request": (
        without(**{"golden/three.json.age": b"x"}),
        FAILED,
        "golden/three.json.age: is encrypted, and golden/three.json has to be plain",
    ),
    "an encrypted list": (without(**{"SHA256SUMS.age": b"x"}), FAILED, "SHA256SUMS.age: is encrypted"),
    "an encrypted signature": (without(**{"model.sig.age": b"x"}), FAILED, "model.sig.age: is encrypted"),
    "a name that is none": (renamed("labels.txt.age", "1/.age"), Reason.BUNDLE_INVALID, "an empty or `.` part"),
    "a file that is a directory": (
        renamed("labels.txt.age", "1/model.onnx/x.age"),
        Reason.BUNDLE_INVALID,
        "1/model.onnx: a file, and a directory",
    ),
    "plain text in its place": (without(**{"1/model.onnx.age": bundles.MODEL}), FAILED, "1/model.onnx.age: cannot be"),
}


@pytest.mark.parametrize("case", PROMISED)
def test_where_a_bundle_is_promised_to_be_encrypted_nothing_else_is_served(made: Encrypted, case: str) -> None:
    files, reason, words = PROMISED[case]
    made.put(files(made))
    refused = made.refused()
    assert refused.reason is reason
    assert words in refused.message


def test_where_it_is_not_promised_an_encrypted_bundle_is_not_served_and_says_what_to_do(made: Encrypted) -> None:
    made.put()
    refused = made.refused(promised=False)
    assert (refused.reason, refused.message) == (
        FAILED,
        "1/model.onnx.age: is encrypted, and the spec has no source.decryption; name the Secret with its key there",
    )


@pytest.mark.parametrize("promised", [True, False])
def test_both_are_told_when_the_bundle_is_resolved(made: Encrypted, promised: bool) -> None:
    made.put(PLAIN if promised else None)
    with pytest.raises(FetchError) as refused:
        resolve(made.settings(promised=promised), made.policy)
    assert refused.value.reason is FAILED


# -- authentic to the last byte


def cut(count: int) -> Callable[[bytes], bytes]:
    return lambda content: content[:-count]


CHUNK = 64 * 1024 + 16
SPOILT: dict[str, Callable[[bytes], bytes]] = {
    "cut": cut(5),
    "cut at a chunk": lambda content: content[: len(content) - len(content[-1000:])][: -(len(content) % CHUNK)],
    "cut in the header": lambda content: content[:40],
    "empty": lambda _: b"",
    "a flipped bit": lambda content: content[:-20] + bytes([content[-20] ^ 1]) + content[-19:],
    "more behind its end": lambda content: content + b"more",
    "chunks in another order": lambda content: content[: -2 * CHUNK] + content[-CHUNK:] + content[-2 * CHUNK : -CHUNK],
    "a megabyte of recipients": lambda content: content.replace(
        b"\n-> ", b"\n-> X25519 A\nAAAA" * 60_000 + b"\n-> ", 1
    ),
    "a chunk twice": lambda content: content[:-CHUNK] + content[-CHUNK:] * 2,
}


@pytest.mark.parametrize("case", SPOILT)
def test_what_is_not_authentic_to_its_last_byte_has_no_name(made: Encrypted, case: str) -> None:
    """Whoever may write the store may write SHA256SUMS anew, too."""
    made.put({**made.files, "1/weights.bin.age": SPOILT[case](made.files["1/weights.bin.age"])})
    refused = made.refused()
    assert refused.reason is FAILED
    assert refused.message.startswith("1/weights.bin.age: cannot be decrypted")
    assert not (made.plain / ".bundle" / "1" / "weights.bin").exists()


def test_a_fetch_that_is_killed_in_the_middle_leaves_nothing_under_a_name(
    made: Encrypted, tmp_path: Path, s3: Gateway
) -> None:
    """kill -9 while plaintext is on its way; the next run has it whole."""
    big = {**PLAIN, "1/model.onnx": os.urandom(2**20) * 256}
    made.put(encrypted(big, made.key.to_public()))
    order = '{"source": {"uri": "pvc://claim/a", "decryption": {"secretName": "k"}}, "model": "churn"}'
    env = {
        "SLIPWAY_SOURCE": order,
        "SLIPWAY_ROOT": made.root,
        "SLIPWAY_SOURCE_ROOT": tmp_path / "claim",
        "SLIPWAY_IDENTITIES": made.secret,
        "SLIPWAY_PLAIN": made.plain,
        "SLIPWAY_TERMINATION_LOG": tmp_path / "log",
    }
    run = "from slipway.fetch.main import main; main()"
    command = [sys.executable, "-c", run, "fetch"]
    process = subprocess.Popen(command, env={**os.environ, **{name: str(value) for name, value in env.items()}})
    parts = made.plain / ".parts"
    until("plaintext comes", lambda: parts.exists() and any(p.stat().st_size > 2**20 for p in parts.iterdir()), 60)
    process.send_signal(signal.SIGKILL)
    assert process.wait(10) == -signal.SIGKILL
    assert not (made.plain / ".bundle" / "1" / "model.onnx").exists()
    assert not (made.root / "repository").exists()
    made.fetch()
    assert weights(made.served())["1/model.onnx"] == big["1/model.onnx"]


def test_memory_that_is_too_small_for_the_plain_bundle_says_what_to_raise(made: Encrypted, small_volume: Path) -> None:
    """spec.model.storage.size is of the disk: no size of it makes this room."""
    made.plain = small_volume
    made.put()
    refused = made.refused()
    needed = sum(map(len, made.files.values()))
    assert refused.reason is Reason.STORAGE_FULL
    assert refused.message == (
        f"{small_volume}: the volume in memory holds {128 * 1024} bytes, and the plain bundle needs {needed}; "
        "raise server.resources.limits.memory, or give the node more memory"
    )
    assert not weights(made.clear())


def test_memory_that_was_full_has_room_again_for_the_next_run(made: Encrypted, small_volume: Path) -> None:
    enough, made.plain = made.plain, small_volume
    made.put()
    made.refused()
    assert not list((small_volume / ".parts").glob("*"))
    made.plain = enough
    made.fetch()
    assert weights(made.served()) == weights(PLAIN)


# -- keys


def test_any_line_of_any_file_may_be_the_key(made: Encrypted) -> None:
    """While one key takes the place of another."""
    made.put()
    (made.secret / "identity").write_text(f"{made.other}\r\n\n{made.key}\r\n")
    (made.secret / "next").write_text(f"{pyrage.x25519.Identity.generate()}")
    made.fetch()
    assert weights(made.served()) == weights(PLAIN)


KEYLESS: dict[str, tuple[Callable[[Encrypted], Any], str]] = {
    "none": (lambda made: (made.secret / "identity").unlink(), "not there, or holds no key"),
    "no Secret": (lambda made: shutil.rmtree(made.secret), "not there, or holds no key"),
    "only comments": (lambda made: (made.secret / "identity").write_text("# none\n"), "not there, or holds no key"),
    "another's": (
        lambda made: (made.secret / "identity").write_text(str(made.other)),
        "no identity in Secret models-key of source.decryption is one of its recipients'",
    ),
    "a public one": (
        lambda made: (made.secret / "identity").write_text(str(made.key.to_public())),
        "identity: line 1 is no identity of age's",
    ),
    "of another kind": (
        lambda made: (made.secret / "identity").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n"),
        "identity: line 1 is no identity of age's",
    ),
    "no text": (lambda made: (made.secret / "identity").write_bytes(b"\xff\xfe\x00"), "identity: line 1 is no"),
    "a broken one": (
        lambda made: (made.secret / "identity").write_text(f"{str(made.key)[:-1]}"),
        "identity: line 1 is no identity of age's",
    ),
}


@pytest.mark.parametrize("case", KEYLESS)
def test_a_key_that_is_missing_is_named_and_none_is_told(made: Encrypted, case: str) -> None:
    spoil, words = KEYLESS[case]
    made.put()
    spoil(made)
    refused = made.refused()
    assert refused.reason is NO_KEY
    assert words in refused.message
    assert "Secret models-key of source.decryption" in refused.message
    assert "AGE-SECRET-KEY" not in refused.message
    assert not weights(made.clear())


def test_the_digest_is_that_of_the_ciphertext(made: Encrypted) -> None:
    made.put()
    assert resolve(made.settings(), made.policy)["digest"] == sums.digest_of((made.claim / sums.NAME).read_bytes())
