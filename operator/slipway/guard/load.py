"""How loaded this server is, from what Triton counts of its models: the numbers that an autoscaler can go by.

Queue time for a request, a GPU's utilisation and busy instances are all full at a third of what a batching model can
do. What held for every kind of model is how full the batches are, times how busy the instances are (measured on 2.51,
open loop, from 5 % to overload).

Invisible here, because Triton counts neither: answers out of a cache, and requests that a full queue turns away.
"""

from __future__ import annotations

import math
import re
from typing import Dict, Iterable, Mapping, NamedTuple, Sequence, Tuple

from .model_config import Execution
from .tally import Own

RATIO_SECONDS = 30.0
"""The load ratio is of that much time. Triton counts a request when it ends, so a shorter one would flap."""
OLDEST_SECONDS = 2 * RATIO_SECONDS
"""Counters that old say nothing of now."""
STALE_SECONDS = 15.0
"""A server that was silent for so long: its last numbers are no numbers of now."""

_PENDING = "nv_inference_pending_request_count"
_QUEUE_US = "nv_inference_queue_duration_us"
_ENDED = ("nv_inference_request_success", "nv_inference_request_failure")
_COMPUTE_US = tuple(f"nv_inference_compute_{part}_duration_us" for part in ("input", "infer", "output"))
_READ = (_PENDING, _QUEUE_US, "nv_inference_count", "nv_inference_exec_count", *_ENDED, *_COMPUTE_US)
# A bundle's code may write the text. Neither tries a character twice: labels first, and the model's among them.
_LINE = re.compile(rf"^(?P<name>{'|'.join(_READ)})(?P<labels>\{{[^\n]*\}}) (?P<value>\S+)$", re.MULTILINE)
_MODEL = re.compile(r'[{,]model="(?P<model>[^"\\]*)"')

Key = Tuple[str, str, str]
"""Name, model, and all labels as they stand there: one for each version and GPU."""
Counters = Dict[Key, float]


class Gauges(NamedTuple):
    """What is published."""

    ratio: float
    """Part of what the server can do that is used, 0 to 1: of the model that is loaded most."""
    backlog_seconds: float
    """How long what waits in a queue would take if nothing came after it: of the longest queue."""
    pending: float
    """Requests that wait in queues."""
    rate: float
    """Requests of clients that ended in a second: of the model that clients ask."""


class Sample(NamedTuple):
    """Triton's counters at one moment of `time.monotonic`."""

    at: float
    counters: Counters
    own: Own
    """Requests of ours that had ended by then."""


def parse(text: str) -> Counters:
    """What is read here of Triton's metrics. Numbers that are none, or below zero, are left out."""
    read: Counters = {}
    for line in _LINE.finditer(text):
        of = _MODEL.search(line["labels"])
        try:
            value = float(line["value"])
        except ValueError:
            continue
        if of and math.isfinite(value) and value >= 0:
            read[(line["name"], of["model"], line["labels"])] = value
    return read


def grown(before: Mapping[Key, float], after: Mapping[Key, float]) -> Counters:
    """How far each counter went. One that is less than it was began anew: all that it has is new."""
    return {key: value - before.get(key, 0) if value >= before.get(key, 0) else value for key, value in after.items()}


def gauges(samples: Sequence[Sample], models: Mapping[str, Execution]) -> Gauges | None:
    """What the samples, oldest first, say of the models, the one that clients ask first; None while there are fewer
    than two, or the last one does not speak of them."""
    if len(samples) < 2 or not any(model in models for _, model, _ in samples[-1].counters):
        return None
    last = samples[-1]
    long_ago = [each for each in samples[:-1] if last.at - each.at >= RATIO_SECONDS]
    window, step = (long_ago or samples[:1])[-1], samples[-2]
    own = Own(last.own.requests - window.own.requests, last.own.seconds - window.own.seconds)
    ratios, backlogs, entry = [0.0], [0.0], next(iter(models))
    for model, execution in models.items():
        counted = _of(model, grown(window.counters, last.counters))
        ours = own if model == entry else own.at_most(own.requests * counted.execution_seconds)
        ratios.append(_ratio(counted, execution, last.at - window.at, ours))
        seconds = counted.execution_seconds or _of(model, last.counters).execution_seconds
        queued = _queued(model, step, last)
        backlogs.append(queued * seconds / (execution.instances * execution.batch) if execution.instances else 0.0)
    pending = sum(value for (name, model, _), value in last.counters.items() if name == _PENDING and model in models)
    seconds = last.at - window.at
    rate = clients_requests(window, last, entry) / seconds if seconds > 0 else 0.0
    return Gauges(ratio=max(ratios), backlog_seconds=max(backlogs), pending=pending, rate=rate)


class _Counted(NamedTuple):
    """One model, all its versions and GPUs together."""

    ended: float
    succeeded: float
    inferences: float
    executions: float
    compute_us: float

    @property
    def execution_seconds(self) -> float:
        """One execution. Triton adds a batch's whole time for each request of it."""
        return self.compute_us / self.succeeded / 1e6 if self.succeeded else 0.0


def _of(model: str, counters: Mapping[Key, float]) -> _Counted:
    def total(names: Iterable[str]) -> float:
        return sum(value for (name, of, _), value in counters.items() if of == model and name in names)

    return _Counted(
        ended=total(_ENDED),
        succeeded=total(_ENDED[:1]),
        inferences=total(("nv_inference_count",)),
        executions=total(("nv_inference_exec_count",)),
        compute_us=total(_COMPUTE_US),
    )


def _ratio(counted: _Counted, execution: Execution, seconds: float, own: Own) -> float:
    """Fill times busy, without the time that requests of ours took: a few of clients may take longer than many of them.
    Ours are small, and executed alone while there is room."""
    if not (counted.executions and execution.instances and seconds > 0) or counted.ended <= own.requests:
        return 0.0
    worked = counted.executions * counted.execution_seconds - own.seconds
    busy = min(1.0, max(0.0, worked) / seconds / execution.instances)
    fill = counted.inferences / counted.executions
    if counted.executions > own.requests:
        fill = max(fill, (counted.inferences - own.requests) / (counted.executions - own.requests))
    return busy * min(1.0, fill / execution.batch)


def _queued(model: str, before: Sample, last: Sample) -> float:
    """Requests in the model's queue: as the gauge had it at both ends; without one, by Little's law."""
    read = [_pending(model, each.counters) for each in (before, last)]
    reported = [each for each in read if each is not None]
    if reported:
        return sum(reported) / len(reported)
    waited = grown(before.counters, last.counters)
    queue_us = sum(value for (name, of, _), value in waited.items() if of == model and name == _QUEUE_US)
    return queue_us / 1e6 / (last.at - before.at) if last.at > before.at else 0.0


def _pending(model: str, counters: Mapping[Key, float]) -> float | None:
    values = [value for (name, of, _), value in counters.items() if of == model and name == _PENDING]
    return sum(values) if values else None


def clients_requests(before: Sample, after: Sample, model: str) -> float:
    """Requests that ended between two samples and were none of ours; never less than none."""
    ours = after.own.requests - before.own.requests
    return max(0.0, _of(model, grown(before.counters, after.counters)).ended - ours)


def page(shown: Gauges | None, requests: float | None, others: Iterable[tuple[str, str, float]] = ()) -> str:
    """The metrics as Prometheus reads them. What is not known is not there: it is never 0.
    `others`: names, what they say, and numbers of more gauges."""
    lines = []
    if shown is not None:
        lines += _metric("load_ratio", "gauge", "Part of the server's capacity in use, 0 to 1.", shown.ratio)
        backlog = "How long the queue takes if nothing more comes."
        lines += _metric("backlog_seconds", "gauge", backlog, shown.backlog_seconds)
        lines += _metric("pending", "gauge", "Requests in Triton's queues.", shown.pending)
        rate = "Requests of clients that ended in a second, golden ones left out."
        lines += _metric("requests_per_second", "gauge", rate, shown.rate)
    if requests is not None:
        description = "Requests of clients that have ended, golden ones left out."
        lines += _metric("requests_total", "counter", description, requests)
    for name, description, value in others:
        lines += _metric(name, "gauge", description, value)
    return "".join(f"{line}\n" for line in lines)


def _metric(name: str, kind: str, description: str, value: float) -> list[str]:
    return [
        f"# HELP slipway_{name} {description}",
        f"# TYPE slipway_{name} {kind}",
        f"slipway_{name} {value:.10g}",
    ]
