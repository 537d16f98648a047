"""What tears at a cluster: users, hands, nodes, gateways, autoscalers, slow watches and dying operators, in any order.

`make explore` runs it for an hour on examples that nobody has seen; tests/core/test_torn_cluster.py holds those that it
found, and runs some of it each time.
"""

from datetime import timedelta
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from slipway.core.names import Manifest
from tests.core.cluster.promises import Torn
from tests.core.cluster.stored import copied
from tests.core.cluster.world import (
    NODES,
    STRANGER,
    ConflictError,
    ended_status,
    is_ending,
    is_ours,
    is_ready,
    loading_status,
    over_status,
    ready_status,
)

GATEWAY: Final = {"gateway": {"name": "inference", "namespace": "gateways"}, "hostnames": ["churn.example"]}
SCALING: Final = {"minReplicas": 1, "maxReplicas": 8, "metrics": [{"type": "Resource"}]}
ROLLOUTS: Final[tuple[dict[str, Any] | None, ...]] = (
    None,
    {"type": "RollingUpdate"},
    {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
    {"type": "Recreate"},
    {"type": "BlueGreen"},
    {"type": "BlueGreen", "blueGreen": {"standbyDuration": "5s"}},
    {"type": "Canary", "canary": {"steps": [{"weight": 10}, {"pause": {}}, {"weight": 50}, {"pause": {}}]}},
    {"type": "Canary", "canary": {"steps": [{"weight": 34}, {"pause": {}}], "fullSize": True}},
    {"type": "Canary", "canary": {"steps": [{"weight": 25}, {"pause": {"duration": "1m"}}, {"weight": 75}]}},
)
VERBS: Final = ("abort", "promote", "pause", "resume", "retry", "rollback", "restart")
OVER: Final = (("Failed", "Evicted", 137), ("Failed", "Evicted", None), ("Succeeded", "Completed", 0),
               ("Failed", "UnexpectedAdmissionError", None), ("Failed", "NodeShutdown", 255))  # fmt: skip
PARTS: Final = ("stable", "candidate", "rollout", "revisions", "refused", "conditions", "requests", "lastNumber")
CALM: Final = 60


class TornMachine(RuleBasedStateMachine):
    """One ModelDeployment, and everybody who tears at it."""

    def __init__(self) -> None:
        super().__init__()
        self.world = Torn(spec={"model": {"version": "3", "source": {"uri": "s3://models/churn/3"}}, "replicas": 3})
        self.faulty: set[str] = set()
        self.plan_of_another: Any = None
        self.nonce = 0

    @initialize(rollout=st.sampled_from(ROLLOUTS), routed=st.booleans(), replicas=st.integers(1, 5))
    def begins(self, rollout: dict[str, Any] | None, routed: bool, replicas: int) -> None:
        self.world.spec |= {"replicas": replicas, "rollout": copied(rollout) or {}}
        self.world.load = replicas
        if routed:
            self.world.spec["traffic"] = copied(GATEWAY)
        self.time_is_calm(4)

    # Users

    def edit(self, **fields: Any) -> None:
        for key, value in fields.items():
            if value is None:
                self.world.spec.pop(key, None)
            else:
                self.world.spec[key] = copied(value)
        self.world.generation += 1

    @rule(version=st.sampled_from("345"))
    def asks_for_a_version(self, version: str) -> None:
        if version != self.world.spec["model"]["version"]:
            self.world.home.clear()
            self.world.home_versions.clear()
            self.world.promotions.clear()
            self.world.arrived = self.world.back_to = None
        self.world.spec["model"]["version"] = version
        self.world.generation += 1

    @rule(timeout=st.sampled_from(["30s", "45s"]))
    def edits_beside_the_version(self, timeout: str) -> None:
        server = {"requestTimeout": timeout}
        if self.world.spec.get("server") != server:
            self.world.home.clear()  # what failed is tried again; what a person sent home is not
        self.edit(server=server)

    @rule(rollout=st.sampled_from(ROLLOUTS))
    def changes_the_type(self, rollout: dict[str, Any] | None) -> None:
        if (self.world.spec.get("rollout") or None) != (rollout or None):
            self.world.steps_change()
        self.edit(rollout=rollout or {})

    @rule(replicas=st.integers(0, 9))
    def scales(self, replicas: int) -> None:
        self.edit(replicas=replicas)

    @rule(suspend=st.booleans())
    def suspends_or_resumes(self, suspend: bool) -> None:
        self.edit(suspend=suspend)

    @rule(on=st.booleans())
    def toggles_autoscaling(self, on: bool) -> None:
        """It begins with the pods that are there, not with those asked for: a hand may have just scaled them."""
        if self.world.asked.autoscaling is None:
            carried = self.world.status.get("replicas") or self.world.needed or self.world.load
            serving = (self.world.deployments().get(f"churn-{each}") for each in self.world.felt.service)
            there = sum(int(each["spec"].get("replicas", 1)) for each in serving if each)
            self.world.load = self.world.load_seen = min(carried, max(1, there))
        self.edit(autoscaling=SCALING if on else None)

    @rule(on=st.booleans())
    def toggles_the_gateway(self, on: bool) -> None:
        self.edit(traffic=GATEWAY if on else None)

    @rule(verb=st.sampled_from(VERBS), about=st.sampled_from(["stable", "candidate", "refused"]), again=st.booleans())
    def asks_by_annotation(self, verb: str, about: str, again: bool) -> None:
        ref = self.world.status.get(about)
        if ref is None:
            return
        self.nonce += not again
        name = ref.get("revision", ref["ask"][:8])
        self.world.request = f"{verb}/{name}@{self.nonce}"
        plan = self.world.decide(self.world.observed())
        answers = plan.status.to_dict().get("requests") or []
        if answers and answers != self.world.status.get("requests") and answers[-1]["request"] == self.world.request:
            self.is_answered(verb, name, answers[-1]["outcome"])
        self.world.one_pass(plan=plan)

    def is_answered(self, verb: str, name: str, outcome: str) -> None:
        """What a person has got changes what clients are promised, from the first write on. Who restarts what serves
        wants its version, even if an earlier restart of it was called off."""
        world = self.world
        if outcome.startswith(("stale", "not a request")):
            return
        if verb in ("abort", "rollback") and outcome.startswith(("aborted", "rolled", "going")):
            world.home.add(name)
            world.back_to = next((each for each in world.versions if outcome.endswith(f"(revision {each})")), None)
            if version := world.versions.get(name):
                world.home_versions.add(version)
        elif verb == "promote":
            world.promotions[name] = world.promotions.get(name, 0) + 1
        elif verb == "restart":
            world.home_versions.discard(world.versions.get(name, ""))
        elif verb == "retry":
            world.home.clear()
            world.home_versions.clear()

    # Hands

    def draw(self, data: st.DataObject, *kinds: str) -> tuple[str, str] | None:
        keys = sorted(key for key in self.world.objects if not kinds or key[0] in kinds)
        return data.draw(st.sampled_from(keys)) if keys else None

    def forgets_growth(self, key: tuple[str, str]) -> None:
        """What an autoscaler has put on a Deployment and no pass has seen goes with it: nothing else tells of it."""
        if key[0] == "Deployment":
            self.world.load = min(self.world.load, self.world.load_seen)

    @rule(data=st.data())
    def deletes_a_child(self, data: st.DataObject) -> None:
        if key := self.draw(data):
            self.forgets_growth(key)
            self.world.remove(*key)

    @rule(data=st.data())
    def deletes_a_deployment_in_the_foreground(self, data: st.DataObject) -> None:
        if key := self.draw(data, "Deployment"):
            self.forgets_growth(key)
            deployment = self.world.objects[key]
            deployment["metadata"]["deletionTimestamp"] = self.world.stamp()
            self.world.touch(deployment)

    @rule(data=st.data(), revision=st.sampled_from(["deadbeef", "candidate", "stable", None]))
    def turns_the_service(self, data: st.DataObject, revision: str | None) -> None:
        service = self.world.objects.get(("Service", "churn"))
        if service is None:
            return
        ref = self.world.status.get(revision or "") or {}
        name = ref.get("revision", "deadbeef")
        service["spec"]["selector"] = {"serving.slipway.dev/revision": name} if revision else {}
        self.world.touch(service)

    @rule(data=st.data(), whose=st.sampled_from(["labels", "owners"]))
    def takes_marks_off(self, data: st.DataObject, whose: str) -> None:
        """What has lost both is nobody's: it is in the way, until somebody deletes it."""
        if key := self.draw(data, "Service", "Deployment", "HTTPRoute"):
            meta = self.world.objects[key]["metadata"]
            if whose == "labels":
                meta["labels"] = {}
            else:
                meta["ownerReferences"] = []
            self.world.touch(self.world.objects[key])

    @rule(data=st.data(), replicas=st.integers(0, 6))
    def scales_a_deployment(self, data: st.DataObject, replicas: int) -> None:
        """An autoscaler puts that right; before it is there the count is what it will begin with."""
        if key := self.draw(data, "Deployment"):
            self.world.objects[key]["spec"]["replicas"] = replicas
            self.world.touch(self.world.objects[key])
            if self.world.asked.autoscaling and not self.scaled():
                self.world.load = min(self.world.load, max(1, replicas))
            self.scale_by_load()

    @rule(rules=st.sampled_from(["none", "candidate"]))
    def edits_the_route(self, rules: str) -> None:
        route = self.world.objects.get(("HTTPRoute", "churn"))
        candidate = (self.world.status.get("candidate") or {}).get("revision")
        if route is None:
            return
        for each in route["spec"].get("rules") or ():
            refs = each.get("backendRefs") or ()
            each["backendRefs"] = [
                {**ref, "weight": 100 if ref["name"] == f"churn-{candidate}" else 0} for ref in refs if rules != "none"
            ]
        route["metadata"]["generation"] += 1
        self.world.touch(route)

    @rule(data=st.data())
    def a_stranger_takes_a_name(self, data: st.DataObject) -> None:
        key = self.draw(data)
        if key is None or key[0] == "ControllerRevision":
            return
        self.forgets_growth(key)
        self.world.remove(*key)
        self.world.serial += 1
        meta = {"name": key[1], "uid": f"stranger-{self.world.serial}", "resourceVersion": str(self.world.serial)}
        owner = {"uid": STRANGER, "controller": True, "kind": "Other", "name": "other"}
        self.world.objects[key] = {
            "kind": key[0],
            "metadata": {**meta, "labels": {}, "ownerReferences": [owner], "generation": 1},
            "spec": {"replicas": 0, "template": {"metadata": {"labels": {}}}},
            "status": {},
        }

    @rule()
    def strangers_go(self) -> None:
        for key, manifest in list(self.world.objects.items()):
            if manifest["metadata"]["uid"].startswith("stranger") or not is_ours(manifest):
                self.world.remove(*key)
        self.world.foreign = ()

    @rule(part=st.sampled_from((*PARTS, "all")))
    def loses_status(self, part: str) -> None:
        if part == "all":
            self.world.status = {}
            self.world.home.clear()
        else:
            self.world.status.pop(part, None)
        if part in ("all", "refused", "requests", "rollout", "candidate"):
            self.world.home.clear()  # nobody knows of it any more
            self.world.home_versions.clear()

    # Kubernetes

    def some_deployment(self, data: st.DataObject) -> str | None:
        names = sorted(self.world.deployments())
        return data.draw(st.sampled_from(names)) if names else None

    @rule()
    def the_resolve_job_ends(self) -> None:
        self.world.answer_job()

    @rule()
    def controllers_act(self) -> None:
        self.world.controllers_act()

    @rule()
    def the_garbage_collector_acts(self) -> None:
        self.world.garbage_collector_acts()

    @rule()
    def kubelets_act(self) -> None:
        self.world.kubelets_act()

    @rule(data=st.data(), most=st.integers(1, 6))
    def pods_get_ready(self, data: st.DataObject, most: int) -> None:
        if name := self.some_deployment(data):
            self.world.get_ready(self.world.active(name)[:most])
            self.world.tell_of_pods()

    @rule(data=st.data(), most=st.integers(1, 6))
    def pods_lose_readiness(self, data: st.DataObject, most: int) -> None:
        if name := self.some_deployment(data):
            for pod in self.world.active(name)[:most]:
                self.world.set_status(pod, loading_status(self.world.now))
            self.world.tell_of_pods()

    @rule(data=st.data(), over=st.sampled_from(OVER), most=st.integers(1, 6))
    def pods_are_over(self, data: st.DataObject, over: tuple[str, str, int | None], most: int) -> None:
        if name := self.some_deployment(data):
            for pod in self.world.active(name)[:most]:
                self.world.set_status(pod, over_status(*over[:2], exit_code=over[2]))
            self.world.controllers_act()

    @rule(data=st.data(), restarts=st.integers(0, 2))
    def servers_answer_wrongly(self, data: st.DataObject, restarts: int) -> None:
        """A version of which pods answer wrongly is faulty from then on, until another is asked for."""
        if name := self.some_deployment(data):
            for pod in self.world.active(name):
                self.world.set_status(pod, ended_status(self.world.now, "WrongAnswer", restarts=restarts))
            self.world.tell_of_pods()
            self.faulty.add(name)

    @rule(node=st.sampled_from(NODES), silent=st.booleans())
    def a_node_falls_silent_or_comes_back(self, node: str, silent: bool) -> None:
        self.world.nodes[node] = not silent
        for name, pod in self.world.pods.items():
            if silent and pod["spec"]["nodeName"] == node and is_ready(pod):
                self.world.set_status(name, loading_status(self.world.now))
        self.world.tell_of_pods()

    @rule(more=st.integers(-3, 4))
    def an_autoscaler_acts(self, more: int) -> None:
        """More load is told by an autoscaler that may put pods on top; where none may, nobody learns of it."""
        if self.world.asked.autoscaling is None:
            return
        told = any(m["spec"]["replicas"] < bounds[1] for m, bounds in self.scaled()) if more > 0 else True
        self.world.load = max(1, self.world.load + (more if told else 0))
        self.scale_by_load()

    def scale_by_load(self) -> None:
        for deployment, (low, high) in self.scaled():
            deployment["spec"]["replicas"] = min(max(self.world.load, low), high)
            self.world.touch(deployment)

    def scaled(self) -> list[tuple[Manifest, tuple[int, int]]]:
        """Deployments with what their autoscalers may make of them. At zero they do nothing, and what is put on one
        that ends goes with it."""
        found = []
        for (kind, name), scaler in self.world.objects.items():
            deployment = self.world.objects.get(("Deployment", name))
            ours = kind == "HorizontalPodAutoscaler" and "maxReplicas" in scaler["spec"]
            if ours and deployment and deployment["spec"].get("replicas") and not is_ending(deployment):
                bounds = scaler["spec"].get("minReplicas", 1), scaler["spec"]["maxReplicas"]
                found.append((deployment, bounds))
        return found

    @rule(accepts=st.booleans())
    def the_gateway_acts(self, accepts: bool) -> None:
        self.world.gateway_acts(accepts=accepts)

    @rule(there=st.booleans())
    def the_gateway_goes_or_comes(self, there: bool) -> None:
        self.world.has_gateway(there=there)

    @rule(kind=st.sampled_from(["Deployment", "Service", "HTTPRoute", "Job"]), code=st.sampled_from([403, 500, 0, 0]))
    def writes_fail(self, kind: str, code: int) -> None:
        self.world.failing = {kind: code} if code else {}
        self.world.rejected = ()

    @rule(seconds=st.sampled_from([-20, 1, 6, 31, 61, 700, 8_000]))
    def time_passes(self, seconds: int) -> None:
        self.world.now += timedelta(seconds=seconds)
        if seconds < 0:  # the clock was put right: nobody's time has passed
            for times in (self.world.felt.left, self.world.retiring):
                times.update({name: at + timedelta(seconds=seconds) for name, at in times.items()})
        self.world.rejected = ()

    # The operator

    @rule()
    def a_pass(self) -> None:
        self.world.one_pass()

    @rule(writes=st.integers(0, 5))
    def a_pass_is_cut_off(self, writes: int) -> None:
        self.world.one_pass(writes=writes)

    @rule(kind=st.sampled_from(["Deployment", "Service", "Pod", "HTTPRoute", "ControllerRevision"]))
    def a_watch_lags(self, kind: str) -> None:
        self.world.lagging.add(kind)

    @rule()
    def watches_catch_up(self) -> None:
        self.world.lagging.clear()

    @rule()
    def another_operator_decides(self) -> None:
        self.plan_of_another = self.as_written(), self.world.decide(self.world.observed())

    def as_written(self) -> tuple[Any, ...]:
        """What gives the object another resourceVersion when it changes."""
        return self.world.status, self.world.generation, self.world.request

    @rule()
    def another_operator_acts(self) -> None:
        """Its status is written first, to the object that it saw: it gets no further where that has changed since."""
        if self.plan_of_another and self.plan_of_another[0] == self.as_written():
            self.world.one_pass(plan=self.plan_of_another[1])
        self.plan_of_another = None

    def settles(self) -> None:
        if not self.world.failing and not self.world.lagging:
            self.world.settle()

    @rule()
    def passes_until_nothing_is_left(self) -> None:
        self.settles()

    @rule(rounds=st.integers(1, 5))
    def time_is_calm(self, rounds: int) -> None:
        """All that can get better does. Without this chance would seldom bring a rollout to its interesting places."""
        for _ in range(rounds):
            self.gets_better()
            self.settles()

    @rule(version=st.sampled_from("45"), rounds=st.integers(1, 6))
    def a_rollout_comes_so_far(self, version: str, rounds: int) -> None:
        self.asks_for_a_version(version)
        self.time_is_calm(rounds)

    def gets_better(self) -> None:
        world = self.world
        world.answer_job()
        world.controllers_act()
        world.garbage_collector_acts()
        world.kubelets_act()
        for name in world.deployments():
            if name not in self.faulty:
                world.get_ready([pod for pod in world.active(name) if not is_ready(world.pods[pod])])
        self.scale_by_load()
        world.tell_of_pods()
        if world.routed:
            world.has_gateway()
            world.gateway_acts()

    # The end

    def teardown(self) -> None:
        """A calm and healthy world: what is asked for serves whole, sleeps, or was sent home for a reason."""
        world = self.world
        if not world.status:
            return
        self.strangers_go()
        self.faulty.clear()
        world.failing, world.rejected, world.nodes = {}, (), dict.fromkeys(NODES, True)
        world.lagging.clear()
        for _ in range(CALM):
            self.gets_better()
            plan = world.settle()
            phase = world.status["phase"]
            if phase == "Suspended":
                return
            if phase == "Refused" and not (world.status.get("rollout") or plan.wake_at):
                return
            if phase == "Ready" and plan.wake_at is None:
                amiss = list(world.whole())
                if not amiss:
                    return
                assert phase != "Ready" or world.pods, amiss
            if phase == "Paused" and (candidate := world.status.get("candidate")):
                self.nonce += 1
                name = candidate.get("revision", candidate["ask"][:8])
                world.request = f"promote/{name}@{self.nonce}"
                world.promotions[name] = world.promotions.get(name, 0) + 1
            elif plan.wake_at:
                world.now = max(world.now, min(plan.wake_at, world.now + timedelta(days=1)))
            else:
                world.now += timedelta(minutes=1)
        raise AssertionError(
            f"never ends: {world.status['phase']} {world.status['conditions'][0]} {list(world.whole())}"
        )


def loading(world: Torn, deployment: str, ready: int) -> None:
    """So many of a Deployment's pods are ready; the others load."""
    for number, pod in enumerate(world.active(deployment)):
        world.set_status(pod, ready_status(world.now) if number < ready else loading_status(world.now))
    world.tell_of_pods()


__all__ = ["ConflictError", "TornMachine", "loading"]
