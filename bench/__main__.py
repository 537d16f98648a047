"""`make bench`: the operator at scale. The others are `python -m bench.fetch` and `python -m bench.gateway`."""

from bench.scale.__main__ import main

main()
