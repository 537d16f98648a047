"""What a start took: how long until the model was loaded, and had answered; and the memory that it came to need."""

from __future__ import annotations

import os
import re
import threading
import time
from pathlib import Path
from typing import Callable, Iterator, Tuple

from . import memory

EVERY_SECONDS = 1.0
"""From one look at the shared memory to the next."""
_GPU_MEMORY = re.compile(r"^nv_gpu_memory_used_bytes(?:\{[^\n]*\})? ([0-9.e+]{1,32})$", re.MULTILINE)

Gauge = Tuple[str, str, float]
"""Name, what it says, and the number."""


class Start:
    """One start of the server, from just before it. Seconds are of `clock`."""

    def __init__(self, shared_memory: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._shared_memory, self._clock = shared_memory, clock
        self._begun = clock()
        self._loaded: float | None = None
        self._answered: float | None = None
        self._memory: int | None = None
        self._gpu_memory: float | None = None
        self._shared_peak = 0

    def follow(self, stopped: threading.Event) -> None:
        """Look at the shared memory again and again, in a thread of its own, until stopped."""
        threading.Thread(target=self._follow, args=(stopped,), name="start", daemon=True).start()

    def loaded(self) -> None:
        """The server listens, with its models ready."""
        self._loaded = self._clock() - self._begun

    def answered(self) -> None:
        """A golden request has its answer: it is the first that counts."""
        if self._answered is None:
            self._answered = self._clock() - self._begun
            self._memory = memory.held()

    def read(self, metrics: str) -> None:
        """Take the GPU memory in use out of Triton's metrics, the first time that they have it."""
        if self._gpu_memory is None and (values := _GPU_MEMORY.findall(metrics)):
            try:
                self._gpu_memory = sum(map(float, values))
            except ValueError:
                return

    def gauges(self) -> Iterator[Gauge]:
        """What is known of it."""
        numbers = (
            ("start_load_seconds", "From the server's start to its models being ready.", self._loaded),
            ("start_first_answer_seconds", "From the server's start to its first golden answer.", self._answered),
            ("start_memory_bytes", "Memory that cannot be given back, at the first golden answer.", self._memory),
            ("start_gpu_memory_bytes", "Of all GPUs of the pod, in use after the first answers.", self._gpu_memory),
            ("shared_memory_peak_bytes", "The most that /dev/shm has held.", self._shared_peak),
        )
        return ((name, description, float(number)) for name, description, number in numbers if number is not None)

    def look(self) -> None:
        """Look at the shared memory once."""
        try:
            usage = os.statvfs(self._shared_memory)
        except OSError:
            return
        self._shared_peak = max(self._shared_peak, (usage.f_blocks - usage.f_bfree) * usage.f_frsize)

    def _follow(self, stopped: threading.Event) -> None:
        while not stopped.wait(EVERY_SECONDS):
            self.look()
