"""Comparing answers: the tolerance, stable's own noise, and everything that is not a matter of digits."""

import math

import pytest

from slipway.core.analysis.answers import compare, refused
from slipway.core.observed.evidence import Answer, Output, Trial
from tests.core.analysis.samples import answer, refusal, trial

SAME, DIFFERS, UNKNOWN = "same", "differs", "unknown"


def verdict(trial: Trial, tolerance: float = 0.001) -> tuple[str, str]:
    found = compare(trial, tolerance)
    if found.unknown:
        return UNKNOWN, found.unknown
    return (DIFFERS, found.differs) if found.differs else (SAME, "")


def of(*outputs: Output) -> Answer:
    return Answer(pod="a-pod", outputs=outputs)


def output(name: str, *data: float, shape: tuple[int, ...] | None = None) -> Output:
    return Output(name=name, datatype="FP32", shape=shape or (len(data),), data=data)


CASES: list[tuple[str, Trial, str, str]] = [
    ("equal", trial(answer(1.0, 2.0), answer(1.0, 2.0)), SAME, ""),
    ("within the tolerance", trial(answer(1.0009), answer(1.0)), SAME, ""),
    ("beyond the tolerance", trial(answer(1.0011), answer(1.0)), DIFFERS, "y[0] is 1.0011, stable's 1, more than"),
    ("the second element", trial(answer(1.0, 9.0), answer(1.0, 2.0)), DIFFERS, "requests[0]: y[1] is 9, stable's 2"),
    ("tolerance grows with large numbers", trial(answer(1000.9), answer(1000.0)), SAME, ""),
    ("tolerance does not shrink below one", trial(answer(0.0009), answer(0.0)), SAME, ""),
    ("within stable's noise", trial(answer(1.05), answer(1.0), answer(1.1)), SAME, ""),
    ("beyond stable's noise", trial(answer(1.2), answer(1.0), answer(1.1)), DIFFERS, "stable's noise 0.1"),
    (
        "the noise of one element stands for its tensor",
        trial(answer(5.05, 1.0), answer(5.0, 1.0), answer(5.0, 1.1)),
        SAME,
        "",
    ),
    ("NaN where NaN is", trial(answer(math.nan), answer(math.nan)), SAME, ""),
    ("NaN where none is", trial(answer(math.nan), answer(1.0)), DIFFERS, "y[0] is nan"),
    ("infinite where it is", trial(answer(math.inf), answer(math.inf)), SAME, ""),
    ("infinite the other way", trial(answer(-math.inf), answer(math.inf)), DIFFERS, "y[0] is -inf"),
    ("finite where infinite", trial(answer(1.0), answer(math.inf)), DIFFERS, "stable's inf"),
    ("stable is NaN once", trial(answer(1.0), answer(1.0), answer(math.nan)), UNKNOWN, "does not agree with itself"),
    (
        "integers are exact",
        trial(answer(8, datatype="INT64"), answer(7, datatype="INT64")),
        DIFFERS,
        "is 8, stable's 7",
    ),
    ("equal strings", trial(answer(b"a", datatype="BYTES"), answer(b"a", datatype="BYTES")), SAME, ""),
    (
        "other strings",
        trial(answer(b"b" * 99, datatype="BYTES"), answer(b"a", datatype="BYTES")),
        DIFFERS,
        f"is b'{'b' * 58}…, stable's b'a'",
    ),
    (
        "strings that are drawn anew each time",
        trial(answer(b"a", datatype="BYTES"), answer(b"a", datatype="BYTES"), answer(b"b", datatype="BYTES")),
        UNKNOWN,
        "y: stable does not agree with itself",
    ),
    ("another type", trial(answer(1, datatype="INT64"), answer(1.0)), DIFFERS, "datatype INT64, stable's is FP32"),
    ("another shape", trial(answer(1.0, 2.0), answer(1.0)), DIFFERS, "shape [1, 2], stable's is [1, 1]"),
    (
        "the same elements in another shape",
        trial(of(output("y", 1.0, 2.0, shape=(2, 1))), of(output("y", 1.0, 2.0))),
        DIFFERS,
        "shape [2, 1], stable's is [2]",
    ),
    (
        "fewer elements than its shape says",
        trial(of(output("y", shape=(1, 4))), of(output("y", *[1.0] * 4, shape=(1, 4)))),
        DIFFERS,
        "shape [1, 4]",
    ),
    ("an output is missing", trial(of(), answer(1.0)), DIFFERS, "no output of that name"),
    ("an output more", trial(of(output("y", 1.0), output("z", 1.0)), of(output("y", 1.0))), SAME, ""),
    (
        "an error of the candidate",
        trial(refusal(400, "answered 400: no x")),
        DIFFERS,
        "candidate's a-pod: answered 400",
    ),
    ("a full queue of the candidate", trial(refusal(503)), DIFFERS, "answered 503"),
    ("no answer of the candidate", trial(refusal(0, "cannot be reached")), UNKNOWN, "cannot be reached"),
    ("an error of stable", trial(answer(1.0), refusal(400)), UNKNOWN, "stable's a-pod"),
    ("an error of stable, once", trial(answer(9.0), answer(1.0), refusal(503)), UNKNOWN, "stable's a-pod"),
    ("errors of both", trial(refusal(500), refusal(500)), UNKNOWN, "stable's a-pod"),
    ("stable has no outputs", trial(answer(1.0), of()), UNKNOWN, "stable's answer has no outputs"),
]


@pytest.mark.parametrize(("asked", "outcome", "says"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_a_comparison(asked: Trial, outcome: str, says: str) -> None:
    found = verdict(asked)
    assert found[0] == outcome
    assert says in found[1]


def test_refused_requests_are_those_that_the_server_could_not_take() -> None:
    trials = [trial(refusal(503)), trial(refusal(400)), trial(refusal(0)), trial(answer(1.0))]
    assert refused(trials) == (1, 3)
