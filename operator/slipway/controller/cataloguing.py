"""Cataloguing writes the status of RegisteredModels and ModelVersions: what aliases mean, and where digests are used.

Aliases follow within seconds. Uses are counted at most once a minute over what is in memory anyhow, and a status is
written only when it says something else than the one that is there: in a steady minute there is no call.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final

from slipway.api.base import StoredModel
from slipway.api.v1alpha1 import ModelVersionStatus
from slipway.controller.catalogue import status_hash
from slipway.controller.kinds import MODEL_DEPLOYMENT, MODEL_VERSION, REGISTERED_MODEL, Key, Kind
from slipway.controller.kube import ConflictError, ForbiddenError, Kube, KubeError, NotFoundError
from slipway.controller.store import Store
from slipway.core.catalogue.aliases import model_status
from slipway.core.catalogue.uses import Use, uses_of, version_status

log = logging.getLogger(__name__)

ALIASES_SECONDS: Final = 1.0
USES_SECONDS: Final = 60.0
WRITES_AT_A_TIME: Final = 50
"""So that thousands of versions that have come into use at once keep no alias waiting."""
_UNUSED: Final = status_hash(ModelVersionStatus().to_dict())


class Written(Enum):
    """What became of a status."""

    SAME = "Same"
    DONE = "Done"
    FAILED = "Failed"


class Cataloguing:
    """Keeps statuses of the catalogue's objects true."""

    def __init__(self, *, kube: Kube, store: Store, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._kube, self._store, self._now = kube, store, now
        self._uses: dict[str, tuple[Use, ...]] = {}
        self._due_versions: set[Key] = set()
        self._failed_models: set[Key] = set()
        self._failed_versions: set[Key] = set()
        """Tried again with the next count."""

    async def run(self) -> None:
        """Look again and again. Without a catalogue there is nothing to look at, and no call."""
        clock = asyncio.get_running_loop().time
        count_at = clock()
        while True:
            await asyncio.sleep(ALIASES_SECONDS)
            try:
                if clock() >= count_at and self.count_uses():
                    count_at = clock() + USES_SECONDS
                await self.write_models()
                await self.write_versions()
            except KubeError as error:
                log.warning("No status of the catalogue is written for a minute: %s", error)
                await asyncio.sleep(USES_SECONDS)

    def count_uses(self) -> bool:
        """Find the versions whose status is due. Answers whether it could: ModelDeployments that were never listed are
        not unused."""
        if any(gap.kind is MODEL_DEPLOYMENT and not gap.was_listed for gap in self._store.coverage.gaps()):
            return False
        catalogue = self._store.catalogue
        catalogue.changed_models |= self._failed_models
        catalogue.changed_versions |= self._failed_versions
        self._failed_models, self._failed_versions = set(), set()
        uses = self._used() if catalogue.versions else {}
        differ = (digest for digest in uses.keys() | self._uses.keys() if uses.get(digest) != self._uses.get(digest))
        changed, catalogue.changed_versions = catalogue.changed_versions, set()
        self._due_versions |= changed | {key for digest in differ for key in catalogue.with_digest(digest)}
        self._uses = uses
        return True

    def _used(self) -> dict[str, tuple[Use, ...]]:
        uses: dict[str, list[Use]] = {}
        for key, owner in self._store.owners():
            for use in uses_of(key.namespace, key.name, owner.status):
                uses.setdefault(use.digest, []).append(use)
        return {digest: tuple(sorted(each, key=_order)) for digest, each in uses.items()}

    async def write_models(self) -> None:
        """Write what has changed of aliases and counts."""
        catalogue, now = self._store.catalogue, self._now().replace(microsecond=0)
        while catalogue.changed_models:
            key = catalogue.changed_models.pop()
            await asyncio.sleep(0)  # at the start they are all new
            model = catalogue.model(key)
            if model is None:
                continue
            status = _composed(key, lambda: model_status(key.name, model, catalogue.versions_of(key), now))  # noqa: B023
            self._failed_models.add(key)
            if status is None or await self._write(REGISTERED_MODEL, key, status) is not Written.FAILED:
                self._failed_models.discard(key)

    async def write_versions(self) -> None:
        """Write what is due, some at a time."""
        catalogue, writes = self._store.catalogue, 0
        while self._due_versions and writes < WRITES_AT_A_TIME:
            key = self._due_versions.pop()
            version, entry = catalogue.version(key), catalogue.versions.get(key)
            uses = self._uses.get(version.digest, ()) if version else ()
            if version is None or entry is None or (not uses and entry.status in (None, _UNUSED)):
                continue
            model = catalogue.model(Key(key.namespace, version.model))
            shared = model.shared_with if model else frozenset()
            status = _composed(key, lambda: version_status(key.namespace, shared, uses))  # noqa: B023
            self._failed_versions.add(key)
            done = await self._write(MODEL_VERSION, key, status) if status is not None else Written.SAME
            writes += done is not Written.SAME
            if done is not Written.FAILED:
                self._failed_versions.discard(key)

    async def _write(self, kind: Kind, key: Key, status: StoredModel) -> Written:
        """Write a status that says something else than the one that is there. Raises where nothing can be written."""
        entry, written = self._store.catalogue.entry(kind, key), status.to_dict()
        if entry is None or status_hash(written) == (_UNUSED if entry.status is None else entry.status):
            return Written.SAME
        manifest: dict[str, Any] = {
            "apiVersion": kind.api_version,
            "kind": kind.name,
            "metadata": {"name": key.name, "namespace": key.namespace, "resourceVersion": entry.resource_version},
            "status": written,
        }
        try:
            self._store.put(kind, await self._kube.replace_status(kind, manifest))
        except (ConflictError, NotFoundError):
            return Written.FAILED  # the watch brings what it is by now
        except ForbiddenError:
            raise
        except KubeError as error:
            if not error.status:
                raise
            log.warning("The status of %s %s was not written: %s", kind.name, key, error)
            return Written.FAILED
        return Written.DONE


def _composed(key: Key, compose: Callable[[], StoredModel]) -> StoredModel | None:
    """A status; None for an object out of which none can be made, which a later schema may let through."""
    try:
        return compose()
    # The boundary to whatever an API server may store.
    except Exception as error:  # noqa: BLE001
        log.warning("No status of the catalogue's %s can be told: %r", key, error)
        return None


def _order(use: Use) -> tuple[str, str, str]:
    return use.namespace, use.name, use.state
