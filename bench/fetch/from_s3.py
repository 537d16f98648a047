"""A plain bundle from S3, beside tools that only copy. The fastest of them is timed once more with what verifies its
copy after it: that is the same work."""

import shutil
import sys
from pathlib import Path

from bench.fetch import timing
from bench.fetch.bundle import Made
from bench.fetch.order import order
from bench.fetch.servers import BUCKET, gateway, upload
from bench.fetch.timing import FETCHER, Tool

PREFIX = "churn/3"
GOAL_RATIO, GOAL_MIB = 0.8, 300
OURS, VERIFIED = "slipway-fetch", "s5cmd cp + check"


def compare(made: Made, base: Path, mib: int, rounds: int) -> None:
    """Time the tools, and print the table."""
    root = base / "root"
    with gateway(base / "s3") as endpoint:
        upload(endpoint, made.directory, PREFIX)
        runs = timing.in_turn(_tools(endpoint, made, base), [root], mib, rounds)
    print("\n" + timing.table(runs, mib))
    plain = max(mib / timing.best(each).seconds for name, each in runs.items() if name not in {OURS, VERIFIED})
    ratio, peak = mib / timing.best(runs[OURS]).seconds / plain, max(run.peak_mib for run in runs[OURS])
    reached = "reached" if ratio >= GOAL_RATIO and peak < GOAL_MIB else "missed"
    print(
        f"\n{ratio:.0%} of the best plain tool; goal: {GOAL_RATIO:.0%}, under {GOAL_MIB} MiB: {reached}\n", flush=True
    )


def _tools(endpoint: str, made: Made, base: Path) -> dict[str, Tool]:
    """Each tool's commands, one after the other."""
    environment = order(made, base, uri=f"s3://{BUCKET}/{PREFIX}", endpoint=endpoint)
    url, target = f"s3://{BUCKET}/{PREFIX}", str(base / "root")
    loop, check = (str(Path(__file__).with_name(name)) for name in ("loop.py", "check.py"))
    tools = {
        OURS: [[*FETCHER, "fetch"]],
        "obstore loop": [[sys.executable, loop, endpoint, BUCKET, PREFIX, target]],
    }
    if s5cmd := shutil.which("s5cmd"):
        copy = [s5cmd, "--endpoint-url", endpoint, "--log", "error", "cp", f"{url}/*", f"{target}/"]
        tools |= {"s5cmd cp": [copy], VERIFIED: [copy, [sys.executable, check, target]]}
    if aws := shutil.which("aws"):
        words = ["s3", "cp", "--recursive", "--only-show-errors", "--endpoint-url", endpoint, url, target]
        tools["aws s3 cp"] = [[aws, *words]]
    return {name: Tool(commands, environment) for name, commands in tools.items()}
