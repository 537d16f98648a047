"""The console in the cluster, with the rights that the chart gives it: who sees what, and that nothing is written."""

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from slipway.console.identity import TOKEN_HEADER
from slipway.console.in_cluster import PAGES
from testbed import images
from testbed.plane import Plane, free_port
from tests.charts.render import granted, objects
from tests.console.objects import deployment, registered, stored, version
from tests.console.served import until

pytestmark = pytest.mark.plane

TOKEN = secrets.token_hex(16)
RELEASE = "slipway-shared"
ROLES = "rbac.authorization.k8s.io"
VALUES = ("console.enabled=true", "console.proxy.secretName=proxy")


class Cluster:
    """Two teams: each has a model that serves and one in the catalogue. A third has nothing."""

    def __init__(self, plane: Plane) -> None:
        self.plane, mark = plane, secrets.token_hex(3)
        self.red, self.blue, self.green = (f"{name}-{mark}" for name in ("red", "blue", "green"))
        kubectl = plane.kubectl()
        for namespace in (self.red, self.blue, self.green):
            kubectl("create", "namespace", namespace)
        for namespace in (self.red, self.blue):
            stored(kubectl.within(namespace), deployment(namespace=namespace))
            stored(kubectl.within(namespace), registered(namespace), version("4", namespace=namespace))
        self.share(self.blue)
        self.share(self.red)
        for person, namespace in (("ann", self.red), ("bob", self.blue), ("gus", self.green)):
            self.may_look(person, namespace)

    def share(self, namespace: str, *others: str) -> None:
        patch = f'{{"spec": {{"sharedWith": {list(others)}}}}}'.replace("'", '"')
        self.plane.kubectl().within(namespace)("patch", "registeredmodel/churn", "--type=merge", f"--patch={patch}")

    def may_look(self, person: str, namespace: str) -> None:
        rules = [{"apiGroups": ["serving.slipway.dev"], "resources": ["*"], "verbs": ["get", "list", "watch"]}]
        meta = {"name": f"look-{person}"}
        role = {"kind": "Role", "apiVersion": f"{ROLES}/v1", "metadata": meta, "rules": rules}
        binding = {
            "kind": "RoleBinding",
            "apiVersion": f"{ROLES}/v1",
            "metadata": meta,
            "roleRef": {"apiGroup": ROLES, "kind": "Role", "name": meta["name"]},
            "subjects": [{"kind": "User", "apiGroup": ROLES, "name": f"oidc:{person}"}],
        }
        self.plane.kubectl().within(namespace).apply(role, binding)


@pytest.fixture(scope="module")
def cluster(plane: Plane) -> Cluster:
    return Cluster(plane)


@pytest.fixture(scope="module")
def account(plane: Plane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What the kubelet mounts, of the account that the chart makes; with the chart's rights."""
    kubectl = plane.kubectl()
    kubectl("create", "namespace", "slipway-system", check=False)
    made = [each for each in objects(*VALUES, release=RELEASE) if each["metadata"]["name"] == f"{RELEASE}-console"]
    folder = tmp_path_factory.mktemp("account")
    with granted(kubectl, [each for each in made if each["kind"].startswith(("ServiceAccount", "ClusterRole"))]):
        token = kubectl.within("slipway-system")("create", "token", f"{RELEASE}-console", "--duration=1h")
        (folder / "token").write_text(token)
        (folder / "ca.crt").write_bytes((plane.dir / "certs" / "apiserver.crt").read_bytes())
        yield folder


@contextmanager
def served(plane: Plane, account: Path, **environment: str) -> Iterator[str]:
    """`slipway serve-console`, as in its pod."""
    port, (host, _, api) = free_port(), plane.url.removeprefix("https://").partition(":")
    there = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": api, "SLIPWAY_ACCOUNT": str(account)}
    process = subprocess.Popen(
        [sys.executable, "-c", "from slipway.program import main; main()", "serve-console", f"--port={port}"],
        env={**os.environ, **there, **environment},
    )
    try:
        root = f"http://127.0.0.1:{port}"
        until(lambda: _answers(f"{root}/readyz"))
        yield root
    finally:
        process.terminate()
        process.wait(20)


def _answers(address: str) -> bool:
    try:
        return httpx.get(address).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def proxied(plane: Plane, account: Path, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    file = tmp_path_factory.mktemp("proxy") / "token"
    file.write_text(f"{TOKEN}\n")
    told = {"SLIPWAY_CONSOLE_PROXY_TOKEN": str(file), "SLIPWAY_CONSOLE_USER_PREFIX": "oidc:"}
    with served(plane, account, **told) as root:
        yield root


def seen(root: str, path: str, person: str | None = None, **headers: str) -> httpx.Response:
    own = {TOKEN_HEADER: TOKEN, "X-Forwarded-User": person} if person else {}
    return httpx.get(root + path, headers={**own, **headers})


def shows(root: str, path: str, person: str, words: str) -> bool:
    return words in seen(root, path, person).text


def test_each_sees_what_they_may_list_and_nothing_of_others(proxied: str, cluster: Cluster) -> None:
    for person, own, other in (("ann", cluster.red, cluster.blue), ("bob", cluster.blue, cluster.red)):
        for path in ("/", "/market", "/market.yaml"):
            until(partial(shows, proxied, path, person, own))
            assert other not in seen(proxied, path, person).text, path
        for path in (f"/models/{other}/churn", f"/market/{other}/churn", f"/market/{other}/churn/4"):
            assert seen(proxied, path, person).status_code == 404, path
        version = seen(proxied, f"/market/{own}/churn/4", person).text
        assert (f"{own}/churn</a>" in version, other in version) == (True, False), "where it serves"


def test_what_is_shared_with_a_namespace_is_seen_by_its_people_and_serving_is_not(
    proxied: str, cluster: Cluster
) -> None:
    assert cluster.blue not in seen(proxied, "/market", "gus").text
    cluster.share(cluster.blue, cluster.green)
    person = f"gus-{secrets.token_hex(3)}"  # answers about somebody who has looked before are kept for a minute
    cluster.may_look(person, cluster.green)
    until(lambda: cluster.blue in seen(proxied, "/market", person).text)
    assert "<pre" in seen(proxied, f"/market/{cluster.blue}/churn/4", person).text
    assert seen(proxied, f"/models/{cluster.blue}/churn", person).status_code == 404
    assert cluster.blue not in seen(proxied, "/", person).text
    assert cluster.blue not in seen(proxied, "/market", "ann").text


def test_headers_without_the_proxys_token_are_nobodys(proxied: str, cluster: Cluster) -> None:
    for headers in ({}, {"X-Forwarded-User": "ann"}, {"X-Forwarded-User": "ann", TOKEN_HEADER: "wrong"}):
        for path in ("/", f"/models/{cluster.red}/churn", "/market.yaml", "/changes", "/static/console.css", "/no"):
            answer = seen(proxied, path, **headers)
            assert (answer.status_code, cluster.red in answer.text) == (403, False), path


def test_there_is_no_address_that_writes(proxied: str, cluster: Cluster) -> None:
    filled = [path.format(namespace=cluster.red, name="churn", model="churn", version="4") for path in PAGES]
    more = [f"/models/{cluster.red}/churn/{each}" for each in ("requests", "try")]
    own = {TOKEN_HEADER: TOKEN, "X-Forwarded-User": "ann", "Origin": proxied}
    for path in (*filled, *more, f"/market/{cluster.red}/churn/4/deployments"):
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert httpx.request(method, proxied + path, headers=own).status_code in (404, 405), (method, path)
    for path in filled:
        answer = seen(proxied, path, "ann")
        assert (answer.status_code, 'method="post"' in answer.text) == (200, False), path
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_without_a_proxy_whoever_comes_sees_what_is_shared_with_all(
    plane: Plane, account: Path, cluster: Cluster
) -> None:
    cluster.share(cluster.red, "*")
    try:
        with served(plane, account) as root:
            until(lambda: cluster.red in seen(root, "/market").text)
            told = seen(root, "/market", "ann").text
            assert cluster.blue not in told
            for path in ("/", f"/models/{cluster.red}/churn", f"/models/{cluster.blue}/churn"):
                assert "churn</a>" not in seen(root, path).text, path
            page = seen(root, f"/market/{cluster.red}/churn/4").text
            assert "Nowhere that you may see." in page
    finally:
        cluster.share(cluster.red)


def test_of_some_namespaces_nothing_else_is_read(plane: Plane, account: Path, cluster: Cluster) -> None:
    for namespace in (cluster.red, cluster.blue):
        cluster.share(namespace, "*")
    try:
        with served(plane, account, SLIPWAY_NAMESPACES=f"{cluster.blue},{cluster.green}") as root:
            market = seen(root, "/market").text
            assert (cluster.blue in market, cluster.red in market) == (True, False)
    finally:
        for namespace in (cluster.red, cluster.blue):
            cluster.share(namespace)


def test_it_starts_with_no_code_and_no_packages_but_those_of_its_image(tmp_path: Path) -> None:
    for part in images.CONSOLE_CODE:
        copy = shutil.copytree if (images.CODE / part).is_dir() else shutil.copy
        (tmp_path / "slipway").mkdir(exist_ok=True)
        copy(images.CODE / part, tmp_path / "slipway" / part)
    absent = ["kopf", "kubernetes", "rich", "prometheus_client", "pythonjsonlogger", "numpy", "google.protobuf"]
    blocked = f"import sys; sys.modules.update(dict.fromkeys({absent}))"
    program = f"{blocked}; from slipway.program import main; main(['serve-console', '--help'])"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "read-only" in done.stdout) == (0, True), done.stderr


@pytest.mark.parametrize("content", [None, "", "short"])
def test_a_token_that_anybody_could_guess_is_refused(tmp_path: Path, content: str | None) -> None:
    from click.testing import CliRunner

    from slipway.console.serve import serve_console

    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    told: Any = CliRunner().invoke(serve_console, ["--proxy-token", str(file)])
    assert (told.exit_code, "has to hold 16 characters" in told.output) == (2, True)
