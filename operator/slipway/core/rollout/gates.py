"""Gates: what must hold before a revision may carry traffic.

A gate looks at one revision's facts and returns a Finding, or None when it has nothing against it. Order matters: the
first finding is what people see, so causes stand before their symptoms (a full quota before a missed deadline).
"""

from collections.abc import Callable, Iterable, Iterator, Set
from typing import Final

from slipway.core.children.accelerator import claims_devices
from slipway.core.observed.device_capacity import what_devices_there_are
from slipway.core.observed.endings import endings, is_unknown, of_server
from slipway.core.observed.node_capacity import what_nodes_have
from slipway.core.observed.not_started import has_not_started, pods_refused
from slipway.core.observed.pods import ContainerFacts, PodFacts
from slipway.core.observed.revision import RevisionFacts
from slipway.core.observed.termination_message import verdict
from slipway.core.policy import Policy
from slipway.core.reasons import About, Finding, Reason, finding

OF_ONE_POD: Final = frozenset({Reason.WRONG_ANSWER, Reason.LOAD_FAILED})
"""Once another pod of the revision has answered correctly, these speak of a pod and the GPU under it."""
SEEN_TWICE: Final = 2
"""One failure may be a node's; the second is the revision's."""

IMAGE_REASONS: Final = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})
CONFIG_REASONS: Final = frozenset({"CreateContainerConfigError", "CreateContainerError"})
STARTING_REASONS: Final = frozenset({"ContainerCreating", "PodInitializing"})
"""What every container waits for that is about to start."""


Gate = Callable[[RevisionFacts, Policy], Finding | None]


def quota_or_admission_refuses(facts: RevisionFacts, policy: Policy) -> Finding | None:
    """A ResourceQuota or an admission rule keeps the ReplicaSet from making pods: only the Deployment tells."""
    return pods_refused(facts.version, facts.replica_failure) if facts.replica_failure is not None else None


def no_node_fits(facts: RevisionFacts, policy: Policy) -> Finding | None:
    """The scheduler finds no place. What the nodes have is a message, never a verdict: a pool at zero may grow."""
    pod = next((pod for pod in facts.pods if pod.unschedulable is not None and not pod.gates), None)
    if pod is None:
        return None
    message = f"{facts.version}: {pod.name} waits for a node: {pod.unschedulable}{_offered(facts, policy)}"
    return finding(Reason.INSUFFICIENT_CAPACITY, message)


def _offered(facts: RevisionFacts, policy: Policy) -> str:
    accelerator = policy.accelerator
    if accelerator is None:
        return ""
    if claims_devices(accelerator):
        return f"; {what_devices_there_are(facts.devices, facts.nodes, accelerator)}"
    return f"; {what_nodes_have(facts.nodes, accelerator)}"


def pod_is_queued(facts: RevisionFacts, policy: Policy) -> Finding | None:
    """Scheduling gates keep the scheduler from looking for a node: whoever set them decides how long it takes."""
    pod = next((pod for pod in facts.pods if pod.unschedulable is not None and pod.gates), None)
    if pod is None:
        return None
    gates = f"scheduling gates {', '.join(pod.gates)}" if len(pod.gates) > 1 else f"scheduling gate {pod.gates[0]}"
    where = f"is queued in {pod.queue}" if pod.queue else "is held back"
    return finding(Reason.QUEUED, f"{facts.version}: {pod.name} {where} ({gates})")


def image_cannot_be_pulled(facts: RevisionFacts, policy: Policy) -> Finding | None:
    """The kubelet cannot get an image: the registry is down, or the name, tag or pull secret is wrong."""
    return _waiting(facts, IMAGE_REASONS, Reason.IMAGE_PULL_FAILED)


def configuration_is_missing(facts: RevisionFacts, policy: Policy) -> Finding | None:
    """A Secret or ConfigMap that the pod names is not there."""
    return _waiting(facts, CONFIG_REASONS, Reason.CONFIGURATION_MISSING)


def pod_does_not_start(facts: RevisionFacts, policy: Policy) -> Finding | None:
    """It has a node, and for unusually long no container: a volume, or its network, is missing."""
    problems = (
        has_not_started(pod, facts.events[pod.uid], facts.version) for pod in facts.pods if pod.uid in facts.events
    )
    return next(filter(None, problems), None)


def fetch_failed(facts: RevisionFacts, policy: Policy) -> Finding | None:
    """The fetcher ended with a verdict. Its kubelet starts it again, and it resumes."""
    for pod in facts.pods:
        if pod.fetched_at is None and pod.fetch.exit_code:
            return _verdict_of(facts, pod, pod.fetch) or finding(
                Reason.FETCH_FAILED, f"{facts.version}: {pod.name}: the fetcher ended with {pod.fetch.exit_code}"
            )
    return None


def server_failed(facts: RevisionFacts, policy: Policy) -> Finding | None:
    """The guard ended the server with a verdict: it cannot load, answers wrongly, or its backend is dead."""
    for pod in _ended(facts):
        if (problem := _verdict_of(facts, pod, pod.server)) is not None:
            return problem
    return None


def ran_out_of_memory(facts: RevisionFacts, policy: Policy) -> Finding | None:
    """The kernel killed the server for memory, so the guard could say nothing."""
    for pod in _ended(facts):
        if pod.server.exit_reason == "OOMKilled":
            message = f"{facts.version}: {pod.name} was killed for memory: raise server.resources.limits.memory"
            return finding(Reason.OUT_OF_MEMORY, message)
    return None


def keeps_crashing(facts: RevisionFacts, policy: Policy) -> Finding | None:
    """The server's container ends without a verdict."""
    for pod in _ended(facts):
        code = pod.server.exit_code
        return finding(Reason.CRASH_LOOP, f"{facts.version}: {pod.name}: the server ended with exit code {code}")
    return None


def somebody_elses_container_fails(facts: RevisionFacts, policy: Policy) -> Finding | None:
    """A container that somebody's webhook put into the pod, such as a mesh's proxy, does not start or keeps ending."""
    for pod in _not_ready(facts):
        for other in pod.others:
            if other.waiting_reason and other.waiting_reason not in STARTING_REASONS:
                message = other.waiting_message or other.waiting_reason
                ended = f" (its last exit code: {other.exit_code})" if other.exit_code is not None else ""
                message = (
                    f"{facts.version}: {pod.name}: container {other.name}, which is not Slipway's: {message}{ended}"
                )
                return finding(Reason.SIDECAR_FAILED, message)
    return None


def pod_is_held_back(facts: RevisionFacts, policy: Policy) -> Finding | None:
    """The server is ready and the pod is not: a readiness gate is not set, or a container of somebody else's is not."""
    for pod in _not_ready(facts):
        if not pod.server.ready:
            continue
        unready = [other.name for other in pod.others if other.running and not other.ready]
        message = f"container {unready[0]}, which is not Slipway's, is not ready" if unready else pod.held
        if message:
            message = f"{facts.version}: {pod.name}: the server is ready and the pod is not: {message}"
            return finding(Reason.POD_NOT_READY, message)
    return None


def node_was_lost(facts: RevisionFacts, policy: Policy) -> Finding | None:
    """A pod's node is silent: Kubernetes makes a new pod elsewhere after some minutes."""
    for pod in facts.pods:
        if not pod.ready and (lost := facts.lost_node(pod)):
            return finding(Reason.POD_LOST, f"{facts.version}: {pod.name}: {lost}")
    return None


def server_was_lost(facts: RevisionFacts, policy: Policy) -> Finding | None:
    """The server ended with its node, or the kubelet cannot tell how; it is about to start again."""
    for pod in _not_ready(facts):
        if pod.fetched_at and not pod.server.running and is_unknown(pod.server):
            code = f"the kubelet of {pod.node} cannot tell how the server ended (exit code {pod.server.exit_code})"
            return finding(Reason.POD_LOST, f"{facts.version}: {pod.name}: {code}; it starts again")
    return None


def pod_was_lost(facts: RevisionFacts) -> Finding | None:
    """A pod was evicted, shut down with its node or turned away by the kubelet, and nothing has come up since. It is
    told of while pods are lacking, and is no gate: what is over holds nobody up and counts against nobody."""
    lost = max(facts.over, key=lambda pod: (pod.ended_at, pod.name), default=None)
    if lost is None or not facts.lacks_pods:
        return None
    if any(pod.ready_at and pod.ready_at >= lost.ended_at for pod in facts.pods):
        return None
    place = f" on {lost.node}" if lost.node else ""
    return finding(Reason.POD_LOST, f"{facts.version}: {lost.name}{place}: {lost.failure or f'ended as {lost.phase}'}")


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
    server_was_lost,
    somebody_elses_container_fails,
    pod_is_held_back,
    no_node_fits,
    pod_is_queued,
)


def objection(facts: RevisionFacts, policy: Policy) -> Finding | None:
    """The first thing that a gate has against the revision."""
    return next((problem for gate in GATES if (problem := gate(facts, policy))), None)


def first_finding(facts: RevisionFacts, policy: Policy) -> Finding | None:
    """What people should hear of the revision: what a gate has against it, else how a pod of it was lost."""
    return objection(facts, policy) or pod_was_lost(facts)


def lacks_place(facts: RevisionFacts, policy: Policy) -> bool:
    """Whether a pod waits for a node or a quota, whatever else may be wrong with another."""
    refused = quota_or_admission_refuses(facts, policy)
    if refused is not None and refused.reason is Reason.QUOTA_EXCEEDED:
        return True
    return any(pod.unschedulable is not None for pod in facts.pods)


def is_certain(problem: Finding, facts: RevisionFacts) -> bool:
    """Whether the finding is the revision's own, and not a single pod's or node's: seen twice, and on two nodes where
    its pods are on two."""
    if problem.about is not About.REVISION or (problem.reason in OF_ONE_POD and _verified(facts)):
        return False
    failing = [(pod, ends) for pod in _not_ready(facts) if (ends := endings(pod))]
    nodes, failing_nodes = _nodes(facts.pods), _nodes(pod for pod, _ in failing)
    return sum(ends for _, ends in failing) >= SEEN_TWICE and len(failing_nodes) >= min(SEEN_TWICE, len(nodes))


def _nodes(pods: Iterable[PodFacts]) -> set[str]:
    """A pod that has no node yet is not on one of its own."""
    return {pod.node for pod in pods if pod.node}


def at_fault(facts: RevisionFacts) -> tuple[PodFacts, ...]:
    """Pods that go wrong by themselves, where others of the revision answer correctly. A container that starts again
    would keep the same GPU, so the pod has to go."""
    if not _verified(facts):
        return ()
    wrong = (pod for pod in _not_ready(facts) if of_server(pod) >= SEEN_TWICE)
    verdicts = ((pod, verdict(pod.server.termination_message)) for pod in wrong)
    return tuple(pod for pod, problem in verdicts if problem and problem.reason in OF_ONE_POD)


def _verified(facts: RevisionFacts) -> bool:
    return any(pod.server.started for pod in facts.pods)


def _waiting(facts: RevisionFacts, reasons: Set[str], reason: Reason) -> Finding | None:
    """The first container, ours or not, that waits for one of these reasons."""
    for pod in facts.pods:
        for container in (pod.fetch, pod.server, *pod.others):
            if container.waiting_reason in reasons:
                message = container.waiting_message or container.waiting_reason
                whose = f"container {container.name}, which is not Slipway's: " if container in pod.others else ""
                return finding(reason, f"{facts.version}: {pod.name}: {whose}{message}")
    return None


def _not_ready(facts: RevisionFacts) -> Iterator[PodFacts]:
    """Those of which something is heard: what a silent or lost node last wrote of a pod is no evidence."""
    return (pod for pod in facts.pods if not pod.ready and not facts.lost_node(pod))


def _ended(facts: RevisionFacts) -> Iterator[PodFacts]:
    """Pods whose server ended by its own doing."""
    return (pod for pod in _not_ready(facts) if of_server(pod))


def _verdict_of(facts: RevisionFacts, pod: PodFacts, container: ContainerFacts) -> Finding | None:
    problem = verdict(container.termination_message)
    return problem and finding(problem.reason, f"{facts.version}: {pod.name}: {problem.message}")
