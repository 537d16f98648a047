"""What examples/retrain describes, laid out in a namespace: data comes, a Job trains on it, and a model follows."""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from slipway.api.v1alpha1 import API_VERSION, REGISTERED_MODEL
from testbed import images
from testbed.cluster import Cluster
from testbed.kubectl import Kubectl
from testbed.say import step
from testbed.served import BUCKET, READ_KEYS, WRITE_KEYS, message
from testbed.shell import ROOT, CommandError, run

Manifest = dict[str, Any]

MODEL: Final = "churn"
RETRAIN: Final = images.EXAMPLES / "retrain"
SIGNERS: Final = "churn-signers"
JOB_SECONDS: Final = 240
SERVES_SECONDS: Final = 300
POLL_SECONDS: Final = 0.5
_DATA: Final = "customers"
_KEPT_OUT: Final = 7
"""Seed of the labelled rows that no month has."""
_PEM: Final = serialization.Encoding.PEM


def customers(seed: int, *, shuffled: bool = False) -> Iterator[tuple[str, int, float, int]]:
    """Contract, months, fee, and whether they left, of 800 made-up ones; shuffled, the last means nothing."""
    dice = np.random.default_rng(seed)
    contract = dice.choice(["month", "year"], 800)
    months = dice.integers(1, 72, 800)
    fee = dice.uniform(10, 120, 800).round(2)
    leaning = (contract == "month") * 1.5 + fee / 40 - months / 20 - 1
    left = (leaning + dice.normal(0, 0.3, 800) > 0).astype(int)
    columns = (contract, months, fee, dice.permutation(left) if shuffled else left)
    yield from zip(*(column.tolist() for column in columns), strict=True)


def month(seed: int, *, shuffled: bool = False) -> str:
    """A month's file."""
    rows = (",".join(map(str, row)) for row in customers(seed, shuffled=shuffled))
    return "\n".join(["contract,months,fee,left", *rows, ""])


@dataclass(frozen=True)
class Outcome:
    """How a Job ended, and what it said."""

    succeeded: bool
    said: str


@dataclass(frozen=True)
class Retraining:
    """The namespace of a team that retrains: its keys, its data, the CronJob, and the model that follows.

    `folder` is theirs alone, below the bucket: other bytes under an address that was pushed to are refused.
    """

    kubectl: Kubectl
    image: str
    folder: str

    def prepare(self) -> None:
        """Have keys, an empty place for data, and the CronJob."""
        private, public = _key_pair()
        self.kubectl.apply(
            _plain("Secret", "churn-signing", stringData={"key.pem": private}),
            _plain("Secret", "models-write", stringData=WRITE_KEYS),
            _plain("Secret", "models-read", stringData=READ_KEYS),
            _plain("ConfigMap", SIGNERS, data={"team.pem": public}),
            _plain("ConfigMap", "churn-labelled", data={"rows.jsonl": _labelled()}),
            _plain("ConfigMap", _DATA),
            *self.cron_job(),
        )

    def cron_job(self) -> list[Manifest]:
        """The example's manifest, with this image, and data from a ConfigMap."""
        *account, job = self._manifests("cronjob.yaml")
        pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        container["image"] = self.image
        container["resources"]["requests"]["cpu"] = "100m"  # one small node has it all
        commit = run("git", "-C", ROOT, "rev-parse", "--short", "HEAD", check=False).strip()
        set_to = {"COMMIT": commit or self.image.rpartition(":")[2]}
        container["env"] = [{**each, "value": set_to.get(each["name"], each["value"])} for each in container["env"]]
        data = {"name": "data", "configMap": {"name": _DATA}}
        pod["volumes"] = [data if volume["name"] == "data" else volume for volume in pod["volumes"]]
        return [*account, job]

    def follower(self) -> Manifest:
        """The example's ModelDeployment."""
        (found,) = self._manifests("follow.yaml")
        return found

    def _manifests(self, name: str) -> list[Manifest]:
        text = (RETRAIN / name).read_text().replace(f"s3://{BUCKET}/", f"s3://{BUCKET}/{self.folder}/")
        return list(yaml.safe_load_all(text))

    def comes(self, name: str, table: str) -> None:
        """A month's file is there, or there in another form."""
        patch = json.dumps({"data": {f"{name}.csv": table}})
        self.kubectl("patch", "configmap", _DATA, "--type=merge", f"--patch={patch}")

    def retrain(self, job: str) -> Outcome:
        """Run what the CronJob would, now, to its end."""
        self.kubectl("create", "job", job, "--from=cronjob/retrain")
        deadline = time.monotonic() + JOB_SECONDS
        while not (ended := self._ended(job)):
            if time.monotonic() > deadline:
                pods = self.kubectl("get", "pods", f"--selector=job-name={job}", "--output=wide", check=False)
                raise CommandError(f"job {job} has not ended after {JOB_SECONDS} s:\n{pods}")
            time.sleep(POLL_SECONDS)
        return Outcome(ended == "Complete", self.kubectl("logs", f"job/{job}").strip())

    def _ended(self, job: str) -> str | None:
        conditions = self.kubectl.json("get", "job", job).get("status", {}).get("conditions", [])
        kinds = (each["type"] for each in conditions if each["status"] == "True")
        return next((kind for kind in kinds if kind in {"Complete", "Failed"}), None)

    def aliases(self) -> dict[str, str]:
        """What each alias of the model means."""
        return dict(self.kubectl.json("get", f"{REGISTERED_MODEL.plural}/{MODEL}")["spec"].get("aliases", {}))

    def versions(self) -> list[str]:
        """What is published."""
        return sorted(each["spec"]["version"] for each in self.kubectl.json("get", "modelversions")["items"])

    def status(self) -> dict[str, Any]:
        """What the ModelDeployment says of itself."""
        return dict(self.kubectl.json("get", f"modeldeployment/{MODEL}").get("status", {}))

    def until_serves(self, version: str) -> None:
        """Wait until a version has all traffic, and say what happens on the way."""
        deadline, said = time.monotonic() + SERVES_SECONDS, ""
        while time.monotonic() < deadline:
            status = self.status()
            words = f"{status['phase']}: {message(status)}" if "phase" in status else "the operator has not looked yet"
            if words != said:
                step(f"  {words}")
                said = words
            if (status.get("stable") or {}).get("version") == version and _is_ready(status):
                return
            time.sleep(POLL_SECONDS)
        raise CommandError(f"{MODEL} does not serve {version} after {SERVES_SECONDS} s: {said}")


def champion(version: str) -> str:
    """The file that says in git which version is the champion."""
    spec = {"aliases": {"champion": version}}
    kind = {"apiVersion": API_VERSION, "kind": REGISTERED_MODEL.kind}
    return yaml.safe_dump({**kind, "metadata": {"name": MODEL}, "spec": spec}, sort_keys=False)


def trainer(cluster: Cluster) -> str:
    """The trainer's image, in the cluster."""
    (reference,) = cluster.load([images.build(images.trainer_image(), images.base_image())])
    return reference


def _is_ready(status: Mapping[str, Any]) -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions", []))


def _plain(kind: str, name: str, **content: Mapping[str, str]) -> Manifest:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **content}


def _labelled() -> str:
    """Rows that no month has, as `rollout.analysis` asks them."""
    rows = customers(_KEPT_OUT)
    asked = ({"inputs": {"contract": c, "months": m, "fee": f}, "label": left} for c, m, f, left in rows)
    return "\n".join(map(json.dumps, asked))


def _key_pair() -> tuple[str, str]:
    """A private key that signs, and its public half, in PEM form."""
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public = key.public_key().public_bytes(_PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()
