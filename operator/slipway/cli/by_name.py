"""The ModelDeployments of a namespace that somebody may see: all, or those that they may get by their names."""

import json
from typing import Any, NamedTuple

from slipway.api.v1alpha1 import GROUP, MODELS, PLURAL
from slipway.cli.kubectl import DeniedError, Kubectl, KubectlError
from slipway.cli.named import REVIEWS, names, review
from slipway.cli.reading import read
from slipway.core.body import mapping


class Listed(NamedTuple):
    """What there is to be seen, and why it may not be all."""

    models: list[dict[str, Any]]
    remark: str = ""


def listed(kubectl: Kubectl) -> Listed:
    """Those of kubectl's namespace. KubectlError where none may be seen."""
    try:
        return Listed(kubectl.items(MODELS))
    except DeniedError as error:
        bodies = [kubectl.named(MODELS, name) for name in _names(kubectl, error.namespace)]
        models = [dict(mapping(each)) for each in bodies if each]
        if not models:
            raise KubectlError(f"{error}; slipway get NAME shows one that you may get by its name") from None
        return Listed(models, f"shown are those that you may get by name: {error}")


def _names(kubectl: Kubectl, namespace: str) -> list[str]:
    """Of models that the user may get by name; none where the cluster does not say."""
    try:
        said = kubectl("create", "--raw", REVIEWS, "--filename=-", stdin=json.dumps(review(namespace)))
        return names(mapping(read(said)), GROUP, PLURAL)
    except (KubectlError, ValueError):
        return []
