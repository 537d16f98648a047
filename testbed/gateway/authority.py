"""A certificate authority that the gateway's proxies trust, in place of the public ones.

Envoy Gateway has them ask for an issuer's keys by https, and believe whom their image believes: nobody signs a
certificate for a server in a test's cluster.
"""

import base64
from typing import Final

import trustme

from testbed.kubectl import Kubectl

NAME: Final = "authority"


def authority(kubectl: Kubectl) -> trustme.CA:
    """The one in the gateway's namespace, made there first where it is absent. gateway.yaml mounts its certificate."""
    if not kubectl("get", f"secret/{NAME}", "--ignore-not-found"):
        _make(kubectl)
    kept = kubectl.json("get", f"secret/{NAME}")["data"]
    return trustme.CA.from_pem(base64.b64decode(kept["tls.crt"]), base64.b64decode(kept["tls.key"]))


def _make(kubectl: Kubectl) -> None:
    made = trustme.CA()
    pair = {"tls.crt": made.cert_pem.bytes().decode(), "tls.key": made.private_key_pem.bytes().decode()}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": NAME}, "type": "kubernetes.io/tls"}
    kubectl.apply({**secret, "stringData": pair})
