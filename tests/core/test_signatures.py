"""Signatures and encryption over whole stories, on the simulator."""

import json
from typing import Any

import pytest

from tests.core.cluster.kubelet import says
from tests.core.cluster.scenario import goes_on, pods_come, ready
from tests.core.cluster.simulator import Simulator, simulator
from tests.core.gen import resolved

SIGNERS = {"configMapName": "signers"}
BY = ["release.pem (sha256:deb789e469cf)"]
SERVED = "it is served all the same (source.signature.mode: Warn)"
SOURCE = {"uri": "s3://models/churn/3"}


def answers(**more: Any) -> str:
    return json.dumps({"resolved": resolved(**more).to_dict()})


def demanding(cluster: Simulator, signature: dict[str, Any] | None) -> Simulator:
    cluster.edit(source={**SOURCE, **({"signature": signature} if signature else {})})
    return cluster


def job(cluster: Simulator) -> dict[str, Any]:
    (found,) = (m for (kind, _), m in cluster.objects.items() if kind == "Job" and not m["status"])
    return found


def resolving(signature: dict[str, Any] | None = SIGNERS) -> Simulator:
    cluster = demanding(simulator(), signature)
    cluster.settle()
    return cluster


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ({"signature": {"signedBy": BY}}, {"signed": f"by {BY[0]}"}),
        ({"signature": {"warning": "SignatureMissing: …"}}, {"signed": "SignatureMissing: …"}),
        ({"encrypted": 2}, {"encrypted": 2}),
        ({}, {}),
    ],
    ids=["signed", "a warning", "encrypted", "neither"],
)
def test_status_shows_who_signed_and_what_is_decrypted(answer: dict[str, Any], shown: dict[str, Any]) -> None:
    cluster = resolving()
    cluster.resolve_job_ends(answers(**answer))
    cluster.settle()
    (revision,) = cluster.status["revisions"]
    assert {name: revision[name] for name in ("signed", "encrypted") if name in revision} == shown


@pytest.mark.parametrize(
    ("reason", "stalled"),
    [("SignatureMissing", True), ("SignatureWrong", True), ("SignerUnknown", True), ("KeyMissing", False)],
)
def test_what_is_not_signed_has_no_pods_and_is_looked_at_again_by_itself(reason: str, stalled: bool) -> None:
    cluster = resolving()
    cluster.resolve_job_ends(says(reason, "model.sig: …"), exit_code=1)
    cluster.settle()
    condition = cluster.condition("Stalled" if stalled else "Reconciling")
    assert (condition["status"], condition["reason"]) == ("True", reason)
    assert not cluster.deployments()
    cluster.pass_time(minutes=6)
    cluster.settle()
    cluster.resolve_job_ends(answers(signature={"signedBy": BY}))
    cluster.settle()
    assert cluster.deployments()


@pytest.mark.parametrize(
    ("signature", "event"),
    [
        ({"signedBy": BY}, ("Signed", f"3: signed by {BY[0]}")),
        (
            {"warning": "SignerUnknown: model.sig: by other.pem"},
            (
                "SignerUnknown",
                f"3: model.sig: by other.pem; {SERVED}",
            ),
        ),
        (
            {"warning": "as a later fetcher may say"},
            (
                "SignatureWrong",
                f"3: as a later fetcher may say; {SERVED}",
            ),
        ),
        (None, None),
    ],
)
def test_what_came_of_looking_for_a_signature_is_told_once_for_an_ask(
    signature: dict[str, Any] | None, event: tuple[str, str] | None
) -> None:
    cluster = resolving()
    cluster.resolve_job_ends(answers(signature=signature))
    goes_on(cluster)
    pods_come(cluster)
    cluster.edit(version="4")
    cluster.settle()
    cluster.resolve_job_ends(answers())
    goes_on(cluster)
    cluster.edit(version="3")
    goes_on(cluster)
    told = [
        each for each in cluster.events if each[0] in {"Signed", "SignatureMissing", "SignatureWrong", "SignerUnknown"}
    ]
    assert told == ([event] if event else [])


@pytest.mark.parametrize("later", [{**SIGNERS, "threshold": 2}, {"configMapName": "others"}, None])
def test_another_demand_restarts_nothing_that_was_resolved(later: dict[str, Any] | None) -> None:
    cluster = demanding(ready(), SIGNERS)
    cluster.settle()
    before = set(cluster.objects)
    demanding(cluster, later).settle()
    assert set(cluster.objects) == before
    assert cluster.status["phase"] == "Ready"


@pytest.mark.parametrize("before", [None, {**SIGNERS, "mode": "Warn"}], ids=["none", "a warning"])
def test_what_a_job_says_counts_for_the_demand_that_it_was_made_for_alone(before: dict[str, Any] | None) -> None:
    """Whoever demands a signature while a Job is on its way is not served what that Job let pass."""
    cluster = resolving(before)
    first = job(cluster)["metadata"]["uid"]
    demanding(cluster, SIGNERS)
    cluster.resolve_job_ends(answers())
    cluster.settle()
    assert not cluster.deployments()
    assert job(cluster)["metadata"]["uid"] != first
    cluster.resolve_job_ends(answers(signature={"signedBy": BY}))
    cluster.settle()
    assert cluster.deployments()
