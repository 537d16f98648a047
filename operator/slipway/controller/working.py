"""Workers: pass after pass from the queue. What goes wrong with one object stays with that one."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

from slipway.controller import logs
from slipway.controller.kinds import Key
from slipway.controller.kube import KubeError
from slipway.controller.queue import Taken, WorkQueue
from slipway.controller.telemetry import Telemetry

log = logging.getLogger(__name__)

SOONEST_SECONDS: Final = 0.1
"""From one pass to the next over the same object, however soon its plan wants to look again."""
FOLLOWS_SECONDS: Final = 2
"""A pass that an urgent one wants within this time is part of the same: a share goes back in several writes."""

Pass = Callable[[Key], Awaitable[datetime | None]]
"""One pass over one ModelDeployment. Answers when to look again at the latest."""


async def work(queue: WorkQueue[Key], reconcile: Pass, telemetry: Telemetry) -> None:
    """A worker, until the queue is closed."""
    loop = asyncio.get_running_loop()
    while (taken := await queue.get()) is not None:
        lane = "urgent" if taken.urgent else "ordinary"
        telemetry.queue_wait_seconds.labels(lane).observe(max(0.0, loop.time() - taken.due))
        started, outcome = time.perf_counter(), "failed"
        with logs.context(namespace=taken.key.namespace, name=taken.key.name, attempt=queue.backoff.attempt(taken.key)):
            try:
                wake_at = await reconcile(taken.key)
            except KubeError as error:
                outcome = "retry"
                delay = queue.retry(taken.key, retry_after_seconds=error.retry_after_seconds, urgent=taken.urgent)
                log.warning("Tried again in %.1f s: %s", delay, error)
            # The one boundary of its kind: a bug that one object tickles must not take the worker from all the others.
            except Exception:
                log.exception("Tried again in %.1f s", queue.retry(taken.key))
            else:
                outcome = "done"
                queue.record_success(taken.key)
                _wake(queue, taken, wake_at)
            finally:
                telemetry.reconcile_seconds.labels(outcome).observe(time.perf_counter() - started)
                queue.done(taken.key)
        # A pass that writes nothing awaits nothing: let watches, probes and the Lease have a turn.
        await asyncio.sleep(0)


def _wake(queue: WorkQueue[Key], taken: Taken[Key], wake_at: datetime | None) -> None:
    if wake_at is not None:
        delay = max(SOONEST_SECONDS, (wake_at - datetime.now(UTC)).total_seconds())
        queue.add(taken.key, delay, urgent=taken.urgent and delay <= FOLLOWS_SECONDS)
