"""`status.model`: what the version that serves takes and answers, over whole stories on the simulator."""

import json
from typing import Any

from tests.core.cluster.scenario import ready
from tests.core.cluster.simulator import Simulator
from tests.core.gen import resolved

LINE = {
    "name": "churn",
    "backend": "onnxruntime",
    "maxBatchSize": 8,
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 1]}],
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 1]}],
}
WITHOUT_BATCHES = {"backend": "python", "maxBatchSize": 0, "inputs": [["text", "BYTES", [-1]]]}


def asks_for_4(cluster: Simulator, **model: Any) -> Simulator:
    cluster.edit(version="4")
    cluster.settle()
    cluster.resolve_job_ends(json.dumps({"resolved": resolved(model=model).to_dict()}))
    cluster.settle()
    return cluster


def test_it_is_that_of_the_version_that_serves_and_changes_with_it() -> None:
    cluster = ready()
    assert cluster.status["model"] == LINE

    asks_for_4(cluster, **WITHOUT_BATCHES)
    assert cluster.status["model"] == LINE

    cluster.rolls_on()
    assert cluster.status["stable"]["version"] == "4"
    served = cluster.status["model"]
    assert (served["backend"], served["maxBatchSize"]) == ("python", 0)
    assert served["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1]}]


def test_it_has_the_parts_of_its_bundle() -> None:
    parts = [{"name": "words", "backend": "python", "maxBatchSize": 8, "instances": 1, "tensorBytes": 264}]
    cluster = asks_for_4(ready(), **WITHOUT_BATCHES, parts=parts)
    cluster.rolls_on()
    assert cluster.status["model"]["parts"] == [{"name": "words", "backend": "python"}]


def test_it_is_still_known_when_the_revisions_history_is_lost() -> None:
    cluster = ready()
    for place in [place for place in cluster.objects if place[0] in ("ControllerRevision", "ConfigMap")]:
        del cluster.objects[place]
    cluster.settle()
    assert cluster.status["model"] == LINE
