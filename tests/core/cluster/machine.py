"""The state machine of properties: one ModelDeployment, its users, its cluster and its operator, all at odds.

test_machine_properties.py runs it as it is; others add what their properties are about.
"""

import json
from dataclasses import replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from slipway.core.names import REVISION
from slipway.core.observed.nodes import NodeFacts
from tests.core.cluster.disturbed import Disturbed
from tests.core.cluster.kubelet import RESOLVED, says
from tests.core.cluster.operated import Operated
from tests.core.cluster.simulator import simulator
from tests.core.cluster.stored import copied
from tests.core.pods import unschedulable

VERDICTS = ("LoadFailed", "WrongAnswer", "BackendDead", "SpecInvalid", "SourceChanged", "NoSuchReason")
ANSWERS = ("SourceUnavailable", "SourceDenied", "BundleInvalid", "DigestMismatch", "SpecInvalid", "\ud800")
FETCHES = ("SourceUnavailable", "StorageFull", "BundleInvalid", "DigestMismatch")
SCALING = {"minReplicas": 2, "maxReplicas": 4, "metrics": [{"type": "Resource"}]}
ROLLOUTS: tuple[dict[str, Any] | None, ...] = (
    None,
    {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "50%"}},
    {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
    {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": "34%"}},
    {"type": "Recreate"},
    {"type": "BlueGreen"},
    {"type": "BlueGreen", "blueGreen": {"standbyDuration": "0s"}},
    {"type": "Auto", "automaticRollback": False},
    {"type": "Canary", "canary": {"steps": [{"weight": 34}, {"pause": {"duration": "1m"}}], "standbyDuration": "0s"}},
    {"type": "Canary", "canary": {"steps": [{"weight": 10}, {"pause": {}}, {"weight": 50}]}},
)
SERVERS: tuple[dict[str, Any] | None, ...] = (None, {"requestTimeout": "45s"})
VERBS = ("abort", "promote", "pause", "resume", "retry", "rollback", "restart")
NODE = NodeFacts(name="node-1", labels={}, allocatable={"nvidia.com/gpu": "4"}, schedulable=True)
PLENTY = 60

PROFILE = settings.get_profile(settings.get_current_profile_name())
SETTINGS = settings(
    max_examples=30 if PROFILE.derandomize else PROFILE.max_examples, stateful_step_count=25, deadline=None
)


class Machine(Operated):
    """One ModelDeployment, its users, its cluster and its operator, all at odds."""

    def __init__(self) -> None:
        super().__init__(Disturbed(spec=simulator(replicas=2).spec, nodes=(NODE,)))
        self.failed = False

    # Users

    def changed(self, **fields: Any) -> None:
        for key, value in fields.items():
            if value is None:
                self.cluster.spec.pop(key, None)
            else:
                self.cluster.spec[key] = copied(value)
        self.cluster.generation += 1

    @rule(version=st.sampled_from("345"))
    def asks_for_a_version(self, version: str) -> None:
        self.cluster.edit(version=version)

    @rule(server=st.sampled_from(SERVERS))
    def changes_another_field_that_makes_a_revision(self, server: dict[str, Any] | None) -> None:
        self.changed(server=server)

    @rule(rollout=st.sampled_from(ROLLOUTS))
    def changes_the_type(self, rollout: dict[str, Any] | None) -> None:
        self.changed(rollout=rollout)

    @rule(accelerator=st.sampled_from([None, {"count": 1}]))
    def asks_for_gpus(self, accelerator: dict[str, Any] | None) -> None:
        self.changed(accelerator=accelerator)

    @rule(data=st.data(), verb=st.sampled_from((*VERBS, "frobnicate")), nonce=st.sampled_from(["", "@1", "@2"]))
    def asks_by_annotation(self, data: st.DataObject, verb: str, nonce: str) -> None:
        status = self.cluster.status
        known = [status[key] for key in ("stable", "candidate", "refused") if key in status]
        names = ["deadbeef", *(ref.get("revision", ref["ask"][:8]) for ref in known)]
        self.cluster.request = f"{verb}/{data.draw(st.sampled_from(names))}{nonce}"
        self.failed = self.failed or verb in ("abort", "rollback")

    @rule(replicas=st.integers(0, 4))
    def changes_the_count(self, replicas: int) -> None:
        self.changed(replicas=replicas)

    @rule(suspend=st.booleans())
    def suspends_or_resumes(self, suspend: bool) -> None:
        self.changed(suspend=suspend)

    @rule(autoscaling=st.sampled_from([None, SCALING]))
    def toggles_autoscaling(self, autoscaling: dict[str, Any] | None) -> None:
        self.changed(autoscaling=autoscaling)

    @rule(traffic=st.sampled_from([None, {"allowFrom": [{"podSelector": {}}]}]))
    def toggles_the_network_policy(self, traffic: dict[str, Any] | None) -> None:
        self.changed(traffic=traffic)

    # Hands on children

    @rule(data=st.data())
    def deletes_a_child(self, data: st.DataObject) -> None:
        if self.cluster.objects:
            key = data.draw(st.sampled_from(sorted(self.cluster.objects)))
            del self.cluster.objects[key]
            self.cluster.collect_garbage()

    @rule(data=st.data(), label=st.sampled_from([None, "deadbeef"]))
    def edits_a_child(self, data: st.DataObject, label: str | None) -> None:
        if self.cluster.objects:
            child = self.cluster.objects[data.draw(st.sampled_from(sorted(self.cluster.objects)))]
            labels = child["metadata"]["labels"]
            labels.clear()
            if label:
                labels[REVISION] = label
            if child["kind"] == "Service":
                child["spec"]["selector"] = labels and {REVISION: "deadbeef"}
            self.cluster.touch(child)

    @rule(data=st.data(), replicas=st.integers(0, 4))
    def scales_a_deployment(self, data: st.DataObject, replicas: int) -> None:
        if names := sorted(self.cluster.deployments()):
            deployment = self.cluster.objects["Deployment", data.draw(st.sampled_from(names))]
            deployment["spec"]["replicas"] = replicas
            self.cluster.touch(deployment)
            self.cluster.collect_garbage()

    @precondition(lambda self: not self.cluster.taken)
    @rule(data=st.data())
    def takes_a_childs_name(self, data: st.DataObject) -> None:
        if self.cluster.objects:
            key = data.draw(st.sampled_from(sorted(self.cluster.objects)))
            del self.cluster.objects[key]
            self.cluster.taken.add(key)
            self.cluster.collect_garbage()

    @precondition(lambda self: self.cluster.taken)
    @rule()
    def gives_the_name_back(self) -> None:
        self.cluster.taken.clear()
        self.cluster.foreign = ()

    @rule()
    def loses_the_status(self) -> None:
        self.cluster.status = {}
        self.cluster.highest = 0

    # Kubernetes

    def unfinished(self) -> bool:
        return any(kind == "Job" and not m["status"] for (kind, _), m in self.cluster.objects.items())

    @precondition(unfinished)
    @rule(reason=st.sampled_from((None, *ANSWERS)))
    def the_resolve_job_ends(self, reason: str | None) -> None:
        jobs = [m for (kind, _), m in self.cluster.objects.items() if kind == "Job" and not m["status"]]
        for job in jobs[1:]:
            job["status"] = {"conditions": [{"type": "Failed", "status": "True"}]}
        if reason is None:
            self.cluster.resolve_job_ends(RESOLVED)
        else:
            self.cluster.resolve_job_ends(says(reason, "said \ud800 so" * 300), exit_code=1)

    @precondition(lambda self: self.cluster.deployments())
    @rule(data=st.data())
    def pods_become_ready(self, data: st.DataObject) -> None:
        self.cluster.kubelet(data.draw(st.sampled_from(sorted(self.cluster.deployments()))))

    @precondition(lambda self: self.cluster.deployments())
    @rule(data=st.data(), reason=st.sampled_from(VERDICTS), restarts=st.integers(0, 2))
    def servers_end(self, data: st.DataObject, reason: str, restarts: int) -> None:
        name = data.draw(st.sampled_from(sorted(self.cluster.deployments())))
        self.cluster.kubelet(name, status=self.cluster.server_ended(says(reason, "x" * 4000), restarts=restarts))
        self.failed = True

    @precondition(lambda self: self.cluster.deployments())
    @rule(data=st.data(), reason=st.sampled_from(FETCHES), restarts=st.integers(0, 2))
    def fetches_fail(self, data: st.DataObject, reason: str, restarts: int) -> None:
        name = data.draw(st.sampled_from(sorted(self.cluster.deployments())))
        ended = {"terminated": {"exitCode": 1, "reason": "Error", "message": says(reason, "x")}}
        container = {"name": "fetch", "restartCount": restarts, "state": {"waiting": {}}, "lastState": ended}
        self.cluster.kubelet(name, status={"phase": "Pending", "initContainerStatuses": [container]})
        self.failed = True

    @precondition(lambda self: self.cluster.deployments())
    @rule(data=st.data())
    def pods_find_no_node(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.cluster.deployments())))
        self.cluster.kubelet(name, status=unschedulable("0/1: no gpu"))

    @precondition(lambda self: self.cluster.deployments())
    @rule(data=st.data(), ready=st.integers(0, 3))
    def some_pods_become_ready(self, data: st.DataObject, ready: int) -> None:
        self.cluster.partly_ready(data.draw(st.sampled_from(sorted(self.cluster.deployments()))), ready)

    @precondition(lambda self: self.cluster.deployments())
    @rule(data=st.data(), reason=st.sampled_from(("WrongAnswer", "LoadFailed", "BackendDead")))
    def one_pod_goes_wrong(self, data: st.DataObject, reason: str) -> None:
        name = data.draw(st.sampled_from(sorted(self.cluster.deployments())))
        count = self.cluster.deployments()[name]["spec"]["replicas"]
        self.cluster.partly_ready(name, count - 1, self.cluster.server_ended(says(reason, "x"), restarts=2))
        self.failed = self.failed or reason == "BackendDead" or count < 2

    @rule(silent=st.booleans())
    def a_node_falls_silent_or_comes_back(self, silent: bool) -> None:
        self.cluster.nodes = (replace(NODE, ready=not silent),)
        for name in self.cluster.deployments() if silent else ():
            self.cluster.partly_ready(name, 0)

    @precondition(lambda self: self.cluster.deployments())
    @rule(data=st.data())
    def pods_vanish(self, data: st.DataObject) -> None:
        self.cluster.vanish(data.draw(st.sampled_from(sorted(self.cluster.deployments()))))

    @rule(seconds=st.sampled_from([-20, 1, 31, 700, 8_000]))
    def time_passes(self, seconds: int) -> None:
        self.cluster.pass_time(seconds=seconds)
        self.failed = self.failed or seconds > 600

    # The operator

    @rule()
    def a_pass(self) -> None:
        self.cluster.one_pass()

    @rule()
    def passes_until_nothing_is_left_to_do(self) -> None:
        self.cluster.settle()
        plan = self.cluster.settle(limit=1)
        if plan.wake_at is None:
            self.cluster.pass_time(hours=5)
            self.cluster.settle(limit=2)

    @rule(more=st.integers(1, 3))
    def all_goes_well_for_a_while(self, more: int) -> None:
        """Without this, chance would seldom bring a rollout to its interesting places."""
        for _ in range(more):
            self.cluster.settle()
            self.kubernetes_works()

    @rule(version=st.sampled_from("345"), more=st.integers(1, 3), writes=st.integers(0, 6))
    def a_rollout_comes_so_far(self, version: str, more: int, writes: int) -> None:
        self.cluster.edit(version=version)
        self.all_goes_well_for_a_while(more)
        self.cluster.one_pass(writes=writes)

    # The end

    def teardown(self) -> None:
        """A calm and healthy world: what was asked serves, sleeps, or was refused for a reason."""
        self.gives_the_name_back()
        self.cluster.nodes = (NODE,)
        for _ in range(PLENTY):
            plan = self.cluster.settle()
            if self.ended(plan.wake_at is None):
                return
            before = copied(self.cluster.status)
            self.kubernetes_works()
            plan = self.cluster.settle()
            if verb := self.a_person_decides():
                candidate = self.cluster.status["candidate"]
                name = candidate.get("revision", candidate["ask"][:8])
                self.cluster.request = f"{verb}/{name}@{self.cluster.serial}"
            elif plan.wake_at and before == self.cluster.status:
                self.cluster.now = max(self.cluster.now, min(plan.wake_at, self.cluster.now.replace(year=2027)))
        raise AssertionError(f"never ends: {json.dumps(self.cluster.status, indent=1)}")

    def a_person_decides(self) -> str | None:
        """What goes on by nobody else: a pause, and a failure that `automaticRollback: false` leaves standing."""
        if self.cluster.status["phase"] == "Paused":
            return "promote"
        stands = self.cluster.status["phase"] == "Stalled" and (self.cluster.status.get("rollout") or {}).get("failure")
        return "retry" if stands else None

    def kubernetes_works(self) -> None:
        if self.unfinished():
            self.the_resolve_job_ends(None)
        for name in self.cluster.deployments():
            if self.cluster.unwell(name):
                self.cluster.kubelet(name)

    def ended(self, quiet: bool) -> bool:
        phase, well = self.cluster.status["phase"], not any(map(self.cluster.unwell, self.cluster.deployments()))
        if phase == "Refused":
            assert self.failed, self.cluster.status["refused"]
        if phase == "Ready":
            assert self.cluster.selects() == self.cluster.status["stable"]["revision"]
            assert quiet == (len(self.cluster.deployments()) == 1)
            assert not (quiet and well) or self.cluster.carried() == self.cluster.status["replicas"]
        return quiet and well and phase in ("Ready", "Refused", "Suspended")
