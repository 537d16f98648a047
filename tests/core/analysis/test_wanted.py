"""What the shell is asked: queries with their placeholders filled in, and requests from where they are given."""

import re

import pytest

from slipway.api.v1alpha1.model import GoldenRequest, Tensor
from slipway.core.analysis.look import Exam, Question, comparable, exams, questions
from slipway.core.analysis.query import Subject
from tests.core.analysis.samples import NEW, OLD, analysis, answers, built_in, queried

CANDIDATE = Subject(namespace="shop", name="churn", revision=NEW)
STABLE = Subject(namespace="shop", name="churn", revision=OLD)


@pytest.mark.parametrize(
    ("query", "filled"),
    [
        ("up", "up"),
        ('x{namespace="$(namespace)",md="$(name)"}', 'x{namespace="shop",md="churn"}'),
        ('x{rev="$(revision)"}', f'x{{rev="{NEW}"}}'),
        ('x{pod=~"$(pods)"}', f'x{{pod=~"churn-{NEW}-.+"}}'),
        ('x{a=~".*$",b="$$(revision)"}', f'x{{a=~".*$",b="${NEW}"}}'),
    ],
)
def test_placeholders_are_filled_in(query: str, filled: str) -> None:
    assert CANDIDATE.filled_in(query) == filled


@pytest.mark.parametrize("length", range(1, 55))
def test_pods_are_matched_by_the_names_that_kubernetes_gives_them(length: int) -> None:
    subject = Subject(namespace="shop", name="n" * length, revision=NEW)
    replica_set = f"{subject.name}-{NEW}-7d4b9c8f6d"
    pod = f"{replica_set}-"[:58] + "x2k9p"
    assert re.fullmatch(subject.filled_in("$(pods)"), pod)
    assert not re.fullmatch(subject.filled_in("$(pods)"), pod.replace(NEW[:3], "000"))


def test_stable_is_asked_where_a_ratio_is_wanted() -> None:
    asked = analysis(built_in("Requests", min="1"), queried(maxRatio="2"))
    assert questions(asked, CANDIDATE, STABLE) == (
        Question(
            metric="m",
            address="http://prometheus:9090",
            candidate=f'sum(x{{pod=~"churn-{NEW}-.+"}})',
            stable=f'sum(x{{pod=~"churn-{OLD}-.+"}})',
        ),
    )
    assert questions(analysis(queried(max="2")), CANDIDATE, STABLE)[0].stable is None


def test_requests_are_the_metrics_own_or_else_the_golden_ones() -> None:
    golden, own = {"inputs": [1]}, {"inputs": [2]}
    metric = answers()
    assert exams(analysis(metric), [golden]) == (Exam(metric="m", requests=(golden,), tolerance=0.001),)
    brings = metric.evolve(answers=metric.answers.evolve(requests=[own]))  # type: ignore[union-attr]
    assert exams(analysis(brings), [golden]) == (Exam(metric="m", requests=(own,), tolerance=0.001),)
    assert exams(analysis(metric), []) == (Exam(metric="m", requests=(), tolerance=0.001),)
    assert exams(analysis(queried(max="1")), [golden]) == ()


def test_an_error_rate_is_asked_about_by_golden_requests_where_no_answers_are_compared() -> None:
    golden = {"inputs": [1]}
    rate = built_in("ErrorRate", max="0")
    assert exams(analysis(rate), [golden]) == (Exam(metric=rate.name, requests=(golden,)),)
    assert exams(analysis(rate), []) == ()
    compared = answers().evolve(name="answers")
    assert [exam.metric for exam in exams(analysis(rate, compared), [golden])] == ["answers"]


def test_of_a_sequence_the_first_request_is_compared() -> None:
    def request(value: float, sequence: str | None = None) -> GoldenRequest:
        tensor = Tensor.model_validate({"name": "x", "datatype": "FP32", "shape": [1], "data": [value]})
        return GoldenRequest(inputs=[tensor], outputs=[tensor], sequence=sequence)

    requests = [request(1, "a"), request(2), request(3, "a"), request(4, "b"), request(5)]
    assert [asked["inputs"][0]["data"] for asked in comparable(requests)] == [[1], [2], [4], [5]]
