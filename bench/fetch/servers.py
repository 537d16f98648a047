"""Where bundles come from: an S3 server and a registry on loopback, over plain files."""

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import obstore
from obstore.store import S3Store

from testbed.plane import free_port
from testbed.tools import find

BUCKET, KEY, SECRET = "models", "bench", "bench-secret"


@contextmanager
def gateway(files: Path) -> Iterator[str]:
    """A versitygw; its endpoint."""
    (files / BUCKET).mkdir(parents=True)
    port = free_port()
    keys = ["--access", KEY, "--secret", SECRET, "--port", f"127.0.0.1:{port}", "--quiet"]
    with _running([str(find("versitygw")), *keys, "posix", str(files)], port):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def registry(files: Path) -> Iterator[str]:
    """A registry (CNCF distribution); its host and port."""
    files.mkdir(parents=True)
    host = f"127.0.0.1:{(port := free_port())}"
    settings = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(files / "data")}},
        "http": {"addr": host, "secret": "of the bench"},
    }
    (files / "config.yml").write_text(json.dumps(settings))
    with _running([str(find("registry")), "serve", str(files / "config.yml")], port):
        yield host


def upload(endpoint: str, directory: Path, prefix: str) -> None:
    """Put every file of a directory below a prefix."""
    store = S3Store(
        BUCKET,
        prefix=prefix,
        endpoint=endpoint,
        access_key_id=KEY,
        secret_access_key=SECRET,
        region="us-east-1",
        virtual_hosted_style_request=False,
        client_options={"allow_http": True, "timeout": "10m"},
    )
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            obstore.put(store, path.relative_to(directory).as_posix(), path)


@contextmanager
def _running(command: list[str], port: int) -> Iterator[None]:
    quiet = {**os.environ, "OTEL_TRACES_EXPORTER": "none"}
    server = subprocess.Popen(command, env=quiet, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(command[0], port)
        yield
    finally:
        server.terminate()
        server.wait()


def _wait(program: str, port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise click.ClickException(f"{program} does not listen")
