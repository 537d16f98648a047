"""Try in a real browser: a real Triton is asked by clicks and by keys, and a hostile server's answers are harmless."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from testbed.api import Api
from testbed.plane import Plane
from tests.cli.cluster import stored
from tests.cli.kubelet import Kubelet, served
from tests.cli.scenes import scene
from tests.console.answering import Says, Server
from tests.console.chromium import HOSTILE, asked, chromium, click, complaints, fits, look, shown, tab_to, until
from tests.console.served import Served, console
from tests.guard.pod import Container
from tests.serving import running
from tests.triton import models

pytestmark = [pytest.mark.plane, pytest.mark.triton]

TEAM: Final = "console-trying"
TRY: Final = f"/models/{TEAM}/churn/try"
STABLE, CANDIDATE = "11111111", "22222222"


@pytest.fixture(scope="module")
def pod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    with served(tmp_path_factory.mktemp("pod")) as made:
        yield made


@pytest.fixture(scope="module")
def kubelet(pod: Container, tmp_path_factory: pytest.TempPathFactory) -> Kubelet:
    """The bundle has two golden requests, the second with an answer that is not the model's."""
    folder = tmp_path_factory.mktemp("k")
    for name, document in (("one", models.golden()), ("two", models.golden(3, 8))):
        file = folder / "root" / "golden" / f"{name}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(document))
    return Kubelet.made(folder / "kubectl", port=pod.ports[0], root=folder / "root")


@pytest.fixture(scope="module")
def page(plane: Plane, kubelet: Kubelet) -> Iterator[Served]:
    """The console of whoever has a model at a tenth of its canary."""
    with Api(plane) as api:
        api.create("namespaces", "", {"metadata": {"name": TEAM}})
        stored(api, TEAM, scene("canary-paused"))
    with console(plane.kubeconfig(), TEAM, kubectl=kubelet.folder) as found:
        yield found


@pytest.fixture(scope="module")
def started(page: Served) -> Iterator[webdriver.Chrome]:
    with chromium() as driver:
        driver.get(page.address)
        yield driver


@pytest.fixture
def browser(started: webdriver.Chrome, page: Served) -> webdriver.Chrome:
    look(started, width=1200)
    started.get(f"{page.root}/models/{TEAM}/churn")
    until(started, "Try it")
    complaints(started)
    return started


@pytest.fixture
def server(kubelet: Kubelet, pod: Container) -> Iterator[Server]:
    """What answers in place of the model."""
    with running(Server()) as found:
        kubelet.leads_to(found.server_port)
        yield found
    kubelet.leads_to(pod.ports[0])


def test_golden_requests_are_asked_by_a_click_and_shown_beside_what_came(browser: webdriver.Chrome) -> None:
    click(browser, By.LINK_TEXT, "Try it")
    click(browser, By.XPATH, "//button[. = 'Ask its golden requests']")
    until(browser, f"Not well: version 3 revision {STABLE}")
    rows = [each.text.split() for each in browser.find_elements(By.CSS_SELECTOR, "tbody tr")]
    seven, eight = ["y", "FP32[1,1]", "7"], ["y", "FP32[1,1]", "8"]
    assert [(row[0], row[1], row[4:7], row[7:10]) for row in rows] == [
        ("golden/one.json", "right", seven, seven),
        ("golden/two.json", "wrong", eight, seven),
    ]
    assert "expected 8.0, got 7.0" in shown(browser)
    assert complaints(browser) == []


def test_the_keyboard_alone_asks_and_comes_to_what_was_answered(browser: webdriver.Chrome) -> None:
    def key(*keys: str) -> None:
        webdriver.ActionChains(browser).send_keys(*keys).perform()

    # when: the way is gone from the model's page, and the candidate is chosen
    tab_to(browser, "Try it")
    key(Keys.ENTER)
    until(browser, "Inputs of your own")
    tab_to(browser, "Version")
    key(Keys.ARROW_DOWN)
    tab_to(browser, "Ask its golden requests")
    key(Keys.ENTER)
    # then: the answers have the focus, and the choice is kept
    until(browser, f"Not well: version 4 revision {CANDIDATE}")
    assert browser.switch_to.active_element.text.startswith("Not well")
    # when: Enter in a field asks what stands in it, not the golden requests
    backwards = webdriver.ActionChains(browser).key_down(Keys.SHIFT).send_keys(Keys.TAB, Keys.TAB).key_up(Keys.SHIFT)
    backwards.perform()
    assert browser.switch_to.active_element.get_attribute("name") == "input.x"
    key("[1, 2]", Keys.ENTER)
    # then
    until(browser, f"Answered: version 4 revision {CANDIDATE}")
    assert "your inputs" in shown(browser)
    assert "y FP32[2,1] 3, 5" in shown(browser)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("one", "x: data[0]: 'one' is not FP32; write JSON, as in [0.5, 1]"),
        ("[[1, 2], [3]]", "x: data: shape [2, 2] has 4 elements, found 3; write JSON, as in [0.5, 1]"),
        ("[1e999]", "x: data[0]: '[1e999]' is not FP32; write JSON, as in [0.5, 1]"),
        (HOSTILE, "' is not FP32; write JSON, as in [0.5, 1]"),
        ("", "Fill in an input."),
    ],
    ids=["a word", "rows of two lengths", "more than a number holds", "markup", "nothing"],
)
def test_a_wrong_input_is_named_where_it_stands(
    browser: webdriver.Chrome, page: Served, given: str, words: str
) -> None:
    browser.get(page.root + TRY)
    field = browser.find_element(By.NAME, "input.x")
    browser.execute_script("arguments[0].value = arguments[1]", field, given)
    click(browser, By.XPATH, "//button[. = 'Ask this' and not(@hidden)]")
    until(browser, words)
    field = browser.find_element(By.NAME, "input.x")
    assert field.get_property("value") == given, "to be mended, and not to be written anew"
    if given:
        assert browser.switch_to.active_element == field
        described = browser.find_element(By.ID, str(field.get_attribute("aria-describedby")))
        assert (field.get_attribute("aria-invalid"), words in described.text) == ("true", True)
    assert browser.execute_script("return window.broken") is None


@pytest.mark.parametrize(
    ("says", "words"),
    [
        (Says(text=HOSTILE), "{{7*7}}{% raw %} \\x1b[31m\\u202e"),
        (Says(name=HOSTILE), "got ['<img src=x onerror"),
        (Says(error=HOSTILE), "the server answered 500: <img src=x onerror"),
        (Says(text="x" * (5 << 20)), f"{'x' * 200}… and {(5 << 20) - 200} characters more"),
        (Says(name="y" * (5 << 20)), "characters more"),
    ],
    ids=["markup", "markup as a name", "markup as an error", "five MB", "a name of five MB"],
)
def test_whatever_a_server_answers_is_a_small_text(
    browser: webdriver.Chrome, page: Served, server: Server, says: Says, words: str
) -> None:
    server.says = says
    browser.get(page.root + TRY)
    asked(browser)
    click(browser, By.XPATH, "//button[. = 'Ask its golden requests']")
    until(browser, "Not well")
    assert words in shown(browser)
    assert browser.execute_script("return window.broken") is None
    assert not browser.find_elements(By.CSS_SELECTOR, "main img, main script")
    assert [url for url in asked(browser) if not url.startswith(page.root)] == []
    assert complaints(browser) == []
    assert len(browser.page_source) < 50_000
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 1200


def test_an_answer_that_never_ends_is_waited_for_in_vain_for_half_a_minute(
    browser: webdriver.Chrome, page: Served, server: Server
) -> None:
    server.says = Says(endless=True)
    browser.get(page.root + TRY)
    click(browser, By.XPATH, "//button[. = 'Ask its golden requests']")
    until(browser, "Not well", seconds=60)
    assert "failed" in shown(browser)
    assert "no answer within" in shown(browser)
    # then: who asks next is answered
    server.says = Says(error="an end")
    click(browser, By.XPATH, "//button[. = 'Ask its golden requests']")
    until(browser, "the server answered 500: an end")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [400, 1200])
def test_the_page_with_answers_is_no_wider_than_its_window(
    browser: webdriver.Chrome, page: Served, tmp_path: Path, width: int, dark: bool
) -> None:
    look(browser, width=width, dark=dark)
    browser.get(page.root + TRY)
    click(browser, By.XPATH, "//button[. = 'Ask its golden requests']")
    until(browser, "expected 8.0, got 7.0")
    fits(browser, "try", tmp_path, width=width, dark=dark)
