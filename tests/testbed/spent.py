"""Tests that are run by a test: one that does nothing, one that computes, and one whose process computes."""

from typing import Final

EACH: Final = 0.25
"""Seconds of CPU that the second and the third use."""
BUSY: Final = 0.45
"""What they use together, at least; clocks of CPU time are coarse."""
_SPENDS: Final = "import time\nwhile time.process_time() < {until}: pass\n"
TESTS: Final = {
    "idle": "def test_nothing():\n    pass\n",
    "busy": f"""
import subprocess, sys, time
SPENDS = {_SPENDS.format(until=EACH)!r}
def test_computes():
    began = time.process_time()
    while time.process_time() < began + {EACH}:
        pass
def test_has_others_compute():
    subprocess.run([sys.executable, "-c", SPENDS], check=True)
""",
}
