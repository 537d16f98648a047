"""Which kinds could not be listed where: what is unknown, what is only stale, and when it is tried again."""

import pytest

from slipway.controller.coverage import Coverage
from slipway.controller.kinds import DEPLOYMENT, HTTP_ROUTE, NODE, Kind
from slipway.controller.kube import ForbiddenError, KubeError, NotFoundError

FORBIDDEN = ForbiddenError(403, "Forbidden", "no")
GONE = NotFoundError(404, "NotFound", "no such kind")
BROKEN = KubeError(500, "InternalError", "webhook")
NOTHING = (set[str](), set[str](), False)


def said_of(coverage: Coverage, namespace: str) -> tuple[set[str], set[str], bool]:
    """Unknown and unlisted kinds, and whether decisions have to wait."""
    return set(coverage.unknown_kinds), set(coverage.unlisted_kinds(namespace)), coverage.is_blind(namespace)


@pytest.mark.parametrize(
    ("kind", "error", "unknown", "unlisted", "blind"),
    [
        (DEPLOYMENT, FORBIDDEN, set(), {"Deployment"}, True),
        (DEPLOYMENT, BROKEN, set(), {"Deployment"}, True),
        (DEPLOYMENT, GONE, set(), {"Deployment"}, True),
        (HTTP_ROUTE, FORBIDDEN, set(), {"HTTPRoute"}, False),
        (HTTP_ROUTE, BROKEN, set(), {"HTTPRoute"}, False),
        (HTTP_ROUTE, GONE, {"HTTPRoute"}, set(), False),
        (NODE, FORBIDDEN, set(), {"Node"}, False),
    ],
)
def test_what_was_never_listed_is_not_known_and_decisions_wait_for_what_they_need(
    kind: Kind, error: KubeError, unknown: set[str], unlisted: set[str], blind: bool
) -> None:
    coverage = Coverage()
    coverage.record_failure(kind, None, error, now=0)

    assert said_of(coverage, "a") == (unknown, unlisted, blind)
    coverage.record_listing(kind, None)
    assert said_of(coverage, "a") == NOTHING


@pytest.mark.parametrize("error", [FORBIDDEN, GONE, BROKEN])
@pytest.mark.parametrize("kind", [DEPLOYMENT, HTTP_ROUTE])
def test_what_was_listed_once_is_known_as_it_was_last_seen(kind: Kind, error: KubeError) -> None:
    coverage = Coverage()
    coverage.record_listing(kind, "a")
    coverage.record_failure(kind, "a", error, now=0)

    assert coverage.has_gap(kind, "a")
    assert said_of(coverage, "a") == NOTHING


@pytest.mark.parametrize(
    ("kind", "error", "told"),
    [
        (DEPLOYMENT, FORBIDDEN, True),
        (DEPLOYMENT, BROKEN, False),
        (DEPLOYMENT, GONE, False),
        (HTTP_ROUTE, FORBIDDEN, False),
        (NODE, FORBIDDEN, False),
    ],
)
def test_why_nothing_is_done_is_told_where_somebody_has_to_grant_something(
    kind: Kind, error: KubeError, told: bool
) -> None:
    coverage = Coverage()
    coverage.record_failure(kind, "a", error, now=0)

    why = coverage.why_blind("a")
    expected = "the operator may not list deployments in namespace a: nothing is done here until it may"
    assert why == (expected if told else None)
    assert coverage.why_blind("b") is None
    coverage.record_listing(kind, "a")
    assert coverage.why_blind("a") is None


def test_a_namespace_that_cannot_be_listed_says_nothing_of_another() -> None:
    coverage = Coverage()
    coverage.record_failure(HTTP_ROUTE, "b", FORBIDDEN, now=0)
    coverage.record_failure(DEPLOYMENT, "b", FORBIDDEN, now=0)

    assert coverage.unlisted_kinds("b") == {"HTTPRoute", "Deployment"}
    assert said_of(coverage, "a") == NOTHING


def test_a_gap_is_news_once_and_again_for_another_reason() -> None:
    coverage = Coverage()

    assert coverage.record_failure(DEPLOYMENT, None, BROKEN, now=0)
    assert not coverage.record_failure(DEPLOYMENT, None, BROKEN, now=5)
    assert coverage.record_failure(DEPLOYMENT, None, FORBIDDEN, now=15)
    assert coverage.record_listing(DEPLOYMENT, None)
    assert not coverage.record_listing(DEPLOYMENT, None)
    assert coverage.record_failure(DEPLOYMENT, None, FORBIDDEN, now=20)


def test_that_the_cluster_knows_no_such_kind_is_news_once_for_all_namespaces() -> None:
    coverage = Coverage()

    assert coverage.record_failure(HTTP_ROUTE, "a", GONE, now=0)
    assert not coverage.record_failure(HTTP_ROUTE, "b", GONE, now=0)
    assert coverage.record_failure(DEPLOYMENT, "a", GONE, now=0)
    assert coverage.record_failure(DEPLOYMENT, "b", GONE, now=0)


@pytest.mark.parametrize(
    ("error", "waits"), [(FORBIDDEN, [5, 10, 20, 40, 80, 120, 120]), (BROKEN, [5, 10, 20]), (GONE, [15, 15, 15])]
)
def test_it_is_tried_again_ever_more_slowly_but_for_what_may_be_installed(error: KubeError, waits: list[int]) -> None:
    coverage, now = Coverage(), 100.0
    for wait in waits:
        coverage.record_failure(HTTP_ROUTE, None, error, now)
        (gap,) = coverage.gaps()
        assert gap.next_at - now == wait
        now = gap.next_at
