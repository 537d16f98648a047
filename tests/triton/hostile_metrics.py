"""Metrics that take a reader's time: every part of a line's grammar, repeated until the text is full.

python -m tests.triton.hostile_metrics prints the slowest as `SECONDS DESCRIPTION`, in the environment that it has.
"""

import itertools
import time
from collections.abc import Iterator
from contextlib import suppress

from slipway.triton.metrics import LARGEST_BYTES, SUCCEEDED, MetricsError, parse

LARGEST = 1024 * 1024
LINES = (4000, LARGEST)
BEGINNINGS = ("", " ", "{", '{model="', '{model="m",x="', '{model="m"} ', '{model="m"} 1 ')
UNITS = (
    *('"', '\\"', '\\\\"', "\\", "{", "}", ",", "=", " ", "9", "1_", "\t", "#"),
    *('x="y",', '="', "e9", "\u0663", "\r", "\0"),
)
ENDS = ("", '"} 1')


def texts() -> Iterator[tuple[str, str]]:
    """What to call it, and the text."""
    for length, beginning, unit, end in itertools.product(LINES, BEGINNINGS, UNITS, ENDS):
        body = length - len(SUCCEEDED) - len(beginning) - len(end) - 1
        line = f"{SUCCEEDED}{beginning}{unit * (body // len(unit))}{end}\n"
        yield f"lines of {length}: {beginning}{unit}…{end}", line * (LARGEST // len(line))
    for unit in ("\n", "#\n", f"{SUCCEEDED} 1\n", f'{SUCCEEDED}{{model="m"}} 1\n', SUCCEEDED):
        yield f"nothing but {unit!r}", unit * (LARGEST // len(unit))


def slowest() -> tuple[float, str]:
    """Processor seconds for the worst of them, at the largest size that is let in."""
    worst = (0.0, "")
    for name, text in texts():
        for part in (text, text[:LARGEST_BYTES]):
            begun = time.process_time()
            with suppress(MetricsError):
                parse(part, "m")
            worst = max(worst, (time.process_time() - begun, name))
            if worst[0] > 5:
                return worst
    return worst


if __name__ == "__main__":
    print(*slowest())
