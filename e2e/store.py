"""The S3 server in the cluster, from outside: what a person does with `aws s3 cp`."""

from collections.abc import Mapping
from dataclasses import dataclass

from testbed.kubectl import Kubectl
from testbed.served import STORE_PORT, put


@dataclass(frozen=True)
class Store:
    """One S3 server, by the namespace that it runs in."""

    kubectl: Kubectl

    @property
    def endpoint(self) -> str:
        """What models in the cluster reach it by."""
        return f"http://s3.{self.kubectl.namespace}.svc:{STORE_PORT}"

    def put(self, prefix: str, files: Mapping[str, bytes]) -> str:
        """Write files under a prefix, over those that are there. Returns the address of the bundle."""
        return put(self.kubectl, prefix, files)

    def start(self) -> None:
        """Have it running. What it held is gone."""
        self.kubectl("scale", "deployment/s3", "--replicas=1")
        self.kubectl("rollout", "status", "deployment/s3", "--timeout=60s")

    def stop(self) -> None:
        """Take it down, and wait until it is gone."""
        self.kubectl("scale", "deployment/s3", "--replicas=0")
        self.kubectl("wait", "pod", "--selector=app.kubernetes.io/name=s3", "--for=delete", "--timeout=60s")
