"""`make demo-canary`: a better model gets 10, 50 and 100 percent on evidence; one that drifted is sent home at 10.

Clients ask through a real gateway all the while. What the route asked for stands beside what they saw, and the end
says which promises held: it is an error when one did not.
"""

import math
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from rich.live import Live
from rich.table import Table

from load import pod
from load.report import Report
from testbed import cluster as clusters
from testbed import installing
from testbed.demo import CLUSTER, NAMESPACE, SECONDS_AROUND, X, asking, look_around, trained
from testbed.demo_shares import SETTLE_SECONDS, Split, Story, following, splits
from testbed.demo_table import Board
from testbed.gateway import envoy
from testbed.routed import HOST, traffic, until_routed
from testbed.say import console, step, working
from testbed.served import PATIENCE_SECONDS, Bundle, Served, message
from testbed.shell import CommandError

POLL_SECONDS: Final = 1.0
HOME_SECONDS: Final = 10
"""From a bad measurement to no share, at most."""
QUESTION: Final = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [X]}]}
ROLLOUT: Final[dict[str, Any]] = {
    "type": "Canary",
    "canary": {
        "steps": [{"weight": 10}, {"analysis": "Inline"}, {"weight": 50}, {"analysis": "Inline"}],
        "standbyDuration": "0s",
    },
    "analysis": {
        "interval": "10s",
        "count": 2,
        "inconclusiveLimit": 3,
        "metrics": [
            {"name": "errors", "builtIn": "ErrorRate", "max": "0.01"},
            {"name": "latency", "builtIn": "LatencyP99", "max": "1000"},
            {"name": "answers", "answers": {"requests": [QUESTION], "tolerance": "0.05"}},
        ],
    },
}


def demo() -> None:
    """Everything, from a bare machine to a canary that is sent home."""
    began = time.monotonic()
    cluster = clusters.up(CLUSTER)
    installing.install(cluster)
    gateway = envoy.install(cluster)
    with working("starting a client in the cluster"):
        client = pod.place(cluster, installing.CLIENTS)
    with tempfile.TemporaryDirectory() as folder:
        served = Served(cluster, NAMESPACE)
        bundles = _versions(served, Path(folder))
        served.apply()
        served.change({"traffic": traffic(gateway), "rollout": ROLLOUT})
        served.until("Ready")
        until_routed(client, gateway)
        with asking(client, HOST, *bundles, gateway=gateway.address) as run, following(served.kubectl) as story:
            _two_canaries(served, run, story, bundles)
        _conclude(run.report, story, *(bundle.version for bundle in bundles[1:]))
    step(f"done in {time.monotonic() - began:.0f} s. Look around:")
    look_around(cluster)


def _versions(served: Served, folder: Path) -> tuple[Bundle, Bundle, Bundle]:
    return (
        trained(served, folder, "1", "not to the end", "--epochs=20"),
        trained(served, folder, "2", "a better model: more steps of training"),
        trained(served, folder, "3", "from other data: it drifted, and its golden answers with it", "--slope=2.5"),
    )


def _two_canaries(served: Served, run: pod.Run, story: Story, bundles: tuple[Bundle, Bundle, Bundle]) -> None:
    with Live(console=console, auto_refresh=False, transient=True) as live:
        board = Board(served.kubectl, run, story, live)
        for bundle, phase in zip(bundles[1:], ("Ready", "Refused"), strict=True):
            _until(board, served.move_to(bundle), phase)
        around = time.monotonic() + SETTLE_SECONDS + SECONDS_AROUND
        while time.monotonic() < around:
            board.look()
            time.sleep(POLL_SECONDS)


def _until(board: Board, generation: int, phase: str) -> None:
    """Wait until what was asked for has come to that phase, and show how."""
    deadline, said = time.monotonic() + PATIENCE_SECONDS, ""
    while time.monotonic() < deadline:
        status = board.story.status
        if status.get("observedGeneration") == generation:
            words = f"{status['phase']}: {message(status)}"
            if words != said:
                step(f"  {words}")
                said = words
            if status["phase"] == phase:
                return
        board.look()
        time.sleep(POLL_SECONDS)
    raise CommandError(f"not {phase} after {PATIENCE_SECONDS} s: {said}")


def _conclude(report: Report, story: Story, better: str, drifted: str) -> None:
    """The split, the failures and the way home, and an error for each promise that did not hold."""
    seen = _all_splits(report, story, better, drifted)
    _show(seen)
    whole = report.total()
    step(f"{whole.sent} requests: {whole.failed.total()} failed, {whole.wrong.total()} answered wrongly")
    bad, words = story.breach()
    in_route = story.emptied(drifted) - bad
    gone = whole.answered.get(drifted)
    by_clients = report.began + gone.last - bad if gone else math.nan
    step(f"version {drifted} was sent home: {words}")
    step(f"from that measurement to share 0: {in_route:.1f} s in the route, {by_clients:.1f} s as clients saw it")
    broken = [*report.failures, *_unkept(seen, story, better, drifted)]
    broken += [
        f"share 0 {where} after {late:.1f} s: more than {HOME_SECONDS}"
        for where, late in (("in the route", in_route), ("for clients", by_clients))
        if not late <= HOME_SECONDS
    ]
    if broken:
        raise CommandError("\n".join(broken))


def _all_splits(report: Report, story: Story, better: str, drifted: str) -> list[Split]:
    """Both versions' in each stretch in which the route named them."""
    return [
        split
        for stretch in story.stretches(report.began + report.seconds)
        for version in (better, drifted)
        if version in stretch.weights
        for split in splits(report, stretch, version)
    ]


def _unkept(seen: list[Split], story: Story, better: str, drifted: str) -> list[str]:
    """Promises about shares that did not hold."""
    asked = {version: {round(100 * s.asked) for s in seen if s.version == version} for version in (better, drifted)}
    most = max((w.part.get(drifted, 0) for w in story.weights()), default=0)
    refused = story.status.get("refused") or {}
    told = [
        (asked[better] >= {10, 50, 100}, f"version {better} was seen at {sorted(asked[better])} % only"),
        (10 in asked[drifted], f"version {drifted} was never seen at 10 %"),
        (most == 10, f"version {drifted} got {most} %"),
        (refused.get("reason") == "AnalysisFailed", f"version {drifted} was refused for {refused.get('reason')}"),
        (story.status["stable"]["version"] == better, f"version {better} does not serve"),
    ]
    unfair = [f"{s.rule}, version {s.version}: {s.seen:.1%}, asked {s.asked:.0%}" for s in seen if not s.holds]
    return [*(words for holds, words in told if not holds), *unfair]


def _show(seen: list[Split]) -> None:
    table = Table("version", "share asked", "by", "seen", "allowed", "requests", title="Shares, asked and seen")
    for each in seen:
        asked, allowed = f"{each.asked:.0%}", f"± {each.allowed:.1%}"
        table.add_row(each.version, asked, each.rule, f"{each.seen:.1%}", allowed, str(each.requests))
    console.print(table)
