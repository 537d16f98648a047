"""Admission webhooks for one namespace: one whose server is down, and one that rewrites what it is shown."""

import base64
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
import trustme
from aiohttp import web

from testbed.plane import Plane, free_port
from tests.controller.conftest import eventually

Patch = list[dict[str, Any]]


@asynccontextmanager
async def down(plane: Plane, namespace: str, group: str, plural: str, probe: dict[str, Any]) -> AsyncIterator[None]:
    """Every write of that resource fails with 500. `probe` is an object to see by whether that is so already."""
    async with _configured(plane, "Validating", namespace, group, plural, {"url": f"https://127.0.0.1:{free_port()}/"}):
        await _until_it_is(plane, namespace, probe, failing=True)
        yield
    await _until_it_is(plane, namespace, probe, failing=False)


@asynccontextmanager
async def rewriting(
    plane: Plane,
    namespace: str,
    group: str,
    plural: str,
    patch: Callable[[dict[str, Any]], Patch],
    probe: dict[str, Any],
) -> AsyncIterator[None]:
    """Every write of that resource is changed by a JSON patch."""
    reviewed_names: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        asked = orjson.loads(await request.read())["request"]
        reviewed_names.append(asked["name"])
        answer = {
            "uid": asked["uid"],
            "allowed": True,
            "patchType": "JSONPatch",
            "patch": base64.b64encode(orjson.dumps(patch(asked["object"]))).decode(),
        }
        return web.json_response({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": answer})

    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    app = web.Application()
    app.router.add_post("/", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
    bundle = base64.b64encode(authority.cert_pem.bytes()).decode()
    where = {"url": f"https://127.0.0.1:{port}/", "caBundle": bundle}
    try:
        async with _configured(plane, "Mutating", namespace, group, plural, where):

            def asked() -> bool:
                _dry_run(plane, namespace, probe, plural)
                return bool(reviewed_names)

            await eventually("the webhook is asked", asked)
            yield
    finally:
        await runner.cleanup()


def configuration(kind: str, namespace: str, group: str, plural: str, where: dict[str, Any]) -> dict[str, Any]:
    """A Validating or Mutating webhook for one resource of one namespace, without which nothing is written."""
    what = plural.replace("/", "-")
    name = f"{namespace}-{what}-{kind.lower()}"
    webhook = {
        "name": f"{what}.{namespace}.example.com",
        "clientConfig": where,
        "rules": [
            {
                "apiGroups": [group],
                "apiVersions": ["*"],
                "operations": ["CREATE", "UPDATE"],
                "resources": [plural],
            }
        ],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "timeoutSeconds": 2,
        "admissionReviewVersions": ["v1"],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": f"{kind}WebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [webhook],
    }


@asynccontextmanager
async def _configured(
    plane: Plane, kind: str, namespace: str, group: str, plural: str, where: dict[str, Any]
) -> AsyncIterator[None]:
    whole = configuration(kind, namespace, group, plural, where)
    plane.kubectl().apply(whole)
    try:
        yield
    finally:
        plane.kubectl()("delete", whole["kind"].lower(), whole["metadata"]["name"])


async def _until_it_is(plane: Plane, namespace: str, probe: dict[str, Any], *, failing: bool) -> None:
    await eventually(
        f"the webhook {'fails' if failing else 'is gone'}",
        lambda: ("dry run" not in _dry_run(plane, namespace, probe)) == failing,
    )


def _dry_run(plane: Plane, namespace: str, probe: dict[str, Any], plural: str = "") -> str:
    resource, _, subresource = plural.partition("/")
    if subresource:
        patch = orjson.dumps({subresource: probe[subresource]}).decode()
        of = (resource, probe["metadata"]["name"], f"--subresource={subresource}", "--type=merge", "-p", patch)
        return plane.kubectl().within(namespace)("patch", *of, "--dry-run=server", check=False)
    argv = ("apply", "--server-side", "--dry-run=server", "-f", "-")
    return plane.kubectl().within(namespace)(*argv, stdin=orjson.dumps(probe).decode(), check=False)
