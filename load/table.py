"""A report as people read it. Pure."""

from collections.abc import Sequence

from load.latencies import described
from load.report import Report
from load.tally import Tally
from load.words import printable

HEADINGS = ("", "answered", "failed", "wrong", "reconnected", "p50 ms", "p90 ms", "p99 ms", "max ms")


def table(report: Report) -> str:
    """A line for each protocol, one for each version that answered it, and the first failures."""
    lines: list[Sequence[object]] = [HEADINGS]
    for protocol in report.timeline:
        whole = report.total(protocol)
        lines.append(line(protocol, whole))
        for version, answered in whole.answered.items():
            lines.append((f"  {version}", answered.count, "", "", "", *described(answered.latencies).values()))
    head = f"{report.seconds:.0f} s at {report.rate:g} requests a second by each protocol"
    late = described(report.late)
    if late:
        head += f"; they left late by {late['p50_ms']:.1f} ms (p50), {late['p99_ms']:.1f} ms (p99)"
    return "\n".join([head, *aligned(lines), *map(printable, report.failures)])


def line(name: str, tally: Tally) -> Sequence[object]:
    """One tally's numbers, as the headings say."""
    answered = sum(tally.counts.values())
    numbers = described(tally.latencies).values()
    return (name, answered, tally.failed.total(), tally.wrong.total(), tally.reconnected, *numbers)


def aligned(lines: Sequence[Sequence[object]]) -> list[str]:
    """Columns: names to the left, numbers to the right."""
    texts = [[f"{cell:.1f}" if isinstance(cell, float) else str(cell) for cell in line] for line in lines]
    widths = [max(len(text[column]) for text in texts if column < len(text)) for column in range(len(HEADINGS))]
    return [
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(text, widths, strict=False))
        )
        for text in texts
    ]
