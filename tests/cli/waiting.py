"""Clusters whose model waits, in every way in which it can, for what is awaited of each one."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from slipway.core.observed.objects import WriteDenied
from tests.cli.scenes import asks, at_an_endless_pause, measured_canary, paused_canary, soaking
from tests.core.cluster.following import following
from tests.core.cluster.kubelet import says
from tests.core.cluster.midway import BACKGROUND, IN_QUEUE, analysed, asked_for_4, blue_green, queued
from tests.core.cluster.scenario import (
    GATEWAY,
    NO_GPU,
    canary,
    fails,
    forget_jobs,
    goes_on,
    pods_come,
    proved,
    ready,
    round_of,
)
from tests.core.cluster.simulator import Simulator
from tests.gitops import states


class Waits(NamedTuple):
    """How it comes about, and what is awaited."""

    bring_about: Callable[[], Simulator]
    what: str
    then: str = ""
    """Words that are in it."""
    ends: bool = False
    """By itself, at a time."""


def without_requests(*steps: dict[str, Any]) -> Simulator:
    """A round after which nobody has seen a request."""
    cluster = analysed(*steps)
    cluster.pass_time(minutes=1)
    cluster.looks()
    goes_on(cluster)
    assert cluster.condition("Ready")["reason"] == "AnalysisInconclusive"
    return cluster


def before_the_switch() -> Simulator:
    return blue_green(before=[{"pause": {}}])


def analysed_before_the_switch() -> Simulator:
    return blue_green(before=[{"analysis": "Inline"}])


def failed_for_somebody() -> Simulator:
    cluster = ready(replicas=2, rollout={"automaticRollback": False})
    cluster.starts("4")
    fails(cluster, "4")
    fails(cluster, "4")
    return cluster


def given_up_after_a_failure() -> Simulator:
    """Somebody aborts what failed and stood at 10 %: its share goes back."""
    cluster = analysed()
    cluster.spec["rollout"]["automaticRollback"] = False
    cluster.generation += 1
    round_of(cluster, succeeded=1, failed=99)
    assert cluster.status["rollout"]["failure"]
    cluster.request = f"abort/{cluster.status['candidate']['revision']}"
    cluster.reconcile()
    assert cluster.status["rollout"]["phase"] == "RollingBack"
    return cluster


def suspended_on_the_way() -> Simulator:
    cluster = canary()
    cluster.spec["suspend"] = True
    cluster.generation += 1
    goes_on(cluster)
    assert cluster.status["phase"] == "Suspended"
    return cluster


def gateway_refuses_what_serves() -> Simulator:
    cluster = ready(traffic=GATEWAY)
    cluster.gateway_answers()
    cluster.settle()
    cluster.gateway_answers(accepted="False")
    cluster.settle()
    return cluster


def gateway_refuses_at_a_pause() -> Simulator:
    cluster = at_an_endless_pause()
    cluster.gateway_answers(accepted="False")
    cluster.settle()
    return cluster


def gateway_is_slow() -> Simulator:
    """The step's pods are there, and no gateway says anything."""
    cluster = canary({"weight": 10}, {"pause": {}})
    for name in cluster.deployments():
        cluster.kubelet(name)
    cluster.settle()
    return cluster


def splits_sequences() -> Simulator:
    return asked_for_4({"type": "Canary", "canary": {"steps": [{"weight": 10}, {"pause": {}}]}}, traffic=GATEWAY)


def sent_back_into_a_queue() -> Simulator:
    cluster = ready(replicas=1, **IN_QUEUE)
    queued(cluster, cluster.revision_named("3"))
    return cluster


def queued_on_the_way() -> Simulator:
    cluster = ready(replicas=2, rollout={"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}, **IN_QUEUE)
    cluster.starts("4")
    queued(cluster, cluster.revision_named("4"))
    return cluster


def no_node_for_what_serves() -> Simulator:
    cluster = ready()
    cluster.kubelet(cluster.revision_named("3"), status=NO_GPU)
    cluster.settle()
    return cluster


def going_back_by_request() -> Simulator:
    """To the version before, whose pods are gone."""
    cluster = states.promoted()
    cluster.pass_time(hours=1)
    cluster.settle()
    cluster.request = f"rollback/{cluster.status['stable']['revision']}"
    cluster.settle()
    return cluster


def gone_back_by_request() -> Simulator:
    """It serves again, and the version that is asked for stands by, refused."""
    cluster = soaking()
    cluster.request = f"promote/{cluster.status['stable']['revision']}"
    goes_on(cluster)
    cluster.pass_time(minutes=5)
    goes_on(cluster)
    cluster.request = f"rollback/{cluster.status['stable']['revision']}"
    goes_on(cluster)
    for _ in range(4):
        pods_come(cluster)
    assert cluster.status["phase"] == "Soaking"
    return cluster


def going_back_finds_no_node() -> Simulator:
    """What was there before has lost its pods while the candidate had a share."""
    cluster = at_an_endless_pause()
    name = cluster.revision_named("3")
    cluster.kubelet(name, status=NO_GPU)
    cluster.settle()
    cluster.request = f"abort/{cluster.status['candidate']['revision']}"
    goes_on(cluster)
    return cluster


def may_not_write() -> Simulator:
    cluster = ready()
    said = 'services "churn" is forbidden: User "slipway" cannot patch resource "services"'
    cluster.rejected = (WriteDenied(kind="Service", name="churn", message=said, forbidden=True),)
    cluster.reconcile()
    return cluster


def proving() -> Simulator:
    """The old pods go once both bundles are proved to be there."""
    cluster = ready(replicas=2, rollout={"type": "Recreate"})
    forget_jobs(cluster)
    cluster.starts("4")
    return cluster


def proof_fails() -> Simulator:
    cluster = proving()
    cluster.resolve_job_ends(says("SourceUnavailable", "s3://models/churn/3: no connection"), exit_code=1)
    cluster.settle()
    return cluster


def stopped_for_nothing() -> Simulator:
    """The old version was stopped, and the new one finds no node."""
    cluster = proving()
    proved(cluster)
    cluster.kubelet(cluster.revision_named("4"), status=NO_GPU)
    cluster.settle()
    return cluster


def stopped_for_a_queue() -> Simulator:
    cluster = ready(replicas=2, rollout={"type": "Recreate"}, **IN_QUEUE)
    cluster.starts("4")
    proved(cluster)
    queued(cluster, cluster.revision_named("4"))
    return cluster


def settling() -> Simulator:
    """The alias moves again and again."""
    cluster = following("3")
    for version in ("4", "5", "6", "7"):
        cluster.alias(version)
    cluster.resolve_job_ends()
    cluster.rolls_on()
    return cluster


OWN: Final[dict[str, Waits]] = {
    "an endless pause": Waits(
        at_an_endless_pause, "somebody: promote or abort", "promote/R goes on, abort/R sends it home"
    ),
    "a timed pause": Waits(paused_canary, "the end of the pause", "then weight 50 %", ends=True),
    "a pause by annotation": Waits(states.paused, "somebody: resume", "resume/R lets it go on; paused"),
    "both, endless": Waits(
        lambda: asks(at_an_endless_pause(), "pause"), "somebody: resume", "promote/R goes past its step, too"
    ),
    "both, timed": Waits(
        lambda: asks(paused_canary(), "pause"), "somebody: resume", "promote/R goes past its step, too"
    ),
    "an analysis": Waits(measured_canary, "the analysis, 1 of 5 rounds passed", "the next round"),
    "too many rounds said nothing": Waits(without_requests, "somebody: promote or abort", "no further round is made"),
    "the same in the background": Waits(
        lambda: without_requests(*BACKGROUND),
        "somebody: promote or abort",
        "no further round is made",
    ),
    "a pause before the switch": Waits(before_the_switch, "somebody: promote or abort"),
    "an analysis before the switch": Waits(analysed_before_the_switch, "the analysis, 0 of 1 rounds passed"),
    "a failure without automatic rollback": Waits(
        failed_for_somebody, "somebody: promote, retry or abort", "nothing moves meanwhile"
    ),
    "a way back from such a failure": Waits(given_up_after_a_failure, "3 to have all the traffic again"),
    "a suspension on the way": Waits(suspended_on_the_way, "suspend: false, and replicas of 1 or more"),
    "a gateway that refuses what serves": Waits(
        gateway_refuses_what_serves, "RouteNotAccepted to end", "Stalled", ends=True
    ),
    "a gateway that refuses at a pause": Waits(
        gateway_refuses_at_a_pause, "RouteNotAccepted to end", "Stalled", ends=True
    ),
    "a gateway that is slow": Waits(gateway_is_slow, "4 to be at weight 10 %", "1 of 1 pods are available"),
    "steps that would split sequences": Waits(
        splits_sequences, "another manifest: correct the field that the message names"
    ),
    "a queue for what serves": Waits(sent_back_into_a_queue, "the queue to let its pods go"),
    "a queue on the way": Waits(queued_on_the_way, "the queue to let its pods go"),
    "no node for what serves": Waits(no_node_for_what_serves, "InsufficientCapacity to end", "Stalled", ends=True),
    "a rollback by request": Waits(going_back_by_request, "pods of 3: 0 of 1 available", "without progress", ends=True),
    "a version that somebody went back to": Waits(
        gone_back_by_request, "the end of the standby", "the pods of 4 go", ends=True
    ),
    "a way back without a node": Waits(
        going_back_finds_no_node, "3 to have all the traffic again", "Stalled", ends=True
    ),
    "a right that is missing": Waits(may_not_write, "Forbidden to end", "looks again by itself"),
    "a proof of both bundles": Waits(proving, "the resolve Job's answer", "both bundles have to be there first"),
    "a proof that fails": Waits(proof_fails, "another look at the source", "retry/R looks at once", ends=True),
    "no node for what another was stopped for": Waits(
        stopped_for_nothing, "InsufficientCapacity to end", "3 comes back, and 4 is sent home", ends=True
    ),
    "a queue for what another was stopped for": Waits(
        stopped_for_a_queue, "Queued to end", "3 comes back, and 4 is sent home", ends=True
    ),
    "an alias that moves on and on": Waits(
        settling, "the alias to stay as it is", "its version is asked for", ends=True
    ),
    "a standby": Waits(soaking, "the end of the standby", "promote/R has them go now, abort/R goes back", ends=True),
}
