"""Turns: what a look asks, and what is read of the answers, waits for one of few slots, in fair shares by namespace.

What gets none within the time of a look is told so.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Final

from slipway.controller.fair_shares import FairSlots

LOOK_SECONDS: Final = 60
"""For a whole look; what is not there by then is missing."""
PODS_AT_A_TIME: Final = 64
QUESTIONS_AT_A_TIME: Final = 16
"""Asked of Prometheuses."""
READ_AT_A_TIME: Final = 2
"""In threads, of which all together have one CPU: texts of metrics, and answers that are compared."""


class NoTurnError(Exception):
    """So many others of the same namespace wait, or are so slow, that a slot did not come in time."""


class Turns:
    """The slots that all looks share. Use within one event loop."""

    def __init__(self) -> None:
        self._pods, self._questions = FairSlots(PODS_AT_A_TIME), FairSlots(QUESTIONS_AT_A_TIME)
        self._reading = FairSlots(READ_AT_A_TIME)

    def pod(self, namespace: str) -> AbstractAsyncContextManager[None]:
        """To ask a pod."""
        return _turn(self._pods, namespace)

    def question(self, namespace: str) -> AbstractAsyncContextManager[None]:
        """To ask a Prometheus."""
        return _turn(self._questions, namespace)

    def reading(self, namespace: str) -> AbstractAsyncContextManager[None]:
        """To take a thread for what a pod has answered."""
        return _turn(self._reading, namespace)


def within_a_look() -> float:
    """When what is asked now has to be there, of the loop's clock."""
    return asyncio.get_running_loop().time() + LOOK_SECONDS


@asynccontextmanager
async def _turn(slots: FairSlots, namespace: str) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await stack.enter_async_context(slots.slot(namespace))
        except TimeoutError:
            raise NoTurnError(
                f"waits for its turn: others are asked, and answer so slowly that it was not within {LOOK_SECONDS} s"
            ) from None
        yield
