"""Names that tie children to their ModelDeployment: labels, annotations, ports, and what each child is called."""

import re
from typing import Any, Final

Manifest = dict[str, Any]
"""A Kubernetes object as JSON values."""

DOMAIN: Final = "serving.slipway.dev"
FIELD_MANAGER: Final = "slipway"
MANAGED_BY: Final = "app.kubernetes.io/managed-by"
COMPONENT: Final = "app.kubernetes.io/component"
MODEL_DEPLOYMENT: Final = f"{DOMAIN}/model-deployment"
REVISION: Final = f"{DOMAIN}/revision"
ASK: Final = f"{DOMAIN}/ask"
APPLIED: Final = f"{DOMAIN}/applied"
"""Annotation on every child: the hash of what was last asked for, so that a change of mind is seen without a diff."""
REQUEST: Final = f"{DOMAIN}/rollout"
"""Annotation that people set on a ModelDeployment: VERB/REVISION[@nonce], as core/rollout/requests.py reads it."""
SIGNATURE: Final = f"{DOMAIN}/signature"
"""Annotation on a resolve Job: the hash of the demand for a signature that it was made for."""
RESTART: Final = f"{DOMAIN}/restart"
"""Annotation on pods that were made anew because somebody asked for it: the request."""

HTTP_PORT: Final = 8000
GRPC_PORT: Final = 8001
METRICS_PORT: Final = 8002
GUARD_PORT: Final = 8003
"""Held by the guard from before the server starts; the startup probe asks there, and nobody else."""
LOAD_PORT: Final = 8004
"""Where the guard says how loaded its server is."""

SERVER_CONTAINER: Final = "triton"
FETCH_CONTAINER: Final = "fetch"
RESOLVE_CONTAINER: Final = "resolve"

SHORT: Final = 8
"""Hex digits of an ask or revision that go into names: with the dash they take nine characters."""


_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,252}")


def is_name(text: str) -> bool:
    """Whether an object, or a namespace, may be called so: what leads elsewhere in an address or a command may not."""
    return bool(_NAME.fullmatch(text))


def labels(model_deployment: str, *, component: str, revision: str | None = None) -> dict[str, str]:
    """Labels of a child. `component`: server for what belongs to a revision's pods, resolver for the resolve Job."""
    marks = {
        "app.kubernetes.io/name": "slipway-model",
        "app.kubernetes.io/instance": model_deployment,
        COMPONENT: component,
        MANAGED_BY: FIELD_MANAGER,
        MODEL_DEPLOYMENT: model_deployment,
    }
    return marks | ({REVISION: revision} if revision else {})


def revision_selector(model_deployment: str, revision: str) -> dict[str, str]:
    """Selects the pods of one revision, and no resolve Job's."""
    return {MODEL_DEPLOYMENT: model_deployment, REVISION: revision}


def server_selector(model_deployment: str) -> dict[str, str]:
    """Selects the pods of all revisions, and no resolve Job's."""
    return {MODEL_DEPLOYMENT: model_deployment, COMPONENT: "server"}


def of_revision(model_deployment: str, revision: str) -> str:
    """Name of every child of a revision, whatever its kind."""
    return f"{model_deployment}-{revision}"


def is_of_revision(model_deployment: str, name: str) -> bool:
    """Whether a child is called as those of a revision are."""
    revision = name.removeprefix(of_revision(model_deployment, ""))
    return revision != name and 0 < len(revision) <= SHORT


def of_resolve_job(model_deployment: str, ask: str) -> str:
    """Name of the Job that resolves an ask. A Job's name becomes a label of its pod, so 63 characters are the limit."""
    return f"{model_deployment}-{ask[:SHORT]}"
