"""Aliases: what each means, and how it was moved."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.api.v1alpha1 import RegisteredModelStatus
from slipway.core.catalogue.aliases import MOVES, model_status
from slipway.core.catalogue.facts import MOST_ALIASES, RegisteredModelFacts, VersionFacts

NOW: Final = datetime(2026, 11, 28, 12, tzinfo=UTC)
DIGEST: Final = "sha256:" + "a" * 64

Object = dict[str, Any]


def registered(aliases: dict[str, str], status: RegisteredModelStatus | None = None, **by: tuple[str, datetime]) -> Any:
    """The facts of a model, whose aliases were given by managers at times."""
    entries = [
        {
            "manager": manager,
            "operation": "Update",
            "time": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "fieldsV1": {"f:spec": {"f:aliases": {f"f:{alias}": {}}}},
        }
        for alias, (manager, at) in by.items()
    ]
    manifest: Object = {
        "metadata": {"name": "churn", "namespace": "a", "generation": 3, "managedFields": entries},
        "spec": {"aliases": aliases},
        "status": status.to_dict() if status else {},
    }
    return RegisteredModelFacts.of(manifest)


def published(*versions: str, withdrawn: str = "") -> dict[str, VersionFacts]:
    manifests: list[Object] = [
        {
            "metadata": {"name": f"churn-{version}", "namespace": "a"},
            "spec": {
                "model": "churn",
                "version": version,
                "digest": DIGEST,
                **({"withdrawn": {"action": "Block", "reason": "leaks"}} if version == withdrawn else {}),
            },
        }
        for version in versions
    ]
    return {each.version: each for each in map(VersionFacts.of, manifests)}


def test_an_alias_means_a_version_and_its_digest_and_says_who_gave_it_when() -> None:
    at = NOW - timedelta(days=1)
    status = model_status("churn", registered({"champion": "3"}, champion=("argocd", at)), published("2", "3"), NOW)
    assert (status.versions, status.withdrawn, status.observed_generation) == (2, 0, 3)
    [alias] = status.aliases
    assert (alias.version, alias.digest, alias.since, alias.message) == ("3", DIGEST, at, None)
    assert [(move.version, move.at, move.manager) for move in alias.moves] == [("3", at, "argocd")]


def test_of_several_managers_that_agree_the_last_moved_it() -> None:
    entries = registered({"champion": "3"}, champion=("early", NOW - timedelta(days=2)))
    manifest: Object = {
        "metadata": {
            "name": "churn",
            "namespace": "a",
            "managedFields": [
                {"manager": m, "time": t, "fieldsV1": {"f:spec": {"f:aliases": {"f:champion": {}}}}}
                for m, t in (("late", "2026-11-02T00:00:00Z"), ("early", "2026-11-01T00:00:00Z"))
            ]
            + [{"manager": "status", "time": "2026-11-05T00:00:00Z", "subresource": "status", "fieldsV1": {}}],
        },
        "spec": {"aliases": {"champion": "3"}},
    }
    assert RegisteredModelFacts.of(manifest).aliases["champion"].manager == "late"
    assert entries.aliases["champion"].manager == "early"


@pytest.mark.parametrize(
    ("versions", "withdrawn", "says"),
    [
        (["2"], "", "version 3 is not published: create the ModelVersion churn-3, or move the alias"),
        (["3"], "3", "version 3 is withdrawn: leaks; move the alias to another version"),
    ],
)
def test_an_alias_says_what_is_wrong_with_it(versions: list[str], withdrawn: str, says: str) -> None:
    facts = registered({"champion": "3"})
    [alias] = model_status("churn", facts, published(*versions, withdrawn=withdrawn), NOW).aliases
    assert alias.message == says
    assert (alias.digest is None) == ("3" not in versions)


def test_an_alias_that_was_taken_away_keeps_its_history() -> None:
    first = model_status("churn", registered({"champion": "3"}), published("3"), NOW)
    gone = model_status("churn", registered({}, first), published("3"), NOW + timedelta(hours=1))
    [alias] = gone.aliases
    assert (alias.version, alias.digest) == (None, None)
    assert [move.version for move in alias.moves] == ["3", None]
    back = model_status("churn", registered({"champion": "2"}, gone), published("2"), NOW + timedelta(hours=2))
    assert [move.version for move in back.aliases[0].moves] == ["3", None, "2"]


ALIASES: Final = st.dictionaries(
    st.sampled_from([f"alias-{n}" for n in range(40)]), st.sampled_from(["1", "2", "3"]), max_size=16
)


@given(st.lists(ALIASES, min_size=1, max_size=14), st.sets(st.sampled_from(["1", "2", "3"])))
def test_whatever_moves_the_status_is_bounded_true_and_settles(moves: list[dict[str, str]], there: set[str]) -> None:
    status: RegisteredModelStatus | None = None
    for step, aliases in enumerate(moves):
        now = NOW + timedelta(minutes=step)
        status = model_status("churn", registered(aliases, status), published(*there), now)
        later = now + timedelta(days=1)
        assert model_status("churn", registered(aliases, status), published(*there), later) == status
        assert {each.name: each.version for each in status.aliases if each.version} == aliases
        assert len(status.aliases) <= MOST_ALIASES
        for each in status.aliases:
            assert 1 <= len(each.moves) <= MOVES
            assert each.moves[-1].version == each.version
            assert (each.digest is not None) == (each.version in there)
        assert RegisteredModelStatus.model_validate(status.to_dict()) == status


@pytest.mark.parametrize("part", [{"spec": None}, {"spec": {"aliases": []}}, {"status": {"aliases": 3}}, {}])
def test_an_object_that_lacks_anything_can_be_read(part: Object) -> None:
    manifest: Object = {"metadata": {"name": "churn", "namespace": "a"}, **part}
    assert model_status("churn", RegisteredModelFacts.of(manifest), {}, NOW).aliases == []
    assert VersionFacts.of(manifest).withdrawal is None


@pytest.mark.parametrize(
    ("aliases", "told"),
    [
        ({"champion": "3", "a" * 65: "3", "long": "3" * 65, "number": 3, "null": None, "none": ""}, ["champion"]),
        ({f"alias-{n:02d}": "3" for n in range(99)}, [f"alias-{n:02d}" for n in range(MOST_ALIASES)]),
    ],
)
def test_of_aliases_that_another_crd_has_let_through_those_that_fit_are_told(aliases: Object, told: list[str]) -> None:
    manifest: Object = {"metadata": {"name": "churn", "namespace": "a"}, "spec": {"aliases": aliases}}
    spec = {"model": "churn", "version": "3", "digest": "sha256:" + "3" * 99}
    version = VersionFacts.of({"metadata": {"name": "churn-3", "namespace": "a"}, "spec": spec})
    status = model_status("churn", RegisteredModelFacts.of(manifest), {"3": version}, NOW)
    assert [each.name for each in status.aliases] == told
    assert RegisteredModelStatus.model_validate(status.to_dict()) == status


@pytest.mark.parametrize("shared", ["web", 7, {"web": "*"}, [["web"], 7, None, ""], True])
def test_what_is_no_list_of_namespaces_shares_with_nobody(shared: object) -> None:
    manifest: Object = {"metadata": {"name": "churn", "namespace": "a"}, "spec": {"sharedWith": shared}}
    assert RegisteredModelFacts.of(manifest).shared_with == frozenset()
