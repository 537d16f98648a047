"""The chain of evidence of one digest: from the data that it was trained on to the pods that answer."""

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from slipway.api.v1alpha1.catalogue import object_name
from testbed.images import EXAMPLES
from testbed.served import HTTP_PORT, MODEL_DEPLOYMENT, REVISION
from testbed.shell import run
from testbed.updating import MODEL, SIGNERS, Retraining

SERVERS: Final = f"{MODEL_DEPLOYMENT}={MODEL},app.kubernetes.io/component=server"


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a ModelVersion, the ModelDeployment that follows, and the pods say of the version that serves."""

    version: Mapping[str, Any]
    """The ModelVersion's spec."""
    revision: Mapping[str, Any]
    """The revision that serves, as status has it."""
    key: str
    """Id of the public key that signatures are held to: the SHA-256 of its PEM."""
    held: tuple[str, ...]
    """Pods of that revision whose fetcher takes no other digest."""
    answers: Mapping[str, list[str]]
    """What each pod of that revision says of two customers."""

    @property
    def digest(self) -> str:
        """What all of it is about."""
        return str(self.version["digest"])

    def rows(self) -> Iterator[tuple[str, str]]:
        """For people: what says so, and what it says."""
        lineage, (metric,) = self.version["card"]["lineage"], self.version["card"]["metrics"]
        yield "ModelVersion: data", lineage["data"]
        yield "ModelVersion: commit", lineage["commit"]
        yield "ModelVersion: continues", lineage.get("version", "nothing")
        yield f"ModelVersion: {metric['name']}", metric["value"]
        yield "ModelVersion: source", self.version["sources"][0]["uri"]
        yield "public key", f"sha256:{self.key}"
        yield "ModelDeployment: signed", str(self.revision.get("signed"))
        yield "ModelDeployment: serves", f"revision {self.revision['revision']}, {self.revision['digest']}"
        yield from ((f"pod {name}", "; ".join(said)) for name, said in self.answers.items())

    def gaps(self, data: str) -> list[str]:
        """Where the chain does not hold, for the data that it should begin with."""
        links = [
            (self.version["card"]["lineage"]["data"] == _sha256(data), "it was trained on other data"),
            (self.key[:12] in str(self.revision.get("signed")), "it is signed by another key"),
            (self.revision["digest"] == self.digest, "another digest serves"),
            (set(self.held) == set(self.answers), "a pod would take another digest"),
            (len({tuple(said) for said in self.answers.values()}) == 1, "its pods do not give one answer"),
        ]
        return [words for holds, words in links if not holds]


def evidence(retraining: Retraining, version: str) -> Evidence:
    """Look at all of it."""
    kubectl = retraining.kubectl
    published = kubectl.json("get", f"modelversion/{object_name(MODEL, version)}")["spec"]
    status = retraining.status()
    revision = next(r for r in status["revisions"] if r["revision"] == status["stable"]["revision"])
    (key,) = kubectl.json("get", f"configmap/{SIGNERS}")["data"].values()
    pods = kubectl.json("get", "pods", f"--selector={SERVERS},{REVISION}={revision['revision']}")["items"]
    return Evidence(
        version=published,
        revision=revision,
        key=hashlib.sha256(key.encode()).hexdigest(),
        held=tuple(pod["metadata"]["name"] for pod in pods if published["digest"] in json.dumps(pod["spec"])),
        answers={pod["metadata"]["name"]: _asked(retraining, pod["metadata"]["name"]) for pod in pods},
    )


def _asked(retraining: Retraining, pod: str) -> list[str]:
    """What the example's own client prints of what a pod answers."""
    with retraining.kubectl.forward(f"pod/{pod}", HTTP_PORT) as ports:
        url = f"http://127.0.0.1:{ports[HTTP_PORT]}"
        return run(sys.executable, EXAMPLES / MODEL / "ask_rest.py", url).splitlines()


def _sha256(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
