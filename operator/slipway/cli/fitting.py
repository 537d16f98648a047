"""Finds the rate that one pod of a model holds: whom it may ask, what it asks, and when it ends."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, Final

from pydantic import ValidationError

from slipway.api.v1alpha1 import MODELS, ModelDeploymentSpec
from slipway.api.v1alpha1.spec import Accelerator
from slipway.cli import questions
from slipway.cli.asking import golden_files, golden_requests
from slipway.cli.extra_pod import extra_pod, still_there
from slipway.cli.fitted import Asked, Fitted, fitted
from slipway.cli.kubectl import Kubectl, KubectlError
from slipway.cli.model import Model
from slipway.cli.offers import MOST_BYTES, LateError, Offers, PodGoneError, encodable, first_within
from slipway.cli.rates import Ended, Round, answer_time, next_round
from slipway.cli.requests import NothingToAskError
from slipway.cli.room import room
from slipway.core.body import within
from slipway.core.children.accelerator import PRODUCT
from slipway.core.names import MODEL_DEPLOYMENT, REVISION, of_revision
from slipway.core.observed.pods import PodFacts
from slipway.core.observed.termination_message import verdict
from slipway.guard.golden import GoldenRequest

_ENDING_SECONDS: Final = 15.0
"""Kept for what is done at the end: a pod is taken away, and looked at."""
_PATIENCE: Final = (2.0, 30.0)
"""Seconds that an answer is waited for, of which the objective is a tenth: at least, and at most."""
_DYING_SECONDS: Final = 10.0
"""In which the kubelet says of a container that it has ended."""
_WITHOUT_TRAFFIC: Final = "without traffic"
_LOOKS_SECONDS: Final = 5.0
"""Between two rounds."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What to find, and whom to ask."""

    rps: float
    objective: float
    """Seconds."""
    part: str | None = None
    """Another model of the bundle."""
    revision: str | None = None
    candidate: bool = False
    extra_pod: bool = False
    on_serving: bool = False
    seconds: float = 300
    """For all of it."""


@dataclass(frozen=True, kw_only=True)
class _Pod:
    """Whom to ask."""

    name: str
    pod_is: str


def fit(kubectl: Kubectl, name: str, wanted: Wanted, say: Callable[[str], None]) -> Fitted:
    """Find the rate. NothingToAskError, QuestionError and KubectlError where nobody may be asked, or nothing."""
    until = time.monotonic() + wanted.seconds - _ENDING_SECONDS
    body = kubectl.json("get", MODELS, name)
    pods = kubectl.items("pods", f"--selector={MODEL_DEPLOYMENT}={name}")
    model, spec = Model.read(body, pods), within(body, "spec")
    revision = _revision(model, wanted)
    record = kubectl.json("get", "controllerrevisions.apps", of_revision(name, revision))
    if within(record, "data", "resolved", "model").get("sequences"):
        raise NothingToAskError(f"{name}: keeps state by sequence, and single requests say nothing of it")
    remarks = list[str]()
    with ExitStack() as stack:
        if wanted.extra_pod:
            made = stack.enter_context(extra_pod(kubectl, body, revision, until, say))
            pod = _Pod(name=made, pod_is="extra")
        else:
            pod = _pod(kubectl, body, model, revision, pods, on_serving=wanted.on_serving)
        requests = _requests(kubectl, record, pod.name, wanted.part, remarks)
        asked = Asked(
            name=name,
            namespace=model.namespace,
            version=str(within(record, "data").get("version", "-")),
            revision=revision,
            pod=pod.name,
            pod_is=pod.pod_is,
            model=wanted.part or str(within(spec, "model").get("name") or name),
            rps=wanted.rps,
            objective=wanted.objective,
        )
        before = still_there(kubectl, pod.name)

        def check_unreached() -> None:
            if pod.pod_is == _WITHOUT_TRAFFIC:
                _check_still_unreached(kubectl, name, revision)

        rounds, ended = _rounds(kubectl, asked, requests, until, say=say, check_unreached=check_unreached)
        died = _death(kubectl, pod.name, before) if isinstance(ended, PodGoneError) or _breaks(rounds) else ""
        if isinstance(ended, PodGoneError) and not died:
            raise KubectlError(f"the program in pod {pod.name} has ended: {ended}")
        in_time = time.monotonic() < until + _ENDING_SECONDS / 2
        product, left = _room(kubectl, spec, pod.name, remarks) if in_time else (None, None)
        if not in_time:
            remarks.append("whether there is room was not looked at: the time was up (--timeout)")
    end = ended if isinstance(ended, Ended) and not died else died
    return fitted(replace(asked, product=product), rounds, end, spec=spec, room=left, remarks=remarks)


# -- whom


def _revision(model: Model, wanted: Wanted) -> str:
    status = model.status
    ref = status.candidate if wanted.candidate else status.stable or status.candidate
    revision = wanted.revision or (ref.revision if ref else None)
    if revision is None:
        which = "candidate" if wanted.candidate else "version"
        raise NothingToAskError(f"{model.name}: has no {which} with pods; see slipway get {model.name}")
    return revision


def _pod(
    kubectl: Kubectl,
    body: Mapping[str, Any],
    model: Model,
    revision: str,
    pods: Sequence[Mapping[str, Any]],
    *,
    on_serving: bool,
) -> _Pod:
    """The pod that has been ready the longest. One that has traffic only where somebody says so."""
    ready = [each.facts.name for each in model.pods_of(revision) if each.facts.ready and not each.facts.deleting]
    if not ready:
        raise NothingToAskError(f"{model.name}: revision {revision} has no pod that is ready; --extra-pod makes one")
    reached = reached_by(model, within(body, "spec"), revision) or _selecting(kubectl, pods, ready[0], revision)
    if reached and not on_serving:
        raise NothingToAskError(
            f"{model.name}: {reached}, and a load would slow down clients. --extra-pod makes a pod like them, for as "
            "long as this takes; --on-serving asks one of them all the same"
        )
    return _Pod(name=ready[0], pod_is="serving" if reached else _WITHOUT_TRAFFIC)


def _check_still_unreached(kubectl: Kubectl, name: str, revision: str) -> None:
    """NothingToAskError where the pod has got traffic since it was chosen: a step was made, or somebody promoted."""
    body = kubectl.json("get", MODELS, name, seconds=_LOOKS_SECONDS)
    if reached := reached_by(Model.read(body), within(body, "spec"), revision):
        raise NothingToAskError(f"{name}: {reached} by now, so no more was asked; --extra-pod makes a pod of its own")


def reached_by(model: Model, spec: Mapping[str, Any], revision: str) -> str:
    """What sends requests to a revision's pods, as status has it; empty where nothing does."""
    status, listed = model.status, model.revision(revision)
    if any(each.revision == revision and (each.selected or each.share) for each in status.traffic):
        return f"clients reach the pods of {revision}"
    if listed and listed.share:
        return f"{listed.share} % of the requests reach the pods of {revision}"
    candidate, canary = status.candidate, status.rollout.canary if status.rollout else None
    if candidate is None or candidate.revision != revision:
        return ""
    if canary and canary.shadow:
        return f"copies of requests reach the pods of {revision}"
    if canary and canary.analysis and canary.analysis.phase == "Running":
        return f"an analysis measures the pods of {revision}"
    header = within(spec, "traffic", "candidateHeader").get("name")
    return f"requests with the header {header} reach the pods of {revision}" if header else ""


def _selecting(kubectl: Kubectl, pods: Sequence[Mapping[str, Any]], pod: str, revision: str) -> str:
    """The Service that selects a pod, beside the revision's own, to which nobody is sent without a share."""
    marks = next((within(each, "metadata", "labels") for each in pods if within(each, "metadata")["name"] == pod), {})
    own = {MODEL_DEPLOYMENT: marks.get(MODEL_DEPLOYMENT), REVISION: revision}
    for service in kubectl.items("services"):
        selector, name = within(service, "spec", "selector"), within(service, "metadata").get("name")
        mine = selector == own and name == of_revision(str(marks.get(MODEL_DEPLOYMENT)), revision)
        if selector and not mine and selector.items() <= marks.items():
            return f"Service {name} selects the pods of {revision}"
    return ""


# -- what


def _requests(
    kubectl: Kubectl, record: Mapping[str, Any], pod: str, part: str | None, remarks: list[str]
) -> list[GoldenRequest]:
    if part is None:
        requests = golden_requests(kubectl, record, pod, remarks)
    else:
        requests = questions.of_bundle(golden_files(kubectl, pod, "models", part) or {})
    fit_for_it = first_within(each for each in requests if encodable(each))
    if not fit_for_it:
        of = part or "the model"
        raise NothingToAskError(
            f"{of} has no golden request that can be asked alone and has at most {MOST_BYTES >> 20} MiB: give the "
            "bundle one"
        )
    if len(fit_for_it) < len(requests):
        remarks.append(
            f"asked were {len(fit_for_it)} of {len(requests)} golden requests: the others are too large, or steps"
        )
    return fit_for_it


def _rounds(
    kubectl: Kubectl,
    asked: Asked,
    requests: Sequence[GoldenRequest],
    until: float,
    *,
    say: Callable[[str], None],
    check_unreached: Callable[[], None],
) -> tuple[list[Round], Ended | PodGoneError]:
    rounds, patience = list[Round](), min(max(10 * asked.objective, _PATIENCE[0]), max(_PATIENCE[1], asked.objective))
    seconds = until - time.monotonic()
    try:
        with Offers.within(
            kubectl, asked.pod, asked.model, requests, objective=asked.objective, patience=patience, seconds=seconds
        ) as offers:
            while True:
                step = next_round(rounds, asked.objective, until - time.monotonic() - patience)
                if isinstance(step, Ended):
                    return rounds, step
                check_unreached()
                rounds.append(offers.round(step, until - time.monotonic()))
                say(_progress(rounds[-1], asked.objective, answer_time(rounds)))
    except LateError:
        return rounds, Ended.TIME
    except PodGoneError as gone:
        return rounds, gone


def _progress(measured: Round, objective: float, alone: float) -> str:
    rate = f"{measured.rate:.3g}/s" if measured.rate else "one at a time"
    p99 = "no answer" if measured.p99 is None else f"p99 {measured.p99 * 1000:.3g} ms"
    failed = f", {measured.sent - measured.answered} failed" if measured.sent > measured.answered else ""
    return f"{rate}: {p99}{failed}, {'holds' if measured.holds(objective, alone) else 'does not hold'}"


def _breaks(rounds: Sequence[Round]) -> bool:
    """Whether connections broke, as they do when a server dies."""
    return any(kind in each.failed for each in rounds for kind in ("connect", "closed"))


def _death(kubectl: Kubectl, pod: str, before: PodFacts | None) -> str:
    """How its server ended meanwhile, in the words of who knows; empty where it has not, as far as can be seen."""
    until = time.monotonic() + _DYING_SECONDS
    while True:
        facts = still_there(kubectl, pod)
        if facts is None or (before and facts.uid != before.uid):
            return "the pod is gone"
        if facts.server.endings > (before.server.endings if before else 0):
            reported = verdict(facts.server.termination_message)
            words = f"{reported.reason}: {reported.message}" if reported else facts.server.exit_reason or facts.failure
            return words or f"exit code {facts.server.exit_code}"
        if facts.failure:
            return facts.failure
        if time.monotonic() >= until:
            return ""
        time.sleep(0.5)


# -- how many more


def _room(kubectl: Kubectl, spec: Mapping[str, Any], pod: str, remarks: list[str]) -> tuple[str | None, int | None]:
    """The GPU of the pod's node, and how many more pods like this one the nodes take; a pod that was made for this
    leaves its place."""
    try:
        nodes, pods = kubectl.items("nodes"), kubectl.items("pods", "--all-namespaces")
        own = kubectl.json("get", "pod", pod)
    except KubectlError as error:
        remarks.append(f"whether there is room is not known: {error}")
        return None, None
    others = [each for each in pods if _uid(each) != _uid(own) or not _is_extra(each)]
    accelerator = _accelerator(spec)
    product = _product(nodes, own) if accelerator else None
    left = room(nodes, others, within(own, "spec"), accelerator)
    if left is None:
        remarks.append("whether there is room is not known: which devices are left for a claim the scheduler knows")
    return product, left


def _uid(body: Mapping[str, Any]) -> object:
    return within(body, "metadata").get("uid")


def _is_extra(body: Mapping[str, Any]) -> bool:
    return REVISION not in within(body, "metadata", "labels")


def _accelerator(spec: Mapping[str, Any]) -> Accelerator | None:
    try:
        return ModelDeploymentSpec.model_validate(spec).accelerator
    except (ValidationError, ValueError):
        return None


def _product(nodes: Sequence[Mapping[str, Any]], pod: Mapping[str, Any]) -> str | None:
    name = within(pod, "spec").get("nodeName")
    labels = [within(each, "metadata", "labels") for each in nodes if within(each, "metadata").get("name") == name]
    return str(labels[0][PRODUCT])[:63] if labels and PRODUCT in labels[0] else None
