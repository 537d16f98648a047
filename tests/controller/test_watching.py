"""What is asked of kopf beside its public names is still there."""

import inspect
import json
import re

from kopf._cogs.clients import api

from slipway.controller.watching import CANCELLING, NoMemories


def test_kopf_reads_what_watches_tell_by_the_library_that_we_gave_it_and_asks_no_more_of_it() -> None:
    assert set(re.findall(r"\bjson\.(\w+)", inspect.getsource(api))) == {"loads"}
    assert json.loads is not api.json.loads  # type: ignore[attr-defined]


def test_the_callback_that_trips_is_still_called_so() -> None:
    assert f"def {CANCELLING}(" in inspect.getsource(api.stream)


async def test_kopf_remembers_nothing_of_an_object() -> None:
    memories = NoMemories()
    await memories.recall({"metadata": {"uid": "one"}}, noticed_by_listing=True, memobase=())
    assert not list(memories.iter_all_memories())
