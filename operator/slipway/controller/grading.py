"""Scores of pods: each guard has those of its own bundle's labelled rows; rows of a ConfigMap are asked from here.

Whatever cannot be had is in the score, in words. Rows of a ConfigMap are asked of one pod of each version.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from slipway.controller import inference_client
from slipway.controller.http import AnswerTooLargeError, host_of, read_bounded
from slipway.controller.kinds import CONFIG_MAP
from slipway.controller.kube import Kube, KubeError
from slipway.controller.turns import NoTurnError
from slipway.core.analysis.look import Grading, Look, Target
from slipway.core.names import GUARD_PORT, HTTP_PORT
from slipway.core.observed.evidence import Bounds, GuardCount, Score, Scores
from slipway.core.reasons import fit
from slipway.guard import labelled

PODS_OF_A_VERSION: Final = 4
"""Whose guards are asked, of each version."""
ASK_SECONDS: Final = 5
_LARGEST_BYTES: Final = 256 * 1024
_LONGEST: Final = 300
_LARGEST: Final = 1e100
"""Of a score."""
_NO_SCORES: Final = "its guard has no scores: it is older than those, or the model has not answered yet"

Turn = Callable[[str], AbstractAsyncContextManager[None]]
"""Waits until it is a namespace's turn: none keeps others waiting."""


@dataclass(kw_only=True)
class Graded:
    """The scores of one look."""

    scores: dict[str, Scores] = field(default_factory=dict)
    """By the metric's name."""
    guards: dict[str, GuardCount] = field(default_factory=dict)
    """By pod (uid), of those whose guard says it."""
    sent: dict[str, Bounds] = field(default_factory=dict)
    """Requests that were sent to a pod (uid) from here, and that it counts as succeeded."""


@dataclass(frozen=True, kw_only=True)
class Graders:
    """Asks pods for their scores."""

    session: aiohttp.ClientSession
    kube: Kube
    turn: Turn
    """To ask a pod."""
    reading_turn: Turn
    """To take a thread for what a pod has answered."""
    http_port: int = HTTP_PORT
    guard_port: int = GUARD_PORT

    async def counts(self, look: Look, namespace: str) -> dict[str, GuardCount]:
        """What guards have asked so far, by pod (uid), of those that say it."""
        return _counts(await self._documents(look, namespace))

    async def grade(self, look: Look, namespace: str, deadline: float) -> Graded:
        """The scores of a look. `deadline` is of the loop's clock."""
        guards = await self._documents(look, namespace)
        graded = Graded(guards=_counts(guards))
        for grading in look.gradings:
            versions = _versions(look, grading)
            if grading.config_map is None:
                graded.scores[grading.metric] = _scores(look, grading, versions, guards)
                continue
            first = {revision: pods[:1] for revision, pods in versions.items()}
            graded.scores[grading.metric] = await self._rows_scores(
                look, grading, first, sent=graded.sent, namespace=namespace, deadline=deadline
            )
        return graded

    async def _documents(self, look: Look, namespace: str) -> dict[str, Mapping[str, Any]]:
        """What guards say, by pod (uid); each is asked once."""
        targets = {
            target.pod: target
            for grading in look.gradings
            if grading.config_map is None
            for pods in _versions(look, grading).values()
            for target in pods
        }
        documents = await asyncio.gather(*(self._document(target, namespace) for target in targets.values()))
        return dict(zip(targets, documents, strict=True))

    async def _rows_scores(
        self,
        look: Look,
        grading: Grading,
        versions: Mapping[str, Sequence[Target]],
        *,
        sent: dict[str, Bounds],
        namespace: str,
        deadline: float,
    ) -> Scores:
        """The scores that pods reach on a ConfigMap's rows; what they were sent is added to `sent`."""
        try:
            rows = await self._rows(namespace, grading.config_map or "")
        except labelled.LabelledError as error:
            return Scores(trouble=fit(f"ConfigMap {grading.config_map}: {error}", _LONGEST))
        documents = {}
        for target in (each for pods in versions.values() for each in pods):
            document, requests = await self._asked(
                target, look, rows, grading.score, namespace=namespace, deadline=deadline
            )
            documents[target.pod] = document
            sent[target.pod] = sent.get(target.pod, Bounds()) + requests
        return _scores(look, grading, versions, documents)

    async def _document(self, target: Target, namespace: str) -> Mapping[str, Any]:
        """What a guard says of its scores; it begins to make some where there are none."""
        try:
            async with self.turn(namespace):
                content = await self._content(f"http://{host_of(target.ip)}:{self.guard_port}/scores")
            if not content:
                return {"requests": 0, "trouble": _NO_SCORES}
            document = json.loads(content)
            return document if isinstance(document, dict) else {"trouble": "its guard's scores are no object"}
        except TimeoutError:
            return {"trouble": f"its guard did not answer within {ASK_SECONDS} s"}
        except AnswerTooLargeError:
            return {"trouble": f"its guard's scores are larger than {_LARGEST_BYTES // 1024} KiB"}
        # The boundary to what anybody may have written who has a pod: whatever it sends is no score.
        except Exception as error:  # noqa: BLE001
            return {"trouble": f"its guard's scores cannot be had: {_plain(error)}"}

    async def _content(self, url: str) -> bytes:
        limit = aiohttp.ClientTimeout(total=ASK_SECONDS)
        async with self.session.get(url, timeout=limit, allow_redirects=False) as response:
            return await read_bounded(response, _LARGEST_BYTES)

    async def _rows(self, namespace: str, name: str) -> labelled.Rows:
        try:
            data = (await self.kube.get(CONFIG_MAP, namespace, name)).get("data") or {}
        except KubeError as error:
            raise labelled.LabelledError(f"cannot be read: {error}") from None
        contents = {key: str(text).encode() for key, text in data.items() if key.endswith(".jsonl")}
        if not contents:
            raise labelled.LabelledError("has no key that ends in .jsonl")
        try:
            async with self.reading_turn(namespace):
                return await asyncio.to_thread(labelled.read, contents)
        except NoTurnError as error:
            raise labelled.LabelledError(str(error)) from None

    async def _asked(
        self, target: Target, look: Look, rows: labelled.Rows, score: str, *, namespace: str, deadline: float
    ) -> tuple[Mapping[str, Any], Bounds]:
        """What a guard would say of these rows, and how many requests the pod counts for it."""
        marking, sent, trouble = await inference_client.mark(
            self.session,
            target,
            look.model,
            rows,
            turn=lambda: self.turn(namespace),
            reading_turn=lambda: self.reading_turn(namespace),
            deadline=deadline,
            timeout_seconds=look.request_timeout.total_seconds(),
            port=self.http_port,
        )
        if marking is None:
            return {"trouble": trouble}, Bounds(max(0, sent - 1), sent)  # the last one may not be answered
        async with self.reading_turn(namespace):
            outputs = await asyncio.to_thread(marking.scores, [score])
        return {"rows": len(rows.rows), "digest": rows.digest, "outputs": outputs}, Bounds(sent, sent)


def _versions(look: Look, grading: Grading) -> dict[str, list[Target]]:
    asked = (look.candidate, look.stable) if grading.compared else (look.candidate,)
    return {revision: _pods(look, revision) for revision in asked}


def _pods(look: Look, revision: str) -> list[Target]:
    return sorted((each for each in look.targets if each.revision == revision), key=lambda each: each.name)[
        :PODS_OF_A_VERSION
    ]


def _scores(
    look: Look,
    grading: Grading,
    versions: Mapping[str, Sequence[Target]],
    documents: Mapping[str, Mapping[str, Any]],
) -> Scores:
    candidate, stable = (
        tuple(_score(target.name, documents[target.pod], grading) for target in versions.get(revision, ()))
        for revision in (look.candidate, look.stable)
    )
    return Scores(candidate=candidate, stable=stable)


def _score(pod: str, document: Mapping[str, Any], grading: Grading) -> Score:
    """One metric out of a guard's document, which may say anything."""
    if document.get("pending") is True:
        return Score(pod=pod, pending=True)
    if trouble := document.get("trouble"):
        return Score(pod=pod, trouble=fit(str(trouble), _LONGEST))
    outputs = document.get("outputs")
    if not isinstance(outputs, dict) or not outputs:
        return Score(pod=pod, trouble="its guard's scores have no outputs")
    output = next(iter(outputs)) if grading.output is None else grading.output
    if output not in outputs:
        return Score(pod=pod, trouble=fit(f"the model has no output {output!r}; it has {', '.join(outputs)}", _LONGEST))
    of_output = outputs[output]
    value = of_output.get(grading.score) if isinstance(of_output, dict) else None
    number, rows = _number(value), _count(document.get("rows"))
    if number is None or not rows:
        unknown = f"its guard does not know {grading.score}" if number is None else "its guard has a score of no rows"
        return Score(pod=pod, trouble=fit(value if isinstance(value, str) else unknown, _LONGEST))
    return Score(pod=pod, value=number, rows=rows, digest=fit(str(document.get("digest")), 64))


def _number(value: object) -> float | None:
    """None for what is no number, or none that can be reckoned with."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if -_LARGEST <= value <= _LARGEST else None


def _counts(documents: Mapping[str, Mapping[str, Any]]) -> dict[str, GuardCount]:
    """A guard that does not say what it has asked is not there; one that is older does not say what was answered."""
    return {
        pod: GuardCount(
            sent=_count(document["requests"]),
            answered=_count(document.get("answered")),
            open=min(1, _count(document.get("open", 1 if document["requests"] else 0))),
        )
        for pod, document in documents.items()
        if _is_count(document.get("requests"))
    }


def _count(value: object) -> int:
    return value if _is_count(value) and isinstance(value, int) else 0


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _plain(error: Exception) -> str:
    return fit(str(error), _LONGEST) or type(error).__name__
