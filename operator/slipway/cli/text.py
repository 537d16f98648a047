"""Words for a terminal: anybody's text without what would steer it, and times as people say them."""

from datetime import datetime, timedelta

from slipway.guard.printable import printable


def plain(value: object) -> str:
    """Anybody's text in one line, without anything that moves a cursor or turns the writing round."""
    return printable(" ".join(str(value).split()))


def lasting(span: timedelta) -> str:
    """A span of time as kubectl says it: 42s, 5m, 3m10s, 2h, 4d."""
    seconds = max(0, int(span.total_seconds()))
    if seconds < 120:
        return f"{seconds}s"
    minutes, rest = divmod(seconds, 60)
    if minutes < 10:
        return f"{minutes}m{rest}s" if rest else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    hours = minutes // 60
    return f"{hours}h" if hours < 48 else f"{hours // 24}d"


def age(since: datetime | None, now: datetime) -> str:
    """How long ago; `-` where nobody knows."""
    return lasting(now - since) if since else "-"


def at(when: datetime, now: datetime) -> str:
    """A time to come or gone: `12:10:00 UTC, in 4m`."""
    day = "" if when.date() == now.date() else f"{when:%Y-%m-%d} "
    away = f"in {lasting(when - now)}" if when >= now else f"{lasting(now - when)} ago"
    return f"{day}{when:%H:%M:%S} UTC, {away}"
