"""Logging in to a registry: as it challenges, with what the Secret has."""

import base64
import binascii
import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from slipway.fetch.stores.manifest import Reference
from slipway.fetch.verdict import FetchError, Reason

DOCKER_CONFIG: Final = ".dockerconfigjson"
"""The key of a Secret of type kubernetes.io/dockerconfigjson."""
_BEARER: Final = re.compile(r"\bbearer\s+(.*)", re.IGNORECASE | re.DOTALL)
_BASIC: Final = re.compile(r"\bbasic\b", re.IGNORECASE)
_PARAMETER: Final = re.compile(r'([A-Za-z_]+)="([^"]*)"')

Ask = Callable[[str, Mapping[str, str], Mapping[str, str]], Any]
"""An address, its parameters and headers; what is there, as JSON."""


@dataclass(frozen=True, kw_only=True)
class Keys:
    """What the Secret has."""

    basic: str | None = None
    """`USER:PASSWORD`, encoded."""
    token: str | None = None


def read_keys(folder: Path, reference: Reference) -> Keys:
    """`username` and `password`, or `token`, or a docker configuration with this registry in it."""
    files = [folder / name for name in ("username", "password", "token")]  # others are somebody else's business
    given = {file.name: file.read_text().strip() for file in files if file.is_file()}
    if "token" in given:
        return Keys(token=given["token"])
    if "username" in given:
        return Keys(basic=_encoded(given["username"], given.get("password", "")))
    config = folder / DOCKER_CONFIG
    return Keys(basic=_of_docker(config.read_text(), reference) if config.is_file() else None)


class Login:
    """The header that requests carry. Several threads may be challenged at a time; one of them answers."""

    def __init__(self, keys: Keys, repository: str, actions: str, ask: Ask) -> None:
        self._keys, self._ask = keys, ask
        self._scope = f"repository:{repository}:{actions}"
        self._answering = threading.Lock()
        self.header: str | None = f"Bearer {keys.token}" if keys.token else None

    def answer(self, challenge: str, sent: str | None) -> bool:
        """Whether another try is worth it, after one that `sent` this header was answered 401."""
        with self._answering:
            if self.header == sent:
                self.header = self._answered(challenge) or sent
            return self.header != sent

    def _answered(self, challenge: str) -> str | None:
        basic = f"Basic {self._keys.basic}" if self._keys.basic else None
        if self._keys.token:
            return None
        if bearer := _BEARER.search(challenge):
            return self._token(dict(_PARAMETER.findall(bearer[1])), basic)
        return basic if _BASIC.search(challenge) else None

    def _token(self, parameters: Mapping[str, str], basic: str | None) -> str | None:
        realm = parameters.get("realm", "")
        if not realm.startswith(("https://", "http://")):
            return None
        asked = {"scope": self._scope, **({"service": parameters["service"]} if "service" in parameters else {})}
        answer = self._ask(realm, asked, {"Authorization": basic} if basic else {})
        token = (answer.get("token") or answer.get("access_token")) if isinstance(answer, dict) else None
        return f"Bearer {token}" if isinstance(token, str) and token.isascii() and token.isprintable() else None


def _of_docker(text: str, reference: Reference) -> str | None:
    try:
        auths = json.loads(text)["auths"]
        named = {_host(name): entry for name, entry in auths.items()}
        entry = named.get(reference.host) or named.get(reference.base.partition("://")[2])
        if entry is None:
            return None
        if entry.get("auth"):
            base64.b64decode(entry["auth"], validate=True)
            return str(entry["auth"])
        return _encoded(entry["username"], entry["password"])
    except (ValueError, TypeError, KeyError, AttributeError, binascii.Error, RecursionError):
        message = f"{DOCKER_CONFIG} in the Secret of source.secretName: no docker configuration with auths; correct it"
        raise FetchError(Reason.SOURCE_DENIED, message) from None


def _host(name: str) -> str:
    return name.rpartition("://")[2].partition("/")[0]


def _encoded(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()
