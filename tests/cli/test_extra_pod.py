"""The pod that `slipway fit` makes: like those of a revision to everybody but the operator."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from slipway.cli.extra_pod import manifest
from slipway.core.names import COMPONENT, MANAGED_BY, MODEL_DEPLOYMENT, REVISION
from testbed.operating import until


def test_it_stands_in_the_queue_of_its_user_and_is_none_of_the_revisions_pods() -> None:
    queue = {"kueue.x-k8s.io/queue-name": "gpus"}
    marks = {**queue, REVISION: "11111111", MODEL_DEPLOYMENT: "churn", COMPONENT: "server", MANAGED_BY: "slipway"}
    deployment = {"spec": {"template": {"metadata": {"labels": marks}, "spec": {"containers": []}}}}
    pod = manifest({"metadata": {"name": "churn", "uid": "u"}}, deployment, seconds=60)
    labels = pod["metadata"]["labels"]
    assert queue.items() <= labels.items()
    assert REVISION not in labels
    assert (labels[COMPONENT], labels[MANAGED_BY], labels[MODEL_DEPLOYMENT]) == ("fit", "slipway-cli", "churn")


KUBECTL = """#!/bin/sh
cd "$(dirname "$0")"
case "$1 $2" in
"get deployments.apps") echo '{"spec": {"template": {"spec": {"containers": []}}}}';;
"get services") echo '{"items": []}';;
"get pod") echo '{"metadata": {"name": "p", "uid": "u"}, "status": {"phase": "Pending"}}';;
create*) cat > created;;
delete*) echo begun > begun; read line < goes_on; echo "$3" > deleted;;
esac
"""
PROGRAM = """
import signal, sys, time
from slipway.cli.extra_pod import extra_pod
from slipway.cli.kubectl import Kubectl
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.default_int_handler)
model = {"metadata": {"name": "churn", "uid": "u"}}
with extra_pod(Kubectl(), model, "11111111", time.monotonic() + 60, lambda words: print(words, flush=True)):
    pass
"""


@pytest.mark.parametrize("again", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_whoever_is_impatient_and_ends_it_twice_leaves_no_pod(tmp_path: Path, again: signal.Signals) -> None:
    kubectl, begun, goes_on = tmp_path / "kubectl", tmp_path / "begun", tmp_path / "goes_on"
    kubectl.write_text(KUBECTL)
    kubectl.chmod(0o755)
    os.mkfifo(goes_on)
    environment = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    # As in a terminal: what it starts is ended by the same key.
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout
    made = process.stdout.readline().partition(":")[0]
    os.killpg(process.pid, signal.SIGINT)
    until("it is being taken away", begun.exists, 20)
    os.killpg(process.pid, again)
    os.killpg(process.pid, again)
    goes_on.write_text("\n")
    assert process.wait(20) != 0
    assert (tmp_path / "deleted").read_text() == f"{made}\n"
