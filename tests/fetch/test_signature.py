"""model.sig: who vouches for exactly these bytes, asked before any of the weights; never fetched, never served."""

import asyncio
import base64
import json
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519

from slipway.fetch import signature, sums
from slipway.fetch.fetch import fetch
from slipway.fetch.policy import Policy
from slipway.fetch.resolve import resolve
from slipway.fetch.settings import S3, Resolved, Settings, Signature
from slipway.fetch.verdict import FetchError, Reason
from tests.bundle.keys import PEM
from tests.fetch import bundles, calls
from tests.fetch.conftest import Gateway, Order
from tests.fetch.fakes import Fault, fake
from tests.fetch.signing import merged, resigned, signed

PLAIN = bundles.files()
BUNDLE = bundles.listed(PLAIN)
BUNDLES = {"listed": BUNDLE, "without a list": PLAIN}
OTHER = bundles.listed(bundles.files(**{"1/model.onnx": bundles.MODEL[::-1]}))


@pytest.mark.parametrize("name", BUNDLES)
def test_a_claims_signature_that_nobody_asks_for_is_passed_over(
    name: str, order: Order, policy: Policy, tmp_path: Path
) -> None:
    folder = bundles.write(tmp_path / "claim" / "a", BUNDLES[name])
    before = resolve(order("pvc://claim/a"), policy)
    (folder / sums.SIGNATURE).write_bytes(b"{}")
    assert resolve(order("pvc://claim/a"), policy) == before
    fetch(order("pvc://claim/a", before["digest"], before["size"], unverified=before["unverified"]), policy)
    assert not list((tmp_path / "root" / "repository").rglob(sums.SIGNATURE))


def test_a_stores_signature_is_not_downloaded(s3: Gateway, order: Order, policy: Policy, tmp_path: Path) -> None:
    s3.upload("signed", "a", {**BUNDLE, sums.SIGNATURE: b"{}"})
    settings = order("s3://signed/a", bundles.digest(BUNDLE), s3=S3(endpoint=s3.endpoint))
    fetch(settings, policy)
    assert (tmp_path / "root" / ".bundle" / "1" / "model.onnx").is_file()
    assert not list((tmp_path / "root").rglob(sums.SIGNATURE))


# -- asked for


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `release` and `other` have signed the bundle, and `release` another bundle."""
    folder = tmp_path_factory.mktemp("signing")
    (folder / "release.sig").write_bytes(signed(folder, BUNDLE))
    (folder / "other.sig").write_bytes(signed(folder, BUNDLE, "other"))
    (folder / "foreign.sig").write_bytes(signed(folder, OTHER))
    return folder


class Asked:
    """A claim with a signed bundle, and a ConfigMap with the key that signed it."""

    def __init__(self, tmp_path: Path, made: Path, order: Order, policy: Policy) -> None:
        self.claim = bundles.write(tmp_path / "claim" / "a", {**BUNDLE, sums.SIGNATURE: self._of(made, "release")})
        self.keys = tmp_path / "keys"
        self.keys.mkdir()
        self.made, self.policy, self._order = made, policy, order
        self.put("release")

    def put(self, name: str, under: str | None = None) -> None:
        (self.keys / (under or f"{name}.pem")).write_bytes((self.made / f"{name}.pub").read_bytes())

    def sign(self, content: bytes) -> None:
        (self.claim / sums.SIGNATURE).write_bytes(content)

    def of(self, name: str) -> bytes:
        return self._of(self.made, name)

    def settings(self, uri: str = "pvc://claim/a", **asked: Any) -> Settings:
        wanted = Signature(config_map_name="signers", **asked)
        return replace(self._order(uri), signature=wanted, keys=self.keys)

    def resolve(self, **asked: Any) -> dict[str, Any]:
        return resolve(self.settings(**asked), self.policy)

    @staticmethod
    def _of(made: Path, name: str) -> bytes:
        return (made / f"{name}.sig").read_bytes()


@pytest.fixture
def asked(tmp_path: Path, made: Path, order: Order, policy: Policy) -> Asked:
    return Asked(tmp_path, made, order, policy)


def test_who_signed_is_in_the_answer(asked: Asked) -> None:
    (label,) = asked.resolve()["signature"]["signedBy"]
    hint = json.loads(asked.of("release"))["verificationMaterial"]["publicKey"]["hint"]
    assert label == f"release.pem (sha256:{hint[:12]})"


def test_the_answer_is_otherwise_that_of_a_bundle_of_which_no_signature_is_asked(asked: Asked, order: Order) -> None:
    answer = asked.resolve()
    del answer["signature"]
    assert answer == resolve(order("pvc://claim/a"), asked.policy)


def statement(change: Callable[[Any], Any], kind: str | None = None) -> Callable[[Asked], None]:
    """The key itself has signed another statement."""
    return lambda asked: asked.sign(resigned(asked.of("release"), asked.made / "release.pem", change, kind))


def resources(change: Callable[[list[dict[str, Any]]], Any]) -> Callable[[Asked], None]:
    def changed(found: Any) -> None:
        change(found["predicate"]["resources"])

    return statement(changed)


def without(path: str) -> Callable[[Asked], None]:
    return resources(lambda found: found.remove(next(each for each in found if each["name"] == path)))


def ignoring(found: Any) -> None:
    found["predicate"]["serialization"]["ignore_paths"] = ["1/model.onnx"]
    found["predicate"]["resources"] = [r for r in found["predicate"]["resources"] if r["name"] != "1/model.onnx"]


def in_envelope(**fields: Any) -> Callable[[Asked], None]:
    def change(asked: Asked) -> None:
        found = json.loads(asked.of("release"))
        found["dsseEnvelope"] |= fields
        asked.sign(json.dumps(found).encode())

    return change


def flipped(asked: Asked) -> None:
    found = json.loads(asked.of("release"))
    payload = base64.b64decode(found["dsseEnvelope"]["payload"]).replace(b"SHA256SUMS", b"SHA256SUMX")
    found["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()
    asked.sign(json.dumps(found).encode())


def unhinted(asked: Asked) -> None:
    found = json.loads(asked.of("other"))
    del found["verificationMaterial"]
    asked.sign(json.dumps(found).encode())


NONE = "not a signature in OpenSSF's format"
MISSING, WRONG, UNKNOWN = Reason.SIGNATURE_MISSING, Reason.SIGNATURE_WRONG, Reason.SIGNER_UNKNOWN

# What happened to bundle and signature, the reason, and words of its message.
SPOILT: dict[str, tuple[Callable[[Asked], Any], Reason, str]] = {
    "no signature": (lambda a: (a.claim / sums.SIGNATURE).unlink(), MISSING, "sign with slipway sign"),
    "no list": (lambda a: (a.claim / sums.NAME).unlink(), MISSING, "write the list, then sign"),
    "an empty one": (lambda a: a.sign(b""), WRONG, NONE),
    "a truncated one": (lambda a: a.sign(a.of("release")[:-9]), WRONG, NONE),
    "a list": (lambda a: a.sign(b"[]"), WRONG, NONE),
    "brackets, thousands deep": (lambda a: a.sign(b"[" * 100_000), WRONG, NONE),
    "no text": (lambda a: a.sign(b"\xff\xfe"), WRONG, NONE),
    "without an envelope": (lambda a: a.sign(b'{"dsseEnvelope": 3}'), WRONG, NONE),
    "over the limit": (lambda a: a.sign(b" " * (signature.LIMIT_BYTES + 1)), WRONG, "larger than 1048576 bytes"),
    "no signatures": (in_envelope(signatures=[]), WRONG, "holds 0 signatures"),
    "a thousand": (in_envelope(signatures=[{"sig": "AA=="}] * 1000), WRONG, "holds 1000 signatures"),
    "signatures of another form": (in_envelope(signatures=[3]), WRONG, NONE),
    "no base64": (in_envelope(payload="%"), WRONG, NONE),
    "a changed statement": (flipped, WRONG, r"names the key release.pem \(sha256:.*is not what that key signed"),
    "another type of payload": (in_envelope(payloadType="text/plain"), WRONG, "is not what that key signed"),
    "another type of payload, signed": (statement(lambda _: None, "text/plain"), WRONG, "no list of files"),
    "another predicate": (statement(lambda s: {**s, "predicateType": "x"}), WRONG, "no list of files"),
    "a statement of nothing": (statement(lambda _: []), WRONG, "no list of files"),
    "another key's": (lambda a: a.sign(a.of("other")), UNKNOWN, "not signed by release.pem .* but by sha256:"),
    "another key's, not named": (unhinted, UNKNOWN, r"not signed by release.pem \(sha256:[0-9a-f]{12}\);"),
    "another bundle's": (lambda a: a.sign(a.of("foreign")), WRONG, "1/model.onnx is signed with another hash"),
    "replayed on other bytes": (
        lambda a: bundles.write(a.claim, OTHER),
        WRONG,
        "1/model.onnx is signed with another hash",
    ),
    "over less": (without("labels.txt"), WRONG, "labels.txt is not signed"),
    "over less, and says that it ignores it": (statement(ignoring), WRONG, "1/model.onnx is not signed"),
    "not over the list": (without(sums.NAME), WRONG, "SHA256SUMS is not signed"),
    "over more": (
        resources(lambda found: found.append({"name": "more", "digest": "0" * 64, "algorithm": "sha256"})),
        WRONG,
        "more is not in SHA256SUMS",
    ),
    "over a file twice": (resources(lambda found: found.append(found[0])), WRONG, "names a file twice"),
    "by another hash function": (
        resources(lambda found: found[0].update(algorithm="blake3")),
        WRONG,
        "with another hash function",
    ),
    "of names that are none": (resources(lambda found: found[0].update(name=3)), WRONG, "no list of files"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_what_is_not_signed_as_promised_is_refused(asked: Asked, name: str) -> None:
    spoil, reason, words = SPOILT[name]
    spoil(asked)
    with pytest.raises(FetchError, match=words) as refused:
        asked.resolve()
    assert refused.value.reason is reason


@pytest.mark.parametrize("name", SPOILT)
def test_where_a_warning_is_enough_it_is_in_the_answer(asked: Asked, name: str) -> None:
    spoil, reason, _ = SPOILT[name]
    spoil(asked)
    found = asked.resolve(required=False)
    assert found["signature"].keys() == {"warning"}
    assert found["signature"]["warning"].startswith(f"{reason.value}: ")


def test_a_good_signature_warns_of_nothing(asked: Asked) -> None:
    assert asked.resolve(required=False) == asked.resolve()


def _public(public: Any) -> bytes:
    made: bytes = public.public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return made


# What is in the ConfigMap, and words of the message.
KEYLESS: dict[str, tuple[Callable[[Asked], Any], str]] = {
    "nothing": (lambda a: (a.keys / "release.pem").unlink(), "not there, or holds no key"),
    "no directory": (lambda a: shutil.rmtree(a.keys), "not there, or holds no key"),
    "no key": (lambda a: (a.keys / "b.pem").write_bytes(b"hello"), "b.pem is no public key"),
    "a secret key": (
        lambda a: (a.keys / "b.pem").write_bytes((a.made / "release.pem").read_bytes()),
        "b.pem is no public key",
    ),
    "a key that cannot sign": (
        lambda a: (a.keys / "b.pem").write_bytes(_public(x25519.X25519PrivateKey.generate().public_key())),
        "b.pem is no public key .* of a kind that signs",
    ),
    "two keys in one": (
        lambda a: (a.keys / "b.pem").write_bytes((a.made / "release.pub").read_bytes() * 2),
        "b.pem holds 2 keys",
    ),
}


@pytest.mark.parametrize("name", KEYLESS)
def test_a_key_that_cannot_be_used_is_told_by_its_name(asked: Asked, name: str) -> None:
    spoil, words = KEYLESS[name]
    spoil(asked)
    with pytest.raises(FetchError, match=rf"ConfigMap signers of source\.signature: .*{words}") as refused:
        asked.resolve()
    assert refused.value.reason is Reason.KEY_MISSING


def test_any_of_the_keys_will_do_while_one_takes_the_place_of_another(asked: Asked) -> None:
    asked.put("other")
    before = asked.resolve()["signature"]["signedBy"]
    asked.sign(asked.of("other"))
    after = asked.resolve()["signature"]["signedBy"]
    assert [label.partition(" ")[0] for label in (*before, *after)] == ["release.pem", "other.pem"]


def test_a_key_of_another_kind_beside_it_is_none_that_signed(asked: Asked) -> None:
    public = rsa.generate_private_key(65537, 2048).public_key()
    (asked.keys / "an-rsa-key").write_bytes(_public(public))
    assert len(asked.resolve()["signature"]["signedBy"]) == 1


def test_two_have_to_sign_where_two_are_asked_for(asked: Asked) -> None:
    asked.put("other")
    with pytest.raises(FetchError, match=r"signed by release\.pem .*, and 2 of the keys have to") as refused:
        asked.resolve(threshold=2)
    assert refused.value.reason is Reason.SIGNER_UNKNOWN
    # Signed anew by both, since a statement that is written again is another payload.
    by = [resigned(asked.of("release"), asked.made / f"{name}.pem", lambda _: None) for name in ("release", "other")]
    asked.sign(merged(*by))
    assert len(asked.resolve(threshold=2)["signature"]["signedBy"]) == 2


def test_one_key_under_two_names_has_signed_once(asked: Asked) -> None:
    asked.put("release", under="again.pem")
    with pytest.raises(FetchError, match=r"holds 1 keys and threshold is 2") as refused:
        asked.resolve(threshold=2)
    assert refused.value.reason is Reason.KEY_MISSING
    asked.put("other")
    asked.sign(merged(asked.of("release"), asked.of("release")))
    with pytest.raises(FetchError) as refused:
        asked.resolve(threshold=2)
    assert refused.value.reason is Reason.SIGNER_UNKNOWN


def test_a_key_of_another_curve_verifies_too(asked: Asked, tmp_path: Path) -> None:
    private = ec.generate_private_key(ec.SECP384R1())
    (tmp_path / "p384.pem").write_bytes(
        private.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    asked.sign(signed(tmp_path, BUNDLE, "p384"))
    (asked.keys / "release.pem").write_bytes(_public(private.public_key()))
    assert len(asked.resolve()["signature"]["signedBy"]) == 1


@pytest.mark.parametrize("top", ["", "churn/"])
def test_an_archives_signature_is_verified_as_it_streams_by(
    asked: Asked, tmp_path: Path, policy: Policy, top: str
) -> None:
    bundle = {**BUNDLE, sums.SIGNATURE: asked.of("release")}
    source = bundles.write(tmp_path / "files", bundle)
    with tarfile.open(tmp_path / "b.tar", "w") as tar:
        for path in bundle:
            tar.add(source / path, f"{top}{path}")

    async def run() -> dict[str, Any]:
        async with fake({"b.tar": (tmp_path / "b.tar").read_bytes()}) as web:
            settings = asked.settings(f"{web.address}/models/churn/b.tar")
            answer = await calls.resolve(settings, policy)
            made_of = Resolved(digest=answer["digest"], size=answer["size"])
            await calls.fetch(replace(settings, resolved=made_of), policy)
            return answer

    assert asyncio.run(run())["signature"]["signedBy"]
    assert (tmp_path / "root/repository/churn/1/model.onnx").read_bytes() == bundles.MODEL


async def test_the_verdict_comes_before_a_byte_of_anything_but_list_and_signature(asked: Asked, policy: Policy) -> None:
    async with fake({**BUNDLE, sums.SIGNATURE: asked.of("other")}) as web:
        with pytest.raises(FetchError):
            await calls.resolve(asked.settings(f"{web.address}/models/churn"), policy)
        read = {
            request.path.removeprefix("models/churn/")
            for request in web.requests
            if request.headers.get("range") != "bytes=0-0"  # how the web is asked for a size
        }
    assert read == {sums.NAME, sums.SIGNATURE}


async def test_a_store_that_fails_is_no_missing_signature(asked: Asked, policy: Policy) -> None:
    bundle = {**BUNDLE, sums.SIGNATURE: asked.of("release")}
    async with fake(bundle, {sums.SIGNATURE: Fault(status=503)}) as web:
        settings = asked.settings(f"{web.address}/models/churn", required=False)
        with pytest.raises(FetchError) as refused:
            await calls.resolve(settings, policy)
    assert refused.value.reason is Reason.SOURCE_UNAVAILABLE


def test_a_real_store_gives_the_signature_that_was_pushed(asked: Asked, s3: Gateway) -> None:
    s3.upload("signing", "a", {**BUNDLE, sums.SIGNATURE: asked.of("release")})
    settings = asked.settings("s3://signing/a")
    settings = replace(settings, source=replace(settings.source, s3=S3(endpoint=s3.endpoint)))
    assert resolve(settings, asked.policy)["signature"]["signedBy"]


# -- as the environment says it

UNREADABLE: dict[str, tuple[Any, str]] = {
    "no object": (True, "source.signature: is no object"),
    "no ConfigMap": ({}, "source.signature.configMapName"),
    "an unknown mode": ({"configMapName": "a", "mode": "Maybe"}, "source.signature.mode: 'Maybe' is neither"),
    "no signature needed": ({"configMapName": "a", "threshold": 0}, "source.signature.threshold"),
    "a threshold that is none": ({"configMapName": "a", "threshold": "1"}, "source.signature.threshold"),
}


def environment(given: Any) -> dict[str, str]:
    source = {"uri": "s3://a/b", "signature": given}
    return {"SLIPWAY_SOURCE": json.dumps({"source": source, "model": "churn"})}


def test_what_is_asked_is_read_of_the_environment() -> None:
    found = Settings.from_environment(environment({"configMapName": "signers", "threshold": 2, "mode": "Warn"}))
    assert found.signature == Signature(config_map_name="signers", threshold=2, required=False)
    assert Settings.from_environment(environment({"configMapName": "a"})).signature == Signature(config_map_name="a")
    assert Settings.from_environment(environment(None)).signature is None


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_demand_that_cannot_be_read_is_not_taken_for_none(name: str) -> None:
    given, words = UNREADABLE[name]
    with pytest.raises(FetchError, match=words) as refused:
        Settings.from_environment(environment(given))
    assert refused.value.reason is Reason.SPEC_INVALID
