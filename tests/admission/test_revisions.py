"""Nobody but the operator writes what it makes revisions of."""

from collections.abc import Iterator

import pytest

from testbed.api import Api, Manifest
from testbed.plane import Plane
from tests.admission.conftest import CONTACT, People, policies, refused

pytestmark = pytest.mark.plane
OURS = {"serving.slipway.dev/model-deployment": "churn", "serving.slipway.dev/revision": "3f2a91bc"}
WRITE = [f"{verb} controllerrevisions.apps" for verb in ("create", "get", "patch")]
STATUS = "patch modeldeployments.serving.slipway.dev/status"


def revision(name: str, labels: dict[str, str]) -> Manifest:
    return {"metadata": {"name": name, "labels": labels}, "revision": 1, "data": {"children": []}}


@pytest.fixture(scope="module", autouse=True)
def in_force(plane: Plane) -> Iterator[None]:
    with Api(plane, impersonated="nobody") as nobody, Api(plane) as admin:
        rules = [{"apiGroups": ["apps"], "resources": ["controllerrevisions"], "verbs": ["create"]}]
        admin.create("roles", "default", {"metadata": {"name": "writes-revisions"}, "rules": rules})
        admin.create(
            "rolebindings",
            "default",
            {
                "metadata": {"name": "writes-revisions"},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "writes-revisions"},
                "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "nobody"}],
            },
        )

        def holds() -> bool:
            said = refused(lambda: nobody.create("controllerrevisions", "default", revision("x", OURS), dry_run=True))
            return "mark a revision of a model" in said

        with policies(plane, "-revisions", in_force=holds):
            yield


@pytest.mark.parametrize("label", OURS)
def test_a_tenant_writes_no_revision_of_a_model(label: str, people: People, namespace: str) -> None:
    tenant = people.who_may(*WRITE)
    made = revision("churn-3f2a91bc", {label: OURS[label]})
    said = refused(lambda: tenant.create("controllerrevisions", namespace, made))
    assert STATUS.replace("/status", "/status in namespace " + namespace) in said
    assert f"ask {CONTACT}" in said


def test_nor_makes_one_of_his_own_one_of_a_model_or_takes_one_away(people: People, namespace: str) -> None:
    tenant = people.who_may(*WRITE)
    tenant.create("controllerrevisions", namespace, revision("own", {"app": "bank"}))
    tenant.patch("controllerrevisions", namespace, "own", {"revision": 2})
    people.admin.create("controllerrevisions", namespace, revision("churn-3f2a91bc", OURS))
    mark = {"metadata": {"labels": OURS}}
    unmark = {"metadata": {"labels": dict.fromkeys(OURS)}}
    assert refused(lambda: tenant.patch("controllerrevisions", namespace, "own", mark))
    assert refused(lambda: tenant.patch("controllerrevisions", namespace, "churn-3f2a91bc", unmark))


def test_who_may_write_the_status_of_models_does(people: People, namespace: str) -> None:
    like_the_operator = people.who_may(*WRITE, "patch modeldeployments/status.serving.slipway.dev")
    made = revision("churn-3f2a91bc", OURS)
    assert refused(lambda: like_the_operator.create("controllerrevisions", namespace, made)) == ""
