"""Who may move one alias may not therefore move another: `champion` takes a right of its own."""

from collections.abc import Iterator
from typing import Any

import pytest

from testbed.api import Api
from testbed.plane import Plane
from tests.admission.conftest import CONTACT, People, policies, refused

pytestmark = pytest.mark.plane
EDIT = "create registeredmodels.serving.slipway.dev", "patch registeredmodels.serving.slipway.dev"
CHAMPION = "update registeredmodels/champion.serving.slipway.dev"


def registered(name: str, **aliases: str) -> dict[str, Any]:
    return {
        "apiVersion": "serving.slipway.dev/v1alpha1",
        "kind": "RegisteredModel",
        "metadata": {"name": name},
        "spec": {"aliases": aliases},
    }


@pytest.fixture(scope="module", autouse=True)
def in_force(plane: Plane) -> Iterator[None]:
    probe = registered("x", champion="1")
    with Api(plane) as admin, Api(plane, impersonated="nobody-yet") as nobody:
        # Who may create and no more, in any namespace, for as long as these tests last.
        may_create = {"apiGroups": ["serving.slipway.dev"], "resources": ["registeredmodels"], "verbs": ["create"]}
        admin.create("clusterroles", "", {"metadata": {"name": "creates-models"}, "rules": [may_create]})
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "creates-models"}
        who = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "nobody-yet"}
        admin.create(
            "clusterrolebindings", "", {"metadata": {"name": "creates-models"}, "roleRef": role, "subjects": [who]}
        )

        def holds() -> bool:
            return "spec.aliases" in refused(lambda: nobody.create("registeredmodels", "default", probe, dry_run=True))

        with policies(plane, "-aliases", "admission.protectedAliases={champion}", in_force=holds):
            yield


def test_a_protected_alias_is_set_moved_and_removed_by_those_alone_who_have_the_right(
    people: People, namespace: str
) -> None:
    pipeline, owner = people.who_may(*EDIT, name="pipeline"), people.who_may(*EDIT, CHAMPION, name="owner")

    # given: who may not set it is told so, and who may sets it
    said = refused(lambda: pipeline.create("registeredmodels", namespace, registered("churn", champion="1")))
    for words in ("spec.aliases.champion", "update registeredmodels/champion", "pipeline lacks", f"ask {CONTACT}"):
        assert words in said
    owner.create("registeredmodels", namespace, registered("churn", champion="1"))

    def patched(user: Api, aliases: dict[str, str | None]) -> str:
        return refused(lambda: user.patch("registeredmodels", namespace, "churn", {"spec": {"aliases": aliases}}))

    # then: neither a move nor a removal is left to a pipeline, but any other alias is
    assert "champion" in patched(pipeline, {"champion": "2"})
    assert "champion" in patched(pipeline, {"champion": None})
    assert patched(pipeline, {"challenger": "2"}) == ""
    assert patched(owner, {"champion": "2"}) == ""


def test_a_right_to_one_model_is_none_to_another(people: People, namespace: str) -> None:
    user = people.who_may(*EDIT, f"{CHAMPION}/churn")
    assert "champion" in refused(lambda: user.create("registeredmodels", namespace, registered("fraud", champion="1")))
    assert refused(lambda: user.create("registeredmodels", namespace, registered("churn", champion="1"))) == ""


def test_a_model_without_aliases_takes_no_right(people: People, namespace: str) -> None:
    user = people.who_may(*EDIT)
    assert refused(lambda: user.create("registeredmodels", namespace, registered("churn"))) == ""
    whole: dict[str, Any] = registered("none") | {"spec": {}}
    assert refused(lambda: user.create("registeredmodels", namespace, whole)) == ""
