"""Uses: joined by digest, out of whatever status says, and of other namespaces as counts alone."""

from typing import Any, Final

from hypothesis import example, given
from hypothesis import strategies as st

from slipway.api.v1alpha1 import ModelVersionStatus
from slipway.core.catalogue.uses import Use, uses_of, version_status

D: Final = ["sha256:" + each * 64 for each in "abc"]


def revision(state: str, digest: str) -> dict[str, Any]:
    return {"revision": "r", "state": state, "digest": digest}


def refused(digest: str | None, at: str = "2026-11-02T10:00:00Z", message: str = "p[0] is 1") -> dict[str, Any]:
    told = {"ask": "x", "version": "4", "reason": "WrongAnswer", "message": message, "at": at}
    return told | ({"digest": digest} if digest else {})


def states(status: dict[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for use in uses_of("a", "churn", status):
        found.setdefault(use.digest, []).append(use.state)
    return found


def test_a_digest_has_the_states_of_its_revisions() -> None:
    status = {
        "revisions": [
            revision("Stable", D[0]),
            revision("Candidate", D[1]),
            revision("Standby", D[2]),
            revision("Retiring", D[2]),
            revision("Superseded", D[1]),
        ]
    }
    assert states(status) == {D[0]: ["Serving"], D[1]: ["Candidate", "Serving"], D[2]: ["Standby"]}


def test_a_refusal_counts_by_digest_once_and_not_where_the_digest_is_had_now() -> None:
    status = {
        "revisions": [revision("Stable", D[0])],
        "refused": refused(D[1], "2026-11-03T10:00:00Z", "later"),
        "alsoRefused": [refused(D[1]), refused(D[0]), refused(None), refused(D[2], "never")],
    }
    assert states(status) == {D[0]: ["Serving"], D[1]: ["Refused"]}
    assert [use.message for use in uses_of("a", "churn", status) if use.digest == D[1]] == ["later"]


def test_of_another_namespace_there_are_counts_where_the_model_is_shared_and_nothing_else() -> None:
    uses = [
        *uses_of("a", "churn", {"revisions": [revision("Stable", D[0])]}),
        *uses_of("b", "secret-name", {"revisions": [revision("Stable", D[0])]}),
        *uses_of("c", "other", {"refused": refused(D[0], message="secret words")}),
    ]
    alone, one, everyone = (version_status("a", frozenset(shared), uses) for shared in ("", "b", "*"))
    assert [(each.uses.serving, each.uses.refused) for each in (alone, one, everyone)] == [(1, 0), (2, 0), (2, 1)]
    for status in (alone, one, everyone):
        assert [each.name for each in status.used_by] == ["churn"]
        assert status.last_refusal is None
        assert "secret" not in str(status.to_dict())


def test_the_last_refusal_is_the_latest_of_its_own_namespace() -> None:
    uses = [
        *uses_of("a", "one", {"refused": refused(D[0], "2026-11-02T10:00:00Z", "first")}),
        *uses_of("a", "two", {"refused": refused(D[0], "2026-11-03T10:00:00Z", "x" * 9000)}),
        *uses_of("b", "three", {"refused": refused(D[0], "2026-11-09T10:00:00Z", "elsewhere")}),
    ]
    status = version_status("a", frozenset("*"), uses)
    assert status.last_refusal
    assert status.last_refusal.name == "two"
    assert len(status.last_refusal.message) == 512


ANYTHING: Final = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["", "Stable", "Refused", D[0], "2026-11-02T10:00:00Z"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["revisions", "refused", "alsoRefused", "state", "digest", "at", "message"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(ANYTHING)
@example({"revisions": [{"state": [], "digest": {}}, {"state": "Stable", "digest": [1]}]})
def test_whatever_somebody_wrote_into_a_status_is_read_or_passed_over(status: Any) -> None:
    assert all(isinstance(use, Use) for use in uses_of("a", "churn", status))


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"), st.text("xyz", min_size=1, max_size=3), st.sampled_from(["Stable", "Standby"])
        ),
        max_size=60,
    ),
    st.sets(st.sampled_from(["b", "c", "*"])),
)
def test_a_status_is_bounded_and_does_not_hang_on_the_order(have: list[tuple[str, str, str]], shared: set[str]) -> None:
    uses = [use for ns, name, state in have for use in uses_of(ns, name, {"revisions": [revision(state, D[0])]})]
    status = version_status("a", frozenset(shared), uses)
    assert version_status("a", frozenset(shared), reversed(uses)) == status
    assert len(status.used_by) <= 32
    assert ModelVersionStatus.model_validate(status.to_dict()) == status
    seen = sum(1 for ns, _, _ in have if ns == "a" or ns in shared or "*" in shared)
    assert status.uses.serving + status.uses.standby == seen
