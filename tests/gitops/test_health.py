"""What GitOps tools make of a ModelDeployment in every state: Argo CD by our Lua, Flux by our CEL, and kstatus."""

from typing import Any

import pytest
import yaml

from slipway.api.v1alpha1.status import Phase
from tests.gitops.kstatus import KStatus, kstatus
from tests.gitops.rules import ARGOCD, argocd, flux
from tests.gitops.states import STATES, files


def sample(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ARGOCD / "testdata" / f"{name}.yaml").read_text())
    return found


def true_conditions(found: dict[str, Any]) -> dict[str, str]:
    return {c["type"]: c["message"] for c in found["status"].get("conditions", ()) if c["status"] == "True"}


def test_the_samples_are_what_the_core_says_today() -> None:
    stored = {
        path.relative_to(ARGOCD).as_posix(): path.read_text()
        for path in [ARGOCD / "health_test.yaml", *ARGOCD.glob("testdata/*.yaml")]
    }
    assert stored == files(), "`python -m tests.gitops.states` writes them anew; look at what changed"


def test_there_is_a_sample_of_every_phase() -> None:
    shown = {sample(name)["status"].get("phase") for name in STATES} - {None}
    # Pending is for a pass that finds nothing that serves and nothing on its way: no story leads there.
    assert shown == {*map(str, Phase)} - {"Pending"}


@pytest.mark.parametrize("name", STATES)
def test_argo_cd_shows(name: str) -> None:
    assert argocd(sample(name)).status == STATES[name].argocd


@pytest.mark.parametrize("name", STATES)
def test_kstatus_is(name: str) -> None:
    assert kstatus(sample(name)) is STATES[name].kstatus


@pytest.mark.parametrize("name", STATES)
def test_flux_with_our_expressions_agrees_with_kstatus_but_where_there_is_nothing_to_follow(name: str) -> None:
    state = STATES[name]
    assert flux(sample(name)) is (state.flux or state.kstatus)


@pytest.mark.parametrize("name", [name for name, state in STATES.items() if state.argocd == "Degraded"])
def test_a_degraded_application_says_the_sentence_that_status_says(name: str) -> None:
    found = sample(name)
    following = {c["type"]: c["message"] for c in found["status"]["conditions"] if c["reason"] == "NothingToFollow"}
    assert argocd(found).message == true_conditions(found).get("Stalled", following.get("Following"))


def test_a_version_that_waits_for_a_person_is_no_fault_and_what_accepts_it_is_said() -> None:
    assert argocd(sample("proposed")).message == (
        "3 serves: 2 of 2 pods available; champion of churn is version 4: proposed, "
        "accept/44444444444444444444444444444444 accepts it; version 3 stays asked for"
    )


@pytest.mark.parametrize("name", STATES)
def test_argo_cd_always_says_a_sentence(name: str) -> None:
    assert len(argocd(sample(name)).message.split()) > 1


@pytest.mark.parametrize("name", STATES)
def test_what_is_abnormal_is_never_both_and_never_beside_ready(name: str) -> None:
    assert len({"Ready", "Reconciling", "Stalled"} & true_conditions(sample(name)).keys()) <= 1


@pytest.mark.parametrize("name", STATES)
def test_an_edit_that_nobody_has_looked_at_is_in_progress_whatever_was_before(name: str) -> None:
    found = sample(name)
    found["metadata"]["generation"] += 1
    assert argocd(found).status == "Progressing"
    assert kstatus(found) is flux(found) is KStatus.IN_PROGRESS


@pytest.mark.parametrize("name", [name for name in STATES if name not in {"fresh", "edited"}])
def test_a_status_speaks_of_the_generation_that_was_looked_at(name: str) -> None:
    found = sample(name)
    spoken = [found["status"], *found["status"]["conditions"]]
    assert [part["observedGeneration"] for part in spoken] == [found["metadata"]["generation"]] * len(spoken)


def test_a_refused_version_is_not_ready_though_what_serves_is_available() -> None:
    assert true_conditions(sample("refused")).keys() == {"Available", "Stalled"}
    assert true_conditions(sample("ready")).keys() == {"Available", "Ready"}


@pytest.mark.parametrize("name", ["ready", "refused", "next-version-starting"])
def test_the_scale_status_selects_the_pods_that_it_counts(name: str) -> None:
    status = sample(name)["status"]
    (stable,) = (found for found in status["revisions"] if found["state"] == "Stable")
    assert status["replicas"] == stable["replicas"]
    assert status["selector"].endswith(f"revision={stable['revision']}")


def test_a_first_version_says_what_proved_it() -> None:
    assert [found["verification"] for found in sample("ready")["status"]["revisions"]] == ["bundle"]
    assert sample("resolving")["status"]["revisions"] == []


def test_an_object_without_any_status_is_in_progress_by_our_rules() -> None:
    found = sample("fresh")
    del found["status"]
    assert argocd(found).status == "Progressing"
    assert kstatus(found) is KStatus.CURRENT, "which is why the CRD gives a fresh object a status"


def test_an_observed_generation_that_is_not_an_integer_is_an_error_of_kstatus() -> None:
    found = sample("ready")
    found["status"]["observedGeneration"] = "1"
    with pytest.raises(TypeError, match="not an integer"):
        kstatus(found)


def test_an_object_that_is_being_deleted_is_terminating() -> None:
    found = sample("ready")
    found["metadata"]["deletionTimestamp"] = "2026-01-05T12:00:00Z"
    assert kstatus(found) is KStatus.TERMINATING
