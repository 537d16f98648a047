"""What one pass wants done: a status to persist first, then actions, things to tell, and when to look again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from slipway.api.v1alpha1.status import ModelDeploymentStatus
from slipway.core.analysis.wanted import Wanted
from slipway.core.names import Manifest


@dataclass(frozen=True, kw_only=True)
class Apply:
    """Server-side apply of a whole child. With `resource_version`, only if the live object is still that one."""

    manifest: Manifest
    resource_version: str | None = None
    first: bool = False
    """Nothing of that name is known: read it live before the write, and never take over somebody else's."""


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Set a Deployment's count through its scale subresource, if it is still the one that was looked at."""

    name: str
    replicas: int
    resource_version: str


@dataclass(frozen=True, kw_only=True)
class Delete:
    """Delete a child, if it is still the one that was looked at."""

    kind: str
    name: str
    uid: str


Action = Apply | Scale | Delete


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
    """The outcome of one decision. The status is persisted before any action is taken (design §6)."""

    status: ModelDeploymentStatus
    actions: tuple[Action, ...] = ()
    notes: tuple[Note, ...] = ()
    relies_on: Mapping[str, int] = field(default_factory=dict)
    """Available pods by Deployment that allow the actions to take capacity away: to be seen live before them."""
    relies_on_guards: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """What allows the actions to open a route: by kind and name the resourceVersion, to be seen live before them."""
    looks: tuple[Wanted, ...] = ()
    """What is to be looked at beside the passes, and when."""
    wake_at: datetime | None = None
