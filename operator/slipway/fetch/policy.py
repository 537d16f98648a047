"""How patient and how parallel the fetcher is."""

import os
from dataclasses import dataclass, field

MIB = 1024 * 1024


def _streams() -> int:
    """Two for each processor, since all but waiting is work: 8 on two of them took a sixth longer than 4. At least 4,
    for stores that are far away."""
    return max(4, min(8, 2 * len(os.sched_getaffinity(0))))


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Limits of one run. Every wait of the fetcher is bounded by one of these."""

    stall_seconds: float = 60.0
    """Without a byte for this long, reconnecting included, a stream is given up."""
    read_seconds: float = 20.0
    """Without a byte for this long, one connection is given up and the stream goes on over a new one."""
    least_bytes_per_second: float = 1024
    """A stream that is slower than this over the stall time counts as one without a byte. Of 8 streams over one line of
    64 kbit/s each is as fast."""
    answer_seconds: float = 300.0
    """For the answer to one small question: a size, a listing, a list of files."""
    attempts: int = 5
    """Tries in a row that bring no byte."""
    first_backoff_seconds: float = 0.5
    longest_backoff_seconds: float = 10.0
    streams: int = field(default_factory=_streams)
    """Ranges that are downloaded at the same time."""
    part_bytes: int = 16 * MIB
    """Size of one range. Hashing lags at most streams x part_bytes behind the download."""
    report_seconds: float = 5.0
    """How often progress is logged."""

    def backoff_seconds(self, failures: int) -> float:
        """The pause after the n-th failure in a row (from 1)."""
        return min(self.first_backoff_seconds * 2.0 ** (failures - 1), self.longest_backoff_seconds)
