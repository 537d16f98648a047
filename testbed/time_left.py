"""A time after which no story begins, for who ends a run at a fixed hour: on a slow machine what was not run is named,
where it would else have been cut off together with all that had passed."""

import os
import time
from collections.abc import Mapping
from typing import Final

import pytest

UNTIL_ENV: Final = "SLIPWAY_STORIES_UNTIL"
"""In seconds of the epoch. Absent: there is all the time that stories take."""


def is_over(now: float, environment: Mapping[str, str]) -> bool:
    """Whether that time is over."""
    return now > float(environment.get(UNTIL_ENV) or "inf")


def begin() -> None:
    """Skip a story for which there is no time any more."""
    if is_over(time.time(), os.environ):
        pytest.skip(f"NOT RUN: the time for stories was over ({UNTIL_ENV})")
