"""What `slipway version` shows: command, API and operator, and whether they fit together."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from slipway.api.v1alpha1 import ModelDeploymentSpec, ModelDeploymentStatus
from slipway.core.body import within

_SCHEMA: Final = "dev.slipway.serving.v1alpha1.ModelDeployment"


@dataclass(frozen=True, kw_only=True)
class Versions:
    """The three, and what is to be said of them."""

    command: str
    operators: tuple[str, ...]
    """Namespace and version of each operator that can be seen, and whether it is ready."""
    api: str
    """Whether the CRD has the fields that this command knows."""
    remarks: tuple[str, ...]


def versions(command: str, openapi: Mapping[str, Any] | None, deployments: Iterable[Mapping[str, Any]]) -> Versions:
    """From the OpenAPI of our group, None where there is none, and the operator's Deployments."""
    operators = [_operator(each) for each in deployments]
    lacks, more = _fields(openapi) if openapi else ((), ())
    remarks = []
    if openapi is None:
        remarks.append("the cluster has no ModelDeployments: install the chart slipway-crds")
    if lacks:
        remarks.append(f"the CRD lacks {', '.join(lacks)}: upgrade the chart slipway-crds first, then slipway")
    if more:
        remarks.append(f"the CRD has {', '.join(more)}, which this command does not know: pip install -U slipway")
    if openapi is not None and not operators:
        remarks.append("no operator is to be seen: none runs, or you may not list Deployments of its namespace")
    others = sorted({version for _, version, _ in operators} - {command})
    if others:
        remarks.append(f"operator {', '.join(others)} beside command {command}: what one alone knows is not shown")
    return Versions(
        command=command,
        operators=tuple(f"{version} in {namespace}, {ready} ready" for namespace, version, ready in operators),
        api="none" if openapi is None else "as this command knows it" if not (lacks or more) else "of another version",
        remarks=tuple(remarks),
    )


def _operator(body: Mapping[str, Any]) -> tuple[str, str, str]:
    meta, status = within(body, "metadata"), within(body, "status")
    version = str(within(meta, "labels").get("app.kubernetes.io/version", "unknown"))
    ready = f"{status.get('readyReplicas', 0)}/{within(body, 'spec').get('replicas', 1)}"
    return str(meta.get("namespace", "")), version, ready


def _fields(openapi: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Fields of spec and status that the CRD lacks, and those that it has beside those of this version."""
    schema = within(openapi, "components", "schemas", _SCHEMA, "properties")
    there = {f"{part}.{name}" for part in ("spec", "status") for name in within(schema, part, "properties")}
    own = {f"spec.{field.alias or name}" for name, field in ModelDeploymentSpec.model_fields.items()}
    own |= {f"status.{field.alias or name}" for name, field in ModelDeploymentStatus.model_fields.items()}
    return tuple(sorted(own - there)), tuple(sorted(there - own))
