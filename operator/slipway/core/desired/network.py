"""The network of a ModelDeployment: its policy stands before the first pod that it is for."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from slipway.api.v1alpha1.spec import Scaler
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
        scales_on_load=snapshot.spec.autoscaling is not None and snapshot.spec.autoscaling.load is not None,
        by_keda=snapshot.scaled_by is Scaler.KEDA,
        scored=_scored(snapshot),
    )
    if policy:
        yield policy


def _scored(snapshot: Snapshot) -> bool:
    analysis = snapshot.policy.analysis
    return analysis is not None and any(metric.score for metric in analysis.metrics)


def _fetches(snapshot: Snapshot, revisions: Sequence[DesiredRevision]) -> bool:
    """Whether anything comes over the network, for the version that is asked for or one that has pods: those fetch
    again on another node. What is not known any more may."""
    records = [each.record for each in revisions]
    sources = [snapshot.spec.model.source.uri, *(_uri(record.asked) if record else "" for record in records)]
    return not all(uri.startswith("pvc://") for uri in sources)


def _uri(asked: Mapping[str, Any]) -> str:
    return str(within(asked, "model", "source").get("uri"))
