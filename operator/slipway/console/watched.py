"""What the console keeps in memory: the objects of our kinds, by list and watch."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any, Final

from slipway.api.v1alpha1 import GROUP, Named
from slipway.cli.named import REVIEWS, names, review
from slipway.console.api_server import ApiError, ApiServer, Object, path_of
from slipway.console.following import Changes, change_of
from slipway.console.keeping import Keeping, key_of
from slipway.core.body import within

FIRST_SECONDS: Final = 1.0
LONGEST_SECONDS: Final = 30.0
"""Between a look that failed and the next: twice as long each time, and the first again once a watch has spoken."""
_BY_NAME_SECONDS: Final = 5.0
"""Between two looks at objects that may be got, and neither listed nor watched."""
_EVENTS: Final = ("ADDED", "MODIFIED", "DELETED", "BOOKMARK")


class Watched:
    """The objects of one kind that somebody may see: of all namespaces, or of one where they may not list all; with
    `by_name` those of it that they may get by their names, where they may list none."""

    def __init__(
        self,
        api: ApiServer,
        kind: Named,
        namespace: str,
        changes: Changes,
        *,
        everywhere: bool = True,
        by_name: bool = False,
    ) -> None:
        self.kind, self._api, self._namespace, self._changes = kind, api, namespace, changes
        self._by_name = by_name
        self._kept = Keeping()
        self._rest_seconds = FIRST_SECONDS
        self.problem: str | None = "not read yet"
        """Why what is here may be old or missing, in a sentence."""
        self.everywhere = everywhere
        self.version = 0
        """Grows with each change."""

    def __iter__(self) -> Iterator[Object]:
        """All of them, by namespace and name. Of a copy: pages are made in threads, while a watch goes on."""
        objects = self._kept.objects.copy()
        return iter([objects[key] for key in sorted(objects)])

    @property
    def is_read(self) -> bool:
        """Whether they have been read once."""
        return self.version > 0

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Those that are looked at; none: all."""
        return () if self.everywhere or not self._namespace else (self._namespace,)

    def get(self, namespace: str, name: str) -> Object | None:
        """One of them."""
        return self._kept.objects.get((namespace, name))

    @property
    def left_out(self) -> Mapping[str, int]:
        """How many there is no room for, by namespace."""
        return self._kept.left_out

    async def run(self) -> None:
        """Keep them as they are, for ever."""
        while True:
            try:
                await self._follow()
            except ApiError as error:
                if error.status == 403 and self.everywhere and self._namespace:
                    self.everywhere = False
                    continue
                await self._say(str(error))
            # The boundary to what an API server, or what stands for one, hands out: it ends a look, and no more.
            except Exception as error:  # noqa: BLE001
                await self._say(f"what the API server says cannot be read: {type(error).__name__}: {error}")
            await asyncio.sleep(self._rest_seconds)
            self._rest_seconds = min(2 * self._rest_seconds, LONGEST_SECONDS)

    async def _follow(self) -> None:
        """List and watch, until that fails."""
        path = path_of(self.kind.plural, None if self.everywhere else self._namespace)
        kept = Keeping()
        try:
            version = await self._api.listed(path, kept.take_all)
        except ApiError as error:
            if error.status != 403 or self.everywhere or not self._by_name:
                raise
            await self._look_by_name(error)
            return
        self._kept = kept
        self.version += 1
        await self._say(None)
        while not self._kept.has_room_again:
            async for event in self._api.watch(path, version):
                each = within(event, "object")
                if event.get("type") not in _EVENTS:
                    raise ApiError(
                        0, f"the watch ends: {each.get('message') or event.get('type') or 'it says nothing'}"
                    )
                self._rest_seconds = FIRST_SECONDS
                version = str(within(each, "metadata").get("resourceVersion") or version)
                if event.get("type") != "BOOKMARK":
                    await self._take(each, deleted=event.get("type") == "DELETED")
            await asyncio.sleep(FIRST_SECONDS)  # one that ends at once is not asked for again at once

    async def _look_by_name(self, refused: ApiError) -> None:
        """Get those to whose names there is a right, where they may not be listed. `refused` where there is none."""
        answer = await self._api.post(REVIEWS, review(self._namespace))
        allowed = names(answer, GROUP, self.kind.plural)
        if not allowed:
            raise refused
        objects = [each for name in allowed if (each := await self._named(name))]
        kept, problem = Keeping(), f"{refused}; shown are those that you may get"
        await asyncio.to_thread(kept.take_all, objects)
        self._rest_seconds = _BY_NAME_SECONDS
        if (self._kept.objects, self.problem) != (kept.objects, problem):
            self._kept = kept
            self.version += 1
            await self._say(problem)

    async def _named(self, name: str) -> Object | None:
        try:
            return await self._api.get(path_of(self.kind.plural, self._namespace, name))
        except ApiError as error:
            if error.status in (403, 404):
                return None
            raise

    async def _take(self, each: Mapping[str, Any], *, deleted: bool) -> None:
        key = key_of(dict(each))
        before = self._kept.objects.get(key, {})
        if deleted:
            self._kept.drop(key)
        else:
            await asyncio.to_thread(self._kept.take, each)
        self.version += 1
        await self._changes.tell(change_of(self.kind, before, dict(each)))

    async def _say(self, problem: str | None) -> None:
        self.problem = problem
        await self._changes.tell()
