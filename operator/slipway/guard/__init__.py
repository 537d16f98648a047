"""PID 1 of the server's container: starts Triton, proves its answers, and says why when it ends.

Runs in any image that has Python 3.8, so: the standard library only, nothing else of ours, and relative imports, since
it travels as a zipapp (`archive`). One thread waits for signals and decides (`main`); one asks the golden requests
(`prober`); one copies the server's output (`output`).
"""
