"""The console in a real browser: clicks, keys, what changes by itself, and what strangers have written."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from slipway.console.invitation import Invitation
from testbed.kubectl import Kubectl
from testbed.plane import Plane
from tests.console.chromium import HOSTILE, asked, chromium, click, complaints, fits, focused, look, until
from tests.console.objects import deployment, ready, registered, stored, version
from tests.console.served import Served, console
from tests.console.visited import Visited
from tests.serving import running

pytestmark = pytest.mark.plane

NAMESPACE: Final = "console-browser"
OURS: Final = f"/?namespace={NAMESPACE}"
"""Other tests have models on the same control plane, more than a page has."""
MARKET: Final = f"/market?namespace={NAMESPACE}"


@pytest.fixture(scope="module")
def kubectl(plane: Plane) -> Kubectl:
    plane.kubectl()("create", "namespace", NAMESPACE)
    kubectl = plane.kubectl().within(NAMESPACE)
    stored(kubectl, deployment(namespace=NAMESPACE), *(ready(f"model-{number}", NAMESPACE) for number in range(3)))
    stored(kubectl, registered(NAMESPACE), *(version(str(n), f"0.9{n}", namespace=NAMESPACE) for n in range(3, 6)))
    return kubectl


@pytest.fixture(scope="module")
def served(plane: Plane, kubectl: Kubectl) -> Iterator[Served]:
    with console(plane.kubeconfig(), NAMESPACE) as found:
        yield found


@pytest.fixture(scope="module")
def started() -> Iterator[webdriver.Chrome]:
    with chromium() as driver:
        yield driver


@pytest.fixture
def browser(started: webdriver.Chrome, served: Served) -> webdriver.Chrome:
    look(started, width=1200)
    started.get(served.address)
    started.get(served.root + OURS)
    until(started, "model-2")
    return started


def test_a_browser_that_opens_the_invitation_is_in(started: webdriver.Chrome, served: Served) -> None:
    started.execute_cdp_cmd("Network.clearBrowserCookies", {})
    invitation = Invitation(served.address)
    started.get(invitation.file.as_uri())
    until(started, "model")
    assert started.current_url == f"{served.root}/"
    invitation.withdraw()


def test_a_server_at_another_port_learns_neither_the_key_nor_the_path(
    browser: webdriver.Chrome, served: Served
) -> None:
    key, path = served.address.partition("token=")[2], served.root.rpartition("/")[2]
    assert [key] == [each["value"] for each in browser.get_cookies()], "the page itself has it"
    with running(Visited()) as other:
        browser.execute_script(f"location.href = '{other.address}'")
        until(browser, "other")
        browser.get(f"{other.address}/market")
        until(browser, "other")
    told = "\n".join(f"{headers}" for headers in other.headers)
    assert (len(other.headers) > 1, key in told, path in told) == (True, False, False), told


def test_a_person_follows_a_rollout_by_clicks_and_holds_it(browser: webdriver.Chrome, kubectl: Kubectl) -> None:
    click(browser, By.LINK_TEXT, "churn")
    until(browser, "version 3 has 1 of 4 pods available")
    click(browser, By.XPATH, "//button[starts-with(., 'Abort')]")
    until(browser, "asked for: abort/90be11d2")
    annotations = kubectl.json("get", "modeldeployment", "churn")["metadata"]["annotations"]
    assert annotations["serving.slipway.dev/rollout"] == "abort/90be11d2"
    browser.back()
    until(browser, "version 3 has 1 of 4 pods available")
    assert complaints(browser) == []


def test_a_page_follows_what_happens_and_keeps_what_a_person_had_open(
    browser: webdriver.Chrome, kubectl: Kubectl
) -> None:
    click(browser, By.LINK_TEXT, "churn")
    until(browser, "Promote")
    click(browser, By.XPATH, "//summary[. = 'Conditions']")
    browser.execute_script("document.querySelector('button[value^=promote]').focus(); window.same = true")
    patch = {"status": {"phase": "Paused", "ready": "4/4"}}
    kubectl("patch", "modeldeployment/churn", "--subresource=status", "--type=merge", f"--patch={json.dumps(patch)}")
    until(browser, "Paused")
    assert browser.execute_script("return window.same"), "the page was not loaded anew"
    assert browser.execute_script("return document.activeElement.value") == "promote/90be11d2"
    assert browser.execute_script(
        "return [...document.querySelectorAll('details')].find(each =>"
        " each.querySelector('summary').innerText == 'Conditions').open"
    )


def test_what_is_typed_of_a_store_stays_while_the_page_follows_and_comes_into_the_manifest(
    browser: webdriver.Chrome, served: Served, kubectl: Kubectl
) -> None:
    browser.get(f"{served.root}/market/{NAMESPACE}/churn/4")
    until(browser, "say first where the store is")
    browser.find_element(By.ID, "take-endpoint").send_keys("https://minio.example:9000")
    patch = {"status": {"uses": {"serving": 41}}}
    kubectl("patch", "modelversion/churn-4", "--subresource=status", "--type=merge", f"--patch={json.dumps(patch)}")
    until(browser, "serving 41")
    field = browser.find_element(By.ID, "take-endpoint")
    assert field.get_property("value") == "https://minio.example:9000"
    field.send_keys(Keys.ENTER)
    until(browser, "endpoint: https://minio.example:9000")
    until(browser, "Make it in")
    assert complaints(browser) == []


def test_the_keyboard_alone_leads_to_a_model(browser: webdriver.Chrome) -> None:
    def key(*keys: str) -> None:
        webdriver.ActionChains(browser).send_keys(*keys).perform()

    key(Keys.TAB)
    assert focused(browser) == "To the content"
    key(Keys.ENTER)
    while focused(browser) != "churn":
        key(Keys.TAB)
    key(Keys.ENTER)
    until(browser, "version 3 has 1 of 4 pods available")


def test_every_control_has_a_name_and_every_page_a_title_and_one_heading(
    browser: webdriver.Chrome, served: Served
) -> None:
    for path in pages():
        browser.get(served.root + path)
        nameless = browser.execute_script(
            "return [...document.querySelectorAll('a, button, input:not([type=hidden]), [role=img]')].filter(each =>"
            " !(each.textContent.trim() || each.getAttribute('aria-label') || each.labels?.length)).length"
        )
        assert (nameless, len(browser.find_elements(By.TAG_NAME, "h1"))) == (0, 1), path
        assert browser.title.endswith("· Slipway"), path


def test_what_strangers_write_is_text(browser: webdriver.Chrome, served: Served, kubectl: Kubectl) -> None:
    spoiled = deployment("spoiled", NAMESPACE)
    spoiled["spec"]["model"]["version"] = "<b>3</b>"
    for place in (
        spoiled["status"]["conditions"][0],
        spoiled["status"]["refused"],
        spoiled["status"]["rollout"]["strategy"],
    ):
        place["message"] = HOSTILE
    card = version("9", namespace=NAMESPACE, withdrawn={"reason": HOSTILE[:200], "action": "Warn"})
    card["spec"]["card"] |= {"task": HOSTILE[:100], "license": "<svg onload=window.broken=1>"}
    other = registered(NAMESPACE, title=HOSTILE[:60], description=f"{HOSTILE}\n\n[x](javascript:window.broken=1)")
    other["metadata"]["name"] = "spoiled"
    card["spec"]["model"], card["metadata"]["name"] = "spoiled", "spoiled-9"
    stored(kubectl, spoiled, other, card)
    try:
        asked(browser)
        for path in (
            OURS,
            f"/models/{NAMESPACE}/spoiled",
            MARKET,
            f"/market/{NAMESPACE}/spoiled",
            f"/market/{NAMESPACE}/spoiled/9",
        ):
            browser.get(served.root + path)
            until(browser, "onerror")
            assert browser.execute_script("return window.broken") is None, path
            assert not browser.find_elements(By.CSS_SELECTOR, "main img, main script, main b"), path
        assert [url for url in asked(browser) if not url.startswith(served.root)] == []
        assert [words for words in complaints(browser) if "Content Security Policy" in words] == []
    finally:
        kubectl("delete", "modeldeployment/spoiled", "registeredmodel/spoiled", "modelversion/spoiled-9")


def pages() -> list[str]:
    return [
        OURS,
        f"/models/{NAMESPACE}/churn",
        MARKET,
        f"/market/{NAMESPACE}/churn",
        f"/market/{NAMESPACE}/churn/4",
    ]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [400, 1200])
def test_no_page_is_wider_than_its_window(
    browser: webdriver.Chrome, served: Served, tmp_path: Path, width: int, dark: bool
) -> None:
    look(browser, width=width, dark=dark)
    for path in pages():
        browser.get(served.root + path)
        until(browser, "churn")
        name = path.partition("?")[0].strip("/").replace(f"/{NAMESPACE}", "").replace("/", "-") or "serving"
        fits(browser, name, tmp_path, width=width, dark=dark)
