"""Stories that have not begun when the time is over are named, and no other is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from testbed import time_left
from testbed.shell import ROOT


@pytest.mark.parametrize(
    ("until", "over"),
    [(None, False), ("", False), ("100", True), ("101", False), ("100.5", False), ("inf", False)],
)
def test_the_time_is_over_after_that_second_and_never_where_none_is_given(until: str | None, over: bool) -> None:
    assert time_left.is_over(100.25, {} if until is None else {time_left.UNTIL_ENV: until}) is over


@pytest.mark.parametrize(("until", "outcome"), [("1", "1 skipped"), ("inf", "1 passed")])
def test_a_story_that_comes_too_late_says_so(tmp_path: Path, until: str, outcome: str) -> None:
    (tmp_path / "pytest.ini").touch()
    (tmp_path / "conftest.py").write_text(
        "from testbed import time_left\n\ndef pytest_runtest_setup(): time_left.begin()\n"
    )
    (tmp_path / "test_it.py").write_text("def test_it(): pass")
    command = (sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "-p", "no:xdist", str(tmp_path))
    environment = {**os.environ, time_left.UNTIL_ENV: until}
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0
    assert outcome in done.stdout
    assert ("NOT RUN" in done.stdout) is (until == "1")
