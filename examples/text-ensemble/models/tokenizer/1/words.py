"""A text as 256 counts: each word adds one to the count that its CRC-32 picks. Training counts by this too."""

import zlib

COUNTS = 256


def counts(text: str) -> list[float]:
    found = [0.0] * COUNTS
    for word in text.lower().split():
        found[zlib.crc32(word.encode()) % COUNTS] += 1
    return found
