"""Watch health: what listings showed and watches owe."""

from slipway.controller.kinds import BY_NAME
from slipway.controller.watch_health import WatchHealth

CONFIG = BY_NAME["ConfigMap"]


def test_a_watch_is_held_to_the_version_that_was_listed() -> None:
    watch_health = WatchHealth()
    watch_health.record_listing(CONFIG, {"u": 7}, {"u": 7}, now=0)

    watch_health.record_event(CONFIG, "u", 6)
    assert watch_health.is_waiting()
    watch_health.record_event(CONFIG, "u", 8)
    assert not watch_health.is_waiting()


def test_lag_counts_from_the_first_listing_that_showed_it() -> None:
    watch_health = WatchHealth()
    for now in (0, 30, 61):
        watch_health.record_listing(CONFIG, {"u": 7}, {"u": 7}, now=now)

    assert watch_health.lag_seconds() == {"ConfigMap": 61}
    assert watch_health.deaf_kinds() == ["ConfigMap"]


def test_a_deletion_that_a_watch_tells_of_settles_what_it_owed() -> None:
    watch_health = WatchHealth()
    watch_health.record_listing(CONFIG, {"u": 7}, {"u": 7}, now=0)
    watch_health.record_deletion(CONFIG, "u")

    assert not watch_health.is_waiting()


def test_a_watch_is_held_to_each_namespace_by_itself_and_the_longest_silence_counts() -> None:
    watch_health = WatchHealth()
    watch_health.record_listing(CONFIG, {"u": 7}, {"u": 7}, now=0, namespace="a")
    watch_health.record_listing(CONFIG, {"v": 8}, {"v": 8}, now=20, namespace="b")
    for now in (50, 70):
        watch_health.record_listing(CONFIG, {"u": 7}, {}, now=now, namespace="a")
        watch_health.record_listing(CONFIG, {"v": 8}, {}, now=now, namespace="b")

    assert watch_health.lag_seconds() == {"ConfigMap": 70}
    watch_health.record_event(CONFIG, "u", 7)
    watch_health.record_listing(CONFIG, {"u": 7}, {}, now=75, namespace="a")
    assert watch_health.deaf_kinds() == []
    assert watch_health.is_waiting()
