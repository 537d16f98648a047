"""The catalogue's objects in an API server, as whoever has the kubeconfig or the pod's service account."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote, urlencode

from kubernetes import client, config

from slipway.api.missing_right import MissingRight
from slipway.api.v1alpha1 import API_VERSION, GROUP, VERSION, Named
from slipway.bundle.errors import BundleError
from slipway.catalogue.shape import shaped
from slipway.cli.reading import read
from slipway.fetch.deadline import within

Object = dict[str, Any]

_TIMEOUT_SECONDS: Final = 30
_OF_POD: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_PAGE: Final = 500
_PAGES: Final = 200
"""A list with more is of no API server: 100,000 objects are more than its store has room for."""
_JSON: Final = "application/json"
_APPLY: Final = "application/apply-patch+yaml"
_MERGE: Final = "application/merge-patch+json"


class RefusedError(BundleError):
    """The API server's no: `status` is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Cluster:
    """An API server, and the namespace that is meant where nobody names one."""

    def __init__(self, api: client.ApiClient, namespace: str) -> None:
        self._api, self.namespace = api, namespace

    @classmethod
    @contextmanager
    def connected(
        cls, *, kubeconfig: str | None = None, context: str | None = None, namespace: str | None = None
    ) -> Iterator[Self]:
        """By a kubeconfig, KUBECONFIG or ~/.kube/config, and in a pod as its service account."""
        try:
            file = kubeconfig or os.environ.get("KUBECONFIG")  # the client reads it once, when it is imported
            contexts, active = config.list_kube_config_contexts(config_file=file)
            chosen = next((each for each in contexts if each["name"] == context), active) if context else active
            if context and chosen["name"] != context:
                raise BundleError(f"--context {context}: the kubeconfig has no such context")
            api = config.new_client_from_config(config_file=file, context=context)
            own = (chosen.get("context") or {}).get("namespace")
        except config.ConfigException as outside:
            try:
                config.load_incluster_config()
            except config.ConfigException:
                read = f"{file}: {outside}" if file else outside
                raise BundleError(
                    f"no cluster is named: set KUBECONFIG or --context, or give --kubeconfig ({read})"
                ) from None
            api, own = client.ApiClient(), _OF_POD.read_text().strip() if _OF_POD.is_file() else None
        with api:
            yield cls(api, namespace or own or "default")

    def get(self, kind: Named, name: str) -> Object | None:
        """One object, or None."""
        try:
            return self._one("GET", self._path(kind, name))
        except RefusedError as error:
            if error.status == 404:
                return None
            raise

    def list(self, kind: Named, *, everywhere: bool = False) -> Iterator[Object]:
        """All objects of a kind."""
        query = {"limit": str(_PAGE)}
        path = f"/apis/{GROUP}/{VERSION}/{kind.plural}" if everywhere else self._path(kind)
        for _ in range(_PAGES):
            answer = self._call("GET", path, query)
            items, following = answer.get("items"), shaped(answer)["metadata"].get("continue")
            yield from (shaped(each) for each in (items if isinstance(items, list) else []) if isinstance(each, dict))
            if not following:
                return
            query["continue"] = str(following)
        raise RefusedError(0, f"the list at {path} has no end: more than {_PAGES} pages")

    def create(self, kind: Named, body: Object, *, manager: str) -> Object:
        """Make an object: the right to create is enough. RefusedError with 409 where there is one."""
        query = {"fieldManager": manager, "fieldValidation": "Strict"}
        return self._one("POST", self._path(kind), query, body, _JSON)

    def apply(self, kind: Named, body: Object, *, manager: str, force: bool) -> Object:
        """Server-side apply. RefusedError with 409 where another manager has given a field another value."""
        query = {"fieldManager": manager, "fieldValidation": "Strict", "force": str(force).lower()}
        # JSON is YAML, but for surrogate pairs: what is beyond the basic plane stands for itself.
        text = json.dumps(body, ensure_ascii=False).encode(errors="replace")
        return self._one("PATCH", self._path(kind, body["metadata"]["name"]), query, text, _APPLY)

    def merge(self, kind: Named, name: str, patch: Object, *, manager: str) -> Object:
        """A merge patch, which alone takes away what another manager has put in."""
        query = {"fieldManager": manager, "fieldValidation": "Strict"}
        return self._one("PATCH", self._path(kind, name), query, patch, _MERGE)

    def _path(self, kind: Named, name: str | None = None) -> str:
        collection = f"/apis/{GROUP}/{VERSION}/namespaces/{quote(self.namespace, safe='')}/{kind.plural}"
        return f"{collection}/{quote(name, safe='')}" if name else collection

    def _one(self, method: str, path: str, *more: Any) -> Object:
        answer = shaped(self._call(method, path, *more))
        if not answer["metadata"]["name"]:
            raise RefusedError(0, f"what answers at {path} is no API server, or cannot be read")
        return answer

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Object | bytes | None = None,
        content_type: str = _JSON,
    ) -> Object:
        def ask() -> tuple[int, bytes]:
            headers = {"Accept": _JSON, "Content-Type": content_type}
            self._api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
            url = self._api.configuration.host + path + (f"?{urlencode(query)}" if query else "")
            response = self._api.call_api(method, url, headers, body=body, _request_timeout=_TIMEOUT_SECONDS)
            return response.status, response.read()

        try:
            status, text = within(_TIMEOUT_SECONDS, ask)
        # The boundary to the network: what it raises has many types.
        except Exception as error:
            raise RefusedError(0, f"the API server does not answer: {error}") from error
        answer = _object(text)
        if 200 <= status < 300:
            return answer
        details = answer.get("details")
        if status == 404 and not (isinstance(details, dict) and details.get("name")):
            raise RefusedError(0, f"the cluster has no catalogue at {path}: install the chart slipway-crds")
        said = str(answer.get("message") or f"the API server answers {status} at {path}")
        right = MissingRight.read(said) if status == 403 else None
        raise RefusedError(status, right.message if right else said)


def _object(text: bytes) -> Object:
    """The object in an answer; an empty one where what stands in between has answered something else."""
    try:
        answer = read(text)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def named(kind: Named, name: str, namespace: str, spec: Mapping[str, Any]) -> Object:
    """An object, or what is applied of one."""
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": API_VERSION, "kind": kind.kind, "metadata": metadata, "spec": dict(spec)}
