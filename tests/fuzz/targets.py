"""What is fuzzed: each reads bytes that a tenant, a bundle, a store or a server may have written.

A target returns for whatever it is given. What it may refuse, it catches; any other exception is a find.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

from slipway.api.v1alpha1 import ModelDeploymentSpec, ModelDeploymentStatus
from slipway.api.v1alpha1.analysis import Metric
from slipway.api.v1alpha1.follow import Follow, FollowStatus
from slipway.console import market
from slipway.controller import grading, inference_client, parsing, prometheus
from slipway.controller.followers import Alias
from slipway.controller.kinds import (
    CHILDREN,
    MODEL_DEPLOYMENT,
    MODEL_VERSION,
    POD,
    REGISTERED_MODEL,
    SHARED_OBJECTS,
    Key,
    Kind,
)
from slipway.controller.store import Store
from slipway.core.analysis.answers import compared
from slipway.core.analysis.look import Grading
from slipway.core.analysis.measure import Contender, measure
from slipway.core.analysis.score import scored
from slipway.core.body import mapping
from slipway.core.catalogue.aliases import model_status
from slipway.core.catalogue.follow import Situation, followed
from slipway.core.catalogue.uses import uses_of, version_status
from slipway.core.observed.evidence import Answer, Evidence, PodSample, Scores, Scrape, Trial, Trials
from slipway.core.rollout.clocks import bounded
from slipway.fetch import golden as golden_files
from slipway.fetch import sums
from slipway.fetch.verdict import FetchError
from slipway.guard import allowed, golden, labelled, wire
from slipway.guard.model_config import ModelConfig
from slipway.guard.tensors import Tensor
from slipway.guard.verdict import Verdict
from slipway.triton import config, metrics
from tests.controller.stored import an_object
from tests.fetch.archives import surveyed

Target = Callable[[bytes], None]
NOW: Final = datetime(2026, 1, 5, 12, tzinfo=UTC)
SPEC: Final = ModelDeploymentSpec.model_validate({"model": {"version": "1", "source": {"uri": "s3://models/1"}}})
_SHAPES: Final[Any] = {"inputs": {"x": (-1, 2)}, "datatypes": {"x": "FP32"}, "outputs": {"y": "FP32", "z": "BYTES"}}
BATCHED: Final = ModelConfig(batched=True, max_batch_size=8, **_SHAPES)
UNBATCHED: Final = ModelConfig(**{**_SHAPES, "inputs": {"x": (2,)}})
PARTS: Final = ("spec", "status", "data")
MODEL: Final[Any] = {
    "backend": "x",
    "maxBatchSize": 0,
    "instances": 1,
    "inputs": [["x", "FP32", [1]]],
    "outputs": [["y", "FP32", [1]]],
}


def store(content: bytes) -> None:
    """An object of each kind, as far as a JSON text holds one."""
    try:
        found = parsing.loads(content)
    except ValueError:
        return
    body = found if isinstance(found, dict) else {}
    there = Store()
    for kind in (MODEL_DEPLOYMENT, POD, *CHILDREN, *SHARED_OBJECTS):
        there.put(kind, an_object(kind, "churn", 1, uid="one") | {part: body[part] for part in PARTS if part in body})


def of_metrics(content: bytes) -> None:
    """A server's metrics."""
    with suppress(metrics.MetricsError):
        metrics.parse(content.decode(errors="replace"), "m")


def answers(content: bytes) -> None:
    """A server's answer, compared with itself; its header ends with the first line."""
    header = len(content.partition(b"\n")[0])
    try:
        answer = Answer(pod="p", outputs=inference_client._outputs(content, header))
    except Exception as error:  # noqa: BLE001 - as `infer`, whose boundary it is
        answer = Answer(pod="p", status=0, trouble=f"its answer cannot be read: {error}")
    trial = compared(Trial(request="r", candidate=answer, stable=answer, again=answer), 0.001)
    scrape = Scrape(at=NOW, pods=(PodSample(pod="p", name="p", revision="r"),))
    evidence = Evidence(history=(scrape,), trials={"a": Trials(trials=(trial,))})
    metric = Metric.model_validate({"name": "a", "answers": {}})
    measure(metric, evidence, Contender(revision="r", version="2"), Contender(revision="s", version="1"))


def of_prometheus(content: bytes) -> None:
    """What a Prometheus answers."""
    for status in (200, 400):
        prometheus._reading(status, content)


def of_sums(content: bytes) -> None:
    """A bundle's SHA256SUMS."""
    with suppress(FetchError):
        sums.parse(content)


def archives(content: bytes) -> None:
    """A bundle in one file."""
    with suppress(FetchError):
        surveyed(content)


def golden_requests(content: bytes) -> None:
    """A golden file, for the fetcher and for the guard."""
    with suppress(FetchError):
        golden_files.check("golden/a.json", content, MODEL, frozenset(), ModelConfig())
    with suppress(golden.GoldenError):
        golden.read(content, "golden/a.json")


def model_config(content: bytes) -> None:
    """A bundle's config.pbtxt."""
    with suppress(config.ConfigError):
        config.declared(config.parse(content.decode(errors="replace")))


def server_arguments(content: bytes) -> None:
    """server.args, one a line."""
    with suppress(Verdict):
        allowed.check(content.decode(errors="replace").split("\n"), ("--model-repository",), (2, 59, 1))


def labelled_rows(content: bytes) -> None:
    """A bundle's or a ConfigMap's rows; after the last empty line, a server's answer to each request."""
    lines, _, answer = content.rpartition(b"\n\n")
    with suppress(labelled.LabelledError):
        rows = labelled.read({"rows.jsonl": lines})
        for config in (BATCHED, UNBATCHED):
            marking = labelled.Marking(config)
            with suppress(labelled.LabelledError):
                for batch in labelled.batches(rows, config):
                    marking.take(batch, _answered(answer, batch))
            marking.scores()


def _answered(content: bytes, batch: labelled.Batch) -> Sequence[Tensor]:
    try:
        return wire.infer_answer(content, len(content))
    except Exception:  # noqa: BLE001 - as who asks a server, whose boundary it is
        data = [value for each in batch.inputs for value in each.data]
        return [Tensor("y", "FP32", (len(batch.rows), len(data) // len(batch.rows)), data)]


def scores(content: bytes) -> None:
    """What a guard says of its scores."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return
    found: Mapping[str, Any] = document if isinstance(document, dict) else {}
    for output in (None, "y"):
        asked = Grading(metric="a", score="f1", output=output, compared=True)
        score = grading._score("p", found, asked)
        told = Scores(candidate=(score,), stable=(score,))
        metric = Metric.model_validate({"name": "a", "score": {"metric": "f1"}, "min": "0.5", "maxDrop": "0.1"})
        scored(metric, told, "2", "1")
    grading._counts({"p": found})


def of_catalogue(content: bytes) -> None:
    """A registered model and a version, each as far as a JSON text holds one, and who follows them."""
    try:
        found = parsing.loads(content)
    except ValueError:
        return
    body = found if isinstance(found, dict) else {}
    there, name = Store(), "churn-4"
    version = _in_catalogue(MODEL_VERSION, name, body.get("version"))
    model = _in_catalogue(REGISTERED_MODEL, "churn", body.get("model"))
    for kind, manifest in ((MODEL_VERSION, version), (REGISTERED_MODEL, model)):
        there.put(kind, manifest)
    market.search(market.published([model], [version]), {"text": "churn"})
    uses = list(uses_of("shop", "churn", body.get("status")))
    facts = there.catalogue.model(Key("shop", "churn"))
    if facts:
        model_status("churn", facts, there.catalogue.versions_of(Key("shop", "churn")), NOW).to_dict()
    version_status("shop", facts.shared_with if facts else frozenset(), uses).to_dict()
    alias = Alias(Key("shop", "churn"), "champion")
    for namespace in ("shop", "web"):
        situation = Situation(
            namespace=namespace,
            uri="s3://models/$(version)",
            withdrawals=there.catalogue.withdrawals_for(namespace, alias),
        )
        before = bounded(ModelDeploymentStatus.of_readable(mapping(body.get("status"))), SPEC, NOW).follow
        follow = Follow(model="churn", namespace="shop", alias="champion")
        answer = followed(follow, there.catalogue.followed(alias), before or FollowStatus(), situation, NOW)
        answer.status.to_dict()


def _in_catalogue(kind: Kind, name: str, stored: Any) -> Any:
    """An object of the fuzzed parts: whoever may write it writes its managedFields, labels and annotations as well."""
    body = stored if isinstance(stored, dict) else {}
    manifest = an_object(kind, name, 1, uid=name) | {part: body[part] for part in PARTS if part in body}
    manifest["metadata"] |= {"generation": 1, "managedFields": body.get("managedFields")}
    return manifest


TARGETS: Final[Mapping[str, Target]] = {
    "store": store,
    "metrics": of_metrics,
    "answers": answers,
    "prometheus": of_prometheus,
    "sums": of_sums,
    "archives": archives,
    "golden": golden_requests,
    "config": model_config,
    "arguments": server_arguments,
    "labelled": labelled_rows,
    "scores": scores,
    "catalogue": of_catalogue,
}
