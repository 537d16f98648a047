"""Try: a person asks a served model from its page. The model is a real Triton's, the cluster a real API server."""

from collections.abc import Iterator

import httpx
import pytest

from testbed.api import Api
from testbed.plane import Plane
from tests.cli.cluster import stored
from tests.cli.kubelet import Kubelet, served
from tests.cli.scenes import scene
from tests.conftest import fresh_namespace
from tests.console.served import Served, console, until
from tests.guard.pod import Container

pytestmark = [pytest.mark.plane, pytest.mark.triton]

STABLE, CANDIDATE = "11111111", "22222222"


@pytest.fixture(scope="module")
def pod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    with served(tmp_path_factory.mktemp("pod")) as made:
        yield made


@pytest.fixture(scope="module")
def team(plane: Plane) -> str:
    """A namespace with a model at a tenth of its canary."""
    namespace = fresh_namespace(plane)
    with Api(plane) as api:
        stored(api, namespace, scene("canary-paused"))
    return namespace


@pytest.fixture(scope="module")
def page(plane: Plane, team: str, pod: Container, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    kubelet = Kubelet.made(tmp_path_factory.mktemp("k") / "kubectl", port=pod.ports[0], root=pod.root / "slipway")
    with console(plane.kubeconfig(), team, kubectl=kubelet.folder) as found:
        yield found


@pytest.fixture
def browser(page: Served, team: str) -> Iterator[httpx.Client]:
    with page.client() as client:
        until(lambda: client.get(f"/models/{team}/churn").status_code == 200)
        yield client


def tried(browser: httpx.Client, page: Served, team: str, **form: str) -> str:
    answer = browser.post(f"/models/{team}/churn/try", data=form, headers={"Origin": page.origin})
    assert answer.status_code == 200
    return answer.text


def test_a_models_page_leads_to_the_versions_that_may_be_asked(browser: httpx.Client, team: str) -> None:
    assert f'/models/{team}/churn/try"' in browser.get(f"/models/{team}/churn").text
    text = browser.get(f"/models/{team}/churn/try?revision={CANDIDATE}").text
    assert f'<option value="{STABLE}">3 (Stable, {STABLE})</option>' in text
    assert f'<option value="{CANDIDATE}" selected>' in text
    assert 'hx-get="' not in text, "what is being written there would go with the next change"


def test_golden_requests_are_shown_with_what_was_expected_and_what_came(
    browser: httpx.Client, page: Served, team: str
) -> None:
    text = tried(browser, page, team, revision=STABLE, golden="yes")
    assert f'Answered: version 3 <span class="quiet">revision {STABLE}, pod churn-{STABLE}-' in text
    assert "golden/0.json" in text
    assert text.count("<code>y FP32[1,1] 7</code>") == 2


def test_ones_own_inputs_are_asked_and_a_wrong_one_is_named(browser: httpx.Client, page: Served, team: str) -> None:
    assert "<code>y FP32[2,1] 3, 5</code>" in tried(browser, page, team, own="yes", **{"input.x": "[1, 2]"})
    assert "data[0]: &#39;one&#39; is not FP32" in tried(browser, page, team, own="yes", **{"input.x": "one"})
    assert "the model has no such input; it takes x" in tried(browser, page, team, own="yes", **{"input.z": "1"})
    assert "Fill in an input." in tried(browser, page, team, own="yes", **{"input.x": ""})


def test_a_revision_that_is_not_there_is_told(browser: httpx.Client, page: Served, team: str) -> None:
    assert "has no pod that is ready" in tried(browser, page, team, revision="00000000", golden="yes")


def test_another_page_asks_nothing(browser: httpx.Client, team: str) -> None:
    answer = browser.post(
        f"/models/{team}/churn/try", data={"golden": "yes"}, headers={"Origin": "http://evil.example"}
    )
    assert answer.status_code == 403
