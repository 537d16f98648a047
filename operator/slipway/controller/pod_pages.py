"""Pages of pods: the metrics that a server's port says, and how loaded the pod says that it is.

Whatever a page has, and whatever keeps it from being there, is in the answer: a pod that says nothing is missing, with
the reason, and is no zero.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import aiohttp

from slipway.controller.http import AnswerTooLargeError, host_of, read_bounded
from slipway.controller.turns import NoTurnError, Turns
from slipway.core.analysis.look import Target
from slipway.core.load import LoadSample, RevisionLoad
from slipway.core.observed.evidence import PodSample, PodStart, Scrape
from slipway.core.reasons import fit
from slipway.triton import load, metrics

SCRAPE_SECONDS: Final = 5
"""For one pod's page, which takes milliseconds."""


@dataclass(frozen=True, kw_only=True)
class PodPages:
    """Reads the pages of a look's pods, all at about one moment."""

    session: aiohttp.ClientSession
    turns: Turns
    now: Callable[[], datetime]
    metrics_port: int
    load_port: int

    async def scrape(self, model: str, targets: Sequence[Target], namespace: str) -> Scrape:
        """Read all the servers' metrics. A pod that does not answer is there with the reason."""
        at = self.now()
        samples = await asyncio.gather(*(self._sample(model, target, namespace) for target in targets))
        return Scrape(at=at, pods=tuple(samples))

    async def loads(
        self, targets: Sequence[Target], absent: Mapping[str, int], namespace: str
    ) -> tuple[LoadSample, tuple[PodStart, ...]]:
        """Ask all pods how loaded they are, and what their starts took. `absent`: pods that cannot be asked, by
        revision."""
        at = self.now()
        answers = await asyncio.gather(*(self._pod_load(target, namespace) for target in targets))
        pairs = list(zip(targets, answers, strict=True))
        missing = [f"{target.name}: {said}" for target, said in pairs if isinstance(said, str)]
        by_revision: dict[str, dict[str, load.PodLoad | None]] = {}
        for target, said in pairs:
            by_revision.setdefault(target.revision, {})[target.pod] = None if isinstance(said, str) else said
        sample = LoadSample(
            at=at,
            revisions={
                revision: _revision_load(by_revision.get(revision, {}), absent.get(revision, 0))
                for revision in by_revision.keys() | absent.keys()
            },
            missing=missing[0] if missing else "",
        )
        starts = tuple(
            PodStart(name=target.name, revision=target.revision, facts=said.start)
            for target, said in pairs
            if not isinstance(said, str) and said.start
        )
        return sample, starts

    async def _sample(self, model: str, target: Target, namespace: str) -> PodSample:
        text, missing = await self._page(target, namespace, self.metrics_port, metrics.LARGEST_BYTES)
        if missing:
            return sample_of(target, missing)
        try:
            async with self.turns.reading(namespace):
                return sample_of(target, counters=await asyncio.to_thread(metrics.parse, text, model))
        except (NoTurnError, metrics.MetricsError) as error:
            return sample_of(target, str(error))

    async def _pod_load(self, target: Target, namespace: str) -> load.PodLoad | str:
        text, missing = await self._page(target, namespace, self.load_port, load.LARGEST_BYTES)
        if missing:
            return missing
        try:
            return load.parse(text)
        except metrics.MetricsError as error:
            return str(error)

    async def _page(self, target: Target, namespace: str, port: int, largest_bytes: int) -> tuple[str, str]:
        """What a server's port says, or why there is nothing."""
        try:
            async with self.turns.pod(namespace):
                return await self._text(target.ip, port, largest_bytes), ""
        except NoTurnError as error:
            return "", str(error)
        except TimeoutError:
            return "", f"its metrics did not come within {SCRAPE_SECONDS} s"
        except AnswerTooLargeError:
            return "", f"its metrics are larger than {largest_bytes // 1024} KiB"
        except metrics.MetricsError as error:
            return "", str(error)
        # The boundary to a server that anybody may have written: whatever its bytes bring about, they are no metrics.
        except Exception as error:  # noqa: BLE001
            return "", f"its metrics cannot be had: {fit(str(error), 200) or type(error).__name__}"

    async def _text(self, ip: str, port: int, largest_bytes: int) -> str:
        timeout = aiohttp.ClientTimeout(total=SCRAPE_SECONDS)
        url = f"http://{host_of(ip)}:{port}/metrics"
        async with self.session.get(url, timeout=timeout, allow_redirects=False) as response:
            body = await read_bounded(response, largest_bytes)
            if response.status != 200:
                raise metrics.MetricsError(f"its metrics port answered {response.status}")
            return body.decode(errors="replace")


def sample_of(target: Target, missing: str = "", *, counters: metrics.ModelMetrics | None = None) -> PodSample:
    """A pod's counters, or why there are none."""
    return PodSample(
        pod=target.pod,
        name=target.name,
        revision=target.revision,
        metrics=counters,
        missing=missing,
        restarts=target.restarts,
    )


def _revision_load(pods: Mapping[str, load.PodLoad | None], absent: int) -> RevisionLoad:
    answered = {pod: said for pod, said in pods.items() if said}
    return RevisionLoad(
        pods=len(pods),
        answered=len(answered),
        absent=absent,
        ratio=sum(said.ratio for said in answered.values()),
        backlogs={pod: said.backlog for pod, said in answered.items()},
        rate=sum(said.rate or 0 for said in answered.values()),
        uncounted=sum(said.ratio for said in answered.values() if said.rate is None),
    )
