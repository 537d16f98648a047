"""The console of whoever has rights to single models by their names: they see and act on those, and on no others."""

from collections.abc import Iterator

import httpx
import pytest

from testbed.kubectl import Kubectl
from testbed.plane import Plane
from tests.conftest import fresh_namespace
from tests.console.objects import deployment, ready, stored
from tests.console.served import Served, console, until

pytestmark = pytest.mark.plane

OURS = "modeldeployments.serving.slipway.dev"


@pytest.fixture(scope="module")
def team(plane: Plane) -> str:
    """Of two models one may be seen and changed, one seen."""
    namespace = made(plane)
    allow(plane, namespace, "churn", "get,patch")
    allow(plane, namespace, "seen", "get")
    return namespace


@pytest.fixture(scope="module")
def elsewhere(plane: Plane) -> str:
    """A namespace that the console does not follow."""
    namespace = made(plane)
    allow(plane, namespace, "churn", "get,patch")
    return namespace


def made(plane: Plane) -> str:
    namespace = fresh_namespace(plane)
    models = (deployment(namespace=namespace), ready("seen", namespace), ready("unseen", namespace))
    stored(plane.kubectl().within(namespace), *models)
    return namespace


def allow(plane: Plane, namespace: str, name: str, verbs: str) -> None:
    kubectl, role = plane.kubectl().within(namespace), f"of-{name}"
    kubectl("create", "role", role, f"--verb={verbs}", f"--resource={OURS}", f"--resource-name={name}")
    kubectl("create", "rolebinding", role, f"--role={role}", f"--user={plane.user('tenant')}")


@pytest.fixture(scope="module")
def served(plane: Plane, team: str) -> Iterator[Served]:
    with console(plane.kubeconfig("tenant"), team) as found:
        yield found


@pytest.fixture
def browser(served: Served) -> Iterator[httpx.Client]:
    with served.client() as client:
        until(lambda: ">seen</a>" in client.get("/").text)
        yield client


@pytest.fixture
def kubectl(plane: Plane, team: str) -> Kubectl:
    return plane.kubectl().within(team)


def test_models_that_may_be_got_by_name_are_listed_and_what_more_would_take_is_said(
    browser: httpx.Client, team: str
) -> None:
    page = browser.get("/").text
    assert (">churn</a>" in page, ">unseen</a>" in page) == (True, False)
    assert "cannot list resource &#34;modeldeployments&#34;" in page
    assert "shown are those that you may get" in page
    assert f"You have no right to list modeldeployments in {team}" in page


def test_buttons_are_there_for_the_names_that_may_be_changed(
    browser: httpx.Client, served: Served, team: str, kubectl: Kubectl
) -> None:
    assert 'value="abort/90be11d2"' in browser.get(f"/models/{team}/churn").text
    assert "<button" not in browser.get(f"/models/{team}/seen").text
    answer = browser.post(
        f"/models/{team}/churn/requests", data={"request": "abort/90be11d2"}, headers={"Origin": served.origin}
    )
    assert "asked for: abort/90be11d2" in answer.text
    annotations = kubectl.json("get", "modeldeployment", "churn")["metadata"]["annotations"]
    assert annotations["serving.slipway.dev/rollout"] == "abort/90be11d2"


def test_a_page_says_which_lists_it_does_without(browser: httpx.Client, team: str) -> None:
    page = browser.get(f"/models/{team}/churn").text
    for resource in ("pods", "events"):
        assert f"cannot list resource &#34;{resource}&#34;" in page
    assert "version 3 has 1 of 4 pods available" in page


def test_what_changes_comes_to_the_page_and_what_is_gone_leaves_the_list(
    browser: httpx.Client, team: str, kubectl: Kubectl
) -> None:
    patch = '{"status": {"phase": "Suspended"}}'
    kubectl("patch", "modeldeployment/seen", "--subresource=status", "--type=merge", f"--patch={patch}")
    until(lambda: "Suspended" in browser.get(f"/models/{team}/seen").text)
    kubectl("delete", "modeldeployment", "seen")
    until(lambda: ">seen</a>" not in browser.get("/").text)
    stored(kubectl, ready("seen", team))


def test_a_model_of_another_namespace_is_opened_by_its_name(
    browser: httpx.Client, elsewhere: str, plane: Plane
) -> None:
    page = browser.get("/models", params={"namespace": elsewhere, "name": "churn"})
    assert page.url.path.endswith(f"/models/{elsewhere}/churn")
    assert "version 3 has 1 of 4 pods available" in page.text
    assert 'hx-trigger="changed from:body, every 5s"' in page.text
    assert 'value="abort/90be11d2"' in page.text


@pytest.mark.parametrize("name", ["unseen", "none"])
def test_what_may_not_be_got_is_told_with_the_right_that_is_missing(
    browser: httpx.Client, team: str, name: str
) -> None:
    answer = browser.get(f"/models/{team}/{name}")
    assert answer.status_code == 404
    assert f'"{name}" is forbidden' in answer.text
    assert 'cannot get resource "modeldeployments"' in answer.text


@pytest.mark.parametrize(
    "path", ["/models/{}/..%2fchurn", "/models/..%2f..%2fapi/churn", "/models/%2e%2e/churn", "/models/{}/%2e"]
)
def test_what_is_no_name_leads_nowhere(browser: httpx.Client, team: str, path: str) -> None:
    assert browser.get(path.format(team)).status_code == 404
