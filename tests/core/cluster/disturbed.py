"""A simulator that keeps the API server's promises (preconditions), nobody else's, and watches every pass.

What must hold after each pass, whatever happened before, is said here; machine.py makes things happen.
"""

from dataclasses import dataclass, field, replace
from functools import partial

from slipway.api.scalars import share_of
from slipway.api.v1alpha1 import ModelDeploymentSpec, ModelDeploymentStatus
from slipway.api.v1alpha1.spec import RollingUpdate, Rollout, RolloutType
from slipway.core.children.route import ROUTES
from slipway.core.decide import decide
from slipway.core.identity import ask, canonical
from slipway.core.names import REVISION, Manifest
from slipway.core.observed.objects import Child, NameTaken, Observed
from slipway.core.plan import Action, Apply, Delete, Plan, Scale, place_of
from slipway.core.rollout.clocks import bounded
from tests.core.cluster import stored
from tests.core.cluster.simulator import Simulator
from tests.core.cluster.stored import child, copied
from tests.core.gen import owner, platform

LONGEST_SETTLING = 12

TAKE_PART = ("Stable", "Candidate", "Superseded")


class ConflictError(Exception):
    """A precondition does not hold: what was decided from is not what is there."""


@dataclass
class Disturbed(Simulator):
    """One ModelDeployment in a cluster where anything may happen between two writes."""

    taken: set[tuple[str, str]] = field(default_factory=set)
    """Names that somebody else's objects have."""
    templates: dict[str, bytes] = field(default_factory=dict)
    """Pod template of each revision, as it was first applied."""
    highest: int = 0
    decisions: int = 0
    unfit: bool = False
    """What is being carried out was decided while the Gateway was seen to be gone, or unfit."""
    shared: dict[str, dict[str, int]] = field(default_factory=dict)
    """Percent by revision in each kind of route, as the operator last wrote it."""
    unseen: set[tuple[str, str]] = field(default_factory=set)
    """What a hand has taken away since the look from which is decided."""
    answers: dict[tuple[str, str], Child | None] = field(default_factory=dict)
    """What the API server answered the operator's last write of each object; None: that it is deleted."""

    # Passes

    def older(self, look: Observed) -> Observed:
        """A look from before, as the operator has it while its watches tell of nothing: it knows what its own writes
        were answered with."""
        known = {key: mine for key, mine in self.answers.items() if _is_news(mine, look.children.get(key))}
        children = {key: each for key, each in {**look.children, **known}.items() if each is not None}
        return replace(look, children=children, foreign=self.foreign)

    def decided(self, observed: Observed) -> Plan:
        """One decision; now and then it is made twice."""
        self.decisions += 1
        return stored.decided(partial(self.decided_once, observed), self.decisions)

    def decided_once(self, observed: Observed) -> Plan:
        return decide(
            owner=owner(generation=self.generation, request=self.request),
            spec=copied(self.spec),
            status=copied(self.status),
            observed=observed,
            platform=platform(version=self.platform_version),
            now=self.now,
        )

    def one_pass(self, observed: Observed | None = None, writes: int = 1_000) -> Plan:
        """Decide and carry out, as the controller does; a write that meets a conflict ends the pass."""
        seen = observed or self.observed()
        before, plan = self.status, self.decided(seen)
        self.status_holds(plan)
        if not plan.actions and plan.status.to_dict() == before:
            assert plan.wake_at is None or plan.wake_at > self.now, "a pass that does nothing asks for another at once"
        if writes:
            self.status, self.highest = plan.status.to_dict(), plan.status.last_number
            self.events += [(note.reason, note.message) for note in plan.notes]
        pods_before = self.taking_part(plan)
        self.unseen = seen.children.keys() - self.objects.keys()
        self.unfit = observed is None and self.gateway_is_unfit()
        done = self.carried_out(plan, max(writes - 1, 0), before)
        if done and writes > len(plan.actions) and observed is None and seen.foreign == self.foreign:
            self.cluster_holds(plan, pods_before)
        return plan

    def carried_out(self, plan: Plan, writes: int, before: Manifest) -> bool:
        places = [place_of(action) for action in plan.actions]
        assert len(places) == len(set(places)), "two writes of one pass fight"
        if any(self.available(name) < least for name, least in plan.relies_on.items()):
            self.stirred = True  # the controller reads it live, and decides again
            return False
        for key, version in plan.relies_on_guards.items():
            if self.objects.get(key, {}).get("metadata", {}).get("resourceVersion") != version:
                self.stirred = True
                return False
        floor = self.floor(plan, before)
        for action in plan.actions[:writes]:
            carried, pods, weights = self.carried(), len(self.pods), {kind: self.had(kind) for kind in ROUTES}
            answered = self.answering()
            self.template_holds(action)
            try:
                self.carry_out(action)
            except ConflictError:
                self.stirred = True
                return False
            finally:
                self.collect_garbage()
            assert self.carried() >= min(floor, carried), (
                f"takes capacity away: {place_of(action)} {self.carried()} < {carried} {dict(plan.relies_on)}"
            )
            if place_of(action) == ("Service", "churn"):
                assert self.carried() or not carried or self.asleep or not plan.status.stable, (
                    "traffic goes to where nothing answers"
                )
                there = {r.revision: r.state.value for r in plan.status.revisions}
                newly = self.answering() - answered  # what leaves a Service that spans does so pod by pod
                assert newly <= {name for name in there if there[name] in TAKE_PART}, (newly, there)
            if (kind := place_of(action)[0]) in ROUTES and place_of(action) in self.objects:
                self.route_holds(kind, weights[kind], plan)
                self.shared[kind] = self.weights(kind)
            self.stirred = self.stirred or len(self.pods) < pods
        return True

    def carry_out(self, action: Action) -> None:
        """As the simulator does, with the preconditions that the real writes carry."""
        kind, name = place_of(action)
        there = self.objects.get((kind, name))
        if isinstance(action, Apply) and (kind, name) in self.taken:
            if any((known.kind, known.name) == (kind, name) for known in self.foreign):
                return  # known and said already, as the controller has it
            self.foreign = (*self.foreign, NameTaken(kind=kind, name=name, owned_by="nobody"))
            raise ConflictError
        match action:
            case Apply(first=True) if there is not None and kind in ("Deployment", "Service"):
                raise ConflictError  # the controller looks live before it makes anything
            case Apply(resource_version=str(version)) | Scale(resource_version=version):
                if there is None or there["metadata"]["resourceVersion"] != version:
                    raise ConflictError
            case Delete(uid=uid):
                pod = self.pods.get(name) if kind == "Pod" else None
                if (there or pod or {}).get("metadata", {}).get("uid") != uid:
                    raise ConflictError
        counts = self.counts()
        super().carry_out(action)
        if kind != "Pod":
            self.answers[kind, name] = child(self.objects[kind, name]) if (kind, name) in self.objects else None
        if name in self.counts() and self.counts()[name] != counts.get(name):
            self.touch(self.objects["Deployment", name])
            self.stirred = True  # the Deployment controller says that it has seen it

    def settle(self, limit: int = LONGEST_SETTLING) -> Plan:
        """Passes until one plans nothing new; each but the first was asked for, or brought about by what was told."""
        awaited = True
        for _ in range(limit):
            before, known = self.status, {(name.kind, name.name) for name in self.foreign}
            self.stirred = False
            plan = self.one_pass()
            if before == self.status and all(place_of(action) in known for action in plan.actions):
                return plan
            assert awaited, f"nobody would have made this pass: {_short(plan)} {_changed(before, self.status)}"
            awaited = bool(self.stirred or self.foreign) or (plan.wake_at is not None and plan.wake_at <= self.now)
        raise AssertionError(f"still planning after {limit} passes: {_short(plan)} {self.status}")

    # What Kubernetes does

    def touch(self, manifest: Manifest) -> None:
        self.serial += 1
        manifest["metadata"]["resourceVersion"] = str(self.serial)

    def counts(self) -> dict[str, int]:
        """Pods that each Deployment is set to."""
        return {name: m["spec"]["replicas"] for name, m in self.deployments().items()}

    def had(self, kind: str) -> dict[str, int]:
        """What was last known of how requests are shared out: as the route has it, or another beside which it is made,
        or it had it before a hand deleted it."""
        ways = (self.weights(kind), *map(self.weights, ROUTES), self.shared.get(kind, {}))
        return next(filter(None, ways), {})

    def collect_garbage(self) -> None:
        """Pods go with their Deployment or Job, and with its count; no more are available than are there."""
        counts = self.counts()
        jobs = {name for kind, name in self.objects if kind == "Job"}
        self.pods = {
            name: pod
            for name, pod in self.pods.items()
            if _number(name) < counts.get(_owner(name), 0) or _owner(name) in jobs
        }
        for name, deployment in self.deployments().items():
            status = deployment["status"]
            if status.get("availableReplicas", 0) > counts[name]:
                deployment["status"] = {"availableReplicas": counts[name], "replicas": counts[name]}
                self.stirred = True

    def partly_ready(self, name: str, ready: int, otherwise: Manifest | None = None) -> None:
        """Only so many pods of a Deployment are ready; the others load their model, or are in the state given."""
        self.kubelet(name)
        count = self.objects["Deployment", name]["spec"]["replicas"]
        loading = {"phase": "Running", "conditions": self.ready_status()["conditions"][:2]}
        ready = max(0, min(ready, count))
        for number in range(ready, count):
            self.pods[f"{name}-{number}"]["status"] = otherwise or loading
        self.objects["Deployment", name]["status"] = {"availableReplicas": ready, "replicas": count}

    def unwell(self, name: str) -> bool:
        """Something is not yet as it will be with a Deployment's pods."""
        pods = [pod for pod in self.pods if _owner(pod) == name]
        count = self.objects["Deployment", name]["spec"]["replicas"]
        return len(pods) != int(count) or self.available(name) != int(count)

    def vanish(self, name: str) -> None:
        """All pods of a Deployment are gone."""
        self.pods = {pod: m for pod, m in self.pods.items() if _owner(pod) != name}
        self.objects["Deployment", name]["status"] = {}

    # What must hold

    @property
    def asked(self) -> str:
        return ask(ModelDeploymentSpec.model_validate(self.spec))

    @property
    def asleep(self) -> bool:
        return bool(self.spec.get("suspend")) or (self.spec.get("replicas") == 0 and "autoscaling" not in self.spec)

    def status_holds(self, plan: Plan) -> None:
        status, raw = plan.status, plan.status.to_dict()
        assert ModelDeploymentStatus.model_validate(raw) == status
        assert status.observed_generation == self.generation
        spec = ModelDeploymentSpec.model_validate(self.spec)
        assert bounded(status, spec, self.now) == status, "a time lies ahead, and the next pass puts that right"
        names = [revision.revision for revision in status.revisions]
        assert len(names) == len(set(names)), "the API server refuses a list map that has a key twice"
        conditions = {c.type: c for c in status.conditions}
        true = {kind for kind, c in conditions.items() if c.status == "True"}
        assert not {"Reconciling", "Stalled"} <= true
        assert all(c.message or c.status == "False" for c in status.conditions)
        assert max(len(c.message) for c in status.conditions) <= 8192
        if "Ready" in true:
            assert status.stable
            assert status.stable.ask == self.asked
            assert status.candidate is None
            assert not self.asleep
        assert status.last_number >= self.highest
        for ref in (status.stable, status.candidate):
            assert ref is None or (ref.number or 0) <= status.last_number

    def template_holds(self, action: Action) -> None:
        """Nothing ever changes the pods of a revision."""
        match action:
            case Apply(manifest={"kind": "Deployment"} as manifest):
                template = canonical(manifest["spec"]["template"])
                assert self.templates.setdefault(manifest["metadata"]["name"], template) == template

    def route_holds(self, kind: str, before: dict[str, int], plan: Plan) -> None:
        """It names Services that are there, and gives a candidate no more than its available pods can carry."""
        if (kind, "churn") in self.taken:
            return  # nothing was written
        route, candidate, needed = self.objects[kind, "churn"], plan.status.candidate, plan.status.replicas
        refs = [ref for rule in route["spec"]["rules"] for ref in rule.get("backendRefs", ())]
        # A Service whose name is taken is there, and somebody else's: no request may go to it, but for those that went
        # there already of stable, or of what answers alone: there is nobody to give them to.
        now, stable = self.weights(kind), plan.status.stable
        serves = {stable.revision} if stable and stable.revision else set[str]()
        left = now.keys() if len(now) == 1 else now.keys() & serves
        stay = {("Service", f"churn-{name}") for name in left if now[name] <= before.get(name, 0)} & self.taken
        used = {ref["name"] for ref in refs if ref.get("weight", 1) or ("Service", ref["name"]) not in self.taken}
        there = self.objects.keys() | self.unseen | stay
        assert {("Service", name) for name in used} <= there, "requests to these would be answered 500"
        revision = candidate.revision or "" if candidate and plan.status.stable else ""
        share, rolls = (
            self.weights(kind).get(revision, 0),
            self.rollout.type in (RolloutType.BLUE_GREEN, RolloutType.CANARY),
        )
        if rolls and needed and share > before.get(revision, 0):
            assert not (self.unfit and self.carried()), "a share moves to where no gateway is"
            assert share * needed <= 100 * self.available(f"churn-{revision}"), f"{share} % are more than it can carry"

    def gateway_is_unfit(self) -> bool:
        known = self.gateways.gateways
        return known is not None and not any(gateway.complaint is None for gateway in known.values())

    # Capacity, by what is there

    def reached(self) -> set[str]:
        """The revisions whose pods the root Service reaches."""
        root = self.objects.get(("Service", "churn"))
        if root is None:
            return set()
        revisions = {name.removeprefix("churn-") for name in self.deployments()}
        selector = root["spec"].get("selector")
        if not selector:  # Kubernetes takes that for endpoints that somebody else makes
            return set()
        return revisions & {selector[REVISION]} if REVISION in selector else revisions

    def answering(self) -> set[str]:
        """The revisions of which the root Service reaches an available pod."""
        return {revision for revision in self.reached() if self.available(f"churn-{revision}")}

    def available(self, name: str) -> int:
        deployment = self.deployments().get(name) or {"status": {}}
        return int(deployment["status"].get("availableReplicas", 0))

    def carried(self) -> int:
        """Available pods in the traffic's reach."""
        return sum(self.available(f"churn-{revision}") for revision in self.reached())

    def floor(self, plan: Plan, before: Manifest) -> int:
        """Available pods that must stay in the traffic's reach, as the user has it."""
        needed, rollout = plan.status.replicas or 0, self.rollout
        rolling = rollout.rolling_update or RollingUpdate()
        now, was = plan.status.rollout, before.get("rollout") or {}
        serves = plan.status.stable is not None or "stable" in before  # a first version may be given up
        if self.asleep or not serves or rollout.type is RolloutType.RECREATE:
            return 0
        if rollout.type in (RolloutType.BLUE_GREEN, RolloutType.CANARY):
            return needed
        made_room = was.get("strategy", {}).get("makingRoom")
        allowed = int(bool(made_room or (now and now.strategy.making_room)))
        if rolling.max_unavailable is not None:
            surge = share_of(rolling.max_surge, needed, up=True)
            allowed = max(share_of(rolling.max_unavailable, needed, up=False), 0 if surge else 1)
        return max(0, needed - allowed)

    def most(self, needed: int) -> int:
        """Pods that those which take part may have."""
        rollout = self.rollout
        if rollout.type is RolloutType.RECREATE:
            return needed
        if rollout.type is RolloutType.BLUE_GREEN:
            return 2 * needed
        if rollout.type is RolloutType.CANARY:
            return 2 * needed if "gateway" in self.spec.get("traffic", {}) else max(needed, 2) + 1
        return needed + share_of((rollout.rolling_update or RollingUpdate()).max_surge, needed, up=True)

    @property
    def rollout(self) -> Rollout:
        return ModelDeploymentSpec.model_validate(self.spec).rollout or Rollout()

    def taking_part(self, plan: Plan) -> int:
        """Pods that are wanted of the revisions that take part."""
        names = [f"churn-{r.revision}" for r in plan.status.revisions if r.state.value in TAKE_PART]
        return sum(m["spec"]["replicas"] for name, m in self.deployments().items() if name in names)

    def going_home(self, plan: Plan) -> int:
        """Pods behind a gateway of those that go home: for as long as the others cannot carry what they would leave,
        what takes over comes on top."""
        status = plan.status
        home = {f"churn-{each.revision}" for each in (*status.also_refused, status.refused) if each}
        pods = sum(m["spec"]["replicas"] for name, m in self.deployments().items() if name in home)
        return pods if "gateway" in self.spec.get("traffic", {}) else 0

    def cluster_holds(self, plan: Plan, pods_before: int) -> None:
        """After a pass that saw what there was and could write all that it wanted."""
        live = {f"churn-{revision.revision}" for revision in plan.status.revisions}
        assert set(self.deployments()) <= live
        most = self.most(plan.status.replicas or 0) + self.going_home(plan)
        assert self.taking_part(plan) <= max(most, pods_before), (
            f"more pods than the surge: {[(r.revision, r.state, r.replicas) for r in plan.status.revisions]}"
        )
        stable = plan.status.stable
        if stable and ("Service", "churn") not in self.taken:
            assert self.selects() == stable.revision or plan.status.rollout

    def selects(self) -> str | None:
        root = self.objects.get(("Service", "churn"))
        return (root["spec"].get("selector") or {}).get(REVISION) if root else None


def _is_news(answer: Child | None, seen: Child | None) -> bool:
    """Whether an answer is newer than what was seen. Of what is deleted nothing newer was: nobody else makes it."""
    return answer is None or seen is None or int(answer.resource_version) > int(seen.resource_version)


def _short(plan: Plan) -> list[tuple[str, str]]:
    return [place_of(action) for action in plan.actions]


def _changed(before: Manifest, after: Manifest) -> Manifest:
    keys = before.keys() | after.keys()
    return {key: (before.get(key), after.get(key)) for key in sorted(keys) if before.get(key) != after.get(key)}


def _owner(pod: str) -> str:
    return pod.rpartition("-")[0]


def _number(pod: str) -> int:
    last = pod.rpartition("-")[2]
    return int(last) if last.isdigit() else 0
