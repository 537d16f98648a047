"""How fast a bundle comes from S3 on this machine, beside plain tools: python -m bench.fetch

Ours verifies every byte and lays out; the others only copy. The fastest of them is timed once more with what verifies
its copy after it: that is the same work. Each tool is a process of its own; the rounds go through all tools in turn, so
that a busy neighbour hits all of them alike. Reported is each tool's best round.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import obstore
from obstore.store import S3Store

from bench.fetch import bundle
from testbed.tools import find

BUCKET, PREFIX, KEY, SECRET = "models", "churn/3", "bench", "bench-secret"
GOAL_RATIO, GOAL_MIB = 0.8, 300
OURS, VERIFIED = "slipway-fetch", "s5cmd cp + check"


@dataclass(frozen=True)
class Run:
    """One tool, once."""

    seconds: float
    cpu_seconds: float
    peak_mib: float


@click.command()
@click.option("--mib", default=2048, show_default=True, help="Size of the bundle.")
@click.option("--rounds", default=3, show_default=True)
@click.option("--where", type=click.Path(path_type=Path), help="Folder for the data; removed afterwards.")
def main(mib: int, rounds: int, where: Path | None) -> None:
    """Time a fetch from S3 beside plain tools."""
    with tempfile.TemporaryDirectory(dir=where, prefix="bench-fetch-") as folder:
        base = Path(folder)
        digest = bundle.make(base / "made", mib)
        with _gateway(base / "s3") as endpoint:
            _upload(endpoint, base / "made")
            shutil.rmtree(base / "made")
            runs = _compare(endpoint, digest, mib, base, rounds)
    _report(runs, mib)


def _compare(endpoint: str, digest: str, mib: int, base: Path, rounds: int) -> dict[str, list[Run]]:
    tools = _tools(endpoint, base)
    runs: dict[str, list[Run]] = {name: [] for name in tools}
    for number in range(rounds):
        for name, commands in tools.items():
            run = _prepared(commands, _environment(endpoint, digest, mib, base), base, mib)
            runs[name].append(run)
            print(
                f"round {number + 1}  {name:16} {mib / run.seconds:7.0f} MiB/s"
                f"  {run.cpu_seconds:6.1f} s CPU  {run.peak_mib:6.0f} MiB",
                flush=True,
            )
    return runs


def _tools(endpoint: str, base: Path) -> dict[str, list[list[str]]]:
    """Each tool's commands, one after the other."""
    url, target = f"s3://{BUCKET}/{PREFIX}", str(base / "root")
    loop, check = (str(Path(__file__).with_name(name)) for name in ("loop.py", "check.py"))
    tools = {
        OURS: [[sys.executable, "-c", "from slipway.fetch.main import main; main()", "fetch"]],
        "obstore loop": [[sys.executable, loop, endpoint, BUCKET, PREFIX, target]],
    }
    if s5cmd := shutil.which("s5cmd"):
        copy = [s5cmd, "--endpoint-url", endpoint, "--log", "error", "cp", f"{url}/*", f"{target}/"]
        tools |= {"s5cmd cp": [copy], VERIFIED: [copy, [sys.executable, check, target]]}
    if aws := shutil.which("aws"):
        copy = ["s3", "cp", "--recursive", "--only-show-errors", "--endpoint-url", endpoint, url, target]
        tools["aws s3 cp"] = [[aws, *copy]]
    return tools


def _prepared(commands: list[list[str]], environment: dict[str, str], base: Path, mib: int) -> Run:
    """The commands in turn, into an empty folder."""
    shutil.rmtree(base / "root", ignore_errors=True)
    (base / "root").mkdir()
    os.sync()  # what the last tool left in the page cache is not this one's to write
    _touch_memory(base / "filler", mib + mib // 4)
    runs = [_timed(command, environment, base / "said") for command in commands]
    return Run(
        seconds=sum(run.seconds for run in runs),
        cpu_seconds=sum(run.cpu_seconds for run in runs),
        peak_mib=max(run.peak_mib for run in runs),
    )


def _touch_memory(filler: Path, mib: int) -> None:
    """Have the kernel use as much page cache as the tool will need, and free it.

    A virtual machine may give freed memory back to its host, and each first touch costs then: up to 4 s of CPU for
    1 GiB was seen, and which tool it hits is chance. A hole is read, so nothing comes from the disk or goes to it.
    """
    block = bytearray(bundle.MIB)
    with filler.open("wb+", buffering=0) as hole:
        hole.truncate(mib * bundle.MIB)
        while hole.readinto(block):
            pass
    filler.unlink()


def _timed(command: list[str], environment: dict[str, str], said: Path) -> Run:
    begun = time.monotonic()
    with said.open("wb") as errors:
        process = subprocess.Popen(command, env=environment, stderr=errors)
    peak = _watch(process.pid)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise click.ClickException(f"{command[0]} failed: {said.read_text()[-2000:]}")
    return Run(seconds, usage.ru_utime + usage.ru_stime, peak)


def _watch(pid: int) -> float:
    """Follow a process until it ends; its peak RSS in MiB. In ru_maxrss our own pages before exec would count."""
    peak, status = 0, Path(f"/proc/{pid}/status")
    while found := re.search(r"VmHWM:\s+(\d+)", status.read_text()):  # a zombie has none
        peak = max(peak, int(found[1]))
        time.sleep(0.02)
    return peak / 1024


def _environment(endpoint: str, digest: str, mib: int, base: Path) -> dict[str, str]:
    source = {"uri": f"s3://{BUCKET}/{PREFIX}", "s3": {"endpoint": endpoint, "forcePathStyle": True}}
    resolved = {"digest": digest, "size": mib * bundle.MIB, "unverified": False}
    return {
        **os.environ,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "SLIPWAY_SOURCE": json.dumps({"source": source, "model": "churn", "resolved": resolved}),
        "SLIPWAY_ROOT": str(base / "root"),
        "SLIPWAY_TERMINATION_LOG": str(base / "termination-log"),
    }


@contextmanager
def _gateway(files: Path) -> Iterator[str]:
    """A versitygw on loopback over plain files."""
    (files / BUCKET).mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    keys = ["--access", KEY, "--secret", SECRET, "--port", f"127.0.0.1:{port}", "--quiet"]
    server = subprocess.Popen([find("versitygw"), *keys, "posix", files], stdout=subprocess.DEVNULL)
    try:
        _wait(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def _wait(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise click.ClickException("versitygw does not listen")


def _upload(endpoint: str, directory: Path) -> None:
    store = S3Store(
        BUCKET,
        prefix=PREFIX,
        endpoint=endpoint,
        access_key_id=KEY,
        secret_access_key=SECRET,
        region="us-east-1",
        virtual_hosted_style_request=False,
        client_options={"allow_http": True, "timeout": "10m"},
    )
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            obstore.put(store, path.relative_to(directory).as_posix(), path)


def _report(runs: dict[str, list[Run]], mib: int) -> None:
    best = {name: min(tool, key=lambda run: run.seconds) for name, tool in runs.items()}
    plain = max(mib / run.seconds for name, run in best.items() if name not in {OURS, VERIFIED})
    print(f"\n{mib} MiB, best of {len(runs[OURS])}\n")
    print("| tool | MiB/s | of the best plain tool | CPU seconds | peak RSS |\n|---|---|---|---|---|")
    for name, run in best.items():
        peak = max(each.peak_mib for each in runs[name])
        print(
            f"| {name} | {mib / run.seconds:.0f} | {mib / run.seconds / plain:.0%} | {run.cpu_seconds:.1f} s |"
            f" {peak:.0f} MiB |"
        )
    ours = best[OURS]
    reached = mib / ours.seconds / plain >= GOAL_RATIO and max(r.peak_mib for r in runs[OURS]) < GOAL_MIB
    print(f"\ngoal: at least {GOAL_RATIO:.0%} and under {GOAL_MIB} MiB: {'reached' if reached else 'missed'}")


if __name__ == "__main__":
    main()
