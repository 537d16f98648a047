"""The operator's own metrics. docs/operations.md says what to watch them for."""

from collections import Counter as Tally
from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from slipway.controller.kinds import WATCHED
from slipway.controller.resync import Hearing
from slipway.controller.store import Store
from slipway.core.plan import Note
from slipway.core.reasons import ABOUT_REVISION, Reason

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Telemetry:
    """Every metric that is counted as it happens."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.reconcile_seconds = Histogram(
            "slipway_reconcile_duration_seconds",
            "Duration of a pass over one ModelDeployment, by outcome: done, retry (the API server) or failed (a bug).",
            ["outcome"],
            registry=registry,
            buckets=SECONDS,
        )
        self.queue_wait_seconds = Histogram(
            "slipway_queue_wait_seconds",
            "From the time a pass was due until a worker began it.",
            registry=registry,
            buckets=SECONDS,
        )
        self.queue_depth = Gauge(
            "slipway_queue_depth", "ModelDeployments that wait for a pass, now or later.", registry=registry
        )
        self.api_calls = Counter(
            "slipway_api_calls",
            "Calls to the API server, by verb, kind and HTTP status (0: no answer). Watches are not counted.",
            ["verb", "kind", "code"],
            registry=registry,
        )
        self.rollouts = Counter(
            "slipway_rollouts",
            "Candidates that came to an end, by outcome (promoted, refused) and reason.",
            ["outcome", "reason"],
            registry=registry,
        )
        self.leading = False
        Gauge("slipway_leading", "1 while this replica holds the Lease.", registry=registry).set_function(
            lambda: float(self.leading)
        )

    def called(self, *, verb: str, kind: str, code: int) -> None:
        """Count one API call."""
        self.api_calls.labels(verb, kind, str(code)).inc()

    def told(self, note: Note) -> None:
        """Count what a note says about a rollout's end."""
        if note.reason == Reason.PROMOTED:
            self.rollouts.labels("promoted", note.reason).inc()
        elif note.warning and note.reason in ABOUT_REVISION:
            self.rollouts.labels("refused", note.reason).inc()

    def watch(self, store: Store, hearing: Hearing, *, platform_version: str) -> None:
        """Report on a store whenever somebody scrapes."""
        self.registry.register(_StoreCollector(store, hearing, platform_version))


class _StoreCollector(Collector):
    """Counts what the store holds at the moment of the scrape: nothing to keep in step, nothing to leak."""

    def __init__(self, store: Store, hearing: Hearing, platform_version: str) -> None:
        self._store, self._hearing, self._version = store, hearing, platform_version

    def collect(self) -> Iterable[Metric]:
        """See prometheus_client."""
        objects = GaugeMetricFamily("slipway_store_objects", "Objects known, by kind.", labels=["kind"])
        for kind in WATCHED:
            objects.add_metric([kind.name], self._store.count(kind))
        yield objects
        lag = GaugeMetricFamily(
            "slipway_store_lag_seconds",
            "How long the watch of a kind had kept quiet about something that the last listing showed.",
            labels=["kind"],
        )
        for name, seconds in self._hearing.lag_seconds().items():
            lag.add_metric([name], seconds)
        yield lag
        yield from self._model_deployments()

    def _model_deployments(self) -> Iterable[Metric]:
        phases: Tally[str] = Tally()
        older = 0
        for _, owner in self._store.owners():
            status = owner.status or {}
            phases[status.get("phase") or "Unknown"] += 1
            older += sum(r.get("platform") != self._version for r in status.get("revisions") or ())
        by_phase = GaugeMetricFamily("slipway_model_deployments", "ModelDeployments, by phase.", labels=["phase"])
        for phase, count in phases.items():
            by_phase.add_metric([phase], count)
        yield by_phase
        yield GaugeMetricFamily(
            "slipway_revisions_of_older_platform",
            "Live revisions that another version of the operator rendered; restart/REVISION renews one.",
            value=older,
        )
