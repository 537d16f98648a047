"""`python -m load`: one run. SIGTERM or SIGINT ends it, SIGUSR1 has a report of the last ten seconds written."""

import argparse
import asyncio
import json
import math
import signal
import sys
from dataclasses import replace
from pathlib import Path

from load.answers import Answers
from load.clients import FailedError
from load.generator import Load, Plan
from load.probe import rate_for
from load.question import Question
from load.report import Report
from load.schedule import Stairs
from load.table import table
from load.words import printable


def main(arguments: list[str]) -> int:
    """Run as the arguments say; 1 when a request failed or was answered wrongly, or none was answered."""
    told = _parser().parse_args(arguments)
    try:
        report = asyncio.run(_run(told))
    except FailedError as failed:
        sys.exit(printable(f"--busy: a request failed: {failed.kind}: {failed}"))
    print(table(report))
    whole = report.total()
    return 1 if whole.failed or whole.wrong or not whole.answered else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m load", description=__doc__)
    parser.add_argument("--http", default="", metavar="URL", help="http://HOST:PORT; absent: nothing is asked by HTTP")
    parser.add_argument("--grpc", default="", metavar="HOST:PORT", help="absent: nothing is asked by gRPC")
    parser.add_argument("--stream", default="", metavar="HOST:PORT", help="asked by gRPC, a stream for each request")
    parser.add_argument("--host", default="", help="the host's name to ask for where the address is a gateway's")
    parser.add_argument("--grpc-host", default="", metavar="HOST", help="the same for gRPC, where it has another name")
    parser.add_argument("--model", required=True)
    parser.add_argument("--request", required=True, help="a V2 request or a golden request: a file, or the JSON itself")
    parser.add_argument("--answers", required=True, nargs="+", metavar="VERSION=VALUE[,VALUE…]")
    rate = parser.add_mutually_exclusive_group(required=True)
    rate.add_argument("--rate", type=float, default=0.0, help="requests a second by each protocol")
    rate.add_argument("--steps", type=Stairs.parse, metavar="RATE:SECONDS,…", help="one rate after the other")
    rate.add_argument("--busy", type=float, metavar="SHARE", help="find the rate that takes this share of the capacity")
    parser.add_argument("--duration", type=float, default=math.inf, metavar="SECONDS", help="absent: until a signal")
    parser.add_argument("--clients", type=int, default=4, help="independent clients by each protocol (%(default)s)")
    parser.add_argument("--no-keep", action="store_true", help="HTTP has a connection for each request")
    parser.add_argument("--timeout", type=float, default=10.0, metavar="SECONDS", help="for an answer (%(default)s)")
    parser.add_argument("--out", required=True, type=Path, help="the report, JSON")
    parser.add_argument("--begun", type=Path, help="a file to make when each protocol had its first right answer")
    return parser


async def _run(told: argparse.Namespace) -> Report:
    plan = _plan(told)
    if told.busy:
        plan = replace(plan, rate=await rate_for(plan, told.busy))
    load = Load(plan, when_answered=told.begun.touch if told.begun else _nothing)
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    loop.add_signal_handler(signal.SIGUSR1, lambda: _write(told.out, load.recent))
    report = await load.run(ended)
    _write(told.out, report)
    return report


def _plan(told: argparse.Namespace) -> Plan:
    return Plan(
        question=Question.of(told.model, json.loads(_document(told.request))),
        answers=Answers.parse(told.answers),
        http=told.http,
        grpc=told.grpc,
        rate=told.rate or (max(rate for rate, _ in told.steps.steps) if told.steps else 0.0),
        stairs=told.steps,
        kept=not told.no_keep,
        stream=told.stream,
        host=told.host,
        grpc_host=told.grpc_host,
        clients=told.clients,
        timeout_seconds=told.timeout,
        duration_seconds=told.duration,
    )


def _document(text: str) -> str:
    return text if text.startswith("{") else Path(text).read_text()


def _nothing() -> None:
    """Nobody waits."""


def _write(file: Path, report: Report) -> None:
    """Whole or not at all: others wait for it."""
    part = file.with_name(f"{file.name}.part")
    part.write_text(report.to_json())
    part.rename(file)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
