"""Gates: what must hold before a revision may carry traffic.

A gate looks at one revision's facts and returns a Finding, or None when it has nothing against it. Order matters: the
first finding is what people see, so causes stand before their symptoms (a full quota before a missed deadline).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from slipway.api.v1alpha1.spec import Accelerator, Analysis, AnalysisMode, CanaryStep, RolloutType
from slipway.core.facts import ContainerFacts, PodFacts
from slipway.core.inventory import what_nodes_have
from slipway.core.reasons import About, Finding, Reason, finding
from slipway.core.rollout.facts import RevisionFacts
from slipway.core.rollout.unstarted import has_not_started, pods_refused
from slipway.core.verdict import verdict

OF_ONE_POD: Final = frozenset({Reason.WRONG_ANSWER, Reason.LOAD_FAILED})
"""Once another pod of the revision has answered correctly, these speak of a pod and the GPU under it (design §5)."""
SEEN_TWICE: Final = 2
"""One failure may be a node's; the second is the revision's (design §5)."""

IMAGE_REASONS: Final = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})
CONFIG_REASONS: Final = frozenset({"CreateContainerConfigError", "CreateContainerError"})


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What the spec says about how versions change."""

    fetch_timeout: timedelta
    progress_deadline: timedelta
    accelerator: Accelerator | None = None
    type: RolloutType = RolloutType.AUTO
    max_surge: int | str = "25%"
    max_unavailable: int | str | None = None
    standby: timedelta = timedelta()
    unschedulable_grace: timedelta = timedelta(minutes=5)
    automatic_rollback: bool = True
    canary_steps: tuple[CanaryStep, ...] = ()
    """A canary's, or those of a blue-green change with checks."""
    canary_full_size: bool = False
    analysis: Analysis | None = None

    @property
    def in_background(self) -> bool:
        """Whether the analysis runs beside the steps."""
        return any(step.analysis is AnalysisMode.BACKGROUND for step in self.canary_steps)

    @property
    def soaks(self) -> bool:
        """Whether the version before stays for a while when another has taken over."""
        return self.type in (RolloutType.BLUE_GREEN, RolloutType.CANARY) and bool(self.standby)


Gate = Callable[[RevisionFacts, Policy], Finding | None]


def quota_or_admission_refuses(facts: RevisionFacts, policy: Policy) -> Finding | None:
    """A ResourceQuota or an admission rule keeps the ReplicaSet from making pods: only the Deployment tells."""
    return pods_refused(facts.version, facts.replica_failure) if facts.replica_failure is not None else None


def no_node_fits(facts: RevisionFacts, policy: Policy) -> Finding | None:
    """The scheduler finds no place. What the nodes have is a message, never a verdict: a pool at zero may grow."""
    pod = next((pod for pod in facts.pods if pod.unschedulable is not None), None)
    if pod is None:
        return None
    offered = f"; {what_nodes_have(facts.nodes, policy.accelerator)}" if policy.accelerator else ""
    message = f"{facts.version}: {pod.name} waits for a node: {pod.unschedulable}{offered}"
    return finding(Reason.INSUFFICIENT_CAPACITY, message)


def image_cannot_be_pulled(facts: RevisionFacts, policy: Policy) -> Finding | None:
    """The kubelet cannot get an image: the registry is down, or the name, tag or pull secret is wrong."""
    for pod, container in _containers(facts):
        if container.waiting_reason in IMAGE_REASONS:
            said = container.waiting_message or container.waiting_reason
            return finding(Reason.IMAGE_PULL_FAILED, f"{facts.version}: {pod.name}: {said}")
    return None


def configuration_is_missing(facts: RevisionFacts, policy: Policy) -> Finding | None:
    """A Secret or ConfigMap that the pod names is not there."""
    for pod, container in _containers(facts):
        if container.waiting_reason in CONFIG_REASONS:
            said = container.waiting_message or container.waiting_reason
            return finding(Reason.CONFIGURATION_MISSING, f"{facts.version}: {pod.name}: {said}")
    return None


def pod_does_not_start(facts: RevisionFacts, policy: Policy) -> Finding | None:
    """It has a node, and for unusually long no container: a volume, or its network, is missing."""
    found = (has_not_started(pod, facts.told[pod.uid], facts.version) for pod in facts.pods if pod.uid in facts.told)
    return next(filter(None, found), None)


def fetch_failed(facts: RevisionFacts, policy: Policy) -> Finding | None:
    """The fetcher ended with a verdict. Its kubelet starts it again, and it resumes."""
    for pod in facts.pods:
        if pod.fetched_at is None and pod.fetch.exit_code:
            return _said(facts, pod, pod.fetch) or finding(
                Reason.FETCH_FAILED, f"{facts.version}: {pod.name}: the fetcher ended with {pod.fetch.exit_code}"
            )
    return None


def server_failed(facts: RevisionFacts, policy: Policy) -> Finding | None:
    """The guard ended the server with a verdict: it cannot load, answers wrongly, or its backend is dead."""
    for pod in _not_ready(facts):
        if (found := _said(facts, pod, pod.server)) is not None:
            return found
    return None


def ran_out_of_memory(facts: RevisionFacts, policy: Policy) -> Finding | None:
    """The kernel killed the server for memory, so the guard could say nothing."""
    for pod in _not_ready(facts):
        if pod.server.exit_reason == "OOMKilled":
            message = f"{facts.version}: {pod.name} was killed for memory: raise server.resources.limits.memory"
            return finding(Reason.OUT_OF_MEMORY, message)
    return None


def keeps_crashing(facts: RevisionFacts, policy: Policy) -> Finding | None:
    """The server's container ends without a verdict."""
    for pod in _not_ready(facts):
        if pod.server.endings:
            code = pod.server.exit_code
            return finding(Reason.CRASH_LOOP, f"{facts.version}: {pod.name}: the server ended with exit code {code}")
    return None


def node_was_lost(facts: RevisionFacts, policy: Policy) -> Finding | None:
    """A pod's node is silent: Kubernetes makes a new pod elsewhere after some minutes."""
    silent = {node.name for node in facts.nodes if not node.ready}
    pod = next((pod for pod in facts.pods if not pod.ready and pod.node in silent), None)
    return finding(Reason.POD_LOST, f"{facts.version}: {pod.name}: its node {pod.node} is not ready") if pod else None


def pod_was_lost(facts: RevisionFacts, policy: Policy) -> Finding | None:
    """Evicted, its node gone, or turned away by the kubelet: not the revision's doing."""
    pod = next((pod for pod in facts.pods if pod.failure and pod.phase == "Failed"), None)
    return finding(Reason.POD_LOST, f"{facts.version}: {pod.name}: {pod.failure}") if pod else None


GATES: Final[tuple[Gate, ...]] = (
    quota_or_admission_refuses,
    image_cannot_be_pulled,
    configuration_is_missing,
    node_was_lost,
    pod_does_not_start,
    fetch_failed,
    ran_out_of_memory,
    server_failed,
    keeps_crashing,
    no_node_fits,
    pod_was_lost,
)


def first_finding(facts: RevisionFacts, policy: Policy) -> Finding | None:
    """The first thing that a gate has against the revision."""
    return next((found for gate in GATES if (found := gate(facts, policy))), None)


def is_certain(found: Finding, facts: RevisionFacts) -> bool:
    """Whether the finding is the revision's own, and not a single pod's or node's: seen twice, and on two nodes where
    its pods are on two."""
    if found.about is not About.REVISION or (found.reason in OF_ONE_POD and _verified(facts)):
        return False
    failing = [(pod, ends) for pod in _not_ready(facts) if (ends := _container(pod).endings)]
    nodes, failing_nodes = {pod.node for pod in facts.pods}, {pod.node for pod, _ in failing}
    return sum(ends for _, ends in failing) >= SEEN_TWICE and len(failing_nodes) >= min(SEEN_TWICE, len(nodes))


def at_fault(facts: RevisionFacts) -> tuple[PodFacts, ...]:
    """Pods that go wrong by themselves, where others of the revision answer correctly. A container that starts again
    would keep the same GPU, so the pod has to go."""
    if not _verified(facts):
        return ()
    wrong = (pod for pod in _not_ready(facts) if pod.server.endings >= SEEN_TWICE)
    said = ((pod, verdict(pod.server.termination_message)) for pod in wrong)
    return tuple(pod for pod, found in said if found and found.reason in OF_ONE_POD)


def _verified(facts: RevisionFacts) -> bool:
    return any(pod.server.started for pod in facts.pods)


def _container(pod: PodFacts) -> ContainerFacts:
    """The container that speaks for the revision: where the bundle is not there yet, the fetcher."""
    return pod.server if pod.fetched_at else pod.fetch


def _containers(facts: RevisionFacts) -> Iterator[tuple[PodFacts, ContainerFacts]]:
    return ((pod, container) for pod in facts.pods for container in (pod.fetch, pod.server))


def _not_ready(facts: RevisionFacts) -> Iterator[PodFacts]:
    return (pod for pod in facts.pods if not pod.ready)


def _said(facts: RevisionFacts, pod: PodFacts, container: ContainerFacts) -> Finding | None:
    found = verdict(container.termination_message)
    return found and finding(found.reason, f"{facts.version}: {pod.name}: {found.message}")
