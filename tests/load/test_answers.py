"""Who answered is told by the answer alone."""

import pytest

from load.answers import Answers


@pytest.mark.parametrize(
    ("values", "version"),
    [
        ((7.0,), "v1"),
        ((7.007,), "v1"),
        ((7.008,), None),
        ((13.0,), "v2"),
        ((0.0,), None),
        ((7.0, 7.0), None),
        ((), None),
        ((float("nan"),), None),
    ],
)
def test_an_answer_is_the_version_s_whose_values_it_has_within_the_tolerance_of_golden_requests(
    values: tuple[float, ...], version: str | None
) -> None:
    assert Answers.parse(["v1=7.0", "v2=13"]).version(values) == version


def test_an_answer_of_several_values_is_compared_whole() -> None:
    answers = Answers.parse(["1=0.1,0.9", "2=0.1,0.8"])
    assert [answers.version(values) for values in ((0.1, 0.9), (0.1, 0.8), (0.1, 0.7))] == ["1", "2", None]


@pytest.mark.parametrize("texts", [["v1"], ["=7"], ["v1=7", "v1=8"], ["v1=seven"], ["v1="]])
def test_answers_that_cannot_be_read_are_refused(texts: list[str]) -> None:
    with pytest.raises(ValueError, match=r"given once for each version|could not convert"):
        Answers.parse(texts)


def test_versions_that_answer_the_same_cannot_be_told_apart_and_are_refused() -> None:
    with pytest.raises(ValueError, match="v1 and v3 answer the same"):
        Answers.parse(["v1=7", "v2=13", "v3=7.001"])
