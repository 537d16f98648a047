"""`make bench`: the operator at scale. Others: `python -m bench.catalogue`, `.fetch`, `.gateway` and `.staircase`."""

from bench.scale.__main__ import main

main()
