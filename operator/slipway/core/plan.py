"""What one pass wants done: a status to persist first, then actions, things to tell, and when to look again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from slipway.api.v1alpha1.status import ModelDeploymentStatus
from slipway.core.analysis.look import Look
from slipway.core.names import Manifest


@dataclass(frozen=True, kw_only=True)
class Apply:
    """Server-side apply of a whole child. Each write says what it was decided from."""

    manifest: Manifest
    uid: str | None = None
    """Only if the live object is still that very one."""
    resource_version: str | None = None
    """Only if it has not changed since, either."""
    first: bool = False
    """Only if there is nothing of that name: somebody else's object is never taken over."""


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Set a Deployment's count through its scale subresource, if it is still the one that was looked at."""

    name: str
    replicas: int
    resource_version: str
    lowers: bool = False
    """It takes pods away."""


@dataclass(frozen=True, kw_only=True)
class Delete:
    """Delete a child, if it is still the one that was looked at."""

    kind: str
    name: str
    uid: str


Action = Apply | Scale | Delete


def place_of(action: Action) -> tuple[str, str]:
    """Kind and name of what an action writes to."""
    match action:
        case Apply(manifest=manifest):
            return manifest["kind"], manifest["metadata"]["name"]
        case Scale(name=name):
            return "Deployment", name
        case Delete(kind=kind, name=name):
            return kind, name


@dataclass(frozen=True, kw_only=True)
class Note:
    """A Kubernetes Event on the ModelDeployment, told once: when the status change that it speaks of was persisted."""

    reason: str
    message: str
    warning: bool = False
    refuses: bool = False
    """It tells that a version was sent home, not only what is wrong with one of its pods."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The outcome of one decision. The status is persisted before any action is taken."""

    status: ModelDeploymentStatus
    actions: tuple[Action, ...] = ()
    notes: tuple[Note, ...] = ()
    relies_on: Mapping[str, int] = field(default_factory=dict)
    """Available pods by Deployment that allow the actions to take capacity away: to be seen live before them."""
    relies_on_guards: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """What allows the actions to open a route: by kind and name the resourceVersion, to be seen live before them."""
    looks: tuple[Look, ...] = ()
    """What is to be looked at beside the passes, and when."""
    wake_at: datetime | None = None
