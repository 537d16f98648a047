"""`python -m tests.core.cluster.explore MINUTES`: tear at clusters that nobody has seen, and print what breaks.

Each find is a seed with the steps that led there; the same seed finds it again.
"""

import sys
import time
import traceback

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import invariant, run_state_machine_as_test

from tests.core.cluster.torn import TornMachine

EXPLORED = settings(
    max_examples=10,
    stateful_step_count=30,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


class Counted(TornMachine):
    """A machine that counts what was tried: a time without a find says little on a busy computer."""

    examples = steps = 0

    def __init__(self) -> None:
        super().__init__()
        Counted.examples += 1

    @invariant()
    def step_is_made(self) -> None:
        """Called after each step."""
        Counted.steps += 1


def torn(number: int) -> AssertionError | None:
    """What a seed finds."""
    machine = type("Explored", (Counted,), {})
    try:
        run_state_machine_as_test(seed(number)(machine), settings=EXPLORED)
    except AssertionError as error:
        return _first(error)
    return None


def _first(error: AssertionError) -> AssertionError:
    """What broke first: the machine's end is played also after that, and what breaks then says little."""
    while isinstance(error.__context__, AssertionError):
        notes, error = getattr(error, "__notes__", ()), error.__context__
        for note in notes:
            error.add_note(note)
    return error


def main(minutes: float) -> int:
    """Try seed after seed until the time is up; the exit code says whether any found something."""
    end, number, finds = time.monotonic() + 60 * minutes, int(time.time()), 0
    while time.monotonic() < end:
        number += 1
        if (error := torn(number)) is not None:
            finds += 1
            print(f"seed {number}: {error}", *getattr(error, "__notes__", ()), sep="\n    ")
            traceback.clear_frames(error.__traceback__)
    print(f"{finds} finds in {Counted.examples} examples, {Counted.steps} steps")
    return int(bool(finds))


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 60))
