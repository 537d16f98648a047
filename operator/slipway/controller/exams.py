"""Exams: pods of two versions are asked the same requests, and their answers are compared as they come.

What cannot be asked says why. One exam goes after the other, and one request after the other: they are no load.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp

from slipway.controller import inference_client
from slipway.controller.turns import LOOK_SECONDS, NoTurnError, Turns
from slipway.core.analysis.answers import compared
from slipway.core.analysis.look import NO_REQUESTS, Exam, Look, Target
from slipway.core.observed.evidence import Answer, Trial, Trials


@dataclass(frozen=True, kw_only=True)
class Exams:
    """Makes the exams of a look."""

    session: aiohttp.ClientSession
    turns: Turns
    http_port: int

    async def trials(self, look: Look, namespace: str, deadline: float) -> dict[str, Trials]:
        """What came of each exam, by metric. `deadline` is of the loop's clock."""
        return {exam.metric: await self._trials(look, exam, namespace, deadline) for exam in look.exams}

    async def _trials(self, look: Look, exam: Exam, namespace: str, deadline: float) -> Trials:
        candidates = [target for target in look.targets if target.revision == look.candidate]
        stables = [target for target in look.targets if target.revision == look.stable]
        if not exam.requests:
            return Trials(trouble=NO_REQUESTS)
        if not (candidates and stables):
            return Trials(trouble="it takes a pod of each of the two versions to compare them")
        trials = []
        for index, request in enumerate(exam.requests):
            name = f"requests[{index}]"
            try:
                asked = inference_client.parse_request(request)
            except ValueError as error:
                return Trials(trouble=f"{name}.{error}")
            of = (candidates[index % len(candidates)], *(stables[(index + i) % len(stables)] for i in (0, 1)))
            try:
                async with self.turns.pod(namespace):
                    answers = await self._answers(look, of, asked, namespace, deadline)
                trial = Trial(request=name, candidate=answers[0], stable=answers[1], again=answers[2])
                async with self.turns.reading(namespace):
                    trials.append(await asyncio.to_thread(compared, trial, exam.tolerance))
            except NoTurnError as error:
                return Trials(trials=tuple(trials), trouble=f"{name}: {error}")
        return Trials(trials=tuple(trials))

    async def _answers(
        self,
        look: Look,
        targets: Sequence[Target],
        request: inference_client.Request,
        namespace: str,
        deadline: float,
    ) -> list[Answer]:
        left = deadline - asyncio.get_running_loop().time()
        if left <= 0:
            trouble = f"not asked: the requests before took more than {LOOK_SECONDS} s"
            return [Answer(pod=target.name, status=0, trouble=trouble) for target in targets]
        limit = min(left, look.request_timeout.total_seconds())
        answers = (
            inference_client.infer(
                self.session,
                target,
                look.model,
                request,
                reading_turn=lambda: self.turns.reading(namespace),
                timeout_seconds=limit,
                port=self.http_port,
            )
            for target in targets
        )
        return await asyncio.gather(*answers)
