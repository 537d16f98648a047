"""The state machines that explore.py tears with and replay.py makes small finds of, by name."""

from collections.abc import Mapping
from typing import Final

from hypothesis.stateful import RuleBasedStateMachine

from tests.core.cluster.littered import Littered
from tests.core.cluster.machine import Machine
from tests.core.cluster.routed import Routed
from tests.core.cluster.torn import TornMachine


class LitteredMachine(Machine):
    """The machine with pods lying about that have come to their end: they decide nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.cluster = Littered(**vars(self.cluster))


class LitteredRoutes(Routed):
    """The same behind a gateway."""

    def __init__(self) -> None:
        super().__init__()
        self.cluster = Littered(**vars(self.cluster))


MACHINES: Final[Mapping[str, type[RuleBasedStateMachine]]] = {
    "torn": TornMachine,
    "littered": LitteredMachine,
    "routed": LitteredRoutes,
}
"""Littered clusters are disturbed ones that are decided of twice."""
