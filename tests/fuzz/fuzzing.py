"""Fuzzing for exceptions and for time: kept inputs, spoiled again and again, until one is a find.

What took longest so far is spoiled further, so that time that grows faster than an input is found, too.
"""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Final

from tests.fuzz.targets import TARGETS

CORPUS: Final = Path(__file__).parent / "corpus"
SECONDS: Final = 2.0
"""Of CPU, for one input."""
LARGEST: Final = 64 * 1024
POOL: Final = 64
_NUMBER: Final = re.compile(rb"-?\d+")
_EXTREMES: Final = (
    *(b"0", b"-1", b"1e400", b"nan", b"9" * 5000, b"18446744073709551616", b"1" + b"0" * 400, b"-9223372036854775809"),
    *(b"\x00", b"\xff\xfe", b"\xed\xa0\x80", "\u0663".encode(), b"../", b"\\u0000", b"{}", b"[" * 2000, b'"', b"null"),
)


@dataclass(frozen=True, kw_only=True)
class Find:
    """An input that does what none may."""

    target: str
    content: bytes
    why: str

    def keep(self) -> Path:
        """Put it into the corpus, where every run begins with it."""
        path = CORPUS / self.target / f"find-{sha256(self.content).hexdigest()[:12]}"
        path.write_bytes(self.content)
        return path


@dataclass(kw_only=True)
class Run:
    """What became of one target."""

    target: str
    inputs: int = 0
    seconds: float = 0
    slowest_seconds: float = 0
    find: Find | None = None


def corpus(target: str) -> dict[str, bytes]:
    """The kept inputs, by name."""
    return {path.name: path.read_bytes() for path in sorted((CORPUS / target).iterdir())}


def fuzz(target: str, seed: int, *, inputs: int | None = None, seconds: float = float("inf")) -> Run:
    """Try so many inputs, or for so long: first those that are kept, then spoiled ones."""
    run, random, began = Run(target=target), Random(seed), time.monotonic()
    pool = list(corpus(target).values())
    for content in _contents(pool, random):
        if run.find or run.inputs == inputs or time.monotonic() - began > seconds:
            break
        run.inputs += 1
        took = _try(run, content)
        if took > run.slowest_seconds:
            run.slowest_seconds = took
            pool.append(content)
            del pool[POOL:-1]
    run.seconds = time.monotonic() - began
    return run


def _contents(pool: list[bytes], random: Random) -> Iterator[bytes]:
    yield from tuple(pool)
    while True:
        yield _spoiled(random.choice(pool), random.choice(pool), random)


def _try(run: Run, content: bytes) -> float:
    began = time.process_time()
    try:
        TARGETS[run.target](content)
    except Exception as error:  # noqa: BLE001 - any at all is what is looked for
        run.find = Find(target=run.target, content=content, why=f"{type(error).__name__}: {error}"[:300])
    took = time.process_time() - began
    if took > SECONDS and run.find is None:
        run.find = Find(target=run.target, content=content, why=f"{took:.1f} s of CPU for {len(content)} bytes")
    return took


def _spoiled(content: bytes, other: bytes, random: Random) -> bytes:
    spoiled = bytearray(content)
    for _ in range(random.randint(1, 6)):
        at, to = sorted((random.randint(0, len(spoiled)), random.randint(0, len(spoiled))))
        match random.randrange(7):
            case 0 if spoiled:
                spoiled[random.randrange(len(spoiled))] = random.randrange(256)
            case 1:
                del spoiled[at : min(to, at + 64)]
            case 2:
                spoiled[at:at] = spoiled[at:to] * random.choice((1, 2, 50))
            case 3:
                spoiled[at:at] = random.choice(_EXTREMES)
            case 4:
                spoiled[at:to] = other[at:to]
            case 5 if numbers := [*_NUMBER.finditer(spoiled)]:
                number = random.choice(numbers)
                spoiled[number.start() : number.end()] = random.choice(_EXTREMES)
            case _:
                spoiled[at:at] = spoiled[at : at + 16]
        del spoiled[LARGEST:]
    return bytes(spoiled)
