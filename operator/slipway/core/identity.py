"""Identity: when two specs ask for the same thing, and what makes one revision differ from another.

An *ask* is a hash over what the user gave; a *revision* one over the ask, the bytes that it resolved to and the
children rendered from them. Asks are compared with those in status for as long as an object lives, so this algorithm
never changes: tests/core/frozen_asks.json holds it still.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from slipway.api.v1alpha1 import ModelDeploymentSpec
from slipway.core.names import SHORT, Manifest

ASKED: Final = ("model", "server", "accelerator", "scheduling", "podMetadata")
"""The fields of a spec that a new revision is made for. The others act on revisions that exist."""

# A field that equals its value here is left out, and so is an object with nothing left in it; what is not named here is
# always hashed. Entries never change, whatever becomes of the schema's defaults; a field added later gets one with its
# first default, so that objects from before it keep their hash. Not here, because being there at all says something:
# config.dynamicBatching ({} turns it on), config.instances, and all that is handed through.
_FROZEN: Final[Mapping[str, Any]] = {
    "model": {
        "source": {"s3": {}},
        "storage": {"volume": "EmptyDir"},
        "config": {},
        "verification": {"interval": "60s"},
    },
    "server": {
        "imagePullSecrets": [],
        "args": [],
        "env": [],
        "resources": {"requests": {}, "limits": {}},
        "requestTimeout": "30s",
        "startupTimeout": "10m",
    },
    "scheduling": {"nodeSelector": {}, "tolerations": [], "topologySpreadConstraints": []},
    "podMetadata": {"labels": {}, "annotations": {}},
}
# Apart, since an accelerator without anything in it stays: {} is one GPU, and absent is none.
_FROZEN_ACCELERATOR: Final[Mapping[str, Any]] = {"count": 1, "sharing": "Exclusive", "migStrategy": "mixed"}


def asked(spec: ModelDeploymentSpec) -> dict[str, Any]:
    """The part of a spec that a revision is made for, as JSON values and without what is default."""
    given = spec.to_dict()
    given["model"]["source"].pop("signature", None)  # it is asked when a bundle is resolved: a new key restarts nothing
    part = _without_defaults({key: given[key] for key in ASKED if key in given}, _FROZEN)
    if "accelerator" in given:
        part["accelerator"] = _without_defaults(given["accelerator"], _FROZEN_ACCELERATOR)
    return part


def ask(spec: ModelDeploymentSpec) -> str:
    """SHA-256 of what a spec asks for."""
    return hashlib.sha256(canonical(asked(spec))).hexdigest()


def revision_of(*, ask: str, digest: str, children: Sequence[Manifest]) -> str:
    """The revision's name: eight hex digits over an ask, the bytes that it resolved to, and what was rendered."""
    return hashlib.sha256(canonical([ask, digest, list(children)])).hexdigest()[:SHORT]


def canonical(value: object) -> bytes:
    """JSON with sorted keys and no spaces: the same bytes for the same value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _without_defaults(given: Mapping[str, Any], frozen: Mapping[str, Any]) -> dict[str, Any]:
    kept = {}
    for key, value in given.items():
        default = frozen.get(key)
        if isinstance(default, Mapping) and isinstance(value, Mapping):
            if rest := _without_defaults(value, default):
                kept[key] = rest
        elif key not in frozen or value != default:
            kept[key] = value
    return kept
