"""What was measured, as Markdown."""

from collections.abc import Mapping
from typing import Final

from load.latencies import described
from load.tally import Tally

HEADINGS: Final = ("by", "asked", "p50 ms", "p90 ms", "p99 ms", "requests", "failed")
NUMBERS: Final = ("p50_ms", "p90_ms", "p99_ms")
NAMES: Final = {"http": "HTTP", "grpc": "gRPC", "stream": "gRPC stream"}


def table(turns: Mapping[tuple[str, str], Tally]) -> str:
    """The pod, the gateway, and what the gateway adds, by each protocol."""
    rows: list[tuple[str, ...]] = [HEADINGS, ("---", "---", *("---:" for _ in HEADINGS[2:]))]
    for protocol, name in NAMES.items():
        pod, gateway = turns[protocol, "pod"], turns[protocol, "gateway"]
        rows += [_row(name, "pod", pod), _row(name, "gateway", gateway)]
        direct, through = described(pod.latencies), described(gateway.latencies)
        added = (f"**{through[number] - direct[number]:+.2f}**" for number in NUMBERS)
        rows.append((name, "**added**", *added, "", ""))
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _row(name: str, way: str, tally: Tally) -> tuple[str, ...]:
    numbers = described(tally.latencies)
    failed = tally.failed.total() + tally.wrong.total()
    return (name, way, *(f"{numbers[number]:.2f}" for number in NUMBERS), str(tally.sent), str(failed))
