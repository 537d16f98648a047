"""What pages are told, and from which moment on."""

import asyncio

import pytest

from slipway.console import following
from slipway.console.following import ANYTHING, Change, Changes, change_of
from slipway.console.kept import DEPLOYMENTS
from tests.console.objects import deployment

ONE, OTHER = (change_of(DEPLOYMENTS, deployment(namespace=each)) for each in ("team-a", "team-b"))


async def test_each_change_is_had_once_by_who_waits_for_it() -> None:
    changes = Changes()
    moment = changes.now()
    waits = asyncio.create_task(changes.after(moment))
    await changes.tell(ONE)
    moment, told = await waits
    assert list(told) == [ONE]
    await changes.tell(OTHER)
    await changes.tell()
    moment, told = await changes.after(moment)
    assert list(told) == [OTHER, Change()]
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(changes.after(moment), 0.05)


async def test_of_a_moment_that_is_not_remembered_everything_may_have_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_REMEMBERED", 2)
    changes = Changes()
    moment = changes.now()
    for _ in range(2):
        await changes.tell(ONE)
    assert list((await changes.after(moment))[1]) == [ONE, ONE]
    await changes.tell(ONE)
    later = changes.now() + 10**12
    for each in (0, moment, later):
        assert (await changes.after(each))[1] == ANYTHING
    assert Changes().now() > moment, "the clock goes on where another is begun"


def test_of_an_object_no_more_is_remembered_than_says_who_may_see_it() -> None:
    (traced,) = change_of(DEPLOYMENTS, deployment(namespace="team-a")).objects
    assert (traced["metadata"], set(traced["spec"])) == ({"namespace": "team-a"}, set())
