"""oci://: a real registry, every way of logging in, and a fake one that lies, cuts and refuses."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from slipway.bundle.place import Place
from slipway.bundle.transfer import push
from slipway.fetch import sums
from slipway.fetch.fetch import fetch
from slipway.fetch.policy import Policy
from slipway.fetch.resolve import resolve
from slipway.fetch.settings import S3, Source
from slipway.fetch.sources import open_store
from slipway.fetch.stores import manifest
from slipway.fetch.stores.login import Keys, Login
from slipway.fetch.stores.manifest import FILEPATH, OCI, Reference
from slipway.fetch.verdict import FetchError, Reason
from tests.fetch import bundles, calls, registries
from tests.fetch.conftest import Gateway, Order
from tests.fetch.fakes import Fake, Fault
from tests.fetch.registries import PASSWORD, USER, Registry

PLAIN = bundles.files(**{"1/empty": b""})
BUNDLE = bundles.listed(PLAIN)
DIGEST = bundles.digest(BUNDLE)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """Open to all."""
    with registries.running(tmp_path_factory.mktemp("registry")) as made:
        yield made


def pushed(registry: Registry, folder: Path, repository: str, keys: Path | None = None) -> str:
    address = registry.address(repository)
    push(bundles.write(folder / "pushed", BUNDLE), Place(uri=address, keys=keys))
    return address


def served(tmp_path: Path) -> dict[str, bytes]:
    root = tmp_path / "root" / ".bundle"
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def logged_in(tmp_path: Path, **keys: str) -> Path:
    """The Secret, mounted."""
    folder = tmp_path / "credentials"
    folder.mkdir(exist_ok=True)
    for name, value in keys.items():
        (folder / name).write_text(value)
    return folder


# -- a real one


def test_what_was_pushed_is_fetched_whole(registry: Registry, order: Order, policy: Policy, tmp_path: Path) -> None:
    address = pushed(registry, tmp_path, "team/whole")
    answer = resolve(order(address), policy)
    assert (answer["digest"], answer["files"], answer["unverified"]) == (DIGEST, len(PLAIN), False)
    fetch(order(address, answer["digest"], answer["size"]), policy)
    assert served(tmp_path) == BUNDLE


def test_the_same_bytes_have_the_same_answer_in_every_store(
    registry: Registry, s3: Gateway, order: Order, policy: Policy, tmp_path: Path
) -> None:
    s3.upload("same", "a", BUNDLE)
    of_s3 = resolve(order("s3://same/a", s3=S3(endpoint=s3.endpoint)), policy)
    assert resolve(order(pushed(registry, tmp_path, "team/same")), policy) == of_s3


def test_a_digest_names_one_manifest_whatever_its_tag_becomes(
    registry: Registry, order: Order, policy: Policy, tmp_path: Path
) -> None:
    address = pushed(registry, tmp_path, "team/pinned")
    with open_store(order(address), policy) as store:
        digest = f"sha256:{hashlib.sha256(store.read_manifest()).hexdigest()}"  # type: ignore[attr-defined]
    for pinned in (f"oci://{registry.host}/team/pinned@{digest}", f"{address}@{digest}", f"{address}-gone@{digest}"):
        assert resolve(order(pinned), policy)["digest"] == DIGEST
    with pytest.raises(FetchError) as refused:
        resolve(order(f"oci://{registry.host}/team/pinned@sha256:{'0' * 64}"), policy)
    assert refused.value.reason is Reason.SOURCE_NOT_FOUND


@pytest.mark.parametrize("what", ["no/such:3", "team/whole:no-such"])
def test_what_is_not_there_is_not_found(registry: Registry, order: Order, policy: Policy, what: str) -> None:
    with pytest.raises(FetchError, match=r"404.*check source\.uri") as refused:
        resolve(order(f"oci://{registry.host}/{what}"), policy)
    assert refused.value.reason is Reason.SOURCE_NOT_FOUND


def test_a_blob_that_went_bad_in_the_registry_is_found(
    registry: Registry, order: Order, policy: Policy, tmp_path: Path
) -> None:
    address = pushed(registry, tmp_path, "team/bad")
    content = bundles.MODEL[:-1] + b"!"
    blob = registry.blob(f"sha256:{hashlib.sha256(bundles.MODEL).hexdigest()}")
    blob.write_bytes(content)
    try:
        with pytest.raises(FetchError, match=r"1/model\.onnx: SHA-256 is") as refused:
            fetch(order(address), policy)
    finally:
        blob.write_bytes(bundles.MODEL)
    assert refused.value.reason is Reason.BUNDLE_CORRUPT


# -- logging in


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """With passwords."""
    folder = tmp_path_factory.mktemp("guarded")
    with registries.running(folder, registries.passwords(folder)) as made:
        keys = logged_in(folder, username=USER, password=PASSWORD)
        pushed(made, folder, "team/churn", keys)
        yield made


def docker(*hosts: str, **entry: str) -> str:
    return json.dumps({"auths": dict.fromkeys(hosts, entry)})


def encoded(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def secrets(host: str) -> dict[str, dict[str, str]]:
    return {
        "a password": {"username": USER, "password": f"{PASSWORD}\n"},
        "docker's": {".dockerconfigjson": docker(host, auth=encoded(USER, PASSWORD))},
        "docker's, with an address": {
            ".dockerconfigjson": docker("other.example", f"https://{host}/v2/", username=USER, password=PASSWORD)
        },
    }


def wrong_secrets(host: str) -> dict[str, dict[str, str]]:
    return {
        "none": {},
        "another password": {"username": USER, "password": "x"},
        "a token": {"token": "x"},
        "docker's, of another registry": {".dockerconfigjson": docker("other.example", auth=encoded(USER, PASSWORD))},
        "docker's, that is none": {".dockerconfigjson": "{"},
        "docker's, without a password": {".dockerconfigjson": docker(host, username=USER)},
        "docker's, that is no base64": {".dockerconfigjson": docker(host, auth="%")},
        "docker's, a list": {".dockerconfigjson": "[]"},
    }


def test_what_else_is_in_the_secret_is_somebody_elses_business(
    guarded: Registry, order: Order, policy: Policy, tmp_path: Path
) -> None:
    (logged_in(tmp_path, username=USER, password=PASSWORD) / "keystore").write_bytes(b"\xff\xfe")
    assert resolve(order(guarded.address("team/churn")), policy)["digest"] == DIGEST


@pytest.mark.parametrize("name", secrets(""))
def test_a_password_opens_it(guarded: Registry, order: Order, policy: Policy, tmp_path: Path, name: str) -> None:
    logged_in(tmp_path, **secrets(guarded.host)[name])
    fetch(order(guarded.address("team/churn")), policy)
    assert served(tmp_path) == BUNDLE


@pytest.mark.parametrize("name", wrong_secrets(""))
def test_without_one_it_is_denied(guarded: Registry, order: Order, policy: Policy, tmp_path: Path, name: str) -> None:
    logged_in(tmp_path, **wrong_secrets(guarded.host)[name])
    with pytest.raises(FetchError, match=r"source\.secretName") as refused:
        resolve(order(guarded.address("team/churn")), policy)
    assert refused.value.reason is Reason.SOURCE_DENIED
    assert PASSWORD not in refused.value.message


def test_a_token_is_got_where_the_registry_says(order: Order, policy: Policy, tmp_path: Path) -> None:
    service = registries.TokenService(tmp_path)
    (tmp_path / "push").mkdir()
    keys = logged_in(tmp_path / "push", username=USER, password=PASSWORD)
    with service.running() as auth, registries.running(tmp_path, auth) as registry:
        address = pushed(registry, tmp_path, "team/churn", keys)
        assert {scope for scope, _ in service.asked} == {"repository:team/churn:pull,push"}
        service.asked.clear()
        fetch(order(address), policy)
        assert served(tmp_path) == BUNDLE
        assert service.asked == [("repository:team/churn:pull", None)]  # one for all streams
        logged_in(tmp_path, username=USER, password="x")
        with pytest.raises(FetchError, match="its token service: the store answers 401") as refused:
            resolve(order(address), policy)
    assert refused.value.reason is Reason.SOURCE_DENIED


def login(*answers: Any, keys: Keys | None = None) -> tuple[Login, list[Any]]:
    asked: list[Any] = []
    left = list(answers)

    def ask(*what: Any) -> Any:
        asked.append(what)
        return left.pop(0)

    return Login(keys or Keys(basic="dTpw"), "team/churn", "pull", ask), asked


BEARER = 'Bearer realm="https://auth.example/token",service="here",scope="repository:other:pull"'


def test_a_token_that_has_run_out_is_got_anew() -> None:
    made, asked = login({"token": "one"}, {"access_token": "two"})
    assert made.answer(BEARER, None)
    assert made.header == "Bearer one"
    assert made.answer(BEARER, "Bearer one")
    assert made.header == "Bearer two"
    where, parameters, headers = asked[0]
    assert where == "https://auth.example/token"
    assert parameters == {"service": "here", "scope": "repository:team/churn:pull"}  # ours, whatever it says
    assert headers == {"Authorization": "Basic dTpw"}


def test_of_many_who_are_challenged_at_once_one_asks() -> None:
    made, asked = login({"token": "one"})
    threads = [threading.Thread(target=made.answer, args=(BEARER, None)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(asked) == 1


CHALLENGES: dict[str, tuple[str, tuple[Any, ...]]] = {
    "none": ("", ()),
    "an unknown scheme": ('Negotiate realm="x"', ()),
    "without a realm": ('Bearer service="x"', ()),
    "a realm that is a file": ('Bearer realm="file:///etc/passwd"', ()),
    "an answer without a token": (BEARER, ({},)),
    "an answer that is a list": (BEARER, ([],)),
    "a token that is a number": (BEARER, ({"token": 3},)),
    "a token that is two headers": (BEARER, ({"token": "a\r\nX-Y: z"},)),
}


@pytest.mark.parametrize("case", CHALLENGES)
def test_a_challenge_that_cannot_be_answered_is_a_refusal(case: str) -> None:
    challenge, answers = CHALLENGES[case]
    made, _ = login(*answers)
    assert not made.answer(challenge, None)
    assert made.header is None


# -- addresses

ADDRESSES: dict[str, tuple[str, str, str] | None] = {
    "oci://registry.example/churn:3": ("https://registry.example", "churn", "3"),
    "oci://registry.example:5000/a/b-c/d__e:v1.2_x": ("https://registry.example:5000", "a/b-c/d__e", "v1.2_x"),
    "oci://localhost:5000/a:1": ("http://localhost:5000", "a", "1"),
    "oci://[::1]:5000/a:1": ("http://[::1]:5000", "a", "1"),
    "oci://localhost.example/a:1": ("https://localhost.example", "a", "1"),
    "oci://docker.io/library/a:1": ("https://registry-1.docker.io", "library/a", "1"),
    f"oci://h/a@sha256:{'0' * 64}": ("https://h", "a", f"sha256:{'0' * 64}"),
    f"oci://h/a:1@sha256:{'0' * 64}": ("https://h", "a", f"sha256:{'0' * 64}"),
    "oci://h/a": None,
    "oci://h/A:1": None,
    "oci://h/a:": None,
    "oci://h/a@sha256:12": None,
    "oci://h/../a:1": None,
    "oci://h/a/:1": None,
    "oci://u:p@h/a:1": None,
    "oci://h/a:1?x=y": None,
    "oci://h/a:1/b": None,
}


@pytest.mark.parametrize("uri", ADDRESSES)
def test_an_address_names_one_version(uri: str) -> None:
    expected = ADDRESSES[uri]
    if expected is None:
        with pytest.raises(FetchError, match="names no version in a registry; write oci://HOST") as refused:
            Reference.parse(uri)
        assert refused.value.reason is Reason.SPEC_INVALID
        return
    found = Reference.parse(uri)
    assert (found.base, found.repository, found.version) == expected


# -- a fake that misbehaves

MANIFEST = "v2/models/churn/manifests/3"


def blob(content: bytes) -> str:
    return f"v2/models/churn/blobs/sha256:{hashlib.sha256(content).hexdigest()}"


def layer(path: str, content: bytes, **changed: Any) -> dict[str, Any]:
    found = {
        "mediaType": "application/vnd.cncf.model.weight.v1.raw",
        "digest": f"sha256:{hashlib.sha256(content).hexdigest()}",
        "size": len(content),
        "annotations": {FILEPATH: path},
    }
    return {name: value for name, value in (found | changed).items() if value is not None}


def listing(*more: Any, without: str = "", **changed: Any) -> bytes:
    layers = [layer(path, content) for path, content in sorted(BUNDLE.items()) if path != without]
    return json.dumps({"schemaVersion": 2, "mediaType": OCI, "layers": [*layers, *more], **changed}).encode()


def fake(content: bytes | None = None, faults: dict[str, Fault] | None = None) -> Fake:
    files = {MANIFEST: listing() if content is None else content}
    return Fake(files | {blob(each): each for each in BUNDLE.values()}, faults or {})


def address(server: Fake) -> str:
    return f"{server.address.replace('http://', 'oci://')}/models/churn:3"


async def refused_by(server: Fake, order: Order, policy: Policy) -> FetchError:
    async with server:
        with pytest.raises(FetchError) as refused:
            await calls.fetch(order(address(server)), policy)
    return refused.value


async def test_the_fake_is_like_a_registry(order: Order, policy: Policy, tmp_path: Path) -> None:
    async with fake() as server:
        await calls.fetch(order(address(server)), policy)
    assert served(tmp_path) == BUNDLE


MODEL = bundles.MODEL
MANIFESTS: dict[str, tuple[bytes, str]] = {
    "no JSON": (b"<html>", "no manifest of an artifact with files"),
    "brackets, thousands deep": (b"[" * 100_000, "no manifest of an artifact"),
    "a list": (b"[]", "no manifest of an artifact"),
    "an older one": (listing(schemaVersion=1), "no manifest of an artifact"),
    "an index": (json.dumps({"schemaVersion": 2, "manifests": []}).encode(), "an index of several manifests"),
    "without layers": (json.dumps({"schemaVersion": 2}).encode(), "no manifest of an artifact"),
    "a layer that is none": (listing(3), "no manifest of an artifact"),
    "a layer without a path": (listing(layer("x", b"", annotations=None)), "has no org.cncf.model.filepath"),
    "a path that is a number": (listing(layer("x", b"", annotations={FILEPATH: 3})), "has no org.cncf.model.filepath"),
    "an archive": (
        listing(layer("x", b"", mediaType="application/vnd.cncf.model.weight.v1.tar")),
        "is an archive; push one file a layer",
    ),
    "a file twice": (listing(layer("labels.txt", b"")), "labels.txt is in it twice"),
    "another hash": (listing(layer("x", b"", digest="sha512:00")), "no manifest of an artifact"),
    "no size": (listing(layer("x", b"", size=None)), "no manifest of an artifact"),
    "a size below nothing": (listing(layer("x", b"", size=-1)), "no manifest of an artifact"),
    "a size that is true": (listing(layer("x", b"", size=True)), "no manifest of an artifact"),
    "larger than any": (listing(layer("x", b"", size=2**60)), "no manifest of an artifact"),
    "a path without an end": (listing(layer("a/" * 50_000 + "m", b"")), "longer than a file system takes"),
    "a path that leaves": (listing(layer("../x", b"")), "SHA256SUMS"),
    "a file that is not listed": (listing(layer("1/more", b"")), "1/more: in the bundle but not in SHA256SUMS"),
    "too large": (b" " * (manifest.LIMIT_BYTES + 1), "its manifest is larger than"),
}


@pytest.mark.parametrize("case", MANIFESTS)
async def test_a_manifest_that_is_none_says_what_to_do(order: Order, policy: Policy, case: str) -> None:
    content, words = MANIFESTS[case]
    refused = await refused_by(fake(content), order, policy)
    assert refused.reason is Reason.BUNDLE_INVALID
    assert words in refused.message


async def test_files_of_oras_are_found_by_their_titles(order: Order, policy: Policy, tmp_path: Path) -> None:
    content = listing().replace(FILEPATH.encode(), b"org.opencontainers.image.title")
    async with fake(content) as server:
        await calls.fetch(order(address(server)), policy)
    assert served(tmp_path) == BUNDLE


async def test_a_bundle_without_a_list_is_what_the_manifest_names(order: Order, policy: Policy, tmp_path: Path) -> None:
    async with fake(listing(without=sums.NAME)) as server:
        answer = await calls.resolve(order(address(server)), policy)
        assert answer["unverified"]
        await calls.fetch(order(address(server), answer["digest"], answer["size"], unverified=True), policy)
        assert served(tmp_path) == PLAIN
        server.faults[blob(MODEL)] = Fault(body=MODEL[:-1] + b"!")
        with pytest.raises(FetchError, match=r"1/model\.onnx: SHA-256 is") as refused:
            await calls.fetch(order(address(server)), policy)
    assert refused.value.reason is Reason.BUNDLE_CORRUPT


FAULTS: dict[str, tuple[dict[str, Fault], Reason, str]] = {
    "a manifest that is refused": ({MANIFEST: Fault(status=403)}, Reason.SOURCE_DENIED, "answers 403"),
    "a manifest without a login": ({MANIFEST: Fault(status=401)}, Reason.SOURCE_DENIED, "answers 401"),
    "a manifest of a sick registry": ({MANIFEST: Fault(status=500)}, Reason.SOURCE_UNAVAILABLE, "answers 500"),
    "too many requests, for ever": ({MANIFEST: Fault(status=429)}, Reason.SOURCE_UNAVAILABLE, "answers 429"),
    "a blob that is gone": ({blob(MODEL): Fault(status=404)}, Reason.SOURCE_NOT_FOUND, "1/model.onnx: the store"),
    "a blob that is refused": ({blob(MODEL): Fault(status=403)}, Reason.SOURCE_DENIED, "1/model.onnx: the store"),
    "a larger blob": (
        {blob(MODEL): Fault(body=MODEL + b"!")},
        Reason.SOURCE_CHANGED,
        f"1/model.onnx: {len(MODEL) + 1} bytes now, {len(MODEL)} before",
    ),
    "a smaller blob": ({blob(MODEL): Fault(body=MODEL[:-1])}, Reason.SOURCE_CHANGED, "1/model.onnx: "),
    "other bytes": ({blob(MODEL): Fault(body=MODEL[:-1] + b"!")}, Reason.BUNDLE_CORRUPT, "1/model.onnx: SHA-256"),
    "another list": (
        {blob(BUNDLE[sums.NAME]): Fault(body=bundles.listed(bundles.files())[sums.NAME])},
        Reason.BUNDLE_CORRUPT,
        "the registry sent sha256:",
    ),
    "a redirect round and round": ({MANIFEST: Fault(redirect=f"/{MANIFEST}")}, Reason.FETCH_FAILED, "redirects"),
    "no HTTP": ({MANIFEST: Fault(raw=b"SSH-2.0\r\n")}, Reason.SOURCE_UNAVAILABLE, "no connection: "),
}


@pytest.mark.parametrize("case", FAULTS)
async def test_what_a_registry_does_wrong_has_its_reason(order: Order, policy: Policy, case: str) -> None:
    faults, reason, words = FAULTS[case]
    refused = await refused_by(fake(faults={path: replace(fault) for path, fault in faults.items()}), order, policy)
    assert refused.reason is reason, refused.message
    assert words in refused.message


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_what_passes_is_asked_again(order: Order, policy: Policy, tmp_path: Path, status: int) -> None:
    faults = {path: Fault(status=status, times=2) for path in (MANIFEST, blob(MODEL), blob(BUNDLE[sums.NAME]))}
    async with fake(faults=faults) as server:
        await calls.fetch(order(address(server)), replace(policy, attempts=4))
    assert served(tmp_path) == BUNDLE


@pytest.mark.parametrize("offset", [0, 1, 65535, 65536, 65537, len(MODEL) - 1])
async def test_a_connection_that_drops_goes_on_where_it_was(
    order: Order, policy: Policy, tmp_path: Path, offset: int
) -> None:
    async with fake(faults={blob(MODEL): Fault(sends=offset % 65536, times=2)}) as server:
        await calls.fetch(order(address(server)), replace(policy, attempts=4))
        starts = {request.start for request in server.asked(blob(MODEL))}
    assert served(tmp_path) == BUNDLE
    assert offset % 65536 in {start % 65536 for start in starts if start is not None}


async def test_a_registry_without_ranges_will_do(order: Order, policy: Policy, tmp_path: Path) -> None:
    async with fake(faults={blob(content): Fault(ranges=False) for content in BUNDLE.values()}) as server:
        await calls.fetch(order(address(server)), policy)
    assert served(tmp_path) == BUNDLE


# -- whom the password is told


def challenge(words: str) -> Fault:
    return Fault(raw=f"HTTP/1.1 401 x\r\nWWW-Authenticate: {words}\r\nContent-Length: 0\r\n\r\n".encode(), times=1)


async def test_a_password_is_sent_to_nobody_to_whom_a_registry_leads(
    order: Order, policy: Policy, tmp_path: Path
) -> None:
    """A blob mostly lies elsewhere: at an address that is signed, and not to be told a password."""
    logged_in(tmp_path, username=USER, password=PASSWORD)
    elsewhere = Fake({"model": MODEL}, {})
    async with elsewhere, fake(faults={MANIFEST: challenge('Basic realm="x"')}) as server:
        server.faults[blob(MODEL)] = Fault(redirect=f"{elsewhere.address}/model")
        await calls.fetch(order(address(server)), policy)
        assert any("authorization" in request.headers for request in server.requests)
        assert elsewhere.requests
        assert not any("authorization" in request.headers for request in elsewhere.requests)
    assert served(tmp_path) == BUNDLE


@pytest.mark.parametrize("kind", ["Basic", "Bearer"])
async def test_nor_when_whom_it_leads_to_asks_for_it(order: Order, policy: Policy, tmp_path: Path, kind: str) -> None:
    logged_in(tmp_path, username=USER, password=PASSWORD)
    async with Fake({}, {}) as elsewhere, fake() as server:
        words = f'{kind} realm="{elsewhere.address}/token"'
        elsewhere.faults["model"] = replace(challenge(words), times=99)
        server.faults[blob(MODEL)] = Fault(redirect=f"{elsewhere.address}/model")
        with pytest.raises(FetchError) as refused:
            await calls.fetch(order(address(server)), policy)
        assert {request.path for request in elsewhere.requests} == {"model"}
        assert not any("authorization" in request.headers for request in elsewhere.requests)
    assert refused.value.reason is Reason.SOURCE_DENIED


@pytest.mark.parametrize(
    ("body", "reason"), [(b" " * (2**20 + 1), Reason.BUNDLE_INVALID), (b"<html>", Reason.FETCH_FAILED)]
)
async def test_a_token_service_that_sends_none_is_told(
    order: Order, policy: Policy, body: bytes, reason: Reason
) -> None:
    async with Fake({"token": body}, {}) as service, fake() as server:
        server.faults[MANIFEST] = replace(challenge(f'Bearer realm="{service.address}/token"'), times=99)
        with pytest.raises(FetchError, match="its token service") as refused:
            await calls.fetch(order(address(server)), policy)
    assert refused.value.reason is reason


def test_a_source_is_shown_as_it_was_written() -> None:
    assert Source(uri="oci://h/a:1").shown == "oci://h/a:1"
