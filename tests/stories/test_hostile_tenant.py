"""One namespace does all at once that a tenant can do to an operator; another's rollouts are on time."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, Final

import httpx
import pytest

from slipway.core.names import COMPONENT
from testbed.api import Api, Manifest
from testbed.operating import OperatorProcess, until
from testbed.plane import Plane
from tests.stories.conftest import Figures
from tests.stories.hostile_endpoints import Endpoints, hostile_endpoints
from tests.stories.story import OWNER, REVISION, Story, model_deployment

pytestmark = [pytest.mark.plane, pytest.mark.scale]

ON_TIME_SECONDS: Final = 60
"""For a change of version; undisturbed it takes a fifth of that."""
TIMES_ALONE: Final = 6
"""What it may take beside the hostile tenant where the machine is slower than that."""
MEMORY_LIMIT_MIB: Final = 512
"""The chart's."""
MEASURED: Final = 12
"""Pods with hostile metrics."""
MODELS: Final = 150
RUBBISH: Final = 120
LEVELS: Final = 1100
MEGABYTE: Final = 900_000
MARKS: Final = {"app.kubernetes.io/managed-by": "slipway", OWNER: "churn", REVISION: "3f2a91bc"}


def test_whatever_a_tenant_stores_another_ones_rollouts_are_on_time(
    story_plane: Plane, story_api: Api, figures: Figures
) -> None:
    # given: of two namespaces one has a model that serves
    hostile, other = Story(story_plane, story_api).begin(), Story(story_plane, story_api).begin()
    other.apply(model_deployment("churn", "1"))
    with (
        OperatorProcess(story_plane, namespaces=[hostile.namespace, other.namespace]) as operator,
        hostile_endpoints() as endpoints,
    ):
        other.until_ready("churn", version="1")
        alone = _change(other, "2", figures, "alone", 2 * ON_TIME_SECONDS)
        on_time = max(ON_TIME_SECONDS, TIMES_ALONE * alone)

        # when: one namespace has everything in it that can be there, goes on changing some of it, and its pods' metrics
        # are silent, without end, or take time to read
        _measure_pods(hostile)
        _store_everything(hostile)
        with _flapping(hostile, endpoints):
            hostile.until("its resolve Jobs wait for their turn", lambda: _queued(hostile), 120, 1)
            until("endpoints of each way were asked", lambda: not endpoints.idle, 120, 1)

            # then: another's next version takes over in time
            _change(other, "3", figures, "beside the hostile tenant", on_time)
            _holds(operator, figures, "before a restart")

            # and so it does after a restart, which reads all of that at once
            assert operator.stop() == 0
            operator.start()
            _change(other, "4", figures, "after a restart beside it", on_time)
            _holds(operator, figures, "after it")
        assert operator.stop() == 0
        figures["answers that hostile metrics endpoints began"] = f"{endpoints.asked.total()}"


def _change(story: Story, version: str, figures: Figures, when: str, most_seconds: float) -> float:
    """Seconds that a change of version took."""
    source, began = {"uri": f"s3://models/churn/{version}"}, time.monotonic()
    story.edit("churn", model={"version": version, "source": source})
    story.until_ready("churn", version=version, seconds=most_seconds)
    took = time.monotonic() - began
    figures[f"change of version, {when}"] = f"{took:.1f} s of {most_seconds:.0f}"
    return took


def _holds(operator: OperatorProcess, figures: Figures, when: str) -> None:
    """It runs, answers, and has never had more memory than the chart gives it."""
    assert operator.ended() is None
    assert operator.says("/healthz") == (200, "ok")
    peak = operator.memory_mib(peak=True)
    figures[f"operator, {when}"] = (
        f"{peak:.0f} MiB of {MEMORY_LIMIT_MIB} at most, {operator.cpu_seconds():.0f} s of CPU, not restarted"
    )
    assert peak < MEMORY_LIMIT_MIB


def _queued(story: Story) -> bool:
    """Asked by kubectl: what is there no parser of Python's reads."""
    reasons = story.kubectl("get", "modeldeployments", "-o", "jsonpath={.items[*].status.conditions[*].reason}")
    return "ResolveQueued" in reasons


# -- what the tenant does


def _measure_pods(story: Story) -> None:
    """A canary whose analysis never ends: each round asks all its pods for their metrics."""
    metric = {"name": "errors", "builtIn": "ErrorRate", "max": "0.01"}
    analysis = {"interval": "5s", "count": 1000, "inconclusiveLimit": 1000, "metrics": [metric]}
    canary = {"steps": [{"weight": 50}, {"analysis": "Inline"}]}
    rollout = {"type": "Canary", "canary": canary, "analysis": analysis}
    story.apply(model_deployment("measured", "1", replicas=MEASURED, rollout=rollout))
    story.until_ready("measured", version="1")
    story.edit("measured", model={"version": "2", "source": {"uri": "s3://models/churn/2"}})
    story.until("its analysis runs", lambda: "analysis" in _canary(story), 120)


def _canary(story: Story) -> Manifest:
    rollout = story.status("measured").get("rollout") or {}
    return dict(rollout.get("canary") or {})


def _lead_to(api: Api, namespace: str, endpoints: Endpoints) -> None:
    """Its pods are where the endpoints listen."""
    pods = api.list("pods", namespace, f"{OWNER}=measured,{COMPONENT}=server")
    for place, pod in enumerate(pods):
        address = endpoints.addresses[place % len(endpoints.addresses)]
        if pod["status"].get("podIP") not in (None, *endpoints.addresses):
            status = {"podIP": address, "podIPs": [{"ip": address}]}
            with suppress(httpx.HTTPStatusError):  # it is gone already
                api.patch("pods", namespace, pod["metadata"]["name"], {"status": status}, "status")


def _store_everything(story: Story) -> None:
    deep = json.dumps(model_deployment("deep", scheduling={"affinity": "HERE"}))
    nested = f'{{"x": {"[" * LEVELS}1{"]" * LEVELS}}}'
    story.plane.kubectl().within(story.namespace)("create", "-f", "-", stdin=deep.replace('"HERE"', nested))
    with ThreadPoolExecutor(4) as threads:
        for plural, manifest in _rubbish():
            threads.submit(story.api.create, plural, story.namespace, manifest)
    stored = story.api.list("configmaps", story.namespace, f"{OWNER}=churn")
    assert len(stored) > RUBBISH


def _rubbish() -> Iterator[tuple[str, Manifest]]:
    """Objects without an end: Jobs whose pods find no place, and whatever has our labels."""
    for number in range(MODELS):
        made = model_deployment(f"m-{number}")
        made["spec"]["model"]["source"]["uri"] = f"pvc://nothing/{number}"
        yield "modeldeployments", made
    for number in range(RUBBISH):
        yield "configmaps", _marked(f"huge-{number}", data={"x": "x" * MEGABYTE})
        yield "controllerrevisions", _marked(f"churn-{number}", revision=number + 1, data={"children": [{"kind": "X"}]})
        container = {"name": "resolve", "image": "x"}
        yield "pods", _marked(f"pod-{number}", spec={"containers": [container]})
    dated: dict[str, Any] = {"manager": "x", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1"}
    dated |= {"time": "0000-01-01T00:00:00Z", "fieldsV1": {"f:data": {}}}
    old = _marked("old")
    old["metadata"]["managedFields"] = [dated]
    yield "configmaps", old


def _marked(name: str, **rest: Any) -> Manifest:
    return {"metadata": {"name": name, "labels": dict(MARKS)}, **rest}


@contextmanager
def _flapping(story: Story, endpoints: Endpoints) -> Iterator[None]:
    """Some of its models change all the time, and whatever pods come are as hostile as those before."""
    over = threading.Event()

    def change() -> None:
        with Api(story.plane) as api:
            turn = 0
            while not over.wait(0.05):
                turn += 1
                spec = {"spec": {"replicas": 1 + turn % 3, "model": {"version": str(turn)}}}
                api.patch("modeldeployments", story.namespace, f"m-{turn % MODELS}", spec)
                if turn % 20 == 1:
                    _lead_to(api, story.namespace, endpoints)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        story.kubectl("delete", "modeldeployments", "--all", "--wait=false")
