"""The operator's own metrics. docs/operations.md says what to watch them for."""

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from slipway.controller.kinds import WATCHED, Key
from slipway.controller.store import Store
from slipway.controller.watch_health import WatchHealth
from slipway.core.body import instant, within
from slipway.core.plan import Note
from slipway.core.reasons import Reason

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

# The labels by which these and the models' own metrics meet in one chart (docs/monitoring.md). Only what is true now
# has a series, so that there are a handful for each ModelDeployment, and none for what is gone.
OWNER: Final = ("namespace", "model_deployment")
REVISION: Final = (*OWNER, "revision", "version")


class Telemetry:
    """Counts what happens, as it happens."""

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
            "From the time a pass was due until a worker began it, by lane: urgent (of what serves) or ordinary.",
            ["lane"],
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
        self._unwritten = Gauge(
            "slipway_status_unwritten",
            "1 for a ModelDeployment whose status cannot be written: nothing is done for it, and no condition says so.",
            OWNER,
            registry=registry,
        )
        self.leading: Callable[[], bool] = lambda: False
        Gauge("slipway_leading", "1 while this replica may count on its Lease.", registry=registry).set_function(
            lambda: float(self.leading())
        )

    def count_call(self, *, verb: str, kind: str, code: int) -> None:
        """Count one API call."""
        self.api_calls.labels(verb, kind, str(code)).inc()

    def set_status_unwritten(self, key: Key, *, stuck: bool) -> None:
        """Set whether a ModelDeployment's status cannot be written."""
        if stuck:
            self._unwritten.labels(*key).set(1)
        else:
            self._unwritten.remove(*key)

    def count_note(self, note: Note) -> None:
        """Count a rollout whose end a note reports."""
        if note.reason == Reason.PROMOTED:
            self.rollouts.labels("promoted", note.reason).inc()
        elif note.refuses:
            self.rollouts.labels("refused", note.reason).inc()

    def watch(self, store: Store, watch_health: WatchHealth, *, platform_version: str) -> None:
        """Report on a store whenever somebody scrapes."""
        self.registry.register(_StoreCollector(store, watch_health, platform_version))


class _StoreCollector(Collector):
    """Counts what the store holds at the moment of the scrape: nothing to keep in step, nothing to leak."""

    def __init__(self, store: Store, watch_health: WatchHealth, platform_version: str) -> None:
        self._store, self._watch_health, self._version = store, watch_health, platform_version

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
        for name, seconds in self._watch_health.lag_seconds().items():
            lag.add_metric([name], seconds)
        yield lag
        yield self._unlisted()
        yield self._unread()
        yield from self._model_deployments()
        statuses = [(key, owner.status or {}) for key, owner in self._store.owners()]
        yield from _each_model_deployment(statuses)
        yield from _autoscaling(statuses)

    def _unlisted(self) -> Metric:
        unlisted = GaugeMetricFamily(
            "slipway_unlisted",
            "1 for a kind that cannot be listed, with the namespace (*: all of them) and the API server's reason.",
            labels=["kind", "namespace", "reason"],
        )
        for gap in self._store.coverage.gaps():
            if not gap.missing:
                unlisted.add_metric([gap.kind.name, gap.namespace or "*", gap.error.reason], 1)
        return unlisted

    def _unread(self) -> Metric:
        unread = GaugeMetricFamily(
            "slipway_unread_objects",
            "Objects of which nothing or not all is kept, by kind, namespace and why: Unreadable, TooMuchStored. The "
            "log has their names.",
            labels=["kind", "namespace", "why"],
        )
        counts = Tally((each.kind.name, each.namespace or "", each.too_much) for each in self._store.unread())
        for (kind, namespace, too_much), count in counts.items():
            unread.add_metric([kind, namespace, "TooMuchStored" if too_much else "Unreadable"], count)
        return unread

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


def _each_model_deployment(statuses: Iterable[tuple[Key, Mapping[str, Any]]]) -> Iterable[Metric]:
    phase = GaugeMetricFamily(
        "slipway_model_deployment_phase",
        "1 for the phase that a ModelDeployment is in, with the reason of its condition Ready.",
        labels=[*OWNER, "phase", "reason"],
    )
    model = GaugeMetricFamily(
        "slipway_model_deployment_model",
        "1 for the name by which clients ask: metrics of a server have it, and those of the model's parts their own.",
        labels=[*OWNER, "model"],
    )
    share = GaugeMetricFamily("slipway_revision_share_percent", "Percent of traffic on a revision.", labels=REVISION)
    wanted = GaugeMetricFamily("slipway_revision_replicas", "Pods that a revision should have.", labels=REVISION)
    available = GaugeMetricFamily("slipway_revision_available_replicas", "Available pods.", labels=REVISION)
    decision = GaugeMetricFamily(
        "slipway_decision_timestamp_seconds",
        "When something was decided about a revision: a phase of its rollout, Paused, Refused, Ready, or Proposed.",
        labels=[*REVISION, "decision", "reason"],
    )
    condition = GaugeMetricFamily(
        "slipway_model_deployment_condition",
        "1 for each condition in a ModelDeployment's status, with what it says and why.",
        labels=[*OWNER, "condition", "status", "reason"],
    )
    for key, status in statuses:
        for each in status.get("conditions") or ():
            condition.add_metric([*key, *(str(each.get(name, "")) for name in ("type", "status", "reason"))], 1)
        phase.add_metric([*key, status.get("phase") or "Unknown", _ready(status).get("reason", "")], 1)
        model.add_metric([*key, _served_name(key, status)], 1)
        for revision in status.get("revisions") or ():
            labels = [*key, revision["revision"], revision["version"]]
            share.add_metric(labels, revision["share"])
            wanted.add_metric(labels, revision["replicas"])
            available.add_metric(labels, revision["available"])
        for what, about, reason, at in _decisions(status):
            labels = [*key, about.get("revision", ""), about.get("version", ""), what, reason]
            if moment := instant(at):  # one that nobody can read costs this point alone, and not everybody's scrape
                decision.add_metric(labels, moment.timestamp())
    return phase, model, condition, share, wanted, available, decision


def _autoscaling(statuses: Iterable[tuple[Key, Mapping[str, Any]]]) -> Iterable[Metric]:
    """Of those whose number of pods Slipway or KEDA sets by their load. How loaded the pods are they say themselves."""
    wanted = GaugeMetricFamily(
        "slipway_autoscaling_wanted_replicas",
        "Pods that the load takes, with the way that the number went last, or LoadUnknown while nobody can say.",
        labels=[*OWNER, "reason"],
    )
    replicas = GaugeMetricFamily("slipway_autoscaling_replicas", "Pods that there are.", labels=OWNER)
    available = GaugeMetricFamily("slipway_autoscaling_available_replicas", "Available pods.", labels=OWNER)
    for key, status in statuses:
        scaling = status.get("autoscaling")
        if not scaling:
            continue
        unknown = any(each.get("type") == Reason.LOAD_UNKNOWN for each in status.get("conditions") or ())
        reason = Reason.LOAD_UNKNOWN if unknown else scaling.get("direction") or ""
        wanted.add_metric([*key, reason], scaling.get("wanted") or 0)
        replicas.add_metric(list(key), status.get("replicas") or 0)
        available.add_metric(list(key), sum(each.get("available") or 0 for each in status.get("revisions") or ()))
    return wanted, replicas, available


def _served_name(key: Key, status: Mapping[str, Any]) -> str:
    """The deployment's own where none serves yet; one named otherwise in the spec is in status soon enough."""
    name = (status.get("model") or {}).get("name")
    return name if isinstance(name, str) else key.name


def _ready(status: Mapping[str, Any]) -> Mapping[str, str]:
    return next((c for c in status.get("conditions") or () if c["type"] == "Ready"), {})


def _decisions(status: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, str], str, Any]]:
    """What was decided, about which revision, why, and when: the moments that a chart marks. They come from status, so
    an operator that starts anew tells of them as the one before did."""
    stable, rollout, refused = status.get("stable") or {}, status.get("rollout"), status.get("refused")
    if rollout and "phase" in rollout:  # an earlier version's, until the first pass has written it anew, has none
        about = status.get("candidate") or stable
        yield rollout["phase"], about, "", rollout.get("phaseStartedAt")
        if paused_at := rollout.get("clock", {}).get("pausedAt"):
            yield "Paused", about, "", paused_at
        if canary := rollout.get("canary"):
            # With its number each step is a series of its own: two of one share are not one that moved on.
            yield "Canary", about, f"step {canary['step'] + 1} at {canary['weight']} %", canary.get("since")
    if refused:
        yield "Refused", refused, refused["reason"], refused.get("at")
    if proposed := within(status, "follow", "proposed"):
        yield "Proposed", {"version": str(proposed.get("version", ""))}, "", proposed.get("since")
    ready = _ready(status)
    if ready.get("status") == "True":
        yield "Ready", stable, "", ready.get("lastTransitionTime")
