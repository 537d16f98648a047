"""Signed bundles for tests: real keys, and signatures made by model-signing itself."""

import base64
import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from slipway.bundle.sign import sign
from slipway.fetch import sums
from tests.bundle.keys import key
from tests.fetch import bundles

Bundle = dict[str, bytes]


def signed(folder: Path, bundle: Bundle, name: str = "release") -> bytes:
    """The signature of a bundle by a key of that name, which is made beside it."""
    private = folder / f"{name}.pem"
    if not private.exists():
        key(folder, name)
    where = bundles.write(folder / f"{name}-signs", bundle)
    sign(where, key=private, replace=True)
    return (where / sums.SIGNATURE).read_bytes()


def resigned(signature: bytes, private: Path, change: Callable[[Any], Any], payload_type: str | None = None) -> bytes:
    """The signature over another statement, signed rightly: by whoever holds the key."""
    found = json.loads(signature)
    envelope = found["dsseEnvelope"]
    statement = json.loads(base64.b64decode(envelope["payload"]))
    changed = change(statement)
    payload = json.dumps(statement if changed is None else changed).encode()
    kind = payload_type or envelope["payloadType"]
    made = load_pem_private_key(private.read_bytes(), None)
    assert isinstance(made, ec.EllipticCurvePrivateKey)
    pae = b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)
    envelope |= {"payload": base64.b64encode(payload).decode(), "payloadType": kind}
    envelope["signatures"] = [{"sig": base64.b64encode(made.sign(pae, ec.ECDSA(hashes.SHA256()))).decode()}]
    return json.dumps(found).encode()


def merged(*signatures: bytes) -> bytes:
    """One envelope with the signatures of all, which are over one payload."""
    found = [json.loads(signature) for signature in signatures]
    whole = copy.deepcopy(found[0])
    whole["dsseEnvelope"]["signatures"] = [one for each in found for one in each["dsseEnvelope"]["signatures"]]
    return json.dumps(whole).encode()
