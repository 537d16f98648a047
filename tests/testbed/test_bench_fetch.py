"""What the bench of fetches is made of is a bundle that would be served, of the size that the fetcher counts."""

from pathlib import Path

from bench.fetch import bundle
from slipway.bundle.check import check

LEAST_MIB = 16


def test_the_benchs_bundle_would_be_served(tmp_path: Path) -> None:
    made = bundle.make(tmp_path / "made", LEAST_MIB)
    found = check(made.directory)
    assert (found.digest, found.size) == (made.digest, made.size)
