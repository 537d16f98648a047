"""One run: the models' load goes up and down the stairs, and the number of their pods is written down."""

import json
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bench.staircase.figures import Course, Moment, late_requests
from bench.staircase.models import ANSWER, REQUEST, Model
from bench.staircase.place import Place
from bench.staircase.scalers import NAMESPACE, Scaler, manifest, name_of, scalers_of
from load import pod
from load.report import Report
from load.schedule import Stairs
from testbed.kubectl import Kubectl
from testbed.say import working
from testbed.served import HTTP_PORT, MODEL_DEPLOYMENT
from testbed.shell import CommandError

EVERY_SECONDS: Final = 5.0
READY_SECONDS: Final = 300
TRIES: Final = 3


@dataclass(frozen=True)
class Entrant:
    """One model under one scaler."""

    model: Model
    scaler: Scaler
    stairs: Stairs
    stabilization: int
    """Seconds for which its scaler keeps pods that were needed."""

    @property
    def name(self) -> str:
        """Its ModelDeployment's."""
        return name_of(self.model, self.scaler)


def entrants(models: Iterable[Model], steps: Sequence[tuple[int, float]], stabilization: int) -> list[Entrant]:
    """Each model under each scaler."""
    return [
        Entrant(model, scaler, model.stairs(steps), stabilization)
        for model in models
        for scaler in scalers_of(model, stabilization)
    ]


def run(place: Place, racing: Sequence[Entrant]) -> list[Course]:
    """All of them at once, from one pod each."""
    kubectl, client = place.kubectl, place.client
    begin(kubectl, {each.name: manifest(each.model, each.scaler, place.uris[each.model.name]) for each in racing})
    folders: dict[str, str] = {}
    began: dict[str, float] = {}
    moments: dict[str, list[Moment]] = {each.name: [] for each in racing}
    try:
        for each in racing:
            folders[each.name] = begin_load(client, each.name, each.stairs)
            began[each.name] = time.monotonic()
        _watch(kubectl, racing, began, moments)
    finally:
        reports = {name: end_load(client, folder) for name, folder in folders.items()}
        kubectl("delete", "modeldeployments", "--all", "--wait")
    return [_course(each, moments[each.name], reports[each.name]) for each in racing]


def begin(kubectl: Kubectl, manifests: Mapping[str, dict[str, Any]]) -> None:
    """Have these ModelDeployments, by name, Ready, and no others."""
    kubectl("delete", "modeldeployments", "--all", "--wait")
    kubectl.apply(*manifests.values())
    with working("waiting until every model serves"):
        names = [f"modeldeployment/{name}" for name in manifests]
        kubectl("wait", "--for=condition=Ready", *names, f"--timeout={READY_SECONDS}s")


def begin_load(client: Kubectl, name: str, stairs: Stairs) -> str:
    """Offer a ModelDeployment these rates from now on; where `end_load` finds the report."""
    folder = f"/tmp/{secrets.token_hex(4)}"
    steps = ",".join(f"{rate:g}:{seconds:g}" for rate, seconds in stairs.steps)
    arguments = (
        f"--http=http://{name}.{NAMESPACE}.svc:{HTTP_PORT}",
        f"--model={name}",
        f"--request={json.dumps(REQUEST)}",
        f"--steps={steps}",
        "--no-keep",
        "--timeout=60",
        "--clients=1",
        "--answers",
        f"1={ANSWER}",
    )
    pod.program(client, "load.background", "start", folder, *arguments)
    return folder


def _watch(
    kubectl: Kubectl,
    racing: Sequence[Entrant],
    began: Mapping[str, float],
    moments: Mapping[str, list[Moment]],
) -> None:
    seconds = max(each.stairs.seconds for each in racing)
    ends = max(began.values()) + seconds
    with working(f"the load goes up and down for {seconds / 60:.0f} minutes") as tell:
        while (now := time.monotonic()) < ends:
            counts = _counts(kubectl)
            for each in racing:
                wanted, available = counts.get(each.name, (0, 0))
                moments[each.name].append(Moment(now - began[each.name], wanted, available))
            tell(", ".join(f"{name} {wanted}" for name, (wanted, _) in sorted(counts.items())))
            time.sleep(EVERY_SECONDS)


def _counts(kubectl: Kubectl) -> dict[str, tuple[int, int]]:
    """Pods that are asked for and available, by ModelDeployment."""
    found: list[dict[str, Any]] = kubectl.json("get", "deployments")["items"]
    return {
        each["metadata"]["labels"][MODEL_DEPLOYMENT]: (
            int(each["spec"].get("replicas", 1)),
            int(each["status"].get("availableReplicas", 0)),
        )
        for each in found
    }


def end_load(client: Kubectl, folder: str) -> Report:
    """End it; what became of its requests."""
    for _ in range(TRIES):  # kubectl may lose what a command printed, and say that all went well
        if told := pod.program(client, "load.background", "end", folder):
            return Report.from_json(told)
    raise CommandError(f"the load in {folder} gave no report")


def _course(entrant: Entrant, moments: Sequence[Moment], report: Report) -> Course:
    sent, late = late_requests(report, entrant.model, entrant.stairs.seconds)
    return Course(entrant.model, entrant.stairs, entrant.stabilization, moments, sent, late)
