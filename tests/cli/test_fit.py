"""`slipway fit` against a real Triton, whose model takes as long as it is told."""

import copy
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner, Result

from slipway.api.v1alpha1.spec import Autoscaling
from slipway.cli.fit import fit
from tests.cli.kubelet import Kubelet, served
from tests.cli.scenes import scene
from tests.guard.pod import Container
from tests.triton import models

pytestmark = pytest.mark.triton

STABLE, CANDIDATE = "11111111", "22222222"
SECONDS = 0.2
"""One execution, long beside what a busy machine adds: five a second at most."""


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Container]:
    with served(tmp_path / "pod", models.obedient) as made:
        yield made


@pytest.fixture
def model(pod: Container) -> Path:
    there = pod.repository / "churn"
    models.order(there, seconds=SECONDS)
    return there


@pytest.fixture
def kubelet(tmp_path: Path, pod: Container, model: Path, monkeypatch: pytest.MonkeyPatch) -> Kubelet:
    """A canary's stable version, which has 90 % of the requests, and its candidate."""
    made, found = (
        Kubelet.made(tmp_path / "kubectl", port=pod.ports[0], root=pod.root / "slipway"),
        scene("canary-paused"),
    )
    monkeypatch.setenv("PATH", f"{made.folder}{os.pathsep}{os.environ['PATH']}")
    made.has("modeldeployments.serving.slipway.dev", found.body)
    made.has("pods", {"items": found.pods})
    made.has("pod", serving())
    made.has("services", {"items": []})
    made.has("nodes", {"items": [node(serving())]})
    made.has("controllerrevisions.apps", {"data": {"version": "3", "verification": "bundle", "resolved": {}}})
    return made


def serving() -> dict[str, Any]:
    return next(each for each in scene("canary-paused").pods if each["metadata"]["name"] == f"churn-{STABLE}-0")


def node(of: dict[str, Any]) -> dict[str, Any]:
    labels = {"nvidia.com/gpu.product": "NVIDIA-L4"}
    ready = [{"type": "Ready", "status": "True"}]
    return {
        "metadata": {"name": of["spec"]["nodeName"], "labels": labels},
        "status": {
            "allocatable": {"cpu": "16", "memory": "64Gi", "ephemeral-storage": "99Gi", "pods": "110"},
            "conditions": ready,
        },
    }


def said(*words: str) -> Result:
    return CliRunner().invoke(fit, ["churn", *words])


def found(told: Result) -> dict[str, Any]:
    assert told.stdout, told.output
    answer: dict[str, Any] = json.loads(told.stdout)
    return answer


def test_the_rate_is_what_the_server_can_do_with_pods_evidence_and_what_to_write(kubelet: Kubelet) -> None:
    told = said("--rps", "12", "--p99", "2s", "--on-serving", "--timeout", "90s", "-o", "json")
    assert told.exit_code == 0, told.output
    answer = found(told)
    capacity = float(answer["capacity"])
    assert 1 < capacity <= 1 / SECONDS
    assert answer["pods"] * capacity * 0.7 >= 12 > (answer["pods"] - 1) * capacity * 0.7
    scaling = Autoscaling.model_validate(answer["manifest"]["autoscaling"])
    assert scaling.load
    assert (scaling.load.capacity, scaling.max_replicas) == (answer["capacity"], answer["pods"])
    rounds = answer["rounds"]
    assert "rate" not in rounds[0], "one at a time first"
    assert rounds[0]["p50Ms"] >= SECONDS * 1000
    assert any(not each["holds"] for each in rounds)
    held = max(each["rate"] for each in rounds if each["holds"] and "rate" in each)
    assert held >= capacity
    assert answer["room"] > 0
    assert "product" not in answer, "it asks for no GPU"
    assert (answer["podIs"], answer["outcome"]) == ("serving", "held")


@pytest.mark.parametrize("words", [[], ["--candidate"], ["--revision", STABLE]])
def test_pods_with_traffic_are_not_asked_unless_somebody_says_so(kubelet: Kubelet, words: list[str]) -> None:
    told = said("--rps", "12", "--p99", "2s", *words)
    assert told.exit_code == 1
    assert "a load would slow down clients. --extra-pod makes a pod like them" in told.output
    assert "--on-serving" in told.output
    assert not [each for each in kubelet.asked if each.startswith("exec")]


def test_a_candidate_without_traffic_is_asked_unless_a_service_selects_it(kubelet: Kubelet) -> None:
    body = copy.deepcopy(scene("canary-paused").body)
    body["status"]["traffic"] = [{"revision": STABLE, "selected": True}]
    for each in body["status"]["revisions"]:
        each["share"] = 100 if each["revision"] == STABLE else 0
    kubelet.has("modeldeployments.serving.slipway.dev", body)
    own = {"serving.slipway.dev/model-deployment": "churn"}
    kubelet.has("services", {"items": [{"metadata": {"name": "other"}, "spec": {"selector": own}}]})
    told = said("--rps", "12", "--p99", "20ms", "--candidate")
    assert f"Service other selects the pods of {CANDIDATE}" in told.output
    kubelet.has("services", {"items": []})
    told = said("--rps", "12", "--p99", "20ms", "--candidate", "-o", "json")
    assert found(told)["podIs"] == "without traffic"


def test_a_candidate_that_gets_traffic_meanwhile_is_asked_no_more(kubelet: Kubelet, model: Path) -> None:
    with_traffic = scene("canary-paused").body
    body = copy.deepcopy(with_traffic)
    body["status"]["traffic"] = [{"revision": STABLE, "selected": True}]
    for each in body["status"]["revisions"]:
        each["share"] = 100 if each["revision"] == STABLE else 0
    kubelet.has("modeldeployments.serving.slipway.dev", body)
    before = models.begun(model)

    def promote() -> None:
        while models.begun(model) <= before + 3:
            time.sleep(0.1)
        kubelet.has("modeldeployments.serving.slipway.dev", with_traffic)

    promoting = threading.Thread(target=promote)
    promoting.start()
    told = said("--rps", "12", "--p99", "2s", "--candidate", "--timeout", "2m")
    promoting.join()
    assert told.exit_code == 1
    assert f"clients reach the pods of {CANDIDATE} by now, so no more was asked" in told.output
    assert "one at a time" in told.output


def test_an_objective_below_what_one_request_takes_is_said_to_be_out_of_reach(kubelet: Kubelet) -> None:
    told = said("--rps", "12", "--p99", "20ms", "--on-serving")
    assert told.exit_code == 1
    assert "20 ms (p99) is not to be had: one at a time, with nobody else, p50 is 2" in told.output
    assert "write under spec" not in told.output


def test_a_server_that_dies_of_it_is_said_with_its_own_words_and_what_was_seen(
    kubelet: Kubelet, pod: Container, model: Path
) -> None:
    living = serving()

    def die() -> None:
        while models.begun(model) <= 3 / SECONDS + 2:  # the first round has been made
            time.sleep(0.1)
        models.order(model, seconds=SECONDS, kill_server=9)
        pod.until_ended()
        dead = copy.deepcopy(living)
        (status,) = dead["status"]["containerStatuses"]
        status["state"] = {"terminated": {"exitCode": 1, "message": json.dumps(pod.verdict)}}
        kubelet.has("pod", dead)

    dying = threading.Thread(target=die)
    dying.start()
    begun = time.monotonic()
    told = said("--rps", "12", "--p99", "2s", "--on-serving", "--timeout", "2m", "-o", "json")
    took = time.monotonic() - begun
    dying.join()
    assert took < 120
    answer = found(told)
    assert (told.exit_code, answer["outcome"]) == (1, "died")
    assert "the pod did not live through it" in answer["says"]
    assert "CrashLoop: the server died by signal SIGKILL" in answer["says"]
    assert answer["rounds"][0]["holds"]
    assert "manifest" not in answer


def test_a_server_that_hangs_keeps_nobody_waiting_beyond_the_timeout(kubelet: Kubelet, pod: Container) -> None:
    (server,) = [each for each in pod.processes("tritonserver") if isinstance(each, psutil.Process)]
    server.suspend()
    begun = time.monotonic()
    told = said("--rps", "12", "--p99", "2s", "--on-serving", "--timeout", "30s")
    server.resume()
    assert time.monotonic() - begun < 30
    assert told.exit_code in (1, 3)
    assert "raise --timeout" in told.output or "it does not answer" in told.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_whoever_ends_it_leaves_no_pod_and_no_program(kubelet: Kubelet, number: signal.Signals) -> None:
    kubelet.takes()
    template = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "triton", "lifecycle": {}}]}}
    kubelet.has("deployments.apps", {"spec": {"template": template}})
    # A shell that starts something in the background lets it ignore SIGINT, which then holds for all that it starts.
    heeds = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    program = [sys.executable, "-c", f"{heeds}; from slipway.program import main; main()"]
    process = subprocess.Popen(
        [*program, "fit", "churn", "--rps=12", "--p99=2s", "--extra-pod"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout
    lines = iter(process.stdout.readline, "")
    assert any("one at a time: p99" in line for line in lines)
    within = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    assert process.wait(timeout=20) != 0
    gone, left = psutil.wait_procs(within, timeout=10)
    assert gone
    assert not left
    made = kubelet.created["metadata"]["name"]
    (taken,) = [each for each in kubelet.asked if each.startswith("delete ")]
    assert taken == f"delete pod {made}"


def test_an_extra_pod_is_one_that_nobody_selects_and_the_kubelet_ends(kubelet: Kubelet) -> None:
    kubelet.takes()
    of_its_user = {"team": "a", "kueue.x-k8s.io/queue-name": "gpus"}
    marks = {"serving.slipway.dev/revision": STABLE, "serving.slipway.dev/model-deployment": "churn", **of_its_user}
    container = {"name": "triton", "image": "i", "lifecycle": {"preStop": {"sleep": {"seconds": 9}}}}
    spec = {"containers": [container], "priorityClassName": "high", "topologySpreadConstraints": [{}]}
    template = {"metadata": {"labels": marks, "annotations": {"a": "b"}}, "spec": spec}
    kubelet.has("deployments.apps", {"spec": {"template": template}})
    told = said("--rps", "12", "--p99", "20ms", "--extra-pod", "-o", "json")
    assert found(told)["podIs"] == "extra"
    made = kubelet.created
    on_it = made["metadata"]["labels"]
    assert "serving.slipway.dev/revision" not in on_it
    assert on_it["app.kubernetes.io/component"] == "fit"
    assert of_its_user.items() <= on_it.items()
    (owner,) = made["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner.get("controller")) == ("ModelDeployment", "churn", None)
    assert made["spec"].pop("activeDeadlineSeconds") <= 300 + 15
    assert made["spec"] == {
        "containers": [{"name": "triton", "image": "i"}],
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 2,
    }
    # a Service that would reach it
    kubelet.has(
        "services",
        {"items": [{"metadata": {"name": "all"}, "spec": {"selector": {"app.kubernetes.io/component": "fit"}}}]},
    )
    told = said("--rps", "12", "--p99", "20ms", "--extra-pod")
    assert "Service all would reach the pod" in told.output


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--rps", "0", "--p99", "50ms"], "0.0 is not in the range 0<x<=10000000000"),
        (["--rps", "1", "--p99", "50"], "'50' is not a duration: write it like 30s, 10m or 1h30m"),
        (["--rps", "1", "--p99", "0s"], "0s must be more than zero"),
        (["--rps", "1", "--p99", "50ms", "--timeout", "5s"], "--timeout: 30 s are the least"),
        (["--rps", "1", "--p99", "50ms", "--extra-pod", "--on-serving"], "leave --on-serving out"),
    ],
)
def test_what_is_wrong_is_told_with_its_option(words: list[str], error: str) -> None:
    told = said(*words)
    assert told.exit_code == 2
    assert error in told.output


@pytest.mark.parametrize("line", ["nothing", "[1]", '{"sent": 1e999}', "[" * 9999, '{"sent": 1, "answered": 1}'])
def test_whatever_the_pod_writes_in_place_of_a_round_is_none(kubelet: Kubelet, line: str) -> None:
    program = kubelet.folder / "kubectl"
    text = program.read_text().replace(
        "    port = (", f"    '-i' in words and (print({line!r}), sys.exit(1))\n    port = ("
    )
    program.write_text(text)
    told = said("--rps", "12", "--p99", "2s", "--on-serving")
    assert told.exit_code == 1
    assert "the program in pod churn-11111111-0 has ended: kubectl: " in told.output
