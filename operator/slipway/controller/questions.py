"""Questions: what an analysis asks of Prometheuses, each of one that its namespace may ask."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp

from slipway.controller import prometheus
from slipway.controller.prometheus_addresses import PrometheusAddresses
from slipway.controller.turns import NoTurnError, Turns
from slipway.core.analysis.look import Question
from slipway.core.observed.evidence import Reading, Readings


@dataclass(frozen=True, kw_only=True)
class Questions:
    """Asks the questions of a look."""

    session: aiohttp.ClientSession
    turns: Turns
    allowed: PrometheusAddresses

    async def readings(self, questions: Sequence[Question], namespace: str) -> dict[str, Readings]:
        """The answers, or why there are none, by metric."""
        all_readings = await asyncio.gather(*(self._readings(question, namespace) for question in questions))
        return {question.metric: readings for question, readings in zip(questions, all_readings, strict=True)}

    async def _readings(self, question: Question, namespace: str) -> Readings:
        candidate = await self._ask(question.address, question.candidate, namespace)
        if question.stable is None:
            return Readings(candidate=candidate)
        return Readings(candidate=candidate, stable=await self._ask(question.address, question.stable, namespace))

    async def _ask(self, address: str, query: str, namespace: str) -> Reading:
        if objection := self.allowed.objection(address, namespace):
            return Reading(trouble=objection)
        try:
            async with self.turns.question(namespace):
                return await prometheus.instant_query(self.session, address, query)
        except NoTurnError as error:
            return Reading(trouble=str(error))
