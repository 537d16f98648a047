"""Who looks, where a proxy in front has signed them in and says so in headers.

A header is anybody's to write. So the proxy shows a token that nobody else has, and what comes without it is nobody.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from multidict import CIMultiDictProxy

from slipway.console.sent import is_text

TOKEN_HEADER: Final = "X-Slipway-Proxy-Token"  # noqa: S105 - its name
SHORTEST: Final = 16
"""Of the proxy's token."""
_SYSTEM: Final = "system:"
_AUTHENTICATED: Final = "system:authenticated"


class NobodyError(Exception):
    """A request that says in no believable way who asks."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Reader:
    """A person as the API server knows them; without a name: anybody."""

    user: str = ""
    groups: frozenset[str] = frozenset()


ANYBODY: Final = Reader()


@dataclass(frozen=True)
class Proxy:
    """What is known of the proxy. `token` reads the one that it has to show, which may be changed."""

    token: Callable[[], str]
    user_header: str = "X-Forwarded-User"
    groups_header: str = "X-Forwarded-Groups"
    user_prefix: str = ""
    """In front of names, as the API server has it: its --oidc-username-prefix."""
    groups_prefix: str = ""

    def reader(self, headers: "CIMultiDictProxy[str]") -> Reader:
        """Whom the headers name. NobodyError where the proxy did not write them, or they name nobody."""
        token, shown = self.token(), headers.getall(TOKEN_HEADER, [])
        if len(token) < SHORTEST or not any(_same(each, token) for each in shown):
            raise NobodyError(403, "This is reached through its proxy, by which people sign in, and not directly.\n")
        users = headers.getall(self.user_header, [])
        if len(users) != 1 or not users[0].strip():
            raise NobodyError(401, f"The proxy names no user: it has to set {self.user_header}, once.\n")
        lines = headers.getall(self.groups_header, [])
        if not is_text((*users, *lines)):
            raise NobodyError(401, "The proxy names somebody in bytes that are not UTF-8.\n")
        user = f"{self.user_prefix}{users[0].strip()}"
        if user.startswith(_SYSTEM):
            raise NobodyError(403, "The proxy names one of the cluster's own users, and no person.\n")
        named = [each.strip() for line in lines for each in line.split(",")]
        groups = (f"{self.groups_prefix}{each}" for each in named if each)
        return Reader(user, frozenset({_AUTHENTICATED, *(each for each in groups if not each.startswith(_SYSTEM))}))


def _same(shown: str, token: str) -> bool:
    return hmac.compare_digest(shown.encode(errors="replace"), token.encode(errors="replace"))
