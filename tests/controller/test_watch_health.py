"""Hearing: what listings showed and watches owe."""

from slipway.controller.kinds import BY_NAME
from slipway.controller.watch_health import WatchHealth

CONFIG = BY_NAME["ConfigMap"]


def test_hearing_holds_a_watch_to_the_version_that_was_listed() -> None:
    hearing = WatchHealth()
    hearing.listed(CONFIG, {"u": 7}, {"u": 7}, now=0)

    hearing.heard(CONFIG, "u", 6)
    assert hearing.waiting()
    hearing.heard(CONFIG, "u", 8)
    assert not hearing.waiting()


def test_lag_counts_from_the_first_listing_that_showed_it() -> None:
    hearing = WatchHealth()
    for now in (0, 30, 61):
        hearing.listed(CONFIG, {"u": 7}, {"u": 7}, now=now)

    assert hearing.lag_seconds() == {"ConfigMap": 61}
    assert hearing.deaf() == ["ConfigMap"]


def test_a_deletion_that_a_watch_tells_of_settles_what_it_owed() -> None:
    hearing = WatchHealth()
    hearing.listed(CONFIG, {"u": 7}, {"u": 7}, now=0)
    hearing.gone(CONFIG, "u")

    assert not hearing.waiting()


def test_a_watch_is_held_to_each_namespace_by_itself_and_the_longest_silence_counts() -> None:
    hearing = WatchHealth()
    hearing.listed(CONFIG, {"u": 7}, {"u": 7}, now=0, namespace="a")
    hearing.listed(CONFIG, {"v": 8}, {"v": 8}, now=20, namespace="b")
    for now in (50, 70):
        hearing.listed(CONFIG, {"u": 7}, {}, now=now, namespace="a")
        hearing.listed(CONFIG, {"v": 8}, {}, now=now, namespace="b")

    assert hearing.lag_seconds() == {"ConfigMap": 70}
    hearing.heard(CONFIG, "u", 7)
    hearing.listed(CONFIG, {"u": 7}, {}, now=75, namespace="a")
    assert hearing.deaf() == []
    assert hearing.waiting()
