"""kube-network-policies' own judgement of packets: the code that enforces policies in a cluster, without its kernel."""

import json
from collections.abc import Iterable, Sequence

from testbed.shell import run
from testbed.tools import find
from tests.network.evaluator import End, Manifest

Packet = tuple[End, End, int, str]


def lets(policies: Sequence[Manifest], ends: Iterable[End], packets: Iterable[Packet]) -> list[bool]:
    """For each packet whether it passes."""
    pods = [end for end in ends if end.namespace]
    spaces = {pod.namespace or "": dict(pod.namespace_labels) for pod in pods}
    asked = {
        "namespaces": [{"metadata": {"name": name, "labels": labels}} for name, labels in spaces.items()],
        "pods": [_pod(pod, f"pod-{number}") for number, pod in enumerate(pods)],
        "policies": policies,
        "packets": [
            {"from": source.address, "to": target.address, "port": port, "protocol": protocol}
            for source, target, port, protocol in packets
        ],
    }
    found: list[bool] = json.loads(run(find("network-policies"), stdin=json.dumps(asked)))
    return found


def _pod(pod: End, name: str) -> Manifest:
    meta = {"name": name, "namespace": pod.namespace, "labels": dict(pod.labels)}
    return {"metadata": meta, "status": {"podIP": pod.address}}
