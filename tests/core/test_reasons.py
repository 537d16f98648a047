"""A reason is its word, wherever words are compared, looked up or written, and declares what it speaks of."""

import copy
import json
import pickle

import pytest

from slipway.core.reasons import About, Reason, finding, stored_finding


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_is_its_word(reason: Reason) -> None:
    word = reason.value
    assert type(word) is str
    assert word == reason == str(reason) == f"{reason}"
    assert hash(word) == hash(reason)
    assert Reason(word) is pickle.loads(pickle.dumps(reason)) is copy.deepcopy(reason) is reason
    assert json.loads(json.dumps({reason: reason})) == {word: word}


@pytest.mark.parametrize("reason", Reason)
def test_a_finding_speaks_of_what_its_reason_declares(reason: Reason) -> None:
    """What goes well and is found anyway, such as a wait, is never held against the revision."""
    assert finding(reason, "words").about is (reason.about or About.WORLD)


def test_a_word_of_another_version_is_no_reason_of_this_one() -> None:
    with pytest.raises(ValueError, match="NoSuchReason"):
        Reason("NoSuchReason")
    assert stored_finding("NoSuchReason", "words").reason is Reason.UNAVAILABLE
