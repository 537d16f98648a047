"""A fake gateway: no request goes through it. Of its Gateway, and of each HTTPRoute that names this, it says what Envoy
Gateway would say (samples: tests/core/routes), and about as long after a write.
"""

import threading
from collections.abc import Iterator, Set
from typing import Final, Self

import httpx

from testbed.api import Manifest
from tests.stories.story import Story

CONTROLLER: Final = "testbed/fake-gateway"
NAME: Final = "inference"
LOOK_SECONDS: Final = 0.3
OUTDATED: Final = (httpx.codes.CONFLICT, httpx.codes.NOT_FOUND)

Address = tuple[str, str]
"""Namespace and name."""


def behind(story: Story) -> Manifest:
    """`spec.traffic` of a model behind the fake gateway of a story."""
    return {"gateway": {"name": NAME, "namespace": story.namespace}}


class FakeGateway:
    """A context: a Gateway in the story's namespace, for routes of all, and a controller that answers for it."""

    def __init__(self, story: Story) -> None:
        self._story, self._api = story, story.api
        self._at: Address = (story.namespace, NAME)
        self._over = threading.Event()
        self._controller = threading.Thread(target=self._run, daemon=True)
        self._failed: list[httpx.HTTPError] = []

    def __enter__(self) -> Self:
        namespace, name = self._at
        self._story.apply(_class(namespace), _gateway(name, namespace))
        for plural, at, types in (
            ("gatewayclasses", ("", namespace), ("Accepted",)),
            ("gateways", self._at, ("Accepted", "Programmed")),
        ):
            found = self._api.get(plural, *at)
            assert found
            self._tell(plural, found, {"conditions": [_condition(found, kind) for kind in types]})
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._controller.join()
        self._api.delete("gatewayclasses", "", self._story.namespace)
        if self._failed:
            raise self._failed[0]

    def _run(self) -> None:
        try:
            while not self._over.wait(LOOK_SECONDS):
                self._look()
        except httpx.HTTPError as error:
            self._failed.append(error)

    def _look(self) -> None:
        """Routes before Services: what a route names that stays as it was, and is not there then, is not there."""
        routes = self._api.list("httproutes")
        services = {(found["metadata"]["namespace"], found["metadata"]["name"]) for found in self._api.list("services")}
        for route in routes:
            (ref,) = route["spec"]["parentRefs"]
            status = {"parents": [{"parentRef": ref, "controllerName": CONTROLLER, "conditions": _of(route, services)}]}
            if (ref["namespace"], ref["name"]) == self._at and route.get("status") != status:
                self._tell("httproutes", route, status)

    def _tell(self, plural: str, found: Manifest, status: Manifest) -> None:
        """Nothing about what has changed meanwhile."""
        meta = found["metadata"]
        unchanged = {"resourceVersion": meta["resourceVersion"]}
        try:
            self._api.patch(
                plural, meta.get("namespace", ""), meta["name"], {"metadata": unchanged, "status": status}, "status"
            )
        except httpx.HTTPStatusError as error:
            if error.response.status_code not in OUTDATED:
                raise


def _of(route: Manifest, services: Set[Address]) -> list[Manifest]:
    """What is said of a route: it is accepted, and its backends are there or not."""
    missing = [f"service {'/'.join(at)} not found" for at in _backends(route) if at not in services]
    accepted = _condition(route, "Accepted")
    if missing:
        said = {"status": "False", "reason": "BackendNotFound", "message": ", ".join(missing)}
        return [accepted, {**_condition(route, "ResolvedRefs"), **said}]
    return [accepted, _condition(route, "ResolvedRefs")]


def _backends(route: Manifest) -> Iterator[Address]:
    for rule in route["spec"]["rules"]:
        for ref in rule["backendRefs"]:
            yield route["metadata"]["namespace"], ref["name"]


def _condition(found: Manifest, kind: str) -> Manifest:
    """It holds, of what is written now, and has since the beginning."""
    meta = found["metadata"]
    return {
        "type": kind,
        "status": "True",
        "reason": kind,
        "message": "",
        "observedGeneration": meta["generation"],
        "lastTransitionTime": meta["creationTimestamp"],
    }


def _class(name: str) -> Manifest:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "GatewayClass",
        "metadata": {"name": name},
        "spec": {"controllerName": CONTROLLER},
    }


def _gateway(name: str, class_name: str) -> Manifest:
    everywhere = {"namespaces": {"from": "All"}}
    listener = {"name": "http", "protocol": "HTTP", "port": 80, "allowedRoutes": everywhere}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": name},
        "spec": {"gatewayClassName": class_name, "listeners": [listener]},
    }
