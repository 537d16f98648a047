"""Debian's Chromium, driven by Selenium. It asks nobody on the network for anything of its own."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from testbed import debian

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
