"""Following an alias among all that may happen: whoever moves it, whatever is refused, whatever people ask for.

What is asked for is what the alias offers, never what was sent home or withdrawn, and never too often; what serves
keeps its pods (`cluster/following.py`, `cluster/disturbed.py`). In calm times the alias's version comes to serve.
"""

import copy
import re
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from slipway.core.catalogue.facts import Followed
from tests.core.cluster.following import digest, follows, shown
from tests.core.cluster.kubelet import says
from tests.core.cluster.machine import PLENTY, SETTINGS
from tests.core.cluster.scenario import SCALING

VERSIONS = st.sampled_from("23456")
LAST = "9"
"""A version that nobody has seen before the end."""
HIDDEN = (None, Followed(), Followed(unseen="no catalogue"), shown(None), Followed(model=shown("4").model))
VERBS = st.sampled_from(["accept", "retry", "abort", "rollback", "promote", "restart"])


class FollowMachine(RuleBasedStateMachine):
    """One ModelDeployment that follows an alias, the catalogue, people and the cluster, all at odds."""

    def __init__(self) -> None:
        super().__init__()
        self.cluster = follows("3")
        self.cluster.goes_well()
        self.shown_before = self.cluster.followed

    # The operator

    @rule(writes=st.integers(0, 6))
    def a_pass_is_cut_off(self, writes: int) -> None:
        self.cluster.one_pass(writes=writes)

    @rule()
    def a_look_at_the_catalogue_that_a_later_pass_will_act_on(self) -> None:
        self.shown_before = self.cluster.followed

    @rule()
    def a_pass_acts_on_an_older_catalogue(self) -> None:
        """Watches of different kinds come at different times, and a second operator has seen less."""
        self.cluster.one_pass(observed=replace(self.cluster.observed(), followed=self.shown_before))

    # The catalogue

    @rule(version=VERSIONS, settles=st.booleans())
    def the_alias_moves(self, version: str, settles: bool) -> None:
        self.cluster.followed = self.cluster.shown(version)
        if settles:
            self.cluster.settle()

    @rule(one=VERSIONS, other=VERSIONS, seconds=st.sampled_from([1, 30, 90]))
    def the_alias_flaps(self, one: str, other: str, seconds: int) -> None:
        for version in (one, other) * 4:
            self.cluster.alias(version)
            self.cluster.pass_time(seconds=seconds)

    @rule(seen=st.sampled_from(HIDDEN))
    def the_catalogue_goes(self, seen: Followed | None) -> None:
        self.cluster.followed = seen
        self.cluster.settle()

    @rule(version=VERSIONS, action=st.sampled_from(["Block", "Warn", None]))
    def a_version_is_withdrawn_or_that_is_taken_back(self, version: str, action: str | None) -> None:
        self.cluster.withdraws(version, action)

    # People

    @rule(data=st.data(), verb=VERBS, nonce=st.sampled_from(["", "@1", "@2"]))
    def asks_by_annotation(self, data: st.DataObject, verb: str, nonce: str) -> None:
        status = self.cluster.status
        refs = [status[key] for key in ("stable", "candidate", "refused") if key in status]
        refs += status.get("alsoRefused", [])
        names = [digest(version)[7:39] for version in "23456"]
        if verb not in ("accept", "retry") or data.draw(st.booleans()):
            names = ["deadbeef", *(ref.get("revision", ref["ask"][:8]) for ref in refs)]
        self.cluster.request = f"{verb}/{data.draw(st.sampled_from(names))}{nonce}"

    @precondition(lambda self: "proposed" in self.cluster.status.get("follow", {}))
    @rule()
    def accepts_what_is_proposed(self) -> None:
        """An offer of what the alias has left since is none any more."""
        request, means = self.offered(), self.cluster.means
        stands = means is not None and request.startswith(f"accept/{digest(means)[7:39]}")
        self.cluster.asks(request)
        assert not stands or self.cluster.wants == means

    def offered(self) -> str:
        [text] = re.findall(r"(accept/\S+) accepts it", self.cluster.says[1])
        return str(text)

    @rule(update=st.sampled_from(["Automatic", "Propose"]))
    def changes_what_becomes_of_a_new_version(self, update: str) -> None:
        self.cluster.spec["model"]["follow"]["update"] = update
        self.cluster.generation += 1

    @rule(field=st.sampled_from(["suspend", "server"]), on=st.booleans())
    def edits_the_manifest(self, field: str, on: bool) -> None:
        values: dict[str, Any] = {"suspend": on, "server": {"requestTimeout": "45s"} if on else {}}
        self.cluster.spec[field] = values[field]
        self.cluster.generation += 1

    @rule(autoscaling=st.sampled_from([None, SCALING]))
    def toggles_autoscaling(self, autoscaling: dict[str, Any] | None) -> None:
        if autoscaling is None:
            self.cluster.spec.pop("autoscaling", None)
        else:
            self.cluster.spec["autoscaling"] = autoscaling
        self.cluster.generation += 1

    @precondition(lambda self: "autoscaling" in self.cluster.spec)
    @rule(data=st.data(), replicas=st.integers(2, 4))
    def an_autoscaler_scales(self, data: st.DataObject, replicas: int) -> None:
        """Only what it has been given, and never from zero."""
        scaled = {name for kind, name in self.cluster.objects if kind == "HorizontalPodAutoscaler"}
        names = [name for name, count in self.cluster.counts().items() if name in scaled and count]
        if names:
            deployment = self.cluster.objects["Deployment", data.draw(st.sampled_from(sorted(names)))]
            deployment["spec"]["replicas"] = replicas
            self.cluster.touch(deployment)
            self.cluster.collect_garbage()

    @rule()
    def loses_the_status(self) -> None:
        self.cluster.forgets()

    # The cluster

    @rule(more=st.integers(1, 4))
    def all_goes_well_for_a_while(self, more: int) -> None:
        for _ in range(more):
            self.cluster.resolves()
            self.pods_come()

    def pods_come(self) -> None:
        for name in filter(self.cluster.unwell, list(self.cluster.deployments())):
            self.cluster.kubelet(name)
        self.cluster.settle()

    @precondition(lambda self: "candidate" in self.cluster.status)
    @rule(reason=st.sampled_from(["WrongAnswer", "LoadFailed"]))
    def the_candidate_fails(self, reason: str) -> None:
        self.cluster.resolves()
        name = f"churn-{self.cluster.status.get('candidate', {}).get('revision')}"
        if name in self.cluster.deployments():
            ended = self.cluster.server_ended(says(reason, "y[0] is 5"), restarts=1)
            self.cluster.kubelet(name, status=ended)
        self.cluster.settle()

    @rule(version=VERSIONS)
    def a_version_is_refused(self, version: str) -> None:
        self.the_alias_moves(version, settles=True)
        if "candidate" in self.cluster.status:
            self.the_candidate_fails("WrongAnswer")

    @rule(seconds=st.sampled_from([1, 61, 700, 90_000]))
    def time_passes(self, seconds: int) -> None:
        self.cluster.pass_time(seconds=seconds)
        self.cluster.settle()

    # The end

    def teardown(self) -> None:
        self.cluster.spec["suspend"] = False
        self.cluster.generation += 1
        self.cluster.alias(LAST)
        for _ in range(PLENTY):
            if self.cluster.serves == LAST and self.cluster.condition("Ready")["status"] == "True":
                assert self.cluster.says[0] == "Following"
                return
            before = copy.deepcopy(self.cluster.status)
            if self.cluster.says[0] == "Proposed":
                self.cluster.asks(self.offered())
            self.all_goes_well_for_a_while(1)
            plan = self.cluster.settle()
            if plan.wake_at and before == self.cluster.status:
                self.cluster.now = max(self.cluster.now, plan.wake_at)
        raise AssertionError(f"never serves: {self.cluster.says} {self.cluster.status}")


TestFollowing = FollowMachine.TestCase
TestFollowing.settings = SETTINGS
