"""Who somebody is by the headers of a proxy, and by those of anybody else: nobody."""

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from slipway.console.identity import TOKEN_HEADER, NobodyError, Proxy, Reader

TOKEN = "0123456789abcdef"
AUTHENTICATED = "system:authenticated"
SHOWN = (TOKEN_HEADER, TOKEN)
ANN = ("X-Forwarded-User", "ann")
GROUPS = "X-Forwarded-Groups"


def reader(*headers: tuple[str, str], token: str = TOKEN, **prefixes: str) -> Reader:
    return Proxy(lambda: token, **prefixes).reader(CIMultiDictProxy(CIMultiDict(headers)))


def test_the_proxys_word_is_believed() -> None:
    assert reader(SHOWN, ANN) == Reader("ann", frozenset({AUTHENTICATED}))
    assert reader(SHOWN, ANN, (GROUPS, "ml, ops"), (GROUPS, "x,")).groups == {AUTHENTICATED, "ml", "ops", "x"}
    found = reader(SHOWN, ANN, (GROUPS, "ml"), user_prefix="oidc:", groups_prefix="idp:")
    assert found == Reader("oidc:ann", frozenset({AUTHENTICATED, "idp:ml"}))


@pytest.mark.parametrize(
    ("headers", "token", "status"),
    [
        ([ANN], TOKEN, 403),
        ([ANN, (TOKEN_HEADER, "")], TOKEN, 403),
        ([ANN, (TOKEN_HEADER, TOKEN[:-1])], TOKEN, 403),
        ([ANN, (TOKEN_HEADER, f"{TOKEN}\u00e9")], TOKEN, 403),
        ([ANN, (TOKEN_HEADER, "")], "", 403),
        ([ANN, (TOKEN_HEADER, "short")], "short", 403),
        ([SHOWN], TOKEN, 401),
        ([SHOWN, ("X-Forwarded-User", " ")], TOKEN, 401),
        ([SHOWN, ANN, ("X-Forwarded-User", "admin")], TOKEN, 401),
        ([SHOWN, ("X-Forwarded-User", "system:admin")], TOKEN, 403),
        ([SHOWN, ("X-Forwarded-User", "system:serviceaccount:kube-system:x")], TOKEN, 403),
    ],
)
def test_what_the_proxy_did_not_write_names_nobody(headers: list[tuple[str, str]], token: str, status: int) -> None:
    with pytest.raises(NobodyError) as raised:
        reader(*headers, token=token)
    assert raised.value.status == status


def test_no_group_of_the_clusters_own_comes_by_a_header() -> None:
    assert reader(SHOWN, ANN, (GROUPS, "system:masters,ml")).groups == {AUTHENTICATED, "ml"}
