"""A pod like those of a revision that no Service reaches: for as long as somebody measures it, by the user's rights.

It is no pod of the revision's: it lacks the label by which Services, Deployments and budgets select, and the operator
counts. The kubelet ends it when its time is up, whatever becomes of who made it, and it goes with the ModelDeployment.
"""

import json
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from copy import deepcopy
from math import ceil
from typing import Any, Final

from slipway.api.v1alpha1 import API_VERSION, GROUP
from slipway.cli.kubectl import Kubectl, KubectlError
from slipway.cli.requests import NothingToAskError
from slipway.core.body import mapping, mappings, within
from slipway.core.names import COMPONENT, MANAGED_BY, MODEL_DEPLOYMENT, Manifest, labels, of_revision
from slipway.core.observed.pods import PodFacts, pod_facts

_POLLS_SECONDS: Final = 1.0
_GOES_SECONDS: Final = 5.0
_GRACE_SECONDS: Final = 2
_LATER_SECONDS: Final = 15.0
"""After whoever made it is done, the kubelet ends it."""
_ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_OWN_TO_THE_REVISION: Final = ("topologySpreadConstraints", "priorityClassName", "preemptionPolicy", "priority")
"""Left out: others' pods are neither spread by it nor made to go for it."""


def manifest(model: Mapping[str, Any], deployment: Mapping[str, Any], *, seconds: float) -> Manifest:
    """The pod, of a revision's Deployment."""
    meta, template = within(model, "metadata"), within(deployment, "spec", "template")
    whole = deepcopy(dict(within(template, "spec")))
    spec = {name: value for name, value in whole.items() if name not in _OWN_TO_THE_REVISION}
    # Nobody is to be let finish what has no clients; and a hook may not be longer than the grace.
    spec["containers"] = [
        {name: value for name, value in container.items() if name != "lifecycle"}
        for container in mappings(spec.get("containers"))
    ]
    name = str(meta.get("name"))
    owner = {"apiVersion": API_VERSION, "kind": "ModelDeployment", "name": name, "uid": str(meta.get("uid"))}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{name[:40].rstrip('-.')}-fit-{secrets.token_hex(3)}",
            "labels": {**_of_its_user(template), **labels(name, component="fit"), MANAGED_BY: "slipway-cli"},
            "annotations": dict(mapping(within(template, "metadata").get("annotations"))),
            "ownerReferences": [owner],
        },
        "spec": {
            **spec,
            "restartPolicy": "Never",
            "activeDeadlineSeconds": ceil(seconds),
            "terminationGracePeriodSeconds": _GRACE_SECONDS,
        },
    }


def _of_its_user(template: Mapping[str, Any]) -> dict[str, str]:
    """Labels by which others treat the pods as they do: the queue that they stand in, whom they are charged to."""
    marks = mapping(within(template, "metadata").get("labels"))
    return {key: str(value) for key, value in marks.items() if not key.startswith(f"{GROUP}/")}


@contextmanager
def extra_pod(
    kubectl: Kubectl, model: Mapping[str, Any], revision: str, until: float, say: Callable[[str], None]
) -> Iterator[str]:
    """The name of one that is ready. NothingToAskError where it does not come to be before `until`, a time of
    `time.monotonic`, and why."""
    name = str(within(model, "metadata").get("name"))
    deployment = kubectl.json("get", "deployments.apps", of_revision(name, revision))
    seconds = until - time.monotonic()
    pod = manifest(model, deployment, seconds=seconds + _LATER_SECONDS)
    _check_unreached(kubectl, pod)
    made = pod["metadata"]["name"]
    try:
        kubectl("create", "-f", "-", stdin=json.dumps(pod))
        say(f"{made}: made for this; it goes at the end")
        _until_ready(kubectl, made, until, say)
        yield made
    finally:
        words = ("delete", "pod", made, "--ignore-not-found", "--wait=false", f"--grace-period={_GRACE_SECONDS}")
        try:
            with _undisturbed():
                kubectl(*words, seconds=_GOES_SECONDS)
        except KubectlError as error:
            say(f"{made}: cannot be taken away, and ends by itself in {seconds:.0f} s at most: {error}")


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Whoever has ended it and presses Ctrl-C once more ends neither this nor the kubectl that is asked."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)


def _check_unreached(kubectl: Kubectl, pod: Manifest) -> None:
    marks = pod["metadata"]["labels"]
    for service in kubectl.items("services"):
        selector = within(service, "spec", "selector")
        if selector and selector.items() <= marks.items():
            reaches = within(service, "metadata").get("name")
            raise NothingToAskError(
                f"Service {reaches} would reach the pod ({COMPONENT}: fit, {MODEL_DEPLOYMENT}): narrow its selector"
            )


def _until_ready(kubectl: Kubectl, name: str, until: float, say: Callable[[str], None]) -> None:
    last = ""
    while True:
        facts = pod_facts(kubectl.json("get", "pod", name))
        if facts.ready:
            return
        waits = _waits(facts)
        if facts.over:
            raise NothingToAskError(f"{name}: did not come to be ready: {waits}")
        if time.monotonic() + _POLLS_SECONDS >= until:
            raise NothingToAskError(f"{name}: not ready in time (--timeout): {waits}")
        if waits != last:
            say(f"{name}: {waits}")
        last = waits
        time.sleep(_POLLS_SECONDS)


def _waits(facts: PodFacts) -> str:
    """What keeps a pod, in the words of who knows."""
    if facts.unschedulable is not None:
        return f"waits for a node: {facts.unschedulable}"
    for container in (facts.server, facts.fetch):
        if container.termination_message and not container.running:
            return container.termination_message
        if container.waiting_reason and container.waiting_reason != "PodInitializing":
            return f"{container.waiting_reason} {container.waiting_message or ''}".strip()
    return facts.failure or ("loads its model" if facts.server.running else "fetches its bundle")


def still_there(kubectl: Kubectl, name: str) -> PodFacts | None:
    """A pod as it is now; None where it is gone, or cannot be read."""
    with suppress(KubectlError, KeyError, TypeError, ValueError, AttributeError):
        return pod_facts(kubectl.json("get", "pod", name))
    return None
