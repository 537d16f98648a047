"""Debian's Chromium, driven by Selenium. It asks nobody on the network for anything of its own."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from testbed import debian
from testbed.shell import ROOT

PICTURES: Final = "SLIPWAY_PICTURES"
"""Names a folder that gets a picture of each page; `make pictures` has the docs'."""
HOSTILE: Final = (
    """<img src=x onerror="window.broken=1"><script>window.broken=1</script>"'`{{7*7}}{% raw %} \x1b[31m\u202e"""
)

_ALONE: Final = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)


@contextmanager
def chromium() -> Iterator[webdriver.Chrome]:
    """A browser with a new profile."""
    debian.have(chromium="chromium fonts-dejavu-core", chromedriver="chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for argument in _ALONE:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()


def asked(driver: webdriver.Chrome) -> list[str]:
    """The addresses that the browser has asked for since this was last called, its own pages apart."""
    messages = [json.loads(entry["message"])["message"] for entry in _log(driver, "performance")]
    urls = [_url(message) for message in messages if message["method"] == "Network.requestWillBeSent"]
    return [url for url in urls if not url.startswith(("chrome:", "data:", "about:"))]


def _log(driver: webdriver.Chrome, kind: str) -> list[dict[str, str]]:
    entries: list[dict[str, str]] = driver.get_log(kind)  # type: ignore[no-untyped-call]
    return entries


def _url(message: dict[str, Any]) -> str:
    return str(message["params"]["request"]["url"])


def complaints(driver: webdriver.Chrome) -> list[str]:
    """What the browser's console has said, a policy that was broken among it."""
    return [entry["message"] for entry in _log(driver, "browser")]


def look(driver: webdriver.Chrome, *, width: int, dark: bool = False) -> None:
    """A window so wide, light or dark."""
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})


def until(browser: webdriver.Chrome, words: str, seconds: float = 20) -> None:
    """Wait for words on the page."""
    WebDriverWait(browser, seconds, 0.05).until(lambda driver: words in shown(driver))


def shown(browser: webdriver.Chrome) -> str:
    """The page's words, read in one step: an element that is looked up first may be replaced before it is read."""
    return str(browser.execute_script("return document.querySelector('main')?.innerText ?? ''"))


def focused(browser: webdriver.Chrome) -> str:
    """The words of what has the focus."""
    return str(browser.execute_script("return document.activeElement?.innerText ?? ''"))


def tab_to(browser: webdriver.Chrome, name: str) -> None:
    """Press Tab until what is called so, by its label or its words, has the focus."""
    called = "const at = document.activeElement; return at.labels?.[0]?.innerText ?? at.innerText ?? ''"
    for _ in range(50):
        webdriver.ActionChains(browser).send_keys(Keys.TAB).perform()
        if browser.execute_script(called) == name:
            return
    raise AssertionError(f"the keyboard does not come to {name}")


def click(browser: webdriver.Chrome, by: str, value: str) -> None:
    """Click as a person does, who clicks what is there now: the page may put a new element in its place meanwhile.

    Chromedriver has many errors for that, one of them without a class ("Node with given id does not belong to the
    document"), so that each is tried again until the deadline.
    """

    def clicked(driver: webdriver.Chrome) -> bool:
        driver.find_element(by, value).click()
        return True

    WebDriverWait(browser, 20, 0.05, (WebDriverException,)).until(clicked)


def fits(browser: webdriver.Chrome, page: str, folder: Path, *, width: int, dark: bool) -> None:
    """The page is no wider than its window, and as light or dark as is asked for. Its picture goes into the folder, or
    where `make pictures` wants it."""
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width, page
    folder = ROOT / os.environ[PICTURES] if PICTURES in os.environ else folder
    browser.save_screenshot(str(folder / f"console-{page}-{width}-{'dark' if dark else 'light'}.png"))
    background = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, background.removeprefix("rgb(").removesuffix(")").split(","))) < 384) is dark, page
