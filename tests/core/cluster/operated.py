"""What an operator does in every state machine of properties: its passes are cut off, or act on an older look."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from tests.core.cluster.disturbed import Disturbed


class Operated(RuleBasedStateMachine):
    """One ModelDeployment and its operator."""

    def __init__(self, cluster: Disturbed) -> None:
        super().__init__()
        self.cluster = cluster
        self.seen = cluster.observed()

    @rule(writes=st.integers(0, 6))
    def a_pass_is_cut_off(self, writes: int) -> None:
        self.cluster.one_pass(writes=writes)

    @rule()
    def a_look_that_another_pass_will_act_on(self) -> None:
        self.seen = self.cluster.observed()

    @rule()
    def a_pass_acts_on_an_older_look(self) -> None:
        self.cluster.one_pass(observed=self.cluster.older(self.seen))
