"""The generator: arrivals at a fixed rate, each a task of its own, all of them counted."""

import asyncio
import itertools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from load.answers import Answers
from load.clients import Client, FailedError, GrpcClient, HttpClient, StreamClient
from load.latencies import Latencies, kept
from load.question import Question
from load.report import Report
from load.schedule import Schedule, Stairs
from load.tally import Tally
from load.words import values_in_words

FAILURES_KEPT: Final = 50
RECENT_SECONDS: Final = 10


@dataclass(frozen=True)
class Plan:
    """What is asked, of whom, and how often. An address that is empty is not asked."""

    question: Question
    answers: Answers
    http: str
    """http://HOST:PORT"""
    grpc: str
    """HOST:PORT"""
    rate: float
    """Requests a second by each protocol."""
    stairs: Stairs | None = None
    """Rates one after the other, in place of the one."""
    kept: bool = True
    """Connections of HTTP are kept. Else each request has its own, for which a Service chooses a pod anew."""
    stream: str = ""
    """HOST:PORT, asked by gRPC with a stream for each request."""
    host: str = ""
    """The host's name to ask for where an address is a gateway's."""
    grpc_host: str = ""
    """The same for gRPC and its streams, where they have another."""
    clients: int = 4
    """Independent clients by each protocol: a Service gives each of them pods of its own."""
    timeout_seconds: float = 10.0
    """From sending to the answer."""
    duration_seconds: float = math.inf

    def protocols(self) -> Mapping[str, Callable[[], Client]]:
        """How a client of each protocol is made."""
        made: dict[str, Callable[[], Client]] = {}
        if self.http:
            made["http"] = lambda: HttpClient(self.http, self.question, self.host, kept=self.kept)
        authority = self.grpc_host or self.host
        if self.grpc:
            made["grpc"] = lambda: GrpcClient(self.grpc, self.question, authority)
        if self.stream:
            made["stream"] = lambda: StreamClient(self.stream, self.question, authority)
        return made

    def schedules(self) -> Mapping[str, Schedule | Stairs]:
        """When requests are due by each protocol."""
        if self.stairs:
            return dict.fromkeys(self.protocols(), self.stairs)
        return Schedule.interleaved(self.protocols(), self.rate)


@dataclass
class Load:
    """One run. Its report can be had at any time."""

    plan: Plan
    when_answered: Callable[[], None] = lambda: None
    """Called once, when every protocol had its first right answer."""
    _began: float = 0.0
    _began_at: float = 0.0
    _end: float = field(init=False)
    _timeline: dict[str, dict[int, Tally]] = field(default_factory=dict)
    _late: Latencies = field(default_factory=Latencies)
    _failures: list[str] = field(default_factory=list)
    _unanswered: set[str] = field(default_factory=set)

    @property
    def report(self) -> Report:
        """The run so far."""
        elapsed = asyncio.get_running_loop().time() - self._began
        return Report(self._began_at, elapsed, self.plan.rate, self._timeline, self._late, tuple(self._failures))

    @property
    def recent(self) -> Report:
        """Its last seconds alone: quick to write, however long it has gone on."""
        whole = self.report
        return replace(whole, timeline=whole.since(whole.seconds - RECENT_SECONDS))

    async def run(self, ended: asyncio.Event) -> Report:
        """Send until it is ended; then wait for the answers that are still to come."""
        protocols = self.plan.protocols()
        self._end = self.plan.duration_seconds
        self._timeline.update({protocol: {} for protocol in protocols})
        self._unanswered.update(protocols)
        clients = {protocol: [make() for _ in range(self.plan.clients)] for protocol, make in protocols.items()}
        self._began, self._began_at = asyncio.get_running_loop().time(), time.time()
        try:
            async with asyncio.TaskGroup() as requests:
                for protocol, schedule in self.plan.schedules().items():
                    requests.create_task(self._arrive(requests, protocol, clients[protocol], schedule))
                asyncio.get_running_loop().call_later(self._end, ended.set)
                await ended.wait()
                self._end = min(self._end, self._elapsed())
        finally:
            for client in itertools.chain.from_iterable(clients.values()):
                await client.close()
        return self.report

    async def _arrive(
        self, requests: asyncio.TaskGroup, protocol: str, clients: Sequence[Client], schedule: Schedule | Stairs
    ) -> None:
        for number in itertools.count():
            due = schedule.due(number)
            if (early := due - self._elapsed()) > 0:
                await asyncio.sleep(early)
            # All that were due are sent, also when the machine was too busy to send them in time.
            if due >= self._end:
                return
            requests.create_task(self._ask(protocol, clients[number % len(clients)], due))

    async def _ask(self, protocol: str, client: Client, due: float) -> None:
        self._late[kept(self._elapsed() - due)] += 1
        tally = self._timeline[protocol].setdefault(int(due), Tally())
        try:
            answer = await client.ask(asyncio.get_running_loop().time() + self.plan.timeout_seconds)
        except FailedError as failed:
            tally.failed[failed.kind] += 1
            self._note(f"{protocol} {failed.kind}: {failed}")
            return
        now = self._elapsed()
        tally.reconnected += answer.reconnected
        version = self.plan.answers.version(answer.values)
        if version is None:
            words = values_in_words(answer.values)
            tally.count_wrong(words)
            self._note(f"{protocol} wrong answer: {words}")
            return
        tally.count_answer(version, latency_seconds=now - due, at=now)
        if protocol in self._unanswered:
            self._unanswered.remove(protocol)
            if not self._unanswered:
                self.when_answered()

    def _elapsed(self) -> float:
        return asyncio.get_running_loop().time() - self._began

    def _note(self, words: str) -> None:
        if len(self._failures) < FAILURES_KEPT:
            self._failures.append(f"{self._elapsed():.3f} s: {words}")
