"""Who may only publish withdraws nothing: a withdrawal holds by the digest, which anybody may name."""

from collections.abc import Iterator

import pytest

from testbed.api import Api, Manifest
from testbed.plane import Plane
from tests.admission.conftest import CONTACT, People, policies, refused

pytestmark = pytest.mark.plane
PUBLISH = [f"{verb} modelversions.serving.slipway.dev" for verb in ("create", "get")]
WITHDRAW = "patch modelversions.serving.slipway.dev"
CHAMPION = "sha256:" + "ab" * 32


def version(number: str, action: str = "") -> Manifest:
    spec = {"model": "churn", "version": number, "digest": CHAMPION, "sources": [{"uri": "s3://models/churn/1"}]}
    withdrawn = {"withdrawn": {"reason": "because I can", "action": action}} if action else {}
    return {
        "apiVersion": "serving.slipway.dev/v1alpha1",
        "kind": "ModelVersion",
        "metadata": {"name": f"churn-{number}"},
        "spec": spec | withdrawn,
    }


@pytest.fixture(scope="module", autouse=True)
def in_force(plane: Plane) -> Iterator[None]:
    name = "publishes-versions"
    with Api(plane, impersonated=name) as nobody, Api(plane) as admin:
        rules = [{"apiGroups": ["serving.slipway.dev"], "resources": ["modelversions"], "verbs": ["create"]}]
        admin.create("roles", "default", {"metadata": {"name": name}, "rules": rules})
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
        who = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}
        admin.create("rolebindings", "default", {"metadata": {"name": name}, "roleRef": role, "subjects": [who]})

        def holds() -> bool:
            made = version("1", "Warn")
            return "spec.withdrawn" in refused(lambda: nobody.create("modelversions", "default", made, dry_run=True))

        with policies(plane, "-withdrawals", in_force=holds):
            yield


@pytest.mark.parametrize("action", ["Warn", "Block"])
def test_who_may_only_publish_makes_no_version_that_is_withdrawn(action: str, people: People, namespace: str) -> None:
    publisher = people.who_may(*PUBLISH, name="publisher")
    people.admin.create("modelversions", namespace, version("1"))
    said = refused(lambda: publisher.create("modelversions", namespace, version("2", action)))
    for words in ("spec.withdrawn", WITHDRAW, "publisher lacks", f"ask {CONTACT}"):
        assert words in said
    assert refused(lambda: publisher.create("modelversions", namespace, version("2"))) == ""


def test_who_may_withdraw_makes_one_as_from_a_backup_or_from_git(people: People, namespace: str) -> None:
    restores = people.who_may(*PUBLISH, WITHDRAW)
    assert refused(lambda: restores.create("modelversions", namespace, version("1", "Block"))) == ""
