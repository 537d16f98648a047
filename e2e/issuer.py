"""An issuer of tokens: it signs them here, and serves its public keys by https in the story's namespace."""

import json
import time
from dataclasses import dataclass, field
from typing import Any, Final

import jwt
import trustme
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from e2e.space import Manifest, Space

NAME: Final = "issuer"
KEY_ID: Final = "of-today"
AUDIENCE: Final = "churn"
SERVES: Final = """
import functools, http.server, ssl
served = functools.partial(http.server.SimpleHTTPRequestHandler, directory="/keys")
server = http.server.ThreadingHTTPServer(("", 8443), served)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/pair/tls.crt", "/pair/tls.key")
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
"""
HANGS: Final = """
import socket, time
server = socket.create_server(("", 8443))
time.sleep(86400)
"""


def new_key() -> rsa.RSAPrivateKey:
    """A key that no issuer knows yet."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass(frozen=True)
class Issuer:
    """One server, whose key is the only one that counts."""

    space: Space
    key: rsa.RSAPrivateKey = field(default_factory=new_key)

    @property
    def asked(self) -> Manifest:
        """`authentication.jwt` of a model that believes it."""
        return {"issuer": self._address, "jwksUri": f"{self._address}:8443/keys.json", "audiences": [AUDIENCE]}

    def token(self, key: rsa.RSAPrivateKey | None = None, **claims: Any) -> str:
        """One that lets in, but for what is said otherwise."""
        claimed = {"iss": self._address, "aud": AUDIENCE, "sub": "alice", "exp": int(time.time()) + 600, **claims}
        return jwt.encode(claimed, key or self.key, algorithm="RS256", headers={"kid": KEY_ID})

    def serves(self, authority: trustme.CA) -> None:
        """Have it answer, with a certificate that this authority has signed."""
        pair = authority.issue_cert(self._host)
        chain = "".join(pem.bytes().decode() for pem in pair.cert_chain_pems)
        certificate = {"tls.crt": chain, "tls.key": pair.private_key_pem.bytes().decode()}
        keys = {"keys": [{**RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True), "kid": KEY_ID, "alg": "RS256"}]}
        meta = {"name": NAME}
        self.space.kubectl.apply(
            {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": certificate},
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"keys.json": json.dumps(keys)}},
        )
        self._run(SERVES)

    def hangs(self) -> None:
        """Have it take connections, and say nothing."""
        self._run(HANGS)

    @property
    def log(self) -> str:
        """What its server has told, of connections that failed as well."""
        return self.space.kubectl("logs", f"pod/{NAME}")

    @property
    def _host(self) -> str:
        return f"{NAME}.{self.space.namespace}.svc.cluster.local"

    @property
    def _address(self) -> str:
        return f"https://{self._host}"

    def _run(self, program: str) -> None:
        self.space.kubectl("delete", "pod", NAME, "--ignore-not-found", "--now")
        self.space.kubectl.apply(_service(), _pod(self.space.client.image(), program))
        self.space.kubectl("wait", "--for=condition=Ready", f"pod/{NAME}", "--timeout=60s")


def _service() -> Manifest:
    spec = {"selector": {"app": NAME}, "ports": [{"port": 8443}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": NAME}, "spec": spec}


def _pod(image: str, program: str) -> Manifest:
    container = {
        "name": NAME,
        "image": image,
        "command": ["python3", "-c", program],
        "readinessProbe": {"tcpSocket": {"port": 8443}, "periodSeconds": 1},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "pair", "mountPath": "/pair"}, {"name": "keys", "mountPath": "/keys"}],
    }
    spec = {
        "terminationGracePeriodSeconds": 0,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [
            {"name": "pair", "secret": {"secretName": NAME, "optional": True}},
            {"name": "keys", "configMap": {"name": NAME, "optional": True}},
        ],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": NAME, "labels": {"app": NAME}}, "spec": spec}
