"""The cluster's API server by plain HTTP, as the administrator of its kubeconfig."""

import base64
import ssl
import tempfile
from pathlib import Path
from typing import Any

import httpx
import yaml

from testbed.api import Api


class LiveApi(Api):
    """The testbed's hand on an API server, for one that a kubeconfig names."""

    def __init__(self, kubeconfig: Path) -> None:
        told = yaml.safe_load(kubeconfig.read_text())
        cluster, user = _current(told)
        trust = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        headers = {}
        if "token" in user:
            headers["Authorization"] = f"Bearer {user['token']}"
        else:
            _identify(trust, user)
        self._http = httpx.Client(base_url=cluster["server"], verify=trust, timeout=30, headers=headers)


def _current(told: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    context = _named(told["contexts"], told["current-context"])["context"]
    return _named(told["clusters"], context["cluster"])["cluster"], _named(told["users"], context["user"])["user"]


def _named(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(entry for entry in entries if entry["name"] == name)


def _identify(trust: ssl.SSLContext, user: dict[str, Any]) -> None:
    """Python takes a client's certificate from files alone."""
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = Path(folder) / "certificate", Path(folder) / "key"
        certificate.write_bytes(base64.b64decode(user["client-certificate-data"]))
        key.write_bytes(base64.b64decode(user["client-key-data"]))
        trust.load_cert_chain(certificate, key)
