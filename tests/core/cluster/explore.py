"""`python -m tests.core.cluster.explore MINUTES [MACHINE…]`: tear at clusters that nobody has seen; print what breaks.

Each find is a seed of a machine (machines.py) with the steps that led there; the same seed finds it again.
"""

import sys
import time
import traceback
from collections.abc import Sequence
from itertools import cycle

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, run_state_machine_as_test

from tests.core.cluster.machines import MACHINES

EXPLORED = settings(
    max_examples=10,
    stateful_step_count=30,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


class Counted(RuleBasedStateMachine):
    """A machine that counts what was tried: a time without a find says little on a busy computer."""

    examples = steps = 0

    def __init__(self) -> None:
        super().__init__()
        Counted.examples += 1

    @invariant()
    def step_is_made(self) -> None:
        """Called after each step."""
        Counted.steps += 1


def torn(name: str, number: int) -> AssertionError | None:
    """What a seed of a machine finds."""
    machine = type("Explored", (MACHINES[name], Counted), {})
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


def main(minutes: float, names: Sequence[str]) -> int:
    """Try seed after seed until the time is up; the exit code says whether any found something."""
    end, number, finds = time.monotonic() + 60 * minutes, int(time.time()), 0
    for name in cycle(names or MACHINES):
        if time.monotonic() >= end:
            break
        number += 1
        if (error := torn(name, number)) is not None:
            finds += 1
            print(f"seed {number} of {name}: {error}", *getattr(error, "__notes__", ()), sep="\n    ", flush=True)
            traceback.clear_frames(error.__traceback__)
    print(f"{finds} finds in {Counted.examples} examples, {Counted.steps} steps")
    return int(bool(finds))


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 60, sys.argv[2:]))
