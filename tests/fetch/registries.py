"""A real registry (CNCF distribution) on loopback: open, with passwords, or with a token service."""

import base64
import contextlib
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from testbed.operating import until
from testbed.plane import free_port
from testbed.tools import find
from tests.fetch.conftest import listens

USER, PASSWORD = "tester", "tester-secret"
# bcrypt, which the registry wants, of that password.
_HTPASSWD = f"{USER}:$2b$05$FXDyr6gvz4mw/Txl65gw.uG7PByprlfWM9RfMGCQUvofhxvMpLNtK\n"


@dataclass(frozen=True)
class Registry:
    """A registry that runs."""

    host: str
    data: Path

    def address(self, repository: str, version: str = "3") -> str:
        """`oci://…`."""
        return f"oci://{self.host}/{repository}:{version}"

    def blob(self, digest: str) -> Path:
        """Where it keeps a blob."""
        plain = digest.removeprefix("sha256:")
        return self.data / "docker" / "registry" / "v2" / "blobs" / "sha256" / plain[:2] / plain / "data"


@contextlib.contextmanager
def running(folder: Path, auth: dict[str, Any] | None = None) -> Iterator[Registry]:
    """A registry for as long as the block runs."""
    port = free_port()
    host, data = f"127.0.0.1:{port}", folder / "data"
    settings = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(data)}},
        "http": {"addr": host, "secret": "of-tests"},
        **({"auth": auth} if auth else {}),
    }
    (folder / "config.yml").write_text(json.dumps(settings))
    command = [str(find("registry")), "serve", str(folder / "config.yml")]
    quiet = {**os.environ, "OTEL_TRACES_EXPORTER": "none"}
    server = subprocess.Popen(command, env=quiet, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until("the registry listens", lambda: listens(port, server), 20)
        yield Registry(host, data)
    finally:
        server.terminate()
        server.wait(10)


def passwords(folder: Path) -> dict[str, Any]:
    """Basic authentication."""
    (folder / "htpasswd").write_text(_HTPASSWD)
    return {"htpasswd": {"realm": "tests", "path": str(folder / "htpasswd")}}


@dataclass
class TokenService:
    """Hands out tokens that the registry verifies: to everybody for reading, with the password for writing."""

    folder: Path
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    """Scope and header of each request."""

    def __post_init__(self) -> None:
        self._key = rsa.generate_private_key(65537, 2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
        now = datetime.now(UTC)
        self._certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(1)
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .sign(self._key, hashes.SHA256())
        )
        (self.folder / "root.pem").write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    @contextlib.contextmanager
    def running(self) -> Iterator[dict[str, Any]]:
        """The registry's settings for as long as the service runs."""
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = service.answer(self.path, self.headers.get("Authorization"))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            realm = f"http://127.0.0.1:{server.server_port}/token"
            root = str(self.folder / "root.pem")
            yield {"token": {"realm": realm, "service": "tests", "issuer": "tests", "rootcertbundle": root}}
        finally:
            server.shutdown()
            server.server_close()

    def answer(self, path: str, header: str | None) -> tuple[int, bytes]:
        """A token for the scope that is asked for."""
        given = parse_qs(urlsplit(path).query)
        (scope,) = given["scope"]
        self.asked.append((scope, header))
        known = header == f"Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"
        if header and not known:
            return 401, b"{}"
        kind, name, actions = scope.split(":")
        granted = [action for action in actions.split(",") if known or action == "pull"]
        now = datetime.now(UTC)
        claims = {
            "iss": "tests",
            "sub": USER if known else "",
            "aud": given["service"][0],
            "iat": now,
            "nbf": now - timedelta(minutes=1),
            "exp": now + timedelta(minutes=5),
            "access": [{"type": kind, "name": name, "actions": granted}],
        }
        der = self._certificate.public_bytes(serialization.Encoding.DER)
        token = jwt.encode(claims, self._key, "RS256", headers={"x5c": [base64.b64encode(der).decode()]})
        return 200, json.dumps({"token": token}).encode()
