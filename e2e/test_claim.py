"""A bundle on a volume claim is served in place, from a pod that nobody's credentials reach."""

import base64
import io
import tarfile
from collections.abc import Iterator

import pytest

from e2e import bundles
from e2e.bundles import Bundle
from e2e.space import Manifest, Space
from testbed.engine import docker

UNPACK = """
import base64, io, sys, tarfile
tarfile.open(fileobj=io.BytesIO(base64.b64decode(sys.stdin.read()))).extractall("/data")
"""


@pytest.fixture
def volume(space: Space) -> Iterator[Manifest]:
    """A volume for one claim: a directory of the node that whoever mounts it may write to."""
    name = f"{space.namespace}-models"
    place = f"/var/lib/volumes/{name}"
    docker("exec", space.cluster.node, "mkdir", "--parents", "--mode=0777", place)
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "64Mi"},
        "claimRef": {"namespace": space.namespace, "name": "models"},
        "hostPath": {"path": place},
        "persistentVolumeReclaimPolicy": "Retain",
        "storageClassName": "",
    }
    yield {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec}
    space.kubectl("delete", "persistentvolume", name, "--wait=false")
    docker("exec", space.cluster.node, "rm", "--recursive", "--force", place)


def test_a_bundle_on_a_claim_is_served_in_place(space: Space, volume: Manifest) -> None:
    # given: a claim, and a pod that puts the bundle there, and others beside it
    space.kubectl.apply(volume, _claim(volume), _writer("models", space.client.image()))
    space.kubectl("wait", "--for=condition=Ready", "pod/writer", "--timeout=60s")
    for folder in ("line/1", "line/2", "other/1"):
        packed = _packed(folder, bundles.linear())
        space.kubectl("exec", "--stdin", "writer", "--", "python3", "-c", UNPACK, stdin=packed)

    # when
    space.apply("line", "pvc://models/line/1")

    # then
    space.until_ready("line")
    assert space.client.infer("http", space.host("line"), "line", x=[[3.0]]) == {"y": [[7.0]]}

    # and: what Triton reads is the claim itself, and cannot be written
    found = space.run(space.pod("line"), "import os; print(os.path.realpath('/slipway/repository/line/1/model.onnx'))")
    assert found.strip() == "/source/line/1/1/model.onnx"
    mounts = space.pod("line")["spec"]["containers"][0]["volumeMounts"]
    assert [mount["readOnly"] for mount in mounts if mount["mountPath"] == "/source/line/1"] == [True]

    # and: others' models on the same claim are not there for it
    seen = space.run(space.pod("line"), "import os; print(os.listdir('/source'), os.listdir('/source/line'))")
    assert seen.strip() == "['line'] ['1']"


def _claim(volume: Manifest) -> Manifest:
    spec = {
        "accessModes": volume["spec"]["accessModes"],
        "resources": {"requests": volume["spec"]["capacity"]},
        "storageClassName": volume["spec"]["storageClassName"],
        "volumeName": volume["metadata"]["name"],
    }
    claim = volume["spec"]["claimRef"]["name"]
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": claim}, "spec": spec}


def _writer(claim: str, image: str) -> Manifest:
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    container = {
        "name": "writer",
        "image": image,
        "securityContext": security,
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    spec = {
        "terminationGracePeriodSeconds": 0,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "writer"}, "spec": spec}


def _packed(folder: str, bundle: Bundle) -> str:
    """A bundle as text that can go through `kubectl exec`."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path, content in bundle.items():
            entry = tarfile.TarInfo(f"{folder}/{path}")
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
    return base64.b64encode(packed.getvalue()).decode()
