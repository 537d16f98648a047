"""`make bench`: the operator at scale. The fetcher's own bench is `python -m bench.fetch`."""

from bench.scale.__main__ import main

main()
