"""Tools timed in turn: each a process of its own, into an empty folder, so that a busy neighbour hits all alike."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from bench.fetch.bundle import MIB

FETCHER = [sys.executable, "-c", "from slipway.fetch.main import main; main()"]


@dataclass(frozen=True)
class Run:
    """One tool, once."""

    seconds: float
    cpu_seconds: float
    peak_mib: float
    said: str
    """The last that it wrote to its standard error."""


@dataclass(frozen=True)
class Tool:
    """Commands that are run one after the other."""

    commands: Sequence[Sequence[str]]
    environment: Mapping[str, str] = field(default_factory=dict)


def in_turn(tools: Mapping[str, Tool], folders: Sequence[Path], mib: int, rounds: int) -> dict[str, list[Run]]:
    """Every tool once a round. `folders` are emptied before each."""
    runs: dict[str, list[Run]] = {name: [] for name in tools}
    for number in range(rounds):
        for name, tool in tools.items():
            run = _prepared(tool, folders, mib)
            runs[name].append(run)
            print(
                f"round {number + 1}  {name:32} {mib / run.seconds:7.0f} MiB/s"
                f"  {run.cpu_seconds:6.1f} s CPU  {run.peak_mib:6.0f} MiB",
                flush=True,
            )
    return runs


def best(runs: Sequence[Run]) -> Run:
    """The fastest."""
    return min(runs, key=lambda run: run.seconds)


def table(runs: Mapping[str, Sequence[Run]], mib: int) -> str:
    """Each tool's best round, in Markdown."""
    lines = [f"{mib} MiB, best of {len(next(iter(runs.values())))}", ""]
    lines += ["| tool | seconds | MiB/s | CPU seconds | peak RSS |", "|---|---|---|---|---|"]
    for name, each in runs.items():
        run, peak = best(each), max(one.peak_mib for one in each)
        lines.append(
            f"| {name} | {run.seconds:.1f} | {mib / run.seconds:.0f} | {run.cpu_seconds:.1f} | {peak:.0f} MiB |"
        )
    return "\n".join(lines)


def _prepared(tool: Tool, folders: Sequence[Path], mib: int) -> Run:
    """The commands in turn."""
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    os.sync()  # what the last tool left in the page cache is not this one's to write
    _touch_memory(folders[0].parent / "filler", mib + mib // 4)
    environment = {**os.environ, **tool.environment}
    runs = [_timed(command, environment, folders[0].parent / "said") for command in tool.commands]
    return Run(
        seconds=sum(run.seconds for run in runs),
        cpu_seconds=sum(run.cpu_seconds for run in runs),
        peak_mib=max(run.peak_mib for run in runs),
        said=runs[-1].said,
    )


def _touch_memory(filler: Path, mib: int) -> None:
    """Have the kernel use as much page cache as the tool will need, and free it.

    A virtual machine may give freed memory back to its host, and each first touch costs then: up to 4 s of CPU for
    1 GiB was seen, and which tool it hits is chance. A hole is read, so nothing comes from the disk or goes to it.
    """
    block = bytearray(MIB)
    with filler.open("wb+", buffering=0) as hole:
        hole.truncate(mib * MIB)
        while hole.readinto(block):
            pass
    filler.unlink()


def _timed(command: Sequence[str], environment: Mapping[str, str], said: Path) -> Run:
    begun = time.monotonic()
    with said.open("wb") as errors:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=errors)
    peak = _watch(process.pid)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    text = said.read_text(errors="replace")[-2000:]
    if process.returncode:
        raise click.ClickException(f"{' '.join(command[:3])} ended with {process.returncode}: {text}")
    return Run(seconds, usage.ru_utime + usage.ru_stime, peak, text)


def _watch(pid: int) -> float:
    """Follow a process, and those that it starts, until it ends; the peak RSS of the largest in MiB. In ru_maxrss our
    own pages before exec would count."""
    peak = 0
    while (own := _peak(pid)) is not None:
        peak = max(peak, own, *(_peak(child) or 0 for child in _children(pid)))
        time.sleep(0.02)
    return peak / 1024


def _peak(pid: int) -> int | None:
    """In KiB; None for a process that has ended: a zombie has none."""
    try:
        found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return None
    return int(found[1]) if found else None


def _children(pid: int) -> Iterator[int]:
    """Theirs, too."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for child in map(int, children):
        yield child
        yield from _children(child)
