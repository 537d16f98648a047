"""Endings: how often a pod's container ended by its own doing since the pod was last well.

A pod lives for months, and its node is rebooted meanwhile. What happened before the server last answered, what ended
together with the whole pod, and what not even the kubelet can tell of, say nothing about the version.
"""

from datetime import timedelta
from typing import Final

from slipway.core.observed.pods import ContainerFacts, PodFacts
from slipway.core.observed.termination_message import verdict

STEADY: Final = timedelta(minutes=10)
"""A server that was ready for so long does stay up, and earlier endings are forgotten. The kubelet forgets its own
back-off after the same time."""
AT_ONCE: Final = timedelta(seconds=5)
"""A server starts so soon after the init containers; one that starts again has been up, or waits for a back-off."""

_UNKNOWN_REASONS: Final = frozenset({"ContainerStatusUnknown", "Unknown"})
"""The kubelet lost sight of the container, and containerd's word for one that did not outlive a reboot."""
_UNKNOWN_CODE: Final = 255


def endings(pod: PodFacts) -> int:
    """How often the container that speaks for the revision ended by its own doing: while the bundle is not there, the
    fetcher."""
    if pod.fetched_at:
        return of_server(pod)
    return pod.fetch.endings if pod.fetch.exit_code else 0


def of_server(pod: PodFacts) -> int:
    """How often the server ended by its own doing since the pod was last well."""
    server = pod.server
    answered_since = server.running and server.started
    if pod.fetched_at is None or answered_since or is_unknown(server):
        return 0
    if server.ended_at and server.ended_at < pod.fetched_at:  # with the whole pod, whose init containers ran anew
        return 0
    return min(server.endings, 1) if _is_the_first_since(pod, server) else server.endings


def is_unknown(container: ContainerFacts) -> bool:
    """Whether nobody can tell how the container ended last: mostly its node was rebooted, or went away."""
    lost = container.exit_code == _UNKNOWN_CODE or container.exit_reason in _UNKNOWN_REASONS
    return lost and verdict(container.termination_message) is None


def _is_the_first_since(pod: PodFacts, server: ContainerFacts) -> bool:
    """Whether the life that ended last was the first since the whole pod was started again, or a long and good one."""
    if server.began_at is None or pod.fetched_at is None:
        return False
    if pod.fetch.restarts and server.began_at <= pod.fetched_at + AT_ONCE:
        return True
    return pod.unready_at is not None and pod.unready_at - server.began_at >= STEADY
