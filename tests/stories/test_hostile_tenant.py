"""One namespace does all at once that a tenant can do to an operator; another's rollouts are on time."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from testbed.api import Api, Manifest
from testbed.operating import OperatorProcess
from testbed.plane import Plane
from tests.stories.story import OWNER, REVISION, Story, model_deployment

pytestmark = [pytest.mark.plane, pytest.mark.scale]

ON_TIME_SECONDS: Final = 60
"""For a change of version, on a machine that two planes share; undisturbed it takes a third of that."""
MEMORY_LIMIT_MIB: Final = 512
"""The chart's."""
MODELS: Final = 150
RUBBISH: Final = 120
LEVELS: Final = 1100
MEGABYTE: Final = 900_000
MARKS: Final = {"app.kubernetes.io/managed-by": "slipway", OWNER: "churn", REVISION: "3f2a91bc"}


def test_whatever_a_tenant_stores_another_ones_rollouts_are_on_time(story_plane: Plane, story_api: Api) -> None:
    # given: of two namespaces one has a model that serves
    hostile, other = Story(story_plane, story_api).begin(), Story(story_plane, story_api).begin()
    other.apply(model_deployment("churn", "1"))
    with OperatorProcess(story_plane, namespaces=[hostile.namespace, other.namespace]) as operator:
        other.until_ready("churn", version="1")

        # when: one namespace has everything in it that can be there, and goes on changing some of it
        _store_everything(hostile)
        with _flapping(hostile):
            hostile.until("its resolve Jobs wait for their turn", lambda: _queued(hostile), 120, 1)

            # then: another's next version takes over in time
            _change(other, "2")
            _holds(operator)

            # and so it does after a restart, which reads all of that at once
            assert operator.stop() == 0
            operator.start()
            _change(other, "3")
            _holds(operator)
        assert operator.stop() == 0


def _change(story: Story, version: str) -> None:
    source = {"uri": f"s3://models/churn/{version}"}
    story.edit("churn", model={"version": version, "source": source})
    story.until_ready("churn", version=version, seconds=ON_TIME_SECONDS)


def _holds(operator: OperatorProcess) -> None:
    """It runs, answers, and has never had more memory than the chart gives it."""
    assert operator.ended() is None
    assert operator.says("/healthz") == (200, "ok")
    status = Path(f"/proc/{operator.pid}/status").read_text()
    (peak,) = (int(line.split()[1]) // 1024 for line in status.splitlines() if line.startswith("VmHWM"))
    assert peak < MEMORY_LIMIT_MIB


def _queued(story: Story) -> bool:
    """Asked by kubectl: what is there no parser of Python's reads."""
    reasons = story.kubectl("get", "modeldeployments", "-o", "jsonpath={.items[*].status.conditions[*].reason}")
    return "ResolveQueued" in reasons


# -- what the tenant does


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
def _flapping(story: Story) -> Iterator[None]:
    """Some of its models change all the time."""
    over = threading.Event()

    def change() -> None:
        with Api(story.plane) as api:
            turn = 0
            while not over.wait(0.05):
                turn += 1
                spec = {"spec": {"replicas": 1 + turn % 3, "model": {"version": str(turn)}}}
                api.patch("modeldeployments", story.namespace, f"m-{turn % MODELS}", spec)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        story.kubectl("delete", "modeldeployments", "--all", "--wait=false")
