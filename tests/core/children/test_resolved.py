from typing import Any

import pytest

from slipway.core.children.resolved import Resolved
from tests.core.gen import DIGEST, resolved


def test_what_was_resolved_reads_back_as_it_was_written() -> None:
    assert Resolved.parse(resolved().to_dict()) == resolved()


def test_what_a_later_fetcher_adds_is_passed_over() -> None:
    assert Resolved.parse({**resolved().to_dict(), "licence": "MIT"}) == resolved()


@pytest.mark.parametrize(
    ("signature", "shown"),
    [
        ({"signedBy": ["a.pem (sha256:12)", "b.pem (sha256:34)"]}, "by a.pem (sha256:12), b.pem (sha256:34)"),
        ({"warning": "SignatureMissing: model.sig: not there"}, "SignatureMissing: model.sig: not there"),
        (None, None),
    ],
    ids=["signed", "a warning", "not asked for"],
)
def test_who_signed_is_told_to_people(signature: dict[str, Any] | None, shown: str | None) -> None:
    found = resolved(signature=signature)

    assert found.signed == shown
    assert Resolved.parse(found.to_dict()) == found


def test_only_digest_and_size_must_be_there() -> None:
    found = Resolved.parse({"digest": DIGEST, "size": 1})

    assert (found.unverified, found.golden, found.model) == (False, 0, None)


@pytest.mark.parametrize(
    "found",
    [{}, {"digest": "abc", "size": 1}, {"digest": DIGEST}, {"digest": DIGEST, "size": -1}],
    ids=["nothing", "no digest's form", "no size", "a negative size"],
)
def test_what_is_none_is_refused(found: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        Resolved.parse(found)
