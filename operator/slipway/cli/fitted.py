"""What `slipway fit` answers: a rate that a pod holds, how many pods that makes, and the evidence. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from slipway.api.v1alpha1.spec import MOST_PODS, Load
from slipway.cli.rates import TRIES, Ended, Round, answer_time, best, is_of_the_generator, limit
from slipway.cli.sizing import left_out, load_of, manifest, pods_for, written


class Outcome(StrEnum):
    """What it came to."""

    HELD = "held"
    UNREACHABLE = "unreachable"
    """The objective, whatever the rate."""
    DIED = "died"
    FAILED = "failed"
    TIME = "time"


ALONE: Final = "one at a time"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What was wanted, and of whom."""

    name: str
    namespace: str
    version: str
    revision: str
    pod: str
    pod_is: str
    """Why it may be asked: extra, without traffic, or serving."""
    model: str
    rps: float
    objective: float
    """Seconds: what the 99th percentile of the latencies may be."""
    product: str | None = None
    """The GPU's, of the pod's node."""


@dataclass(frozen=True, kw_only=True)
class RoundLine:
    """A round, for people and programs."""

    rate: float | None
    """Requests a second; None: one at a time."""
    sent: int
    failed: int
    p50_ms: float | None
    p99_ms: float | None
    late_ms: float | None
    """The 99th percentile of how late requests left: what is of the machine, and not of the model."""
    holds: bool
    words: str | None = None
    """Why some failed."""


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """The whole answer."""

    name: str
    namespace: str
    version: str
    revision: str
    pod: str
    pod_is: str
    model: str
    product: str | None
    rps: float
    p99_objective_ms: float
    outcome: str
    says: str
    capacity: str | None = None
    """Requests a second of one pod, as the manifest has it."""
    margin: str | None = None
    pods: int | None = None
    room: int | None = None
    """More such pods that the nodes can take now; None where that cannot be known."""
    manifest: Mapping[str, Any] | None = None
    """What to write under `spec`."""
    rounds: list[RoundLine] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def fitted(
    asked: Asked,
    rounds: Sequence[Round],
    ended: Ended | str,
    *,
    spec: Mapping[str, Any],
    room: int | None,
    remarks: Sequence[str],
) -> Fitted:
    """The answer. `ended`: why there were no more rounds, or the words of a pod that died of them."""
    best_round, all_remarks = best(rounds, asked.objective), [*remarks]
    died = None if isinstance(ended, Ended) else ended
    sized: dict[str, Any] = {}
    if best_round and died is None:
        sized = _sized(asked, best_round, rounds, spec, all_remarks)
        outcome, says = Outcome.HELD, _held(asked, sized, load_of(spec), room)
    else:
        outcome, says = _without(asked, rounds, ended, best_round)
    return Fitted(
        name=asked.name,
        namespace=asked.namespace,
        version=asked.version,
        revision=asked.revision,
        pod=asked.pod,
        pod_is=asked.pod_is,
        model=asked.model,
        product=asked.product,
        rps=asked.rps,
        p99_objective_ms=_milliseconds(asked.objective) or 0,
        outcome=str(outcome),
        says=says,
        room=room,
        rounds=[line_of(each, asked.objective, answer_time(rounds)) for each in rounds],
        remarks=all_remarks,
        **sized,
    )


def line_of(measured: Round, objective: float, alone: float) -> RoundLine:
    """A round for people."""
    return RoundLine(
        rate=round(measured.rate, 1 if measured.rate >= 10 else 3) if measured.rate else None,
        sent=measured.sent,
        failed=measured.sent - measured.answered,
        p50_ms=_milliseconds(measured.p50),
        p99_ms=_milliseconds(measured.p99),
        late_ms=_milliseconds(measured.late),
        holds=measured.holds(objective, alone),
        words=_failures(measured) or None,
    )


def _sized(
    asked: Asked, held: Round, rounds: Sequence[Round], spec: Mapping[str, Any], remarks: list[str]
) -> dict[str, Any]:
    load = load_of(spec)
    capacity = float(written(held.rate))
    pods = pods_for(asked.rps, capacity, load)
    high = limit(rounds, asked.objective, TRIES if held.confirming else 1)
    if not held.confirming:
        remarks.append("the time was up before that rate was asked for longer: take it for a first look (--timeout)")
    bad = [each for each in rounds if each.rate == high] if high else []
    if high is None or any(is_of_the_generator(each, asked.objective) for each in bad):
        remarks.append("requests left late at higher rates: the machine may be the limit, and the pod can do more")
    if bad and bad[0].failed:
        remarks.append(f"at {bad[0].rate:.3g}/s: {_failures(bad[0])}")
    entry = asked.model == str(spec.get("model", {}).get("name") or asked.name)
    if not entry:
        remarks.append(f"it was {asked.model} that was asked: capacity is of the model that clients ask, and not given")
    block = manifest(spec, capacity=capacity if entry else None, pods=pods)
    if gone := left_out(spec, block):
        remarks.append(f"of autoscaling the block has no {' and no '.join(gone)}: load is in the place of metrics")
    if pods > MOST_PODS:
        remarks.append(
            f"{pods} pods are more than a model may ask for: maxReplicas is {MOST_PODS} at most, which hold "
            f"{_most(capacity, load):.3g}/s. Make one pod hold more, or share the requests out among several models"
        )
    fails = f"{high:.3g}/s does not hold" if high else "no higher rate was seen to fail"
    slack = 100 * (1 - (held.p99 or 0) / asked.objective)
    return {
        "capacity": written(held.rate),
        "margin": f"p99 is {slack:.0f} % under the objective at {held.rate:.3g}/s; {fails}",
        "pods": pods,
        "manifest": block,
    }


def _most(capacity: float, load: Load) -> float:
    """Requests a second that as many pods as a model may ask for hold, each at its target."""
    return (MOST_PODS - load.headroom) * capacity * load.target / 100


def _held(asked: Asked, sized: Mapping[str, Any], load: Load, room: int | None) -> str:
    pods = "1 pod" if sized["pods"] == 1 else f"{sized['pods']} pods"
    spare = f" and {load.headroom} to spare" if load.headroom else ""
    there = "" if room is None else f"; the nodes can take {room} more now"
    over = f"; a model may ask for {MOST_PODS} at most" if sized["pods"] > MOST_PODS else ""
    return (
        f"one pod holds {sized['capacity']} requests/s within {asked.objective * 1000:g} ms (p99): {asked.rps:g}/s "
        f"take {pods}, each at {load.target} %{spare}{over}{there}"
    )


def _without(asked: Asked, rounds: Sequence[Round], ended: Ended | str, held: Round | None) -> tuple[Outcome, str]:
    objective, alone = f"{asked.objective * 1000:g} ms", next(iter(rounds), None)
    if not isinstance(ended, Ended):
        at = _rate(rounds[-1]) if rounds else "the first round"
        before = f"; {_rate(held)} held before" if held else ""
        return Outcome.DIED, f"the pod did not live through it (after {at}{before}): {ended}"
    if alone is None or ended is Ended.TIME:
        return Outcome.TIME, "the time was up before any rate was known to hold: raise --timeout"
    if ended is Ended.FAILED:
        return Outcome.FAILED, f"it does not answer, even {ALONE}: {_failures(alone) or 'nothing was sent'}"
    if (alone.p99 or 0) > asked.objective:
        p50, p99 = _milliseconds(alone.p50), _milliseconds(alone.p99)
        return (
            Outcome.UNREACHABLE,
            f"{objective} (p99) is not to be had: {ALONE}, with nobody else, p50 is {p50} ms and p99 is {p99} ms",
        )
    if is_of_the_generator(rounds[-1], asked.objective):
        late = _milliseconds(rounds[-1].late)
        why = f"they left late by {late} ms (p99): the machine is busy with other work, so try again"
    else:
        why = "two that meet are too much"
    return (
        Outcome.UNREACHABLE,
        f"{objective} (p99) holds {ALONE}, and at no rate of requests that come by chance: {why}",
    )


def _rate(measured: Round) -> str:
    return f"{measured.rate:.3g}/s" if measured.rate else ALONE


def _failures(measured: Round) -> str:
    kinds = ", ".join(f"{count} x {kind}" for kind, count in measured.failed.items())
    return f"{kinds}: {measured.words}" if kinds and measured.words else kinds


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 2 if seconds < 0.01 else 1)
