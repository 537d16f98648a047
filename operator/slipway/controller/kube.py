"""The API server as a handful of verbs: JSON in, JSON out, always with a timeout, every call counted.

Only here is `kubernetes.aio` used, and of it only the transport with its ways to log in: its typed models cost four
times the CPU on lists and know no ModelDeployment.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config

from slipway.controller import parsing
from slipway.controller.http import AnswerTooLargeError, read_bounded
from slipway.controller.kinds import DEPLOYMENT, EVENT, Kind
from slipway.core.names import FIELD_MANAGER, Manifest

TIMEOUT_SECONDS: Final = 30
IN_FLIGHT: Final = 32
"""Calls at a time. More would only wait in the API server, with our timeouts running."""
ABSENT: Final = "1"
"""A resourceVersion that no object has: etcd counts from 1, and the first write makes it 2. An apply that carries it
makes an object where there is none, and is a conflict with any that there is.

That is all that a POST would be good for, and what it is not: the fields of a POST belong to the manager's *updates*,
and no later *apply* of the same manager takes one of them away again. tests/controller/test_first_writes.py shows both.
"""
PAGE: Final = 250
"""Objects in one answer of a list: bounds memory, at 5 kB a pod about a megabyte."""
PAGE_BYTES: Final = 8 * 1024 * 1024
"""Of one answer of a list, where it has several objects: each may have a megabyte, and twenty times as much parsed."""
FEWER: Final = 8
"""What a page's number of objects is divided by where they are that large, and multiplied by where they are not."""

APPLY: Final = "application/apply-patch+yaml; charset=utf-8"
"""With the charset the client library sends our own text (see `yaml_text`), and does not write one itself."""
JSON_PATCH: Final = "application/json-patch+json"
MERGE: Final = "application/merge-patch+json"
JSON: Final = "application/json"


class KubeError(Exception):
    """A call that did not succeed. `status` is the HTTP status, 0 when there was no answer."""

    def __init__(
        self, status: int, reason: str, message: str, *, call: str = "", retry_after_seconds: float = 0
    ) -> None:
        super().__init__(f"{call}: {reason} ({status}): {message}" if call else f"{reason} ({status}): {message}")
        self.status, self.reason, self.message = status, reason, message
        self.retry_after_seconds = retry_after_seconds


class NotFoundError(KubeError):
    """404: the object, its namespace or its kind is not there."""


class ConflictError(KubeError):
    """409: the object is not the one that was decided from, or it exists already."""


class ForbiddenError(KubeError):
    """403: RBAC, admission or quota."""


_ERRORS: Final[dict[int, type[KubeError]]] = {
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
}


@dataclass(frozen=True, kw_only=True)
class Page:
    """Part of a list. All pages of one list show the same moment, `resource_version`."""

    items: list[Manifest]
    resource_version: str


class Kube(Protocol):
    """The verbs that the controller calls on the API server. Each raises KubeError."""

    def list(self, kind: Kind, namespace: str | None) -> AsyncIterator[Page]:
        """All objects of a kind under its label selector, in one namespace or all, page by page."""
        ...

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Manifest:
        """One object, live."""
        ...

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Make an object; ConflictError if it is there already."""
        ...

    async def replace(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Put a whole object in place of the one whose resourceVersion it carries."""
        ...

    async def apply(
        self, kind: Kind, manifest: Manifest, *, uid: str | None = None, resource_version: str | None = None
    ) -> Manifest:
        """Server-side apply; with `uid` only to that very object, with `resource_version` only while it is unchanged,
        with ABSENT for that only if there is none. ConflictError otherwise."""
        ...

    async def merge(self, kind: Kind, patch: Manifest) -> Manifest:
        """Merge a patch into the object whose resourceVersion it carries."""
        ...

    async def replace_status(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Replace the whole status, whoever wrote what of it, if the object is as it was when this was decided."""
        ...

    async def scale(self, namespace: str, name: str, replicas: int, resource_version: str) -> Manifest:
        """Set a Deployment's count while its version is unchanged. Answers the Scale object."""
        ...

    async def delete(self, kind: Kind, namespace: str, name: str, uid: str) -> Manifest:
        """Delete that very object, and what hangs on it behind it. Answers a Status, or the object if it lingers."""
        ...

    async def create_event(self, event: Manifest) -> None:
        """Record a Kubernetes Event."""
        ...

    async def events(self, namespace: str, uid: str) -> Sequence[Manifest]:
        """The Kubernetes Events on one object."""
        ...


class Calls(Protocol):
    """Called after every call."""

    def __call__(self, *, verb: str, kind: str, code: int) -> None:
        """`code` is the HTTP status, 0 when there was no answer."""
        ...


class ApiKube:
    """`Kube` over HTTP."""

    def __init__(self, client: ApiClient, calls: Calls) -> None:
        self._client = client
        self._calls = calls
        self._slots = asyncio.Semaphore(IN_FLIGHT)

    async def list(self, kind: Kind, namespace: str | None) -> AsyncIterator[Page]:
        """See Kube."""
        query = {"labelSelector": kind.selector} if kind.selector else {}
        limit, more = PAGE, True
        while more:
            query["limit"] = str(limit)
            try:
                answer = await self._page(kind, namespace, query, most_bytes=PAGE_BYTES if limit > 1 else None)
            except AnswerTooLargeError:
                limit = max(1, limit // FEWER)
                continue
            meta, items = answer["metadata"], answer.get("items") or []
            for item in items:  # lists leave these two out of their items
                item["apiVersion"], item["kind"] = kind.api_version, kind.name
            yield Page(items=items, resource_version=meta["resourceVersion"])
            del answer, items  # tens of megabytes, which need not wait for the next page with us
            limit = min(PAGE, limit * FEWER)
            more = bool(following := meta.get("continue"))
            query["continue"] = following

    async def _page(
        self, kind: Kind, namespace: str | None, query: Mapping[str, str], *, most_bytes: int | None
    ) -> Manifest:
        path = kind.path(namespace)
        return await self._call("list", kind, method="GET", path=path, query=query, most_bytes=most_bytes)

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Manifest:
        """See Kube."""
        return await self._call("get", kind, method="GET", path=kind.path(namespace, name))

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        """See Kube."""
        path = kind.path(manifest["metadata"].get("namespace"))
        return await self._call("create", kind, method="POST", path=path, body=manifest, query=_MANAGER)

    async def replace(self, kind: Kind, manifest: Manifest) -> Manifest:
        """See Kube."""
        meta = manifest["metadata"]
        path = kind.path(meta.get("namespace"), meta["name"])
        return await self._call("update", kind, method="PUT", path=path, body=manifest, query=_MANAGER)

    async def apply(
        self, kind: Kind, manifest: Manifest, *, uid: str | None = None, resource_version: str | None = None
    ) -> Manifest:
        """See Kube."""
        meta = manifest["metadata"]
        given = {key: value for key, value in (("uid", uid), ("resourceVersion", resource_version)) if value}
        body = manifest | {"metadata": meta | given}
        path = kind.path(meta["namespace"], meta["name"])
        try:
            return await self._call(
                "apply", kind, method="PATCH", path=path, body=body, query=_FORCE, content_type=APPLY
            )
        except KubeError as error:
            if uid and error.status == 422 and "metadata.uid" in error.message:  # another object has that name now
                raise ConflictError(409, "Conflict", error.message) from error
            raise

    async def merge(self, kind: Kind, patch: Manifest) -> Manifest:
        """See Kube."""
        meta = patch["metadata"]
        path = kind.path(meta["namespace"], meta["name"])
        return await self._call(
            "patch", kind, method="PATCH", path=path, body=patch, query=_MANAGER, content_type=MERGE
        )

    async def replace_status(self, kind: Kind, manifest: Manifest) -> Manifest:
        """See Kube. By an apply a field that somebody else owns, as after a restore or a reset of managedFields, would
        stay where it is left out."""
        meta = manifest["metadata"]
        patch: Sequence[Manifest] = [
            {"op": "add", "path": "/metadata/resourceVersion", "value": meta["resourceVersion"]},
            {"op": "add", "path": "/status", "value": manifest["status"]},
        ]
        path = kind.path(meta["namespace"], meta["name"], "status")
        try:
            return await self._call(
                "replace_status", kind, method="PATCH", path=path, body=patch, query=_STRICT, content_type=JSON_PATCH
            )
        except KubeError as error:
            _, words, what = error.message.partition("strict decoding error: ")
            if words:  # before it stands the whole object
                raise type(error)(error.status, error.reason, words + what, call=f"PATCH {path}") from error
            raise

    async def scale(self, namespace: str, name: str, replicas: int, resource_version: str) -> Manifest:
        """See Kube."""
        body = {"metadata": {"resourceVersion": resource_version}, "spec": {"replicas": replicas}}
        path = DEPLOYMENT.path(namespace, name, "scale")
        return await self._call(
            "scale", DEPLOYMENT, method="PATCH", path=path, body=body, query=_MANAGER, content_type=MERGE
        )

    async def delete(self, kind: Kind, namespace: str, name: str, uid: str) -> Manifest:
        """See Kube."""
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": uid},
            "propagationPolicy": "Background",
        }
        return await self._call("delete", kind, method="DELETE", path=kind.path(namespace, name), body=body)

    async def create_event(self, event: Manifest) -> None:
        """See Kube."""
        await self.create(EVENT, event)

    async def events(self, namespace: str, uid: str) -> Sequence[Manifest]:
        """See Kube."""
        query = {"fieldSelector": f"involvedObject.uid={uid}", "limit": str(PAGE)}
        path = EVENT.path(namespace)
        try:
            answer = await self._call("list", EVENT, method="GET", path=path, query=query, most_bytes=PAGE_BYTES)
        except AnswerTooLargeError:
            message = f"the Events on {uid} are larger than {PAGE_BYTES // 1024**2} MiB"
            raise KubeError(0, "TooLarge", message, call=f"GET {path}") from None
        events: list[Manifest] = answer.get("items") or []
        return events

    async def _call(
        self,
        verb: str,
        kind: Kind,
        *,
        method: str,
        path: str,
        body: Manifest | Sequence[Manifest] | None = None,
        query: Mapping[str, str] | None = None,
        content_type: str = JSON,
        most_bytes: int | None = None,
    ) -> Manifest:
        code = 0
        try:
            async with self._slots:
                code, headers, text = await self._exchange(
                    method, path, body, query or {}, content_type, most_bytes=most_bytes
                )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise KubeError(0, "NoAnswer", repr(error), call=f"{method} {path}") from error
        finally:
            self._calls(verb=verb, kind=kind.name, code=code)
        if 200 <= code < 300:
            return _object(text, f"{method} {path}")
        raise _error(code, headers, text, f"{method} {path}")

    async def _exchange(
        self,
        method: str,
        path: str,
        body: Manifest | Sequence[Manifest] | None,
        query: Mapping[str, str],
        content_type: str,
        *,
        most_bytes: int | None,
    ) -> tuple[int, Mapping[str, str], bytes]:
        headers = {"Accept": JSON, "Content-Type": content_type, "User-Agent": self._client.user_agent}
        await self._client.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        url = self._client.configuration.host + path + (f"?{urlencode(query)}" if query else "")
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        sent = yaml_text(body) if content_type == APPLY else body
        response = await self._client.call_api(method, url, headers, sent, _request_timeout=timeout)
        answer = response.response
        text = await answer.read() if most_bytes is None else await read_bounded(answer, most_bytes)
        return response.status, response.headers, text


def _object(text: bytes, call: str) -> Manifest:
    """The object in an answer; KubeError where what stands in between has answered something else."""
    try:
        answer = parsing.loads(text)
    except ValueError as error:
        raise KubeError(0, "NoAnswer", f"what answers is no API server: {error}", call=call) from error
    if not isinstance(answer, dict):
        raise KubeError(0, "NoAnswer", "what answers is no API server: it sends no object", call=call)
    return answer


def yaml_text(body: Any) -> str:
    """JSON that is YAML, too, which is what the API server reads an apply as.

    Characters beyond the basic plane stand for themselves: YAML has no surrogate pairs. All others but printable ASCII
    are escaped: some of them end a line in YAML, or may not stand in it. A lone surrogate is no character anywhere.
    """
    return _ESCAPED.sub(_escape, json.dumps(body, ensure_ascii=False))


_ESCAPED: Final = re.compile(r"[\x7f-\uffff]")


def _escape(match: re.Match[str]) -> str:
    point = ord(match[0])
    return "\\ufffd" if 0xD800 <= point <= 0xDFFF else f"\\u{point:04x}"


LONGEST_RETRY_AFTER_SECONDS: Final = 60
"""A webhook that is mended is asked again within a minute, whatever it said before."""

_MANAGER: Final = {"fieldManager": FIELD_MANAGER}
_STRICT: Final = {**_MANAGER, "fieldValidation": "Strict"}
"""What the CRD does not know is an error, and not left out in silence."""
_FORCE: Final = {"fieldManager": FIELD_MANAGER, "force": "true"}


def _error(code: int, headers: Mapping[str, str], text: bytes, call: str) -> KubeError:
    """The error for an answer: Kubernetes says why in a Status object; what stands in between may answer anything."""
    try:
        status: dict[str, Any] = parsing.loads(text)
        reason, message = str(status.get("reason") or "Unknown"), str(status.get("message") or "")
    except (ValueError, AttributeError):
        reason, message = "Unknown", text[:200].decode(errors="replace")
    try:
        retry_after = float(headers.get("Retry-After") or 0)
    except ValueError:  # the header may also be a date
        retry_after = 0
    # Whoever answers may ask for years, or for no number at all (`inf`, `nan`).
    retry_after = min(retry_after, LONGEST_RETRY_AFTER_SECONDS) if retry_after > 0 else 0
    return _ERRORS.get(code, KubeError)(code, reason, message, call=call, retry_after_seconds=retry_after)


async def configuration() -> Configuration:
    """How to reach the API server: as the pod's service account inside a cluster, else by KUBECONFIG."""
    config = Configuration()
    try:  # in this order, as kopf does
        load_incluster_config(client_configuration=config)  # reads the token again every minute
    except ConfigException:
        await load_kube_config(client_configuration=config)
    config.connection_pool_maxsize = IN_FLIGHT
    # Else aiohttp looks for a ~/.netrc, in a thread, before every call. kopf knows no proxy's variables either.
    config.client_session_kwargs = {"trust_env": False}
    return config


@asynccontextmanager
async def connect(calls: Calls, user_agent: str) -> AsyncIterator[ApiKube]:
    """An ApiKube for as long as the context lasts."""
    client = ApiClient(await configuration())
    client.user_agent = user_agent
    try:
        yield ApiKube(client, calls)
    finally:
        await client.close()
