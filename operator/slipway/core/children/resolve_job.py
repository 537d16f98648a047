"""The Job that resolves an ask before anything else is made: is the source there, and which bytes are in it?"""

import hashlib
from datetime import timedelta

from slipway.api.v1alpha1 import ModelDeploymentSpec
from slipway.core.children.pod import (
    container_security,
    credential_mounts,
    fetcher_resources,
    key_mounts,
    key_volumes,
    pod_spec,
    present,
    scheduling_of,
    source_environment,
    temporary_volume,
    whole_claim_mounts,
)
from slipway.core.identity import canonical
from slipway.core.names import ASK, RESOLVE_CONTAINER, SIGNATURE, Manifest, labels, of_resolve_job
from slipway.core.owner import Owner
from slipway.core.platform import Platform

KEPT_SECONDS = 600
"""How long a finished Job stays, for people to look at."""


def resolve_job(
    *, owner: Owner, spec: ModelDeploymentSpec, ask: str, platform: Platform, deadline: timedelta
) -> Manifest:
    """One attempt: whether and when there is another is the operator's decision, which knows the reason."""
    marks = {**labels(owner.name, component="resolver"), ASK: ask[:63]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": of_resolve_job(owner.name, ask),
            "labels": marks,
            **present({"annotations": present({SIGNATURE: demand(spec)})}),
        },
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": max(1, round(deadline.total_seconds())),
            "ttlSecondsAfterFinished": KEPT_SECONDS,
            # Without the user's pod metadata: a mesh's sidecar would outlive the Job, a queue would hold it back.
            "template": {"metadata": {"labels": marks}, "spec": _pod(owner=owner, spec=spec, platform=platform)},
        },
    }


def demand(spec: ModelDeploymentSpec) -> str | None:
    """What tells Jobs apart that ask for other signatures; the ask itself says nothing of them."""
    asked = spec.model.source.signature
    return hashlib.sha256(canonical(asked.to_dict())).hexdigest()[:16] if asked else None


def _pod(*, owner: Owner, spec: ModelDeploymentSpec, platform: Platform) -> Manifest:
    container = {
        "name": RESOLVE_CONTAINER,
        "image": platform.fetcher_image,
        "args": ["resolve"],
        "env": source_environment(owner=owner, spec=spec, allowed_backends=platform.allowed_backends),
        "resources": fetcher_resources(platform, requested="128Mi", limit="512Mi"),
        "securityContext": container_security(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
            *credential_mounts(spec.model),
            *whole_claim_mounts(spec.model),
            *key_mounts(spec.model),
        ],
    }
    return {
        **pod_spec(spec=spec, platform=platform, volumes=[temporary_volume(), *key_volumes(spec.model)]),
        **present({"tolerations": scheduling_of(spec).tolerations}),
        "restartPolicy": "Never",
        "containers": [container],
    }
