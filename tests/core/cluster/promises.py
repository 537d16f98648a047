"""Promises: what clients may count on at each write of the operator, and where every pass may end.

They are computed from pods that exist, selectors and routes (clients.py), from the spec, and from what people have
asked for. What the operator says of itself is read for two things only: how a revision and a version belong together,
and since when one retires.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil
from typing import Any, Final

from slipway.api.scalars import share_of
from slipway.api.v1alpha1 import ModelDeploymentSpec
from slipway.api.v1alpha1.canary import CanaryStep
from slipway.api.v1alpha1.spec import RollingUpdate, Rollout, RolloutType
from slipway.api.v1alpha1.status import RevisionState
from slipway.core.children.route import ROUTES
from slipway.core.plan import Action, Apply, Plan, place_of
from slipway.core.policy import policy_of
from tests.core.cluster import clients
from tests.core.cluster.world import (
    ConflictError,
    ObstructedError,
    UnansweredError,
    World,
    is_ending,
    parts_of,
    revision_of,
)

DRAIN: Final = timedelta(seconds=30)
SETTLES_WITHIN: Final = 14
"""Passes: the longest chain of writes, each of which permits the next."""


@dataclass
class Clients:
    """What the operator's own writes have told clients so far."""

    service: frozenset[str] = frozenset()
    """Revisions that the root Service selected when the operator last wrote it."""
    left: dict[str, datetime] = field(default_factory=dict)
    """When a revision last lost all of its traffic."""
    pods: dict[str, frozenset[str]] = field(default_factory=dict)
    """The pods that it had then. Those that come later never had traffic."""
    routes: dict[str, dict[str, float]] = field(default_factory=dict)
    """Percent by revision in each kind of route, as the operator last wrote it."""


@dataclass
class Torn(World):
    """A world in which every write of the operator is held to what clients were promised."""

    felt: Clients = field(default_factory=Clients)
    versions: dict[str, str] = field(default_factory=dict)
    """Version by revision."""
    established: bool = False
    """Some version has served: from then on there are clients to lose."""
    served: str | None = None
    """The revision that was last said to be stable."""
    home: set[str] = field(default_factory=set)
    """Revisions that were sent home, by a person or for a failure."""
    home_versions: set[str] = field(default_factory=set)
    """Versions that a person has sent home."""
    promotions: dict[str, int] = field(default_factory=dict)
    """How often somebody has let a revision go on past a pause."""
    arrived: str | None = None
    """The revision that all clients were sent to already when other steps were asked for: it keeps what it has."""
    back_to: str | None = None
    """The revision that a person goes back to: no step holds it up."""
    crowded: bool = False
    """Some pod has found no node: Auto may make room."""
    retiring: dict[str, datetime] = field(default_factory=dict)
    """Since when a revision is said to retire."""
    load: int = 0
    """Pods that carry what an autoscaler has seen; 0 without one."""
    load_seen: int = 0
    """What of that some pass could see in the counts of Deployments."""

    # -- what was asked for

    @property
    def asked(self) -> ModelDeploymentSpec:
        return ModelDeploymentSpec.model_validate(self.spec)

    @property
    def rollout(self) -> Rollout:
        return self.asked.rollout or Rollout()

    @property
    def asleep(self) -> bool:
        spec = self.asked
        return spec.suspend or (spec.replicas == 0 and spec.autoscaling is None)

    @property
    def routed(self) -> bool:
        return "gateway" in self.spec.get("traffic", {})

    @property
    def needed(self) -> int:
        """Pods that carry the whole load."""
        if self.asleep:
            return 0
        scaling = self.asked.autoscaling
        return min(max(self.load, scaling.min_replicas), scaling.max_replicas) if scaling else self.asked.replicas

    @property
    def floor(self) -> int:
        """Ready pods that no write may take from the traffic."""
        rollout, needed = self.rollout, self.needed
        if rollout.type is RolloutType.RECREATE or not self.established:
            return 0
        if rollout.type in (RolloutType.BLUE_GREEN, RolloutType.CANARY):
            return needed
        rolling = rollout.rolling_update or RollingUpdate()
        allowed = 0
        if rolling.max_unavailable is not None:
            surge = share_of(rolling.max_surge, needed, up=True)
            allowed = max(share_of(rolling.max_unavailable, needed, up=False), 0 if surge else 1)
        elif rollout.type is RolloutType.AUTO and self.crowded:
            allowed = 1
        return max(0, needed - allowed)

    def ceiling(self, revision: str) -> int:
        """Percent of the traffic that a candidate may have by now: no further than the next pause until somebody lets
        it go on."""
        if revision in (self.arrived, self.back_to):
            return 100
        rollout, passed = self.rollout, self.promotions.get(revision, 0)
        by_pods = self.part_of_the_service(revision)
        highest = 0
        for step in steps_of(rollout) if self.routed or rollout.type is RolloutType.CANARY else ():
            highest = max(highest, step.weight or 0, by_pods if step.weight else 0)
            if step.pause is not None and step.pause.duration is None:
                if not passed:
                    return highest
                passed -= 1
        return 100

    def part_of_the_service(self, revision: str) -> int:
        """Percent that a revision has of a Service that spans versions: each has a pod at least, and a hand may have
        given it more, or taken others'. A gateway that is added then takes that up."""
        if len(self.felt.service) < 2:
            return 0
        answers = clients.service_answers(self)
        by_pods = 100 * answers.get(revision, 0) / max(1, sum(answers.values()))
        return ceil(max(by_pods, 100 / max(self.needed, 2)))

    def steps_change(self) -> None:
        """Somebody asks for other steps: what was let go on past earlier ones counts for nothing."""
        self.promotions.clear()
        written = [frozenset(each) for kind, each in self.felt.routes.items() if (kind, "churn") in self.objects]
        to = {self.felt.service, *(written if self.routed else ())}
        self.arrived = next(iter(self.felt.service)) if len(to) == len(self.felt.service) == 1 else None

    # -- passes

    def one_pass(self, *, writes: int = 1_000, plan: Plan | None = None) -> Plan:
        """Decide and carry out, as the controller does; a write that meets a conflict ends the pass."""
        late = plan is not None  # what another operator decided may be carried out long after that
        plan = plan or self.decide(self.observed())
        before = self.status
        if self.is_forgotten():
            self.established, self.served = False, None
        if not before:
            self.service_tells()
        self.says_what_it_means(plan)
        if not late and not plan.actions and plan.status.to_dict() == before:
            assert plan.wake_at is None or plan.wake_at > self.now, "a pass without effect asks for another at once"
        places = [place_of(action) for action in plan.actions]
        assert len(places) == len(set(places)), "two writes of one pass fight"
        if writes <= 0:
            return plan
        self.status = plan.status.to_dict()
        self.load_seen = self.load_seen if late or "Deployment" in self.lagging else self.load
        self.learn(plan)
        if self.relies_on_what_is_not_there(plan):
            return plan
        for action in plan.actions[: writes - 1]:
            try:
                self.promised(action)
            except (ConflictError, UnansweredError):
                self.look_live(place_of(action))
                break
            except ObstructedError:
                continue
        return plan

    def is_forgotten(self) -> bool:
        """Whether nobody can tell any more what served: what comes then is a first version, and takes nobody's place.

        Either nothing is left of which it could be made again, also if status names it: who waited for that would wait
        for ever. Or status was lost, and neither pods that answer nor the Service nor a route tell of it: a Deployment
        alone may be of a version that never got ready.
        """
        name = f"churn-{self.served}"
        deployment = self.view.get(("Deployment", name))
        stays = deployment is not None and not is_ending(deployment)
        if self.status:
            left = any((kind, name) in self.view for kind in ("ControllerRevision", "ConfigMap"))
            runs = any(pod["owner"] == name and not is_ending(pod) for pod in self.pods.values())
            return not (stays or left or runs)
        service = self.objects.get(("Service", "churn"))
        selected = clients.selects(service, self.revisions()) if service else frozenset()
        routed = {revision for way in clients.routed(self) for revision in way} if self.routed else set()
        return not stays or not (clients.staying(self, str(self.served)) or self.served in selected | routed)

    def relies_on_what_is_not_there(self, plan: Plan) -> bool:
        """The controller reads it live before it takes capacity away, and decides again."""
        for name, least in plan.relies_on.items():
            self.look_live(("Deployment", name))
            live = self.objects.get(("Deployment", name))
            if live is None or live["status"].get("availableReplicas", 0) < least:
                return True
        return False

    def look_live(self, key: tuple[str, str]) -> None:
        """What was decided from is read again."""
        if key in self.objects:
            self.view[key] = self.objects[key]
        elif key[0] != "Pod":
            self.view.pop(key, None)

    def settle(self) -> Plan:
        """Passes until one plans nothing new. The world stands still meanwhile, but for controllers that tell."""
        for _ in range(SETTLES_WITHIN):
            before, serial = self.status, self.serial
            self.tell_of_pods()
            plan = self.one_pass()
            if before == self.status and self.serial == serial:
                self.rests(plan)
                return plan
        raise AssertionError(f"still writing after {SETTLES_WITHIN} passes: {[place_of(a) for a in plan.actions]}")

    def learn(self, plan: Plan) -> None:
        """Which version a revision is, and what has become of it."""
        self.served = plan.status.stable.revision if plan.status.stable else self.served
        for revision in plan.status.revisions:
            self.versions[revision.revision] = revision.version
            if revision.state is RevisionState.RETIRING:
                self.retiring.setdefault(revision.revision, self.now)
            else:
                self.retiring.pop(revision.revision, None)
        for note in plan.notes:
            if note.refuses and plan.status.refused and plan.status.refused.revision:
                self.home.add(plan.status.refused.revision)
            if note.reason == "Promoted":
                self.promoted()

    # -- at each write

    def promised(self, action: Action) -> None:
        """Make one write, and compare what clients have afterwards with what they had."""
        kind, name = place_of(action)
        had = self.capacity(self.felt.service - self.no_longer_covers())
        ways = clients.routed(self) if self.routed else []
        carried = {revision: clients.staying(self, revision) for revision in self.revisions()}
        counts = {name: int(m["spec"].get("replicas", 1)) for name, m in self.deployments().items()}
        for revision, pods in self.felt.pods.items():
            if pods.isdisjoint(self.active(f"churn-{revision}")):
                self.felt.left.pop(revision, None)
        parts = {k: parts_of(self.objects[k, "churn"]) for k in ROUTES if (k, "churn") in self.objects}
        self.write(action)
        if (kind, name) == ("Service", "churn") and isinstance(action, Apply):
            self.service_written(had)
        where = f"{type(action).__name__} {kind} {name}"
        floor = self.floor
        has = self.capacity(self.reached_by_the_service())
        assert has >= min(floor, had), (
            f"{where}: clients of the Service had {had} ready pods, and have {has} of {floor}"
        )
        self.gateway_loses_nothing(where, ways, carried)
        if kind in ROUTES and isinstance(action, Apply):
            self.route_written(where, kind, parts.get(kind, {}))
        if kind == "Deployment":
            self.pods_written(where, revision_of(name), counts, carried)

    def revisions(self) -> frozenset[str]:
        return frozenset(map(revision_of, self.deployments()))

    def reached_by_the_service(self) -> frozenset[str]:
        """Once it spans versions its selector reaches also one that has come since."""
        service = self.felt.service
        return service | (self.revisions() - self.home) if len(service) > 1 else service

    def no_longer_covers(self) -> set[str]:
        """Those that retire, and whose drain is over by the progress deadline of what takes over: by then their pods
        may go, or the Service leave them, although it spans versions and the others lack pods."""
        for_others = DRAIN + policy_of(self.asked).progress_deadline
        since = {revision: max(at, self.felt.left.get(revision, at)) for revision, at in self.retiring.items()}
        return {revision for revision, at in since.items() if self.now >= at + for_others}

    def capacity(self, reached: frozenset[str]) -> int:
        return sum(clients.staying(self, revision) for revision in reached)

    def service_written(self, had: int) -> None:
        service = self.objects.get(("Service", "churn"))
        if service is None:
            return
        before, after = self.felt.service, clients.selects(service, self.revisions())
        grown = (after - before) & self.home & clients.service_answers(self).keys()
        assert not grown or had == 0, f"the Service reaches {grown} again, which was sent home"
        newly = after - before - {r for r in after if clients.staying(self, r)}
        empty = newly and not self.capacity(after) and had and not self.asleep
        assert not empty, f"the Service reaches {newly}, where nothing is ready"
        for gone in before - after:
            self.leaves(gone)
        self.felt.service = after

    def service_tells(self) -> None:
        """Of what was decided nothing tells but the Service as it is: a hand may have turned it."""
        service = self.objects.get(("Service", "churn"))
        selected = clients.selects(service, self.revisions()) if service else frozenset()
        for gone in self.felt.service - selected:
            self.leaves(gone)
        self.felt.service &= selected

    def leaves(self, revision: str) -> None:
        self.felt.left[revision] = self.now
        self.felt.pods[revision] = frozenset(self.active(f"churn-{revision}"))

    def gateway_loses_nothing(self, where: str, ways: list[dict[str, float]], carried: Mapping[str, int]) -> None:
        """A share keeps the pods that it has, up to those that it needs."""
        for way in ways:
            for revision, share in way.items():
                has, had = clients.staying(self, revision), carried.get(revision, 0)
                needs = max(1, int(self.floor * share / 100)) if self.floor else 0
                assert has >= min(had, needs), (
                    f"{where}: {share:.0f} % of the gateway's go to {revision}: {had} → {has}"
                )

    def route_written(self, where: str, kind: str, before: Mapping[str, int]) -> None:
        """A share goes to where somebody answers, and to nobody that was sent home.

        What somebody else wrote into the route is put back: stable gets again what it had, even if its pods are gone
        meanwhile. A hand's edit gives the candidate nothing that its steps do not. What went to where nobody
        is left stable takes over, however few its pods are: a late answer is better than none.
        """
        route = self.objects.get((kind, "churn"))
        if route is None:
            return
        was, now = clients.shares(before), clients.shares(parts_of(route))
        written, self.felt.routes[kind] = self.felt.routes.get(kind, {}), now
        put_back = {r for r in now if not self.is_candidate(r) and now[r] <= written.get(r, 0) + 1}
        grown = {r for r in now if now[r] > was.get(r, 0)} - put_back
        lost = clients.unanswered(self, parts_of(route)) & grown
        better = self.revisions() - clients.unanswered(self, dict.fromkeys(self.revisions(), 1))
        assert not (lost and self.capacity(better)), (
            f"{where}: {lost} get a share, and their own Service is not ours or not there"
        )
        abandoned = sum(share for revision, share in was.items() if not clients.staying(self, revision))
        takes_over = {r for r in now if not self.is_candidate(r) and now[r] <= was.get(r, 0) + abandoned + 1}
        whole = min(self.needed, sum(clients.staying(self, r) for r in now)) or 1
        for revision, share in now.items():
            if share <= was.get(revision, 0) + 1 or not self.established or not before:
                continue
            assert revision not in self.home, f"{where}: {revision} was sent home and goes from {was} to {now}"
            can = 100 * clients.staying(self, revision) / whole
            if sum(map(carried_by(self), now)) and revision not in put_back | takes_over:
                assert share <= can + 5, f"{where}: {revision} gets {share:.0f} % and can carry {can:.0f} %"
            if self.is_candidate(revision) and self.rollout.type is RolloutType.CANARY:
                assert share <= self.ceiling(revision) + 1, f"{where}: {share:.0f} % > {self.ceiling(revision)} %"
        for revision in was.keys() - now.keys():
            self.leaves(revision)

    def pods_written(self, where: str, revision: str, counts: Mapping[str, int], carried: Mapping[str, int]) -> None:
        """Pods of a revision that leaves stay until connections to them have ended; what was sent home gets no more.

        A revision that comes back to clients is scaled as what serves is: a pod that is told to end takes its leave of
        the endpoints and answers what it has, with or without a drain before it.
        """
        has, had = clients.staying(self, revision), carried.get(revision, 0)
        ways = clients.routed(self) if self.routed else []
        reached = revision in self.felt.service or any(revision in way for way in ways)
        left = self.felt.left.get(revision)
        rolling = self.rollout.rolling_update
        # Its last pods have to go for the new one's.
        makes_room = self.rollout.type is RolloutType.RECREATE or (rolling is not None and rolling.max_surge == 0)
        leaves = left is not None and not reached and not self.comes_back(revision, has)
        if has < had and left is not None and leaves and not (self.asleep or makes_room):
            assert self.now >= left + DRAIN, f"{where}: {had} → {has} pods, {self.now - left} after its traffic left"
        deployment = self.objects.get(("Deployment", f"churn-{revision}"))
        before = counts.get(f"churn-{revision}", 0)
        if deployment and int(deployment["spec"]["replicas"]) > max(before, 0) and self.is_candidate(revision):
            version = self.versions.get(revision)
            assert revision not in self.home or reached, f"{where}: {revision} ({version}) was sent home and comes back"
            assert version not in self.home_versions or reached, f"{where}: a person has sent {version} home"

    def promoted(self) -> None:
        """Checked when the operator says so: by what its pods and the promises of the steps are at that moment."""
        revision = (self.status.get("stable") or {}).get("revision", "")
        ready = clients.staying(self, revision)
        if self.established and any(clients.staying(self, other) for other in self.revisions() - {revision}):
            assert ready >= min(self.needed, max(self.floor, 1)) or self.asleep, f"{revision} is promoted with {ready}"
            assert self.ceiling(revision) == 100 or self.asleep, f"{revision} is promoted past a pause"
            assert revision not in self.home, f"{revision} was sent home, and is promoted"
        self.established = True

    def comes_back(self, revision: str, pods: int) -> bool:
        """It is of the version that is asked for, and was not sent home. Or it is stable, with all the `pods` that it
        needs, and in its place clients reach nobody, or what is asked for no more."""
        asked = self.spec["model"]["version"]
        if self.versions.get(revision) == asked:
            return revision not in self.home
        given_up = all(self.versions.get(other) != asked for other in self.felt.service)
        return given_up and not self.is_candidate(revision) and pods >= self.needed

    def is_candidate(self, revision: str) -> bool:
        """Not what served when this began; by the operator's own word, which names revisions and nothing else, or by
        its last one where status was lost."""
        return revision != (self.status.get("stable") or {}).get("revision", self.served)

    # -- where a pass may end

    def says_what_it_means(self, plan: Plan) -> None:
        conditions = {c.type: c for c in plan.status.conditions}
        true = {kind for kind, c in conditions.items() if c.status == "True"}
        assert not {"Reconciling", "Stalled"} <= true
        assert all(c.message or c.status == "False" for c in plan.status.conditions)
        assert plan.status.phase != "Pending" or not plan.status.stable, "some version serves"
        names = [revision.revision for revision in plan.status.revisions]
        assert len(names) == len(set(names)), "the API server refuses a list map that has a key twice"

    def rests(self, plan: Plan) -> None:
        """Nothing moves by itself: it is well, or it is said why not, and until when."""
        conditions = {c.type: c for c in plan.status.conditions}
        if conditions["Ready"].status == "True" or conditions["Stalled"].status == "True":
            return
        phase = plan.status.phase
        assert conditions["Ready"].reason, plan.status
        self.pauses_with_pods(plan)
        if phase in ("Refused", "Suspended", "Paused", "Resolving", "Shifting"):
            return  # it waits for a person, a Job that has a deadline of its own, or the gateway
        assert plan.wake_at is not None, f"{phase} waits without a deadline: {conditions['Ready'].message}"

    def pauses_with_pods(self, plan: Plan) -> None:
        """What waits for somebody's word at a step can be looked at: its pods are there, or are to come."""
        candidate, rollout = plan.status.candidate, plan.status.rollout
        by_person = rollout is not None and rollout.clock.paused_at
        if plan.status.phase != "Paused" or by_person or not (candidate and candidate.revision and self.needed):
            return
        deployment = self.objects.get(("Deployment", f"churn-{candidate.revision}"))
        if deployment and "deletionTimestamp" not in deployment["metadata"] and "Deployment" not in self.failing:
            assert deployment["spec"].get("replicas"), f"pauses at a step without a pod: {deployment['spec']}"

    def whole(self) -> Iterator[str]:
        """What is amiss at the end of a calm and healthy time."""
        answers = clients.service_answers(self)
        ours = {revision for revision in answers if self.versions.get(revision) == self.spec["model"]["version"]}
        if sum(answers.values()) < self.needed:
            yield f"clients of the Service reach {answers} of {self.needed} pods"
        if set(answers) - ours:
            yield f"clients of the Service reach {answers}, of which {ours} are asked for"
        for kind, parts in self.programmed.items():
            share = clients.shares(parts)
            if self.routed and set(share) != ours:
                yield f"{kind} sends requests to {share}, of which {ours} are asked for"


def carried_by(world: World) -> Any:
    return lambda revision: clients.staying(world, revision)


def steps_of(rollout: Rollout) -> list[CanaryStep]:
    """The steps of a canary, or of a blue-green change with checks, in order."""
    if rollout.canary:
        return list(rollout.canary.steps)
    checks = rollout.blue_green
    if checks is None or not (checks.before_switch or checks.after_switch):
        return []
    return [CanaryStep(pause=check.pause, analysis=check.analysis) for check in checks.before_switch or ()]
