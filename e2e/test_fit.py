"""L4: `slipway fit` on a cluster: a rate that a load test confirms, an objective out of reach, a model with traffic."""

import json
import os
import subprocess
import sys
import time
from typing import Any

from e2e import bundles
from e2e.client import OF_VERSION_1
from e2e.space import Manifest, Space
from load.latencies import percentile
from testbed.tools import find

SECONDS = 0.1
"""One execution: a pod answers ten a second at most."""
RPS = 8
OBJECTIVE_SECONDS = 1.5
LIMIT_SECONDS = 240


def fit(space: Space, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run it with the rights of the cluster's kubeconfig."""
    program = [sys.executable, "-c", "from slipway.program import main; main()", "fit", "line", f"--rps={RPS}"]
    path = f"{find('kubectl').parent}{os.pathsep}{os.environ['PATH']}"
    where = {**os.environ, "PATH": path, "KUBECONFIG": str(space.cluster.kubeconfig)}
    words = (*words, f"--timeout={LIMIT_SECONDS}s", "-n", space.namespace, "-o", "json")
    return subprocess.run([*program, *words], env=where, capture_output=True, text=True, check=False, timeout=300)


def extra_pods(space: Space) -> list[Manifest]:
    return space.api.list("pods", space.namespace, "app.kubernetes.io/component=fit")


def test_the_rate_that_is_found_holds_and_what_cannot_be_had_is_said(space: Space) -> None:
    # given: a model that clients reach
    uri = space.upload("1", bundles.obedient(seconds=SECONDS))
    space.apply("line", uri, replicas=1)
    space.until_ready("line")
    serving = space.pod("line")["metadata"]["uid"]
    revision = space.model("line")["status"]["stable"]["revision"]

    # then: its pod is not asked, and nothing is made
    refused = fit(space, "--p99=1500ms")
    assert refused.returncode == 1
    assert f"clients reach the pods of {revision}" in refused.stderr
    assert "--extra-pod" in refused.stderr
    assert not extra_pods(space)

    # and: an objective below what one request takes is said to be out of reach, with what there is
    beyond = fit(space, "--p99=20ms", "--extra-pod")
    told = json.loads(beyond.stdout)
    assert (beyond.returncode, told["outcome"]) == (1, "unreachable"), beyond.stderr
    assert told["rounds"][0]["p50Ms"] >= SECONDS * 1000
    space.until("the pod that was made is gone", lambda: not extra_pods(space))

    # when: it is asked for one that can be had
    begun = time.monotonic()
    found = fit(space, "--p99=1500ms", "--extra-pod")
    assert time.monotonic() - begun < LIMIT_SECONDS
    assert found.returncode == 0, found.stderr
    told = json.loads(found.stdout)
    print(found.stderr, json.dumps(told, indent=2))

    # then: the rate is below what a pod can do at all, and the pods are those that it takes
    capacity = float(told["capacity"])
    assert 1 < capacity <= 1 / SECONDS
    assert told["pods"] * capacity * 0.7 >= RPS
    assert told["room"] >= 0
    space.until("the pod that was made is gone", lambda: not extra_pods(space))

    # and: what it says to write is taken, starts no pod anew, and so many pods hold the rate that was asked for
    block: dict[str, Any] = told["manifest"]
    scaling = {**block["autoscaling"], "minReplicas": told["pods"], "maxReplicas": told["pods"]}
    space.apply("line", uri, replicas=1, autoscaling=scaling)
    space.until(
        f"there are {told['pods']} pods", lambda: space.ready("line").get("status") == "True" and _serve(space, told)
    )
    assert space.model("line")["status"]["stable"]["revision"] == revision
    assert serving in {pod["metadata"]["uid"] for pod in space.pods("line")}
    with space.client.load(space.host("line"), "line", OF_VERSION_1, f"--rate={RPS / 2}") as load:
        time.sleep(20)
        space.until("load goes by rate", lambda: "requests/s" in _because(space) and "by 0 req" not in _because(space))
    load.assert_nothing_failed()
    p99 = percentile(load.report.total().latencies, 99) / 1000
    print(f"p99 at {RPS}/s over {told['pods']} pods: {p99:.3f} s; {_because(space)}")
    assert p99 <= OBJECTIVE_SECONDS

    # and: what starts took is kept
    measured = space.until("starts are measured", lambda: _measured(space))
    assert measured["product"] == "CPU"
    assert measured["firstAnswerMilliseconds"] >= measured["loadMilliseconds"] > 0
    assert measured["memoryBytes"] > 1 << 20


def _serve(space: Space, told: dict[str, Any]) -> bool:
    return bool(space.model("line")["status"]["ready"] == f"{told['pods']}/{told['pods']}")


def _because(space: Space) -> str:
    return str(space.model("line")["status"].get("autoscaling", {}).get("because", ""))


def _measured(space: Space) -> dict[str, Any]:
    (entry,) = space.model("line")["status"]["revisions"]
    return next(iter(entry.get("measured", [])), {})
