"""The owner of what is made: one ModelDeployment."""

from dataclasses import dataclass

from slipway.core.names import Manifest


@dataclass(frozen=True, kw_only=True)
class Owner:
    """The ModelDeployment that children belong to."""

    namespace: str
    name: str
    uid: str
    generation: int = 1
    request: str | None = None
    """What somebody asks for by annotation, as it stands there: VERB/REVISION[@nonce]."""

    def reference(self, api_version: str, kind: str, *, awaited: bool = True) -> Manifest:
        """The controller owner reference that makes Kubernetes clean up behind us. `awaited`: a deletion in the
        foreground waits for it."""
        return {
            "apiVersion": api_version,
            "kind": kind,
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": awaited,
        }
