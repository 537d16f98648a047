"""The revision's ConfigMap: what the spec says of the model, for the fetcher and the guard to read."""

import json

from slipway.api.v1alpha1.spec import Model
from slipway.core.names import Manifest, labels, of_revision
from slipway.core.owner import Owner


def config_map(*, owner: Owner, model: Model, revision: str) -> Manifest:
    """Immutable: another configuration is another revision. Empty when the spec leaves all to the bundle."""
    data = {}
    if model.config is not None:
        data["overlay.json"] = json.dumps(model.config.to_dict(), indent=1)
    if model.verification and model.verification.requests:
        requests = [request.to_dict() for request in model.verification.requests]
        data["golden.json"] = json.dumps({"requests": requests}, indent=1)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": of_revision(owner.name, revision),
            "labels": labels(owner.name, component="server", revision=revision),
        },
        "immutable": True,
        **({"data": data} if data else {}),
    }
