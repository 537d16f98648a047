"""One run: the models' load goes up and down the stairs, and the number of their pods is written down."""

import json
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bench.staircase.figures import Course, Moment, late_requests
from bench.staircase.models import ANSWER, REQUEST, Model
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

    @property
    def name(self) -> str:
        """Its ModelDeployment's."""
        return name_of(self.model, self.scaler)


def entrants(models: Iterable[Model], steps: Sequence[tuple[int, float]]) -> list[Entrant]:
    """Each model under each scaler."""
    return [Entrant(model, scaler, model.stairs(steps)) for model in models for scaler in scalers_of(model)]


def run(kubectl: Kubectl, client: Kubectl, racing: Sequence[Entrant], uris: Mapping[str, str]) -> list[Course]:
    """All of them at once, from one pod each."""
    _begin(kubectl, racing, uris)
    folders: dict[str, str] = {}
    began: dict[str, float] = {}
    moments: dict[str, list[Moment]] = {each.name: [] for each in racing}
    try:
        for each in racing:
            folders[each.name] = _load(client, each)
            began[each.name] = time.monotonic()
        _watch(kubectl, racing, began, moments)
    finally:
        reports = {name: _ended(client, folder) for name, folder in folders.items()}
        kubectl("delete", "modeldeployments", "--all", "--wait")
    return [_course(each, moments[each.name], reports[each.name]) for each in racing]


def _begin(kubectl: Kubectl, racing: Sequence[Entrant], uris: Mapping[str, str]) -> None:
    kubectl("delete", "modeldeployments", "--all", "--wait")
    for each in racing:
        kubectl.apply(manifest(each.model, each.scaler, uris[each.model.name]))
    with working("waiting until every model serves"):
        names = [f"modeldeployment/{each.name}" for each in racing]
        kubectl("wait", "--for=condition=Ready", *names, f"--timeout={READY_SECONDS}s")


def _load(client: Kubectl, entrant: Entrant) -> str:
    folder = f"/tmp/{secrets.token_hex(4)}"
    steps = ",".join(f"{rate:g}:{seconds:g}" for rate, seconds in entrant.stairs.steps)
    arguments = (
        f"--http=http://{entrant.name}.{NAMESPACE}.svc:{HTTP_PORT}",
        f"--model={entrant.name}",
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


def _ended(client: Kubectl, folder: str) -> Report:
    for _ in range(TRIES):  # kubectl may lose what a command printed, and say that all went well
        if told := pod.program(client, "load.background", "end", folder):
            return Report.from_json(told)
    raise CommandError(f"the load in {folder} gave no report")


def _course(entrant: Entrant, moments: Sequence[Moment], report: Report) -> Course:
    sent, late = late_requests(report, entrant.model, entrant.stairs.seconds)
    return Course(entrant.model, entrant.stairs, moments, sent, late)
