"""Whatever tenants, pods, stores and Prometheuses put before the operator, it goes on, and soon.

A short run here, by fixed examples. A long one: `pytest tests/controller/test_fuzzed.py --hypothesis-profile=explore`.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from slipway.api.v1alpha1.analysis import Metric
from slipway.controller import inference_client, parsing, prometheus
from slipway.controller.handlers import EventSink
from slipway.controller.kinds import CATALOGUE, CHILDREN, MODEL_DEPLOYMENT, POD, SHARED_OBJECTS, Kind
from slipway.controller.queue import WorkQueue
from slipway.controller.store import Store
from slipway.controller.watch_health import WatchHealth
from slipway.core.analysis.answers import compared
from slipway.core.analysis.measure import Contender, measure
from slipway.core.decide import decide
from slipway.core.observed.evidence import Answer, Evidence, PodSample, Scrape, Trial, Trials
from slipway.core.owner import Owner
from slipway.fetch import golden as golden_files
from slipway.fetch.verdict import FetchError
from slipway.guard import golden
from slipway.guard.model_config import ModelConfig
from slipway.triton import metrics
from tests.controller.stored import an_object, controlled
from tests.core.gen import platform

SECONDS: Final = 1.0
"""Of CPU, for anything that holds up the loop."""
NOW: Final = datetime(2026, 1, 5, 12, tzinfo=UTC)
TIMES: Final = ["0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-01-05T12:00:00Z", "2026-01-05", "", "x"]
NUMBERS: Final = [0, -1, 2**31, 2**63 - 1, -(2**63), 1e308, 0.1]
WORDS: Final = [
    "",
    "True",
    "False",
    "Ready",
    "None",
    "../..",
    "\x00\x1b[31m",
    "😀" * 50,
    "x" * 5000,
    "churn",
    "90be11d2",
]
FIELDS: Final = [
    *("conditions", "type", "status", "reason", "message", "lastTransitionTime", "containerStatuses", "state", "name"),
    *(
        "terminated",
        "exitCode",
        "replicas",
        "availableReplicas",
        "observedGeneration",
        "phase",
        "podIP",
        "spec",
        "data",
    ),
    *("template", "selector", "parents", "rules", "backendRefs", "weight", "listeners", "traffic", "gateway", "model"),
    *("version", "source", "uri", "rollout", "children", "metadata", "format", "ask", "asked", "resolved", "platform"),
]
SCALARS = st.sampled_from([None, True, False, *TIMES, *NUMBERS, *WORDS])
VALUES = st.recursive(
    SCALARS,
    lambda inside: (
        st.lists(inside, max_size=4)
        | st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=5), inside, max_size=5)
    ),
    max_leaves=25,
)
OBJECTS = st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=8)
KINDS = st.sampled_from([MODEL_DEPLOYMENT, POD, *CHILDREN, *SHARED_OBJECTS, *CATALOGUE])


@contextmanager
def soon() -> Iterator[None]:
    began = time.process_time()
    yield
    assert time.process_time() - began < SECONDS


SCHEMALESS: Final = {MODEL_DEPLOYMENT.name: ("spec",), "ControllerRevision": ("data",)}
"""Where an API server keeps whatever somebody writes: an older CRD may have taken any spec."""


@st.composite
def objects(draw: st.DrawFn, *, free: bool = True) -> tuple[Kind, Any]:
    """An object as an API server may store it: what it sees to itself is there, and the rest is anything. Without
    `free` only where there is no schema."""
    kind = draw(KINDS)
    name = draw(st.sampled_from(["churn", "churn-90be11d2", "churn-90be11d2-1"]))
    made = an_object(kind, name, draw(st.integers(1, 50)), uid=draw(st.sampled_from(["", "one", "two"])))
    if draw(st.booleans()):
        made = controlled(made, kind="ReplicaSet" if kind is POD else "ModelDeployment")
    meta = made["metadata"]
    entry = st.fixed_dictionaries({}, optional={"time": st.sampled_from(TIMES), "subresource": st.just("status")})
    meta["managedFields"] = draw(st.lists(entry, max_size=2))
    keys = st.sampled_from(["serving.slipway.dev/record", "serving.slipway.dev/request", "x"])
    meta["annotations"] = draw(st.dictionaries(keys, st.text(max_size=9)))
    for part in ("spec", "status", "data") if free else SCHEMALESS.get(kind.name, ()):
        if draw(st.booleans()):
            made[part] = draw(OBJECTS)
    return kind, made


@given(st.lists(objects(), max_size=8))
def test_no_object_that_an_api_server_stores_stops_the_store(there: list[tuple[Kind, Any]]) -> None:
    store = Store()
    store.put(MODEL_DEPLOYMENT, an_object(MODEL_DEPLOYMENT, "churn", 1, spec={"model": {}}))
    with soon():
        for kind, manifest in there:
            store.put(kind, parsing.loads(parsing.dumps(manifest)))
        for kind, manifest in there:
            store.remove(kind, manifest["metadata"]["uid"])


@given(st.lists(objects(free=False), max_size=8))
def test_nothing_that_has_no_schema_stops_a_pass(there: list[tuple[Kind, Any]]) -> None:
    store = Store()
    store.put(MODEL_DEPLOYMENT, an_object(MODEL_DEPLOYMENT, "churn", 1, spec={"model": {}}))
    for kind, manifest in there:
        store.put(kind, parsing.loads(parsing.dumps(manifest)))
    with soon():
        for key, live in store.owners():
            for spec in (live.spec, {"model": {"version": "1", "source": {"uri": "s3://models/churn/1"}}}):
                decide(
                    owner=Owner(namespace=key.namespace, name=key.name, uid=live.uid, request=live.request),
                    spec=spec,
                    status=live.status,
                    observed=store.observed(key),
                    platform=platform(),
                    now=NOW,
                )


@given(st.lists(st.tuples(st.sampled_from(["ADDED", "MODIFIED", "DELETED"]), objects()), max_size=8))
async def test_no_line_of_a_watch_stops_it(lines: list[tuple[Any, tuple[Kind, Any]]]) -> None:
    sink = EventSink(store=Store(), queue=WorkQueue(), watch_health=WatchHealth())
    with soon():
        for what, (kind, manifest) in lines:
            sink.take(kind, {"type": what, "object": parsing.loads(json.dumps(manifest))})


@given(st.binary(max_size=200) | st.text('[]{}",:\\0123456789eE.-+ntfru \ud800', max_size=200))
def test_no_text_stops_the_parser(text: bytes | str) -> None:
    with soon(), suppress(ValueError):
        parsing.dumps(parsing.loads(text))


@given(
    st.text(max_size=300)
    | st.lists(
        st.sampled_from(
            [
                metrics.SUCCEEDED,
                metrics.LATENCY_US,
                '{model="m"',
                ',quantile="',
                '"',
                "} ",
                "\\",
                "nan",
                "1",
                " ",
                "\n",
                ",",
            ]
        ),
        max_size=200,
    ).map("".join)
)
def test_no_text_of_metrics_stops_a_look(text: str) -> None:
    with soon(), suppress(metrics.MetricsError):
        metrics.parse(text, "m")


@given(
    st.integers(0, 999),
    st.binary(max_size=100)
    | VALUES.map(lambda value: json.dumps(value).encode())
    | OBJECTS.map(
        lambda more: json.dumps({"status": "success", "data": {"resultType": "vector", "result": [more]}}).encode()
    ),
)
def test_no_answer_of_a_prometheus_is_more_than_a_reading(status: int, body: bytes) -> None:
    with soon():
        reading = prometheus._reading(status, body)
    assert reading.value is not None or reading.trouble


OUTPUT = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["y", "z", ""]),
        "datatype": st.sampled_from(["FP32", "FP16", "BF16", "INT64", "BOOL", "BYTES", "?"]),
        "shape": st.lists(st.sampled_from([0, 1, 2, -1, 2**70, "3", None]), max_size=3),
        "parameters": st.fixed_dictionaries({"binary_data_size": st.sampled_from([0, 4, 8, 16, -4, 10**9, None])}),
    }
)


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    header = json.dumps({"outputs": draw(st.lists(OUTPUT, max_size=3))}).encode()
    raw = header + draw(st.binary(max_size=64))
    try:
        outputs = inference_client._outputs(raw, len(header))
    except Exception as error:  # noqa: BLE001 - as `infer`, whose boundary it is
        return Answer(pod="p", status=0, trouble=f"its answer cannot be read: {error}")
    return Answer(pod="p", outputs=outputs)


@given(answers(), answers(), answers(), st.sampled_from([0.0, 0.001, 1e300]))
def test_no_answers_stop_their_comparison_or_the_measurement(
    candidate: Answer, stable: Answer, again: Answer, tolerance: float
) -> None:
    trial = Trial(request="requests[0]", candidate=candidate, stable=stable, again=again)
    metric = Metric.model_validate({"name": "a", "answers": {}})
    scrape = Scrape(at=NOW, pods=(PodSample(pod="p", name="p", revision="r"),))
    with soon():
        evidence = Evidence(history=(scrape,), trials={"a": Trials(trials=(compared(trial, tolerance),))})
        says = measure(metric, evidence, Contender(revision="r", version="2"), Contender(revision="s", version="1"))
    assert says.message


GOLDEN = st.fixed_dictionaries(
    {},
    optional={
        "inputs": st.lists(OUTPUT.map(lambda each: {**each, "data": [1, 2, "x", None, [1e400, [True]]]}), max_size=2)
        | VALUES,
        "outputs": st.lists(OUTPUT, max_size=2) | VALUES,
        "tolerance": VALUES,
    },
)


@given(GOLDEN | VALUES)
def test_no_golden_file_is_more_than_a_request_or_a_verdict(document: Any) -> None:
    declared: Any = {"backend": "x", "maxBatchSize": 0, "instances": 1, "inputs": [["y", "FP32", [1]]], "outputs": []}
    with soon():
        with suppress(golden.GoldenError):
            golden.parse(document, "golden/a.json")
        with suppress(FetchError):
            golden_files.check("golden/a.json", json.dumps(document).encode(), declared, frozenset(), ModelConfig())
