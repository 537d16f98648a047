"""The S3 server in the cluster, from outside: what a person does with `aws s3 cp`."""

from collections.abc import Mapping
from dataclasses import dataclass

from obstore.store import S3Store

from testbed.kubectl import Kubectl

PORT = 7070
KEYS = {
    "AWS_ACCESS_KEY_ID": "slipway",
    "AWS_SECRET_ACCESS_KEY": "slipway-secret",
}  # as testbed/manifests/store.yaml says
READ_KEYS = {"AWS_ACCESS_KEY_ID": "models-read", "AWS_SECRET_ACCESS_KEY": "models-read-secret"}  # what models are given
BUCKET = "models"


@dataclass(frozen=True)
class Store:
    """One S3 server, by the namespace that it runs in."""

    kubectl: Kubectl

    @property
    def endpoint(self) -> str:
        """What models in the cluster reach it by."""
        return f"http://s3.{self.kubectl.namespace}.svc:{PORT}"

    def put(self, prefix: str, files: Mapping[str, bytes]) -> str:
        """Write files under a prefix, over those that are there. Returns the address of the bundle."""
        with self.kubectl.forward("service/s3", PORT) as ports:
            store = S3Store(
                BUCKET,
                endpoint=f"http://127.0.0.1:{ports[PORT]}",
                access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
                secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
                region="us-east-1",
                client_options={"allow_http": True},
            )
            for path, content in files.items():
                store.put(f"{prefix}/{path}", content)
        return f"s3://{BUCKET}/{prefix}"

    def start(self) -> None:
        """Have it running. What it held is gone."""
        self.kubectl("scale", "deployment/s3", "--replicas=1")
        self.kubectl("rollout", "status", "deployment/s3", "--timeout=60s")

    def stop(self) -> None:
        """Take it down, and wait until it is gone."""
        self.kubectl("scale", "deployment/s3", "--replicas=0")
        self.kubectl("wait", "pod", "--selector=app.kubernetes.io/name=s3", "--for=delete", "--timeout=60s")
