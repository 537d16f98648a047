"""How much a model can answer: a short closed loop, from which a rate that keeps it about half busy follows."""

import asyncio
from typing import Final

from load.clients import Client
from load.generator import Plan

SECONDS: Final = 5.0
AT_ONCE: Final = 8


async def answers_per_second(plan: Plan, seconds: float = SECONDS, at_once: int = AT_ONCE) -> float:
    """Answers a second, of all protocols together, when `at_once` clients of each ask without pause.

    On a machine that is shared the generator's own work is in it: so it is in the load.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    clients = [make() for make in plan.protocols().values() for _ in range(at_once)]
    try:
        counts = await asyncio.gather(*(_count_until(end, client, plan) for client in clients))
    finally:
        for client in clients:
            await client.close()
    return sum(counts) / seconds


async def rate_for(plan: Plan, busy: float) -> float:
    """The rate by each protocol that takes this share of what the model can answer now."""
    return round(await answers_per_second(plan) * busy / len(plan.protocols()), 1)


async def _count_until(end: float, client: Client, plan: Plan) -> int:
    loop = asyncio.get_running_loop()
    count = 0
    while loop.time() < end:
        await client.ask(loop.time() + plan.timeout_seconds)
        count += 1
    return count
