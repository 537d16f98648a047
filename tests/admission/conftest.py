"""The chart's admission policies on a real API server, and users with as few rights as a test is about."""

import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from testbed.api import Api, Manifest
from testbed.operating import until
from testbed.plane import Plane
from tests.charts.render import granted, objects

RBAC = "rbac.authorization.k8s.io"
ADMISSION = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
CONTACT = "the platform team"
RELEASE = "slipway-admission"


def model(name: str, **spec: Any) -> Manifest:
    """A ModelDeployment; `model` replaces the least there can be."""
    least = {"model": {"version": "1", "source": {"uri": "s3://models/churn/1"}}}
    return {
        "apiVersion": "serving.slipway.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": name},
        "spec": least | spec,
    }


def refused(act: Callable[[], object]) -> str:
    """What the API server says against it; empty when it lets it be done."""
    try:
        act()
    except httpx.HTTPStatusError as error:
        if error.response.status_code in (403, 422):
            return str(error.response.json()["message"])
        raise
    return ""


@contextmanager
def policies(plane: Plane, which: str, *values: str, in_force: Callable[[], object]) -> Iterator[None]:
    """The chart's policy whose name ends in `which`, once it is in force: the API server takes a moment to read it."""
    rendered = [
        found
        for found in objects(f"admission.contact={CONTACT}", *values, release=RELEASE)
        if found["kind"] in ADMISSION and found["metadata"]["name"].endswith(which)
    ]
    assert len(rendered) == len(ADMISSION)
    with granted(plane.kubectl(), rendered):
        until("the policy is in force", in_force, 30)
        yield


class People:
    """Users of one namespace, made when they are asked for."""

    def __init__(self, plane: Plane, namespace: str) -> None:
        self._plane, self._namespace = plane, namespace
        self._open: list[Api] = []
        self.admin = self._api("")

    def who_may(self, *rights: str, name: str = "") -> Api:
        """One who may write ModelDeployments, and has these rights beside: `VERB RESOURCE.GROUP[/NAME]`."""
        user = name or f"user-{secrets.token_hex(3)}"
        rules = [
            {"apiGroups": ["serving.slipway.dev"], "resources": ["modeldeployments", "modeldeployments/scale"],
             "verbs": ["create", "get", "update", "patch"]},
            *map(rule_of, rights),
        ]  # fmt: skip
        meta = {"name": user, "namespace": self._namespace}
        self.admin.create("roles", self._namespace, {"metadata": meta, "rules": rules})
        binding = {
            "metadata": meta,
            "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": user},
            "subjects": [{"apiGroup": RBAC, "kind": "User", "name": user}],
        }
        self.admin.create("rolebindings", self._namespace, binding)
        api = self._api(user)
        until("the rights are known to the API server", lambda: self._may_write(api), 10)
        return api

    def _may_write(self, api: Api) -> bool:
        what = {
            "group": "serving.slipway.dev",
            "resource": "modeldeployments",
            "verb": "patch",
            "namespace": self._namespace,
        }
        answer = api.create("selfsubjectaccessreviews", "", {"spec": {"resourceAttributes": what}})
        return bool(answer["status"]["allowed"])

    def _api(self, user: str) -> Api:
        api = Api(self._plane, impersonated=user)
        self._open.append(api)
        return api

    def close(self) -> None:
        for api in self._open:
            api.__exit__()


RIGHT = re.compile(r"(\w+) ([a-z]+(?:/(?:status|champion))?)(?:\.([a-z0-9.]+))?(?:/(.+))?")


def rule_of(right: str) -> Manifest:
    """A rule for `VERB RESOURCE[/SUBRESOURCE][.GROUP][/NAME]`."""
    found = RIGHT.fullmatch(right)
    assert found, right
    verb, resource, group, name = found.groups()
    return {"apiGroups": [group or ""], "resources": [resource], "verbs": [verb]} | (
        {"resourceNames": [name]} if name else {}
    )


@pytest.fixture
def people(plane: Plane, namespace: str) -> Iterator[People]:
    found = People(plane, namespace)
    yield found
    found.close()
