"""The core in a torn cluster: what clients feel, whatever is deleted, edited, lost, late or hostile."""

from hypothesis import settings

from tests.core.cluster.torn import TornMachine

TestTorn = TornMachine.TestCase
TestTorn.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
