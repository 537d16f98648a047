"""The other views for people: why, list, history, top, version and plan."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from rich.console import RenderableType
from rich.text import Text

from slipway.cli.draw_tree import awaited_of
from slipway.cli.history import Past
from slipway.cli.listing import Row
from slipway.cli.plan import Planned
from slipway.cli.screen import Screen, pairs, style_of, table, words
from slipway.cli.text import age
from slipway.cli.top import Holding
from slipway.cli.versions import Versions
from slipway.cli.why import Why


def why_of(view: Why, now: datetime) -> RenderableType:
    """The answer as a table of two columns."""
    lines: list[tuple[str, Text]] = [
        ("reason", words(view.reason, "bold red" if view.stalled else style_of(view.phase))),
        ("phase", words(f"{view.phase}{', stalled' if view.stalled else ''}")),
        ("object", words(f"modeldeployment/{view.name} in namespace {view.namespace}")),
        ("about", words(view.about)),
        ("words", words(view.words)),
        ("means", words(view.meaning)),
        ("do", words(view.what_to_do, "bold")),
        ("serves", words(view.serves)),
        *(("scaling", words(each)) for each in view.scaling),
        *(("pod", words(pod, "yellow")) for pod in view.pods[:_MOST]),
        *(("warned", words(event)) for event in view.warnings),
    ]
    if len(view.pods) > _MOST:
        lines.append(("", words(f"and {len(view.pods) - _MOST} more pods that are not ready")))
    if view.awaited:
        lines.append(("awaits", awaited_of(view.awaited, now)))
    lines.append(("see", words(view.page)))
    return pairs(lines)


_MOST: Final = 5
_SPARE: Final = ("AGE", "SERVES", "READY")


def list_of(rows: Iterable[Row], screen: Screen, now: datetime, *, everywhere: bool) -> RenderableType:
    """A line each."""
    head = ["NAME", "VERSION", "SERVES", "PHASE", "READY", "REASON", "AGE"]
    cells = [
        [row.namespace, row.name, row.version, row.serves, row.phase, row.ready, row.reason, age(row.created, now)]
        for row in rows
    ]
    if not everywhere:
        return table(head, [each[1:] for each in cells], screen, coloured="PHASE", spare=_SPARE)
    return table(["NAMESPACE", *head], cells, screen, coloured="PHASE", spare=_SPARE)


def history_of(past: Iterable[Past], screen: Screen, now: datetime) -> RenderableType:
    """A line each."""
    head = ["#", "VERSION", "REVISION", "STATE", "DIGEST", "OPERATOR", "AGE"]
    cells = [
        [
            str(each.number),
            each.version,
            each.revision,
            each.state,
            each.digest[:19],
            each.platform,
            age(each.made, now),
        ]
        for each in past
    ]
    return table(head, cells, screen, spare=("OPERATOR", "DIGEST"))


def top_of(holdings: Iterable[Holding], screen: Screen, *, everywhere: bool) -> RenderableType:
    """A line each."""
    head = ["NAMESPACE", "NAME", "PODS", "READY", "ACCELERATORS", "NODES"]
    cells = [
        [each.namespace, each.name, str(each.pods), str(each.ready), ", ".join(each.kinds) or "-", _some(each.nodes)]
        for each in holdings
    ]
    first = 0 if everywhere else 1
    return table(head[first:], [row[first:] for row in cells], screen, spare=("NODES", "READY"))


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return f"{', '.join(names[:_MOST])}{more}" or "-"


def versions_of(view: Versions) -> RenderableType:
    """The three, and what is to be said of them."""
    operators: list[tuple[str, Text]] = [("operator", words(each)) for each in view.operators]
    remarks = [("", words(each, "yellow")) for each in view.remarks]
    return pairs([("command", words(view.command)), ("API", words(view.api)), *operators, *remarks])


def plan_of(view: Planned) -> RenderableType:
    """What would follow."""
    way = f"{view.type}: {view.way}" if view.type else ""
    return pairs(
        [
            ("model", words(view.name)),
            ("then", words(view.outcome, "bold yellow" if view.restarts else "green")),
            ("type", words(way)),
            *(("for", words(each)) for each in view.revision_fields),
            *(("changes", words(each)) for each in view.other_fields),
        ]
    )
