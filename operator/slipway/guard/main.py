"""The guard's life: start the server, let it be proven, pass on what the kubelet asks, end with a verdict.

One loop takes signals from the kernel. Until the model has answered rightly nobody depends on the server, and Triton
ignores SIGTERM while it loads: a stop then is a kill. Afterwards a stop is Triton's own, with all the time that the
kubelet gives.
"""

from __future__ import annotations

import logging
import os
import queue
import secrets
import signal
import sys
import threading
import time
from typing import Mapping

from . import allowed, arguments, golden, labelled, memory, settings, versions
from . import verdict as verdicts
from .answering import Answering, keep_others_out
from .golden import GoldenRequest
from .output import Output
from .printable import LineFormatter
from .prober import Prober, Stopped
from .protocol import Client
from .publishing import Publishing
from .scoring import Scoring
from .server import SIGNALS, Server, backends, clear, help_text, parts_of
from .settings import REPOSITORY, Settings
from .start import Start
from .verdict import Verdict

log = logging.getLogger(__name__)

_DONE = 0
_VERDICT = 1
_LOOP_SECONDS = 1.0
# What a server that answers wrongly may still take to finish the requests that it has.
_DRAIN_AFTER_VERDICT_SECONDS = 5.0


def main() -> int:
    """Run until the server has ended; the exit code."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(LineFormatter("%(asctime)s %(levelname)s guard: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    try:
        own_settings = settings.read(os.environ)
        own_settings.verified.unlink(missing_ok=True)
        clear(own_settings.shared_memory)
        return Guard(own_settings, os.environ).run()
    except Verdict as verdict:
        log.error("%s: %s", verdict.reason, verdict.message)  # noqa: TRY400 - it has no use for a traceback
        verdicts.write(verdict, settings.termination_log(os.environ))
        return _VERDICT


class Guard:
    """One server from its start to its end."""

    def __init__(self, own_settings: Settings, environment: Mapping[str, str]) -> None:
        self._settings = own_settings
        key = self._key = secrets.token_hex(32)
        version = self._version = versions.of_image(environment)
        warning = versions.warning(version)
        if warning is not None:
            log.warning(warning)
        taken = allowed.other_doors(dict(environment))
        if taken:
            log.warning("the server does not get %s: they open servers beside the locked one", ", ".join(taken))
        listed = arguments.listed_flags(help_text()) if version is None else frozenset()
        self._arguments = arguments.build(own_settings, key, version, listed)
        self._requests = golden.load(own_settings.root, own_settings.config)
        names = parts_of(own_settings.root, own_settings.model)
        self._requests_of_parts = {name: golden.load_part(own_settings.root, name) for name in names}
        self._output = Output(secret=key)
        self._kills_before = memory.kills()
        self._main_thread = threading.get_ident()
        self._stopped = threading.Event()
        self._verdicts: queue.SimpleQueue[Verdict] = queue.SimpleQueue()
        self._verified = False
        self._prober: Prober | None = None
        self._start = Start(self._settings.shared_memory)

    def run(self) -> int:
        """Start the server and stay until it has ended. Raises the verdict, once nobody of the server is left."""
        deadline = time.monotonic() + self._settings.startup_timeout_seconds
        log.info("starting %s, version %s", self._settings.model, self._settings.model_version)
        self._answering = Answering(self._settings.guard_port, ipv6=self._settings.ipv6)
        self._publishing = self._published()
        server = Server(self._arguments, self._output)
        self._start.follow(self._stopped)
        keep_others_out()
        threading.Thread(target=self._prove, args=(deadline, self._requests), name="prober", daemon=True).start()
        try:
            self._until_end(server, deadline)
        finally:
            self._stopped.set()
            server.end()
            self._answering.close()
            if self._publishing is not None:
                self._publishing.close()
        log.info("the server has ended")
        return _DONE

    def _published(self) -> Publishing | None:
        """None where somebody has the port: that is no reason not to serve."""
        try:
            return Publishing(self._settings.load_port, ipv6=self._settings.ipv6)
        except OSError as error:
            log.warning(
                "port %d cannot be had: %s; the load is not published", self._settings.load_port, error.strerror
            )
            return None

    def _until_end(self, server: Server, deadline: float) -> None:
        """Return when a stop that was asked for is over; raise a verdict for every other end."""
        while True:
            signum = self._next_signal()
            server.reap()
            if signum in {signal.SIGTERM, signal.SIGINT}:
                log.info("asked to stop")
                if self._verified:
                    self._stop(server, None)
                return
            if server.exit is not None:
                server.end()
                raise self._ended(server.exit)
            if not self._verdicts.empty():
                self._end_with(server, self._verdicts.get())
            if not self._verified and time.monotonic() > deadline:
                raise self._late()

    def _next_signal(self) -> int | None:
        info = signal.sigtimedwait(SIGNALS, _LOOP_SECONDS)
        return info.si_signo if info else None

    def _stop(self, server: Server, limit_seconds: float | None) -> None:
        """Let Triton finish what it has; the kubelet ends what takes too long, or `limit_seconds` does."""
        self._stopped.set()
        server.ask_to_stop()
        deadline = None if limit_seconds is None else time.monotonic() + limit_seconds
        while server.exit is None and (deadline is None or time.monotonic() < deadline):
            self._next_signal()
            server.reap()

    def _end_with(self, server: Server, verdict: Verdict) -> None:
        """The verdict first: it must be there whatever happens to the rest."""
        verdict = self._for_memory(verdict)
        verdicts.write(verdict, self._settings.termination_log)
        if self._verified:
            self._stop(server, _DRAIN_AFTER_VERDICT_SECONDS)
        raise verdict

    def _prove(self, deadline: float, requests: list[GoldenRequest]) -> None:
        """The prober's thread."""
        host = "::1" if self._settings.ipv6 else "127.0.0.1"
        again = self._settings.interval_seconds > 0
        client = Client(self._settings.http_port, self._settings.model, host, self._key)
        parts = {
            Client(self._settings.http_port, name, host, self._key): own
            for name, own in self._requests_of_parts.items()
        }
        prober = self._prober = Prober(
            client, requests, self._stopped, parts=parts, asked_again=again, start=self._start
        )
        try:
            shown = prober.verify(deadline)
            self._verified = True
            self._output.loaded()
            log.info("verified: %s", shown)
            _write_whole(self._settings.verified, shown + "\n")
            scoring = self._scoring(client)
            self._answering.verified(scoring.document)
            if self._publishing is not None:
                metrics = Client(self._settings.metrics_port, self._settings.model, host)
                own = lambda: prober.tally.own + scoring.tally.own  # noqa: E731
                self._publishing.begin(metrics, prober.executions, own, self._stopped, self._start)
            if again:
                prober.watch(self._settings.interval_seconds, self._settings.request_timeout_seconds)
        except Stopped:
            return
        except Verdict as verdict:
            self._find(verdict)
        # The boundary of the thread: a fault of ours is no wrong answer, and must not leave a model that nobody asks.
        except Exception as error:
            log.exception("the guard itself has failed")
            self._find(Verdict(verdicts.CRASH_LOOP, f"the guard itself failed: {error!r}; its log has the trace"))

    def _scoring(self, client: Client) -> Scoring:
        rows = self._settings.root / REPOSITORY / self._settings.model / labelled.DIRECTORY
        return Scoring(client, rows, self._stopped, timeout_seconds=self._settings.request_timeout_seconds)

    def _find(self, verdict: Verdict) -> None:
        self._verdicts.put(verdict)
        signal.pthread_kill(self._main_thread, signal.SIGUSR1)

    def _ended(self, code: int) -> Verdict:
        """Why a server that nobody asked to stop has ended."""
        refused = self._output.refused_arguments()
        if refused is not None and code > 0:
            return Verdict(verdicts.SPEC_INVALID, f"server.args: tritonserver does not take them: {refused}")
        why = self._output.why_not_loaded()
        if not self._verified and code > 0 and why is not None:
            return Verdict(verdicts.LOAD_FAILED, why + self._what_there_is())
        how = f"signal {_signal_name(-code)}" if code < 0 else f"exit code {code}"
        when = "while it served" if self._verified else "before it had answered"
        cause = versions.by_a_request(self._version) if self._verified and code < 0 else None
        died = f"the server died by {how} {when}{f' ({cause})' if cause else ''}"
        return self._for_memory(Verdict(verdicts.CRASH_LOOP, f"{died}; its last words: {self._output.last_words()}"))

    def _what_there_is(self) -> str:
        missing = self._output.missing_backend()
        if missing is None:
            return ""
        return f" This image has the backends: {', '.join(backends(self._arguments)) or 'none'}."

    def _late(self) -> Verdict:
        seconds = self._settings.startup_timeout_seconds
        trouble = self._prober.trouble if self._prober else ""
        return Verdict(
            verdicts.DEADLINE_EXCEEDED,
            f"the model had not answered rightly {seconds:g} s after its start (server.startupTimeout); "
            f"{f'{trouble}; ' if trouble else ''}"
            f"the server's last words: {self._output.last_words()}",
        )

    def _for_memory(self, verdict: Verdict) -> Verdict:
        """A server or stub that the kernel killed for memory is that, whatever it looks like from here."""
        if verdict.reason not in {verdicts.CRASH_LOOP, verdicts.BACKEND_DEAD} or memory.kills() <= self._kills_before:
            return verdict
        advice = "raise resources.limits"
        if self._verified:
            advice = f"{versions.of_bodies(self._version)}; where all requests are of a usual size, {advice}"
        return Verdict(verdicts.OUT_OF_MEMORY, f"the kernel killed a process for memory ({advice}): {verdict.message}")


def _write_whole(file: os.PathLike[str], text: str) -> None:
    """Write so that a reader sees all of it or nothing."""
    temporary = f"{os.fspath(file)}.tmp"
    with open(temporary, "w", encoding="utf-8") as stream:  # noqa: PTH123 - the path is made here
        stream.write(text)
    os.replace(temporary, file)  # noqa: PTH105


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
