"""ModelDeployments of a real API server, read and written by the Python client."""

import json
from typing import Any, cast

from kubernetes import client

from slipway.api.v1alpha1 import API_VERSION, GROUP, KIND, PLURAL, VERSION

Object = dict[str, Any]


class Objects:
    """Objects of one kind in one namespace, always with strict validation of fields."""

    def __init__(self, api: client.ApiClient, namespace: str, plural: str = PLURAL) -> None:
        self.scope = (GROUP, VERSION, namespace, plural)
        self.api = client.CustomObjectsApi(api)

    def create(self, body: Object, *, dry_run: str | None = None) -> Object:
        """Create one; the answer is what was stored or, with `dry_run="All"`, would have been."""
        create = self.api.create_namespaced_custom_object
        return cast("Object", create(*self.scope, body, dry_run=dry_run, field_validation="Strict"))

    def replace(self, body: Object) -> Object:
        """Replace one by its name."""
        replace = self.api.replace_namespaced_custom_object
        return cast("Object", replace(*self.scope, body["metadata"]["name"], body, field_validation="Strict"))

    def replace_status(self, body: Object) -> Object:
        """Replace the status of one."""
        replace = self.api.replace_namespaced_custom_object_status
        return cast("Object", replace(*self.scope, body["metadata"]["name"], body, field_validation="Strict"))

    def get(self, name: str) -> Object:
        """Read one."""
        return cast("Object", self.api.get_namespaced_custom_object(*self.scope, name))

    def scale(self, name: str) -> Object:
        """Read its scale subresource."""
        return cast("Object", self.api.get_namespaced_custom_object_scale(*self.scope, name))

    def scale_to(self, name: str, replicas: int) -> None:
        """Write its scale subresource."""
        self.api.patch_namespaced_custom_object_scale(*self.scope, name, {"spec": {"replicas": replicas}})


def answer(refusal: client.ApiException) -> Object:
    """What the API server said, read."""
    return cast("Object", json.loads(refusal.body or "{}"))


def named(name: str, spec: Object) -> Object:
    """A ModelDeployment."""
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "spec": spec}
