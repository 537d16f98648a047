"""Models in the states that people meet, with their pods, as an API server would hand them out.

The core decides on the simulator, so what is drawn is what the operator writes. `python -m tests.cli.scenes` draws all
of them anew into tests/cli/golden.
"""

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from slipway.api.v1alpha1 import API_VERSION, KIND
from slipway.cli.answers import Answers, asked
from slipway.cli.draw_answers import answers_of
from slipway.cli.draw_pages import history_of, list_of, why_of
from slipway.cli.draw_tree import tree_of
from slipway.cli.history import history
from slipway.cli.listing import rows
from slipway.cli.model import Model
from slipway.cli.screen import UNBOUNDED, Screen, drawn
from slipway.cli.tree import tree
from slipway.cli.why import why
from slipway.guard import comparison, golden
from slipway.guard.asking import Answer
from slipway.guard.golden import GoldenRequest
from slipway.guard.tensors import Tensor
from slipway.triton.metrics import ModelMetrics
from tests.core.cluster.kubelet import says
from tests.core.cluster.scenario import ERRORS, canary, goes_on, pods_come, ready, round_of
from tests.core.cluster.simulator import Simulator
from tests.core.cluster.stored import copied
from tests.core.pods import unschedulable
from tests.triton import models

GOLDEN: Final = Path(__file__).parent / "golden"
Object = dict[str, Any]

SCREENS: Final = {
    "80": Screen(width=80),
    "40": Screen(width=40),
    "ascii": Screen(width=80, unicode=False),
    "colour": Screen(width=80, color=True),
    "pipe": Screen(width=UNBOUNDED),
}


class Scene(NamedTuple):
    """What the API server has of one model, and when."""

    body: Object
    pods: list[Object]
    stored: list[Object]
    events: list[Object]
    now: datetime

    @property
    def model(self) -> Model:
        return Model.read(self.body, self.pods)


def paused_canary() -> Simulator:
    """At 10 %, in a pause that ends by itself."""
    cluster = canary()
    pods_come(cluster)
    return cluster


def at_an_endless_pause() -> Simulator:
    """At 10 %, in a pause that somebody ends."""
    cluster = canary({"weight": 10}, {"pause": {}}, {"weight": 50})
    pods_come(cluster)
    return cluster


def asks(cluster: Simulator, verb: str) -> Simulator:
    """Somebody asks for something about the candidate."""
    cluster.request = f"{verb}/{cluster.status['candidate']['revision']}"
    goes_on(cluster)
    return cluster


def measured_canary() -> Simulator:
    """At 10 %, after a first round of its analysis."""
    analysis = {"interval": "1m", "count": 5, "metrics": [ERRORS]}
    steps: list[Object] = [{"weight": 10}, {"analysis": "Inline"}, {"weight": 50}, {"pause": {}}]
    cluster = canary(*steps, analysis=analysis)
    pods_come(cluster)
    cluster.looks(metrics={"3": ModelMetrics(), "4": ModelMetrics()})
    goes_on(cluster)
    round_of(cluster, succeeded=1000)
    return cluster


def starting() -> Simulator:
    """One of its pods loads, the others have found no node yet."""
    cluster = canary(fullSize=True)
    name = cluster.revision_named("4")
    cluster.kubelet(name, status=unschedulable("0/3 nodes are available: 3 Insufficient nvidia.com/gpu."))
    cluster.pods[f"{name}-0"]["status"] = cluster.server_runs()
    cluster.pods[f"{name}-0"]["status"]["containerStatuses"][0]["started"] = False
    cluster.settle()
    return cluster


def loading() -> Simulator:
    """All of its pods load."""
    cluster = canary()
    name = cluster.revision_named("4")
    status = cluster.server_runs()
    status["containerStatuses"][0]["started"] = False
    cluster.kubelet(name, status=status)
    cluster.settle()
    return cluster


def serving() -> Simulator:
    """Twelve pods, of which one has lost its server."""
    cluster = ready(replicas=12, accelerator={})
    name = cluster.revision_named("3")
    message = says("BackendDead", "the stub is gone")
    cluster.pods[f"{name}-7"]["status"] = cluster.server_ended(message, restarts=3)
    cluster.objects["Deployment", name]["status"]["availableReplicas"] = 11
    cluster.settle()
    return cluster


def sent_home() -> Simulator:
    """Answered wrongly."""
    cluster = canary()
    message = says("WrongAnswer", "golden/a.json: y[0] is 5, expected 7 within 0.0001")
    cluster.kubelet(cluster.revision_named("4"), status=cluster.server_ended(message))
    goes_on(cluster)
    return cluster


def soaking() -> Simulator:
    """Has all the traffic; the one before stands by."""
    cluster = canary({"weight": 50}, standbyDuration="1h")
    for _ in range(4):
        pods_come(cluster)
    return cluster


def resolving() -> Simulator:
    """A next version whose source is being looked at."""
    cluster = ready(replicas=2)
    cluster.edit(version="4")
    cluster.settle()
    return cluster


CLUSTERS: Final[dict[str, Callable[[], Simulator]]] = {
    "serving": serving,
    "resolving": resolving,
    "starting": starting,
    "loading": loading,
    "canary-paused": paused_canary,
    "canary-measured": measured_canary,
    "sent-home": sent_home,
    "soaking": soaking,
}
PAUSES: Final[dict[str, Callable[[], Simulator]]] = {
    "pause-timed": paused_canary,
    "pause-endless": at_an_endless_pause,
    "pause-asked": lambda: asks(loading(), "pause"),
    "pause-asked-at-a-timed-one": lambda: asks(paused_canary(), "pause"),
    "pause-asked-at-an-endless-one": lambda: asks(at_an_endless_pause(), "pause"),
}
"""All kinds of pauses, for what `why` says of each."""
WARNING: Final = {
    "type": "Warning",
    "reason": "MakingRoom",
    "message": "no free GPU: one old pod goes first",
    "count": 3,
    "lastTimestamp": "2026-01-05T12:01:00Z",
    "involvedObject": {"kind": "ModelDeployment", "name": "churn"},
}


def scene(name: str) -> Scene:
    """A scene, 90 seconds after its last pass, with plain names for its revisions. Whoever asks has it to himself."""
    made = _made(name)
    return made._replace(body=copied(made.body), pods=copied(made.pods), stored=copied(made.stored))


@cache
def _made(name: str) -> Scene:
    return scene_of((CLUSTERS | PAUSES)[name]())


def scene_of(cluster: Simulator) -> Scene:
    """What the simulator has, as an API server would hand it out."""
    meta = {"name": "churn", "namespace": "shop", "generation": cluster.generation}
    meta["creationTimestamp"] = "2026-01-05T11:00:00Z"
    if cluster.request:
        meta["annotations"] = {"serving.slipway.dev/rollout": cluster.request}
    body = {"apiVersion": API_VERSION, "kind": KIND, "metadata": meta, "spec": cluster.spec, "status": cluster.status}
    stored = [each for (kind, _), each in cluster.objects.items() if kind == "ControllerRevision"]
    pods = [_on_a_node(pod, cluster) for pod in cluster.pods.values()]
    text = json.dumps([body, pods, stored], default=str)
    for number, each in enumerate(stored, start=1):
        text = text.replace(each["metadata"]["name"].removeprefix("churn-"), str(number) * 8)
    body, pods, stored = json.loads(text)
    return Scene(body, pods, stored, [WARNING], cluster.now + timedelta(seconds=90))


def _on_a_node(pod: Object, cluster: Simulator) -> Object:
    """With its containers as its Deployment's template has them: the simulator's pods have none."""
    found = copy.deepcopy(pod)
    if any(each.get("reason") == "Unschedulable" for each in pod["status"].get("conditions") or ()):
        found["spec"].pop("nodeName", None)
    name = pod["metadata"]["name"].rpartition("-")[0]
    deployment = cluster.objects.get(("Deployment", name))
    if deployment:
        found["spec"] = {**found.get("spec", {}), "containers": deployment["spec"]["template"]["spec"]["containers"]}
    return found


def _named(body: Object, name: str) -> Object:
    return {**body, "metadata": {**body["metadata"], "name": name}}


def answers() -> Answers:
    """Two golden requests, one answered wrongly, and one without a right answer."""
    requests = [
        golden.parse(models.golden(), "golden/one.json"),
        golden.parse(models.golden(3, 8), "golden/batch.json"),
        GoldenRequest("mine.json", (), (), exact=False),
    ]
    got = [Tensor("y", "FP32", (1, 1), (7.0,))]
    found = [asked(Answer(each, [got], comparison.wrong(each, got), 0.0031)) for each in requests]
    who = {"name": "churn", "namespace": "shop", "version": "3", "revision": "11111111", "pod": "churn-11111111-0"}
    return Answers(**who, asked=found, remarks=[])


LATER: Final = datetime(2026, 1, 5, 13, tzinfo=UTC)


def drawings() -> dict[str, str]:
    """Every golden file with its text."""
    found = {}
    for name in CLUSTERS:
        each = scene(name)
        for width, on in SCREENS.items():
            if width in ("80", "40") or name == "canary-measured":
                found[f"get-{name}.{width}.txt"] = drawn(tree_of(tree(each.model), on, each.now), on)
    for name in PAUSES:
        each = scene(name)
        found[f"why-{name}.80.txt"] = drawn(why_of(why(each.model), each.now), SCREENS["80"])
    for width in ("80", "40", "ascii"):
        on, each = SCREENS[width], scene("sent-home")
        found[f"why-sent-home.{width}.txt"] = drawn(why_of(why(each.model, each.events), each.now), on)
        found[f"history-sent-home.{width}.txt"] = drawn(history_of(history(each.model, each.stored), on, each.now), on)
        found[f"ask.{width}.txt"] = drawn(answers_of(answers(), on), on)
        listed = rows(_named(scene(name).body, name) for name in CLUSTERS)
        found[f"list.{width}.txt"] = drawn(
            list_of(listed, on, datetime(2026, 1, 5, 13, tzinfo=UTC), everywhere=True), on
        )
    return found


def main() -> None:
    """Draw all anew."""
    for old in GOLDEN.glob("*.txt"):
        old.unlink()
    GOLDEN.mkdir(exist_ok=True)
    for name, text in drawings().items():
        (GOLDEN / name).write_text(text)


if __name__ == "__main__":
    main()
