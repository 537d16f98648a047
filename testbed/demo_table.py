"""The canary as it goes: a line for each revision, in place on a terminal and as plain lines in a log."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from prometheus_client.parser import text_string_to_metric_families
from rich.live import Live
from rich.table import Table

from load.latencies import percentile
from load.pod import Run
from load.report import Report
from testbed.demo_shares import Story, so_far
from testbed.kubectl import Kubectl
from testbed.say import console, step
from testbed.served import EXAMPLE

PLAIN_SECONDS: Final = 10
"""Between the lines of a log; a change of shares is told at once."""
HEADINGS: Final = ("", "share asked", "share seen", "requests", "errors", "p99 ms")
METRICS_PORT: Final = 8002
FAILED: Final = "nv_inference_request_failure_total"


@dataclass
class Board:
    """What is shown, and what it is made from."""

    kubectl: Kubectl
    run: Run
    story: Story
    live: Live
    report: Report | None = None
    errors: dict[str, int] = field(default_factory=dict)
    _told: tuple[float, Mapping[str, int]] = (0.0, {})

    def look(self) -> None:
        """Look again, and show it."""
        recent = self.run.recent
        self.report = so_far(self.report, recent)
        told = self.story.weights()
        weights: Mapping[str, int] = told[-1].part if told else {}
        self._count_errors()
        rows = self._rows(self.report, recent, weights)
        if console.is_terminal:
            self.live.update(_table(rows), refresh=True)
        elif weights != self._told[1] or time.monotonic() - self._told[0] >= PLAIN_SECONDS:
            self._told = (time.monotonic(), weights)
            for row in rows:
                cells = zip(HEADINGS[1:], row[1:], strict=True)
                step(f"  {row[0]}: " + ", ".join(f"{name} {cell}" for name, cell in cells if cell))

    def _rows(self, whole: Report, recent: Report, weights: Mapping[str, int]) -> list[tuple[str, ...]]:
        """A line for each version that clients ever heard of, and one for what clients say of them all."""
        total, now = whole.total(), recent.total()
        answered = sum(now.counts.values())
        rows = []
        for version in sorted({*total.answered, *weights}):
            lately = now.answered.get(version)
            seen = f"{100 * lately.count / answered:.1f} %" if lately else "0.0 %"
            p99 = f"{percentile(lately.latencies, 99):.1f}" if lately else ""
            asked, count = f"{weights.get(version, 0)} %", f"{total.counts.get(version, 0)}"
            rows.append((f"version {version}", asked, seen, count, str(self.errors.get(version, 0)), p99))
        p99 = f"{percentile(now.latencies, 99):.1f}" if answered else ""
        unhappy = total.failed.total() + total.wrong.total()
        return [*rows, ("all, by clients", "", "", str(total.sent), str(unhappy), p99)]

    def _count_errors(self) -> None:
        """What each version's pod counts; a pod that is gone keeps what was seen of it."""
        for told in self.story.status.get("revisions", ()):
            service = f"services/{EXAMPLE}-{told['revision']}:{METRICS_PORT}"
            path = f"/api/v1/namespaces/{self.kubectl.namespace}/{service}/proxy/metrics"
            if text := self.kubectl("get", "--raw", path, check=False):
                self.errors[told["version"]] = failures(text)


def failures(metrics: str) -> int:
    """Requests that a server says have failed."""
    families = text_string_to_metric_families(metrics)
    return round(sum(s.value for family in families for s in family.samples if s.name in {FAILED, FAILED[:-6]}))


def _table(rows: list[tuple[str, ...]]) -> Table:
    table = Table(*HEADINGS, title="The last ten seconds, and all requests so far")
    for column in table.columns[1:]:
        column.justify = "right"
    for number, row in enumerate(rows, 1):
        table.add_row(*row, end_section=number == len(rows) - 1)
    return table
