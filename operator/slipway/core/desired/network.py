"""The network of a ModelDeployment: its policy stands before the first pod that it is for."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from slipway.core.body import within
from slipway.core.children.network_policy import network_policy
from slipway.core.desired.objects import DesiredRevision
from slipway.core.names import Manifest
from slipway.core.snapshot import Snapshot


def policies(snapshot: Snapshot, revisions: Sequence[DesiredRevision]) -> Iterator[Manifest]:
    """The policy, where one is asked for."""
    policy = network_policy(
        owner=snapshot.owner,
        traffic=snapshot.spec.traffic,
        fetches=_fetches(snapshot, revisions),
        platform=snapshot.platform,
    )
    if policy:
        yield policy


def _fetches(snapshot: Snapshot, revisions: Sequence[DesiredRevision]) -> bool:
    """Whether anything comes over the network, for the version that is asked for or one that has pods: those fetch
    again on another node. What is not known any more may."""
    records = [each.record for each in revisions]
    sources = [snapshot.spec.model.source.uri, *(_uri(record.asked) if record else "" for record in records)]
    return not all(uri.startswith("pvc://") for uri in sources)


def _uri(asked: Mapping[str, Any]) -> str:
    return str(within(asked, "model", "source").get("uri"))
