"""The long run: each target in turn, for MINUTES altogether, on inputs that nobody has seen. Finds are kept."""

import logging
import secrets
import sys

from tests.fuzz.fuzzing import fuzz
from tests.fuzz.targets import TARGETS


def main(minutes: float) -> int:
    """Fuzz, and print a line for each target. Answers how many finds there are."""
    logging.disable()
    finds = 0
    for target in TARGETS:
        run = fuzz(target, secrets.randbits(64), seconds=minutes * 60 / len(TARGETS))
        rate, slowest = run.inputs / max(run.seconds, 0.001), run.slowest_seconds * 1000
        print(f"{target:12}{run.inputs:10} inputs {rate:9.0f}/s, the slowest {slowest:.0f} ms of CPU", flush=True)
        if run.find:
            finds += 1
            print(f"{'':12}{run.find.why}: kept as {run.find.keep()}", flush=True)
    return finds


if __name__ == "__main__":
    sys.exit(bool(main(float(sys.argv[1]))))
