"""Objects as an API server and a watch keep them: as JSON, of which every reader has a copy of its own.

A fake operator sees the same objects again and again. Copying JSON by its text is ten times as fast as `copy.deepcopy`,
and a child that has not changed is the same child, as it is in the operator's store.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Final, TypeVar

import orjson

from slipway.core.names import Manifest
from slipway.core.observed.objects import Child
from slipway.core.plan import Plan

TWICE_EVERY: Final = 4
"""So many decisions in a disturbed cluster are one that is made twice."""


def decided(decide: Callable[[], Plan], number: int) -> Plan:
    """One decision. Every fourth is made twice: it is the same both times."""
    plan = decide()
    if number % TWICE_EVERY == 0:
        assert decide() == plan, "the same facts gave two plans"
    return plan


_Json = TypeVar("_Json")


def copied(value: _Json) -> _Json:
    """The same JSON values, of which nothing is shared."""
    copy: _Json = orjson.loads(orjson.dumps(value))
    return copy


def child(manifest: Manifest) -> Child:
    """A child as it is now, read once for as long as nobody changes it."""
    return _read(orjson.dumps(manifest))


@lru_cache(maxsize=1024)
def _read(text: bytes) -> Child:
    return Child.of(orjson.loads(text))
