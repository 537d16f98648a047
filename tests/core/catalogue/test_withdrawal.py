"""Withdrawal: a table of what follows, and whose withdrawals hold where."""

from itertools import permutations
from typing import Any, Final

import pytest

from slipway.core.catalogue.facts import VersionFacts
from slipway.core.catalogue.withdrawal import Effect, Occasion, effect, withdrawals_by_digest

D: Final = ["sha256:" + each * 64 for each in "abc"]


def version(namespace: str, digest: str, action: str | None = None, **more: Any) -> tuple[str, VersionFacts]:
    withdrawn = {"withdrawn": {"action": action, "reason": "leaks names", **more}} if action else {}
    manifest = {
        "metadata": {"name": "churn-3", "namespace": namespace},
        "spec": {"model": "churn", "version": "3", "digest": digest, **withdrawn},
    }
    return namespace, VersionFacts.of(manifest)


TABLE: Final = {
    Occasion.ASK: {None: Effect.NOTHING, "Warn": Effect.TELL, "Block": Effect.REFUSE},
    Occasion.ROLLBACK: {None: Effect.NOTHING, "Warn": Effect.TELL, "Block": Effect.REFUSE},
    Occasion.SERVING: {None: Effect.NOTHING, "Warn": Effect.TELL, "Block": Effect.TELL},
    Occasion.FALLBACK: {None: Effect.NOTHING, "Warn": Effect.TELL, "Block": Effect.TELL},
}


@pytest.mark.parametrize("occasion", Occasion)
@pytest.mark.parametrize("action", [None, "Warn", "Block"])
def test_what_follows(occasion: Occasion, action: str | None) -> None:
    assert effect(version("a", D[0], action)[1].withdrawal, occasion) is TABLE[occasion][action]


def test_no_withdrawal_takes_anything_away_that_answers() -> None:
    assert not [
        occasion
        for occasion in (Occasion.SERVING, Occasion.FALLBACK)
        for action in ("Warn", "Block", "Delete")
        if effect(version("a", D[0], action)[1].withdrawal, occasion) is Effect.REFUSE
    ]


def test_an_action_that_a_later_schema_may_have_is_told_and_blocks_nothing() -> None:
    assert effect(version("a", D[0], "Quarantine")[1].withdrawal, Occasion.ASK) is Effect.TELL


def test_a_strangers_version_withdraws_nothing() -> None:
    versions = [version("stranger", D[0], "Block"), version("a", D[1], "Warn"), version("platform", D[2], "Block")]
    assert withdrawals_by_digest(versions, namespace="a").keys() == {D[1]}
    assert withdrawals_by_digest(versions, namespace="a", everywhere=frozenset({"platform"})).keys() == {D[1], D[2]}
    assert withdrawals_by_digest(versions, namespace="stranger").keys() == {D[0]}


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_of_several_withdrawals_of_the_same_bytes_block_holds_in_whatever_order_they_come(order: tuple[int]) -> None:
    versions = [version("a", D[0], "Warn"), version("platform", D[0], "Block"), version("a", D[0])]
    found = withdrawals_by_digest([versions[n] for n in order], namespace="a", everywhere=frozenset({"platform"}))
    assert found[D[0]].action == "Block"


def test_its_words_say_which_version_why_and_what_to_use() -> None:
    [withdrawal] = withdrawals_by_digest([version("a", D[0], "Block", instead="4")], namespace="a").values()
    assert withdrawal.words == "churn 3 of namespace a is withdrawn: leaks names; use version 4"
