"""A simulated cluster whose ModelDeployment follows an alias, and the catalogue in which it is moved."""

import copy
import json
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from slipway.api.v1alpha1 import ModelDeploymentSpec, ModelDeploymentStatus
from slipway.api.v1alpha1.catalogue import WithdrawalAction
from slipway.api.v1alpha1.follow import FollowStatus
from slipway.api.v1alpha1.model import Model
from slipway.api.v1alpha1.status import Refused
from slipway.core.catalogue.facts import Followed, RegisteredModelFacts, VersionFacts
from slipway.core.identity import ask
from slipway.core.observed.objects import Observed
from slipway.core.plan import Plan
from tests.core.cluster.disturbed import Disturbed
from tests.core.cluster.kubelet import RESOLVED

MOST_IN_A_ROW: Final = 3
MOST_IN_AN_HOUR: Final = 10
"""Three at once, and then after 1, 2, 4, 8, 16 and 32 minutes."""
URI: Final = "s3://models/churn/$(version)"


def digest(version: str) -> str:
    return "sha256:" + f"{int(version):x}" * 64


def short(version: str) -> str:
    """What requests call a version."""
    return digest(version)[7:39]


def shown(version: str | None, **withdrawn: str) -> Followed:
    """What the catalogue shows of `champion`; None: there is no such alias."""
    meta = {"metadata": {"name": "churn", "namespace": "shop"}}
    model = RegisteredModelFacts.of({**meta, "spec": {"aliases": {"champion": version} if version else {}}})
    if version is None:
        return Followed(model=model)
    spec: dict[str, Any] = {"model": "churn", "version": version, "digest": digest(version)}
    if withdrawn:
        spec["withdrawn"] = {"reason": "leaks names", **withdrawn}
    return Followed(model=model, version=VersionFacts.of({**meta, "spec": spec}))


@dataclass
class FollowingCluster(Disturbed):
    """One ModelDeployment that follows `champion`; each change of what is asked for is held to what may be."""

    withdrawn: dict[str, str] = field(default_factory=dict)
    """The action by version."""
    home: set[str] = field(default_factory=set)
    """Digests that were sent home, and that nobody has tried again."""
    row: int = 0
    """Versions asked for and refused one after another."""
    changes: list[datetime] = field(default_factory=list)
    """When something was asked for that did not serve and that nobody had accepted."""
    planned: FollowStatus | None = None
    pinned: dict[str, Any] | None = None
    """The model that was asked for before an alias was followed."""

    # What people do

    def alias(self, version: str | None) -> None:
        """Whoever may moves the alias."""
        self.followed = self.shown(version)
        self.settle()

    def shown(self, version: str | None) -> Followed:
        action = {"action": self.withdrawn[version]} if version in self.withdrawn else {}
        return shown(version, **action)

    def withdraws(self, version: str, action: str | None = "Block") -> None:
        """None: takes it back."""
        self.withdrawn.pop(version, None)
        self.withdrawals = {each: w for each, w in self.withdrawals.items() if each != digest(version)}
        if action:
            self.withdrawn[version] = action
            facts = self.shown(version).version
            assert facts
            assert facts.withdrawal
            self.withdrawals |= {facts.digest: facts.withdrawal}
        if self.means == version:
            self.followed = self.shown(version)
        self.settle()

    @property
    def means(self) -> str | None:
        """The version that the alias means."""
        alias = self.followed.model.aliases.get("champion") if self.followed and self.followed.model else None
        return alias.version if alias else None

    def asks(self, request: str) -> str:
        """Somebody annotates. Answers what came of it."""
        self.request = request
        self.settle()
        outcome: str = self.status["requests"][-1]["outcome"]
        return outcome

    # What the cluster does

    def resolves(self) -> None:
        """The Job that looks at a source finds the bytes that the catalogue says are there."""
        jobs = [job for (kind, _), job in self.objects.items() if kind == "Job" and not job["status"]]
        for job in jobs[1:]:
            job["status"] = {"conditions": [{"type": "Failed", "status": "True"}]}
        if jobs:
            found = json.loads(RESOLVED)
            pinned = re.search(r"sha256:[0-9a-f]{64}", json.dumps(jobs[0]["spec"]))
            found["resolved"]["digest"] = pinned[0] if pinned else digest("1")
            self.resolve_job_ends(json.dumps(found))
        self.settle()

    def goes_well(self) -> None:
        """What is asked for is resolved, its pods come, and it takes over."""
        self.settle()
        self.resolves()
        self.rolls_on()

    # What can be seen

    @property
    def wants(self) -> str | None:
        """The version that is asked for."""
        version: str | None = self.status.get("follow", {}).get("version")
        return version

    @property
    def serves(self) -> str | None:
        version: str | None = self.status.get("stable", {}).get("version")
        return version

    @property
    def says(self) -> tuple[str, str]:
        """The condition `Following`."""
        condition = self.condition("Following")
        return condition["reason"], condition["message"]

    # What must hold

    @property
    def asked(self) -> str:
        spec, follows = ModelDeploymentSpec.model_validate(self.spec), self.planned
        if spec.model.follow and follows and follows.since is None and self.pinned:
            spec = spec.evolve(model=Model.model_validate(self.pinned))
        elif spec.model.follow and follows and follows.version and follows.digest:
            spec = spec.evolve(model=spec.model.pinned(follows.version, follows.digest))
        return ask(spec)

    def one_pass(self, observed: Observed | None = None, writes: int = 1_000) -> Plan:
        seen = observed or self.observed()
        before, spec = ModelDeploymentStatus.of_readable(self.status), copy.deepcopy(self.spec)
        plan = super().one_pass(observed, writes)
        assert self.spec == spec
        if writes:
            self.learns(before, plan.status, seen)
        return plan

    def status_holds(self, plan: Plan) -> None:
        self.planned = plan.status.follow
        super().status_holds(plan)

    def learns(self, before: ModelDeploymentStatus, after: ModelDeploymentStatus, seen: Observed) -> None:
        """Hold a change of what is asked for to what may be, and keep account of who was sent home."""
        word = self.word_given(before, after)
        if word and word[0] == "retry":
            names = {each: {each[7:39]} for each in self.home}
            for each in refusals(before):
                names.setdefault(each.digest or "", set()).update((each.revision or "", each.ask[:8]))
            self.home -= {each for each, called in names.items() if word[1] in called}
            self.row = 0
        was, now = before.follow and before.follow.digest, after.follow and after.follow.digest
        if was and now and was != now and len(was) == len(now):  # not where somebody has made it something else
            accepted = word == ("accept", now[7:39])
            self.change_holds(now, serves=now == serving(before), accepted=accepted, seen=seen)
            self.row = 0 if accepted else self.row
        known = {(each.ask, each.revision, each.at) for each in refusals(before)}
        new = {each.digest for each in refusals(after) if (each.ask, each.revision, each.at) not in known}
        self.row += now in new - self.home - {serving(after)}
        self.home = (self.home | {each for each in new if each}) - {serving(after)}
        self.row = 0 if now == serving(after) and self.row < MOST_IN_A_ROW else self.row

    def change_holds(self, now: str, *, serves: bool, accepted: bool, seen: Observed) -> None:
        """The alias offers it, nobody has sent it home or withdrawn it, and changes do not come too fast."""
        shows, withdrawal = seen.followed, seen.withdrawals.get(now)
        assert shows
        assert shows.version
        assert shows.version.digest == now, "what is asked for is not what the alias means"
        assert withdrawal is None or withdrawal.action is WithdrawalAction.WARN, "what is withdrawn is asked for"
        assert now not in self.home, "what was sent home is asked for again"
        if serves or accepted:
            return
        assert not self.spec.get("suspend"), "something else is asked for during a suspension"
        assert self.spec["model"]["follow"]["update"] == "Automatic", "nobody has accepted it"
        assert self.row < MOST_IN_A_ROW, "nobody has accepted it after three refusals"
        self.changes.append(self.now)
        hour = [at for at in self.changes if at > self.now - timedelta(hours=1)]
        assert len(hour) <= MOST_IN_AN_HOUR, "the alias flaps, and what is asked for does too"

    def word_given(self, before: ModelDeploymentStatus, after: ModelDeploymentStatus) -> tuple[str, str] | None:
        """Verb and name of what somebody has asked for and got in this pass."""
        answered = after.requests[-1] if after.requests else None
        if answered is None or answered in (before.requests or ()) or "nothing done" in answered.outcome:
            return None
        verb, _, name = answered.request.partition("@")[0].partition("/")
        return verb, name

    def forgets(self) -> None:
        """The status is lost, and with it who was sent home."""
        self.status, self.highest, self.home, self.row, self.changes = {}, 0, set(), 0, []


def refusals(status: ModelDeploymentStatus) -> list[Refused]:
    return [*status.also_refused, *([status.refused] if status.refused else [])]


def serving(status: ModelDeploymentStatus) -> str | None:
    """The digest of what serves and is not on its way out."""
    leaves = status.rollout is not None and status.rollout.command.rollback
    revision = status.stable.revision if status.stable and not leaves else None
    return next((each.digest for each in status.revisions if each.revision == revision), None)


def follows(version: str | None, *, update: str = "Automatic", **spec: Any) -> FollowingCluster:
    """The alias means a version, and nothing was ever asked for."""
    follow = {"model": "churn", "alias": "champion", "update": update}
    least = {"model": {"follow": follow, "source": {"uri": URI}}, "replicas": 2}
    return FollowingCluster(spec={**least, **spec}, followed=shown(version))


def pinned(name: str, **model: Any) -> FollowingCluster:
    """What the catalogue calls version 1 serves, pinned by another name and address; from now on `champion` is
    followed."""
    cluster = follows("1", **model)
    follow, cluster.pinned = cluster.spec["model"], {"version": name, "source": {"uri": "s3://models/blue"}}
    cluster.spec["model"] = cluster.pinned
    cluster.goes_well()
    cluster.spec["model"] = follow
    cluster.generation += 1
    return cluster


def following(*versions: str, **more: Any) -> FollowingCluster:
    """The last of some versions serves; the others did before. All of it is long ago."""
    cluster = follows(versions[0], **more)
    for version in versions:
        cluster.alias(version)
        if cluster.wants != version:
            cluster.asks(f"accept/{short(version)}")
        cluster.goes_well()
        cluster.pass_time(days=1)
        cluster.settle()
    return cluster
