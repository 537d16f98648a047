"""The fetcher's commands block; the fake servers of the tests live in their event loop."""

import asyncio
from typing import Any

from slipway.fetch import fetch as fetching
from slipway.fetch import resolve as resolving
from slipway.fetch.policy import Policy
from slipway.fetch.settings import Settings


async def fetch(settings: Settings, policy: Policy) -> None:
    """`slipway-fetch fetch` in a thread."""
    await asyncio.to_thread(fetching.fetch, settings, policy)


async def resolve(settings: Settings, policy: Policy) -> dict[str, Any]:
    """`slipway-fetch resolve` in a thread."""
    return await asyncio.to_thread(resolving.resolve, settings, policy)
