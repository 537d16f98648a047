"""What is fuzzed: each reads bytes that a tenant, a bundle, a store or a server may have written.

A target returns for whatever it is given. What it may refuse, it catches; any other exception is a find.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

from slipway.api.v1alpha1.analysis import Metric
from slipway.controller import inference_client, parsing, prometheus
from slipway.controller.kinds import CHILDREN, MODEL_DEPLOYMENT, POD, SHARED_OBJECTS
from slipway.controller.store import Store
from slipway.core.analysis.answers import compared
from slipway.core.analysis.measure import Contender, measure
from slipway.core.observed.evidence import Answer, Evidence, PodSample, Scrape, Trial, Trials
from slipway.fetch import golden as golden_files
from slipway.fetch import sums
from slipway.fetch.verdict import FetchError
from slipway.guard import allowed, golden
from slipway.guard.model_config import ModelConfig
from slipway.guard.verdict import Verdict
from slipway.triton import config, metrics
from tests.controller.stored import an_object
from tests.fetch.archives import surveyed

Target = Callable[[bytes], None]
NOW: Final = datetime(2026, 1, 5, 12, tzinfo=UTC)
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
}
