"""The API server by plain HTTP: what tests and benches ask so often that a kubectl a question would be too dear."""

import json
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Self

import httpx

from testbed.plane import Plane

Manifest = dict[str, Any]
MD = "/apis/serving.slipway.dev/v1alpha1"
GATEWAY_API = "/apis/gateway.networking.k8s.io/v1"
ENVOY_GATEWAY = "/apis/gateway.envoyproxy.io/v1alpha1"
DEVICES = "/apis/resource.k8s.io/v1"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
GROUPS = {
    "modeldeployments": MD,
    "registeredmodels": MD,
    "modelversions": MD,
    "deployments": "/apis/apps/v1",
    "controllerrevisions": "/apis/apps/v1",
    "jobs": "/apis/batch/v1",
    "horizontalpodautoscalers": "/apis/autoscaling/v2",
    "poddisruptionbudgets": "/apis/policy/v1",
    "networkpolicies": "/apis/networking.k8s.io/v1",
    "leases": "/apis/coordination.k8s.io/v1",
    "gatewayclasses": GATEWAY_API,
    "gateways": GATEWAY_API,
    "httproutes": GATEWAY_API,
    "grpcroutes": GATEWAY_API,
    "securitypolicies": ENVOY_GATEWAY,
    "backendtrafficpolicies": ENVOY_GATEWAY,
    "deviceclasses": DEVICES,
    "resourceclaims": DEVICES,
    "resourceclaimtemplates": DEVICES,
    "resourceslices": DEVICES,
    "scaledobjects": "/apis/keda.sh/v1alpha1",
    "roles": RBAC,
    "rolebindings": RBAC,
    "clusterroles": RBAC,
    "clusterrolebindings": RBAC,
    "validatingadmissionpolicybindings": "/apis/admissionregistration.k8s.io/v1",
    "selfsubjectaccessreviews": "/apis/authorization.k8s.io/v1",
}
"""Where each plural lives; what is not here is in the core group."""
MERGE = "application/merge-patch+json"
PATIENCE_SECONDS = 30


class Api:
    """One user of a plane's API server. Every verb raises httpx.HTTPStatusError when it is refused."""

    def __init__(self, plane: Plane, user: str = "admin", *, impersonated: str = "") -> None:
        trust = ssl.create_default_context(cafile=str(plane.dir / "certs" / "apiserver.crt"))
        self._http = httpx.Client(
            base_url=plane.url,
            verify=trust,
            timeout=30,
            headers={
                "Authorization": f"Bearer token-{user}",
                **({"Impersonate-User": impersonated} if impersonated else {}),
            },
            limits=httpx.Limits(max_connections=None),  # a watch keeps one, and there are many
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, plural: str, namespace: str, name: str) -> Manifest | None:
        """One object; None when it is not there."""
        answer = self._ask(address(plural, namespace, name))
        return None if answer.status_code == httpx.codes.NOT_FOUND else self._read(answer)

    def list(self, plural: str, namespace: str = "", selector: str = "") -> list[Manifest]:
        """All objects of a kind, in one namespace or everywhere."""
        query = {"labelSelector": selector} if selector else {}
        items: list[Manifest] = self.listing(plural, namespace, query)["items"]
        return items

    def listing(self, plural: str, namespace: str, query: Mapping[str, str]) -> Manifest:
        """The answer to a listing, with the resourceVersion that it speaks of."""
        return self._read(self._ask(address(plural, namespace), query))

    def watch(
        self, plural: str, namespace: str, query: Mapping[str, str], *, since: str, seconds: int
    ) -> Iterator[Manifest]:
        """What changed after a resourceVersion, for so many seconds; a bookmark now and then."""
        asked = {**query, "watch": "1", "allowWatchBookmarks": "1", "resourceVersion": since}
        with self._http.stream(
            "GET", address(plural, namespace), params={**asked, "timeoutSeconds": str(seconds)}
        ) as answer:
            for line in answer.iter_lines():
                event: Manifest = json.loads(line)
                if event["type"] == "ERROR":
                    raise httpx.HTTPError(str(event["object"]))
                yield event

    def create(self, plural: str, namespace: str, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        """Make an object, or ask only whether one may."""
        query = {"dryRun": "All"} if dry_run else {}
        return self._read(self._http.post(address(plural, namespace), json=manifest, params=query))

    def patch(self, plural: str, namespace: str, name: str, merge: Manifest, subresource: str = "") -> Manifest:
        """Change fields of an object."""
        path = address(plural, namespace, name) + (f"/{subresource}" if subresource else "")
        return self._read(self._http.patch(path, json=merge, headers={"Content-Type": MERGE}))

    def delete(self, plural: str, namespace: str, name: str) -> None:
        """Delete an object; the garbage collector takes what hangs on it."""
        self._read(self._http.delete(address(plural, namespace, name)))

    def _ask(self, path: str, query: Mapping[str, str] | None = None) -> httpx.Response:
        """A question, asked again while the API server is busy: it is for some seconds after a new CRD. One that got no
        answer, because another thread's end took its connection along, costs nothing to ask again."""
        for _ in range(PATIENCE_SECONDS):
            with suppress(httpx.ReadError):
                answer = self._http.get(path, params=dict(query or {}))
                if answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
                    return answer
            time.sleep(1)
        return self._http.get(path, params=dict(query or {}))

    @staticmethod
    def _read(answer: httpx.Response) -> Manifest:
        if answer.is_error:
            message = f"{answer.request.method} {answer.request.url.path}: {answer.status_code}: {answer.text[:2000]}"
            raise httpx.HTTPStatusError(message, request=answer.request, response=answer)
        read: Manifest = answer.json()
        return read


def address(plural: str, namespace: str = "", name: str = "") -> str:
    """The path of a collection or an object."""
    parts = [GROUPS.get(plural, "/api/v1"), *(["namespaces", namespace] if namespace else []), plural]
    return "/".join([*parts, *([name] if name else [])])
