"""Keys that read the store's bucket can do nothing else: the program of its image, with what its manifest lays out."""

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import obstore
import pytest
import yaml
from obstore.exceptions import BaseError
from obstore.store import S3Store

from slipway.bundle.place import Place
from slipway.bundle.transfer import pull, push
from testbed.images import IMAGES
from testbed.installing import MANIFESTS
from testbed.operating import until
from testbed.plane import free_port
from testbed.served import BUCKET, READ_KEYS, STORE_KEYS, WRITE_KEYS
from testbed.tools import find
from tests.bundle.folders import packed
from tests.fetch.conftest import listens

REFUSED: Final = r"AccessDenied|Access Denied|403"


@dataclass(frozen=True)
class Server:
    """The store, on loopback."""

    endpoint: str
    folder: Path

    def place(self, keys: dict[str, str], path: str) -> Place:
        """An address, as the holder of some keys."""
        folder = self.folder / keys["AWS_ACCESS_KEY_ID"]
        folder.mkdir(exist_ok=True)
        for name, value in keys.items():
            (folder / name).write_text(value)
        return Place(uri=f"s3://{BUCKET}/{path}", endpoint=self.endpoint, keys=folder)

    def bucket(self, keys: dict[str, str], name: str = BUCKET) -> S3Store:
        """A bucket, as the holder of some keys."""
        return S3Store(
            name,
            endpoint=self.endpoint,
            access_key_id=keys["AWS_ACCESS_KEY_ID"],
            secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
            region="us-east-1",
            client_options={"allow_http": True},
            retry_config={"max_retries": 0},
        )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`images/store/serve`, with the Secrets of the manifest."""
    folder = tmp_path_factory.mktemp("store")
    documents = [
        each for each in yaml.safe_load_all((MANIFESTS / "store.yaml").read_text()) if each["kind"] == "Secret"
    ]
    root, access = (document["stringData"] for document in documents)
    (folder / "access").mkdir()
    for name, content in access.items():
        (folder / "access" / name).write_text(content)
    port = free_port()
    paths = {"DATA": str(folder / "data"), "ACCESS": str(folder / "access"), "LISTEN": f"127.0.0.1:{port}"}
    environment = {**os.environ, **paths, **root, "PATH": f"{find('versitygw').parent}:{os.environ['PATH']}"}
    server = subprocess.Popen([IMAGES / "store" / "serve"], env=environment, stdout=subprocess.DEVNULL)
    try:
        until("the store listens", lambda: listens(port, server), 20)
        yield Server(f"http://127.0.0.1:{port}", folder)
    finally:
        server.terminate()
        server.wait(10)


def test_keys_that_read_get_a_bundle_and_take_nothing_away(store: Server, tmp_path: Path) -> None:
    pushed = push(packed(tmp_path / "m"), store.place(STORE_KEYS, "m/1"))
    pulled = pull(store.place(READ_KEYS, "m/1"), tmp_path / "back")
    assert pulled.digest == pushed.digest
    reader, writer = store.bucket(READ_KEYS), store.bucket(STORE_KEYS)
    before = _names(writer)
    attempts: dict[str, Callable[[], object]] = {
        "delete": lambda: obstore.delete(reader, "m/1/SHA256SUMS"),
        "put": lambda: obstore.put(reader, "m/1/model.sig", b"forged"),
        "overwrite": lambda: obstore.put(reader, "m/1/SHA256SUMS", b""),
        "copy": lambda: obstore.copy(reader, "m/1/SHA256SUMS", "m/2/SHA256SUMS"),
        "multipart": lambda: obstore.put(reader, "m/3/big", b"x" * 64, use_multipart=True, chunk_size=8),
    }
    for what, attempt in attempts.items():
        with pytest.raises(BaseError, match=REFUSED):
            attempt()
        assert _names(writer) == before, what
    obstore.delete(writer, "m/1/SHA256SUMS")
    assert _names(writer) != before


def test_keys_that_write_push_a_bundle_and_take_nothing_away(store: Server, tmp_path: Path) -> None:
    pushed = push(packed(tmp_path / "m"), store.place(WRITE_KEYS, "w/1"))
    assert pull(store.place(READ_KEYS, "w/1"), tmp_path / "back").digest == pushed.digest
    with pytest.raises(BaseError, match=REFUSED):
        obstore.delete(store.bucket(WRITE_KEYS), "w/1/SHA256SUMS")


@pytest.mark.parametrize("keys", [READ_KEYS, WRITE_KEYS])
def test_keys_of_one_bucket_read_no_other(store: Server, keys: dict[str, str]) -> None:
    (store.folder / "data" / "buckets" / "private").mkdir(exist_ok=True)
    with pytest.raises(BaseError, match=REFUSED):
        _names(store.bucket(keys, "private"))


def _names(bucket: S3Store) -> list[str]:
    return sorted(str(entry["path"]) for page in bucket.list() for entry in page)
