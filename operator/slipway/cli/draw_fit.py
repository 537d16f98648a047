"""What `slipway fit` found, for people: the sentence, what to write, and the rounds that it rests on."""

from collections.abc import Iterator

import yaml
from rich.console import Group, RenderableType
from rich.text import Text

from slipway.cli.fitted import ALONE, Fitted, Outcome, RoundLine
from slipway.cli.screen import Screen, pairs, table, words
from slipway.cli.text import plain

_HEAD = ["RATE", "SENT", "FAILED", "P50", "P99", "LATE", "HOLDS"]


def fitted_of(view: Fitted, screen: Screen) -> RenderableType:
    """The answer first, then what it is made from."""
    who = f"{view.name}: version {view.version} (revision {view.revision}), pod {view.pod} ({view.pod_is})"
    on = f", on {view.product}" if view.product else ""
    return Group(
        words(who + on, "bold"),
        words(view.says, "green" if view.outcome == Outcome.HELD else "bold red"),
        pairs([("margin", words(view.margin or ""))]),
        *_manifest(view),
        table(_HEAD, [_cells(each) for each in view.rounds], screen),
        *(words(remark, "yellow") for remark in view.remarks),
    )


def _manifest(view: Fitted) -> Iterator[Text]:
    if view.manifest:
        yield words("write under spec:", "bold")
        for line in yaml.safe_dump(dict(view.manifest), sort_keys=False).splitlines():
            yield Text("  " + line[: len(line) - len(line.lstrip())] + plain(line))


def _cells(line: RoundLine) -> list[str]:
    rate = f"{line.rate:g}/s" if line.rate else ALONE
    holds = "yes" if line.holds else "no"
    return [rate, str(line.sent), str(line.failed), _time(line.p50_ms), _time(line.p99_ms), _time(line.late_ms), holds]


def _time(milliseconds: float | None) -> str:
    return "-" if milliseconds is None else f"{milliseconds:g} ms"
