"""What the fetcher's tests share: settings, a policy without patience, and a real S3 server."""

import contextlib
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import obstore
import pytest
from obstore.store import S3Store

from slipway.fetch.policy import Policy
from slipway.fetch.settings import Resolved, Settings, Source
from testbed.operating import until
from testbed.plane import free_port
from testbed.tools import find

Order = Callable[..., Settings]


@pytest.fixture
def policy() -> Policy:
    """Small ranges and short pauses; reads may take their time, as the machine may be busy."""
    return Policy(
        attempts=3,
        first_backoff_seconds=0.001,
        longest_backoff_seconds=0.002,
        read_seconds=20,
        streams=4,
        part_bytes=64 * 1024,
    )


@pytest.fixture
def hasty(policy: Policy) -> Policy:
    """A policy for sources that stall. What does answer has a second for it."""
    return replace(policy, attempts=100, read_seconds=0.1, stall_seconds=1)


@pytest.fixture
def order(tmp_path: Path) -> Order:
    """Settings for a source, with all roots below the test's own directory."""
    (tmp_path / "root").mkdir()

    def settings(
        uri: str, resolved: str | None = None, size: int = 0, *, unverified: bool = False, **source: Any
    ) -> Settings:
        return Settings(
            source=Source(uri=uri, **source),
            model="churn",
            resolved=Resolved(digest=resolved, size=size, unverified=unverified) if resolved else None,
            root=tmp_path / "root",
            source_root=tmp_path / "claim",
            credentials=tmp_path / "credentials",
            config=tmp_path / "config",
            termination_log=tmp_path / "termination-log",
        )

    return settings


@pytest.fixture
def small_volume(tmp_path: Path) -> Iterator[Path]:
    """A file system of 128 KiB."""
    target = tmp_path / "small"
    target.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", target], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    yield target
    subprocess.run(["umount", target], check=True)


@dataclass(frozen=True)
class Gateway:
    """A versitygw on loopback."""

    endpoint: str
    files: Path
    access_key: str = "tester"
    secret_key: str = "tester-secret"

    def bucket(self, name: str) -> S3Store:
        """A bucket, made."""
        (self.files / name).mkdir(exist_ok=True)
        return S3Store(
            name,
            endpoint=self.endpoint,
            access_key_id=self.access_key,
            secret_access_key=self.secret_key,
            region="us-east-1",
            virtual_hosted_style_request=False,
            client_options={"allow_http": True},
        )

    def upload(self, bucket: str, prefix: str, files: dict[str, bytes]) -> None:
        """Put files below a prefix."""
        store = self.bucket(bucket)
        for path, content in files.items():
            obstore.put(store, f"{prefix}/{path}", content)


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A real S3 server."""
    files = tmp_path_factory.mktemp("s3")
    port = free_port()
    made = Gateway(f"http://127.0.0.1:{port}", files)
    keys = ["--access", made.access_key, "--secret", made.secret_key]
    command = [str(find("versitygw")), *keys, "--port", f"127.0.0.1:{port}", "--quiet", "posix", str(files)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    try:
        until("versitygw listens", lambda: listens(port, server), 20)
        yield made
    finally:
        server.terminate()
        server.wait(10)


def listens(port: int, server: "subprocess.Popen[bytes]") -> bool:
    """Whether a server that was started answers by now."""
    assert server.poll() is None, f"{server.args!r} has ended with {server.returncode}"
    with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@pytest.fixture
def s3(gateway: Gateway, tmp_path: Path) -> Gateway:
    """The gateway, with its keys mounted as the fetcher's Secret."""
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "AWS_ACCESS_KEY_ID").write_text(gateway.access_key)
    (credentials / "AWS_SECRET_ACCESS_KEY").write_text(gateway.secret_key + "\n")
    return gateway
