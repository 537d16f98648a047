"""The console on a real API server, by HTTP: who gets in, what is shown to whom, and what is written."""

import os
import re
import signal
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import httpx
import psutil
import pytest
from click.testing import CliRunner

from slipway.console.commands import console as command
from slipway.core.names import REQUEST
from testbed.kubectl import Kubectl
from testbed.plane import Plane
from tests.conftest import fresh_namespace
from tests.console.objects import DIGEST, deployment, ready, registered, stored, version
from tests.console.served import Served, console, until

pytestmark = pytest.mark.plane

TEAM: Final = "console-team"
OURS: Final = f"/?namespace={TEAM}"
"""Other tests have models on the same control plane, more than a page has."""


@pytest.fixture(scope="module")
def team(plane: Plane) -> str:
    """A namespace with a model on its way and a catalogue."""
    namespace = TEAM
    plane.kubectl()("create", "namespace", namespace)
    stored(plane.kubectl().within(namespace), deployment(namespace=namespace), ready("done", namespace))
    stored(plane.kubectl().within(namespace), registered(namespace), version("4", "0.93", namespace=namespace))
    return namespace


@pytest.fixture(scope="module")
def served(plane: Plane, team: str) -> Iterator[Served]:
    with console(plane.kubeconfig(), team) as found:
        yield found


@pytest.fixture
def browser(served: Served) -> Iterator[httpx.Client]:
    with served.client() as client:
        until(lambda: "done" in client.get(OURS).text)
        yield client


def test_nobody_gets_in_without_the_key(served: Served) -> None:
    for path in ("/", "/market", "/models/x/y", "/changes", "/static/console.css", "/?token=wrong", "/nothing"):
        for root in (served.origin, served.root):
            answer = httpx.get(root + path)
            assert (answer.status_code, "slipway console" in answer.text) == (401, True), path


def test_what_the_browser_keeps_is_for_a_path_that_nobody_guesses(plane: Plane, team: str, served: Served) -> None:
    with console(plane.kubeconfig(), team) as other:
        cookies = [cookie for each in (served, other) for cookie in httpx.get(each.address).cookies.jar]
        assert [f"{each.origin}{cookie.path}" for each, cookie in zip((served, other), cookies, strict=True)] == [
            each.root for each in (served, other)
        ]
        paths, names = {each.path for each in cookies}, {each.name for each in cookies}
    assert (len(paths), len(names), min(map(len, paths)) > 20) == (2, 2, True)


def test_the_key_is_in_nobodys_list_of_processes(plane: Plane, team: str, tmp_path: Path) -> None:
    browser, words = tmp_path / "browser", tmp_path / "words"
    browser.write_text(f'#!/bin/sh\nprintf %s "$*" >{words}.part\nmv {words}.part {words}\n')
    browser.chmod(0o700)
    with console(plane.kubeconfig(), team, browser) as served:
        until(words.exists)
        key = served.address.partition("token=")[2]
        assert key not in words.read_text()
        page = Path(unquote(urlsplit(words.read_text()).path))
        assert [stat.S_IMODE(each.stat().st_mode) for each in (page, page.parent)] == [0o600, 0o700]
        assert served.address in page.read_text()
        assert not [each for each in psutil.process_iter(["cmdline"]) if key in str(each.info["cmdline"])]
        with served.client():
            until(lambda: not page.parent.exists())


def test_two_consoles_of_one_browser_leave_each_other_alone(plane: Plane, team: str, served: Served) -> None:
    with console(plane.kubeconfig(), team) as other, served.client() as client:
        assert client.get(other.address).status_code == 200
        for root in (served.root, other.root):
            assert client.get(f"{root}/").status_code == 200


def test_a_name_that_leads_to_loopback_is_somebody_elses(served: Served, browser: httpx.Client) -> None:
    port = served.origin.rpartition(":")[2]
    for host in (f"evil.example:{port}", "evil.example", f"127.0.0.1.nip.example:{port}", "127.0.0.1", ""):
        assert browser.get("/", headers={"Host": host}).status_code in (400, 421), host


@pytest.mark.parametrize("origin", [None, "null", "http://evil.example", "https://127.0.0.1"])
def test_what_another_page_sends_is_not_taken(
    browser: httpx.Client, team: str, plane: Plane, origin: str | None
) -> None:
    headers = {"Origin": origin} if origin else {}
    path = f"/models/{team}/churn/requests"
    assert browser.post(path, data={"request": "abort/90be11d2"}, headers=headers).status_code == 403
    assert annotation(plane.kubectl().within(team)) is None


def test_each_answer_tells_the_browser_to_run_and_load_nothing_of_others(browser: httpx.Client, team: str) -> None:
    for path in (
        "/",
        f"/models/{team}/churn",
        "/market",
        f"/market/{team}/churn",
        f"/market/{team}/churn/4",
        "/nothing",
    ):
        headers = browser.get(path).headers
        assert "default-src 'none'; script-src 'self'" in headers["Content-Security-Policy"], path
        assert (headers["X-Content-Type-Options"], headers["Cache-Control"]) == ("nosniff", "no-store")


def test_the_port_is_on_loopback_alone(served: Served) -> None:
    port = int(served.origin.rpartition(":")[2])
    own = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), port, type=socket.SOCK_STREAM)}
    for address in own - {"127.0.0.1", "127.0.1.1", "::1"}:
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((str(address), port), timeout=2).close()


def test_pages_say_what_status_says(browser: httpx.Client, team: str) -> None:
    page = browser.get(f"/models/{team}/churn").text
    for words in ("version 3 has 1 of 4 pods available", "request 0, output y[0]: expected 7, got 8", "0badcafe"):
        assert words in page or words == "0badcafe"
    assert 'value="promote/90be11d2"' in page
    assert "<strong>Shifting</strong>" in browser.get(OURS).text
    market = browser.get(f"/market/{team}/churn/4").text
    assert f"{team}/churn</a>" in market, "where it serves"
    assert f"digest: {DIGEST}" in market
    assert f'/models/{team}/churn/try?revision=3f2a91bc">Try it there' in market


@pytest.mark.parametrize(
    "path", ["/models/x/y", "/market/x/y", "/market/x/y/1", "/static/../pages.py", "/static/no.css"]
)
def test_what_is_not_there_is_said(browser: httpx.Client, path: str) -> None:
    answer = browser.get(path)
    assert answer.status_code == 404


def form(page: str) -> dict[str, str]:
    """The hidden fields of a page's forms."""
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page))


def annotation(kubectl: Kubectl) -> str | None:
    found: dict[str, Any] = kubectl.json("get", "modeldeployment", "churn")
    value = (found["metadata"].get("annotations") or {}).get(REQUEST)
    return None if value is None else str(value)


def test_a_button_writes_what_kubectl_annotate_would_and_says_so(
    served: Served, browser: httpx.Client, team: str, plane: Plane
) -> None:
    path = f"/models/{team}/churn/requests"
    answer = browser.post(path, data={"request": "pause/90be11d2"}, headers={"Origin": served.origin})
    kubectl = plane.kubectl().within(team)
    assert "asked for: pause/90be11d2" in answer.text
    assert annotation(kubectl) == "pause/90be11d2"
    managers = kubectl.json("get", "modeldeployment", "churn", "--show-managed-fields")["metadata"]["managedFields"]
    assert "slipway-console" in {each["manager"] for each in managers}
    kubectl("annotate", "modeldeployment", "churn", f"{REQUEST}-")


def test_what_changes_is_told_to_pages_at_once(browser: httpx.Client, team: str, plane: Plane) -> None:
    with browser.stream("GET", "/changes") as stream:
        plane.kubectl().within(team)("label", "modeldeployment", "done", "touched=yes")
        assert next(line for line in stream.iter_lines() if line.startswith("event")) == "event: changed"


def test_a_version_is_taken_into_use_and_a_second_time_is_told(
    served: Served, browser: httpx.Client, team: str, plane: Plane
) -> None:
    kubectl = plane.kubectl().within(team)
    kubectl("delete", "modeldeployment", "churn")
    try:
        take = f"/market/{team}/churn/4/deployments"
        shown = form(browser.get(f"/market/{team}/churn/4?answered=yes").text)
        browser.post(take, data=shown, headers={"Origin": served.origin})
        assert kubectl.json("get", "modeldeployment", "churn")["spec"]["model"]["source"]["digest"] == DIGEST
        assert "already exists" in browser.post(take, data=shown, headers={"Origin": served.origin}).text
    finally:
        kubectl("delete", "modeldeployment", "churn")
        stored(kubectl, deployment(namespace=team))


def may_look(plane: Plane, team: str) -> None:
    """A tenant sees what is ours there."""
    rules = [{"apiGroups": ["serving.slipway.dev"], "resources": ["*"], "verbs": ["get", "list", "watch"]}]
    role = {"kind": "Role", "metadata": {"name": "look"}, "apiVersion": "rbac.authorization.k8s.io/v1", "rules": rules}
    user = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": plane.user("tenant")}
    binding = {
        "kind": "RoleBinding",
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "metadata": {"name": "look"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "look"},
        "subjects": [user],
    }
    plane.kubectl().within(team).apply(role, binding)


def test_whoever_may_only_look_has_no_buttons_and_sees_their_namespace_alone(plane: Plane, team: str) -> None:
    may_look(plane, team)
    with console(plane.kubeconfig("tenant"), team) as served, served.client() as browser:
        until(lambda: "done" in browser.get("/").text)
        page = browser.get(f"/models/{team}/churn").text
        assert "version 3 has 1 of 4 pods available" in page
        assert "<button" not in page
        assert "You have no right to create modeldeployments" in browser.get(f"/market/{team}/churn/4").text
        untried = browser.get(f"/models/{team}/churn/try").text
        assert (f"no right to create pods/portforward in {team}" in untried, "<button" in untried) == (True, False)
        told = browser.post(
            f"/models/{team}/churn/requests", data={"request": "abort/90be11d2"}, headers={"Origin": served.origin}
        )
        assert "cannot patch resource" in told.text, "a button that is pressed all the same"


def test_whoever_may_look_into_another_namespace_names_it_and_takes_into_their_own(plane: Plane, team: str) -> None:
    may_look(plane, team)
    own = fresh_namespace(plane)
    kubectl = plane.kubectl().within(own)
    kubectl("create", "rolebinding", "mine", "--clusterrole=admin", f"--user={plane.user('tenant')}")
    kubectl("create", "role", "mine", "--verb=*", "--resource=modeldeployments.serving.slipway.dev")
    kubectl("create", "rolebinding", "models", "--role=mine", f"--user={plane.user('tenant')}")
    with console(plane.kubeconfig("tenant"), own, also_in=(team,)) as served, served.client() as browser:
        until(lambda: "done" in browser.get("/").text)
        assert f"Of namespaces {own}, {team} alone" in browser.get("/").text
        said = {"answered": "yes", "endpoint": "https://minio.example:9000", "region": "", "secretName": "keys"}
        page = browser.get(f"/market/{team}/churn/4", params=said).text
        browser.post(f"/market/{team}/churn/4/deployments", data=form(page), headers={"Origin": served.origin})
    source = kubectl.json("get", "modeldeployment", "churn")["spec"]["model"]["source"]
    assert (source["s3"], source["secretName"]) == ({"endpoint": "https://minio.example:9000"}, "keys")


@pytest.mark.parametrize("name", ["a/b", "", "UPPER", ".."])
def test_what_is_no_namespace_is_not_looked_into(name: str) -> None:
    told = CliRunner().invoke(command, ["--no-browser", f"--also-in={name}"])
    assert (told.exit_code, "is no namespace" in told.output) == (2, True)


def test_whoever_may_see_nothing_is_told_which_right_is_missing(plane: Plane) -> None:
    with console(plane.kubeconfig("tenant"), "default") as served, served.client() as browser:
        until(lambda: "cannot list resource" in browser.get("/").text)


def test_hundreds_of_models_are_a_page_in_a_moment(plane: Plane) -> None:
    namespace = "console-hundreds"
    kubectl = plane.kubectl().within(namespace)
    plane.kubectl()("create", "namespace", namespace)
    kubectl.apply(*({**ready(f"m{number:04}", namespace), "status": {}} for number in range(300)))
    with console(plane.kubeconfig(), namespace) as served, served.client() as browser:
        until(lambda: ">3</a>" in browser.get("/?namespace=console-hundreds").text)
        began = time.monotonic()
        text = browser.get("/?namespace=console-hundreds&page=3").text
        assert time.monotonic() - began < 5
        assert ">m0299</a>" in text
    kubectl("delete", "modeldeployments", "--all", "--wait=false")


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_nothing_of_it_is_left_however_it_ends(plane: Plane, ending: signal.Signals) -> None:
    with console(plane.kubeconfig(), "default") as served, served.client() as browser:
        (proxy,) = psutil.Process(served.pid).children()
        with browser.stream("GET", "/changes"):
            os.kill(served.pid, ending)
            gone, left = psutil.wait_procs([psutil.Process(served.pid), proxy], timeout=20)
    assert (len(gone), left) == (2, [])


def test_what_keeps_it_from_starting_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plane: Plane) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    told = CliRunner().invoke(command, ["--no-browser"])
    assert (told.exit_code, "there is no kubectl" in told.output) == (1, True)
    monkeypatch.undo()
    nobody = tmp_path / "config"
    nobody.write_text(plane.kubeconfig().read_text().replace(plane.url, "https://127.0.0.1:1"))
    told = CliRunner().invoke(command, ["--no-browser", f"--kubeconfig={nobody}"])
    assert told.exit_code == 1
    assert "API server" in told.output or "connect" in told.output, told.output
