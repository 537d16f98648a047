"""What was measured, as Markdown."""

from collections.abc import Sequence

from bench.machine import machine
from bench.scale.asked import ASKED, Asked
from bench.scale.measure import NAMESPACES, Measured, Plain, listings, reads

Result = tuple[Plain, Measured, Asked]


def table(results: Sequence[Result]) -> str:
    """All sizes beside each other."""
    rows = [
        ("", *(f"{run.objects:,} objects" for _, run, _ in results)),
        ("---", *("---:" for _ in results)),
        ("plain script: all available", *(f"{script.seconds:.1f} s" for script, _, _ in results)),
        ("Slipway: all Ready", *(f"{run.ready_seconds:.1f} s" for _, run, _ in results)),
        ("ratio", *(f"{run.ready_seconds / script.seconds:.2f} x" for script, run, _ in results)),
        ("script's writes per object", *(f"{script.applies / run.objects:.2f}" for script, run, _ in results)),
        *((words, *(_each(run, verb, resource) for _, run, _ in results)) for words, verb, resource in _calls(results)),
        ("reads of one object, per object", *(f"{reads(run) / run.objects:.2f}" for _, run, _ in results)),
        ("lists and watches, in all", *(str(listings(run)) for _, run, _ in results)),
        ("operator's CPU to Ready", *(f"{run.cpu_seconds:.1f} s" for _, run, _ in results)),
        ("operator's peak memory", *(f"{run.memory_mib:.0f} MiB" for _, run, _ in results)),
        ("passes per object", *(f"{run.passes / run.objects:.1f}" for _, run, _ in results)),
        ("wait for a pass, p50 / p99", *(_ms(run.wait) for _, run, _ in results)),
        (f"an abort of {len(ASKED)} canaries meanwhile, p50 / longest", *(_ms(_pair(asked)) for *_, asked in results)),
        ("wait of an urgent pass meanwhile, p50 / p99", *(_ms(asked.wait) for *_, asked in results)),
        ("duration of a pass, p50 / p99", *(_ms(run.duration) for _, run, _ in results)),
        ("writes in a steady minute", *(str(run.steady_writes) for _, run, _ in results)),
        ("calls in a steady minute", *(str(run.steady_calls) for _, run, _ in results)),
        ("CPU in a steady minute", *(f"{run.steady_cpu_seconds:.1f} s" for _, run, _ in results)),
        ("restart until all are reconciled", *(f"{run.settled_seconds:.1f} s" for _, run, _ in results)),
        ("operator's CPU in a restart", *(f"{run.settled_cpu_seconds:.1f} s" for _, run, _ in results)),
        ("calls of a restart", *(f"{run.settled_calls} ({run.settled_writes} writes)" for _, run, _ in results)),
        ("peak memory after a restart", *(f"{run.settled_memory_mib:.0f} MiB" for _, run, _ in results)),
    ]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def where() -> str:
    """The machine, in a sentence."""
    return f"{machine()}, {NAMESPACES} namespaces"


def _calls(results: Sequence[Result]) -> list[tuple[str, str, str]]:
    """Each kind of write that there was."""
    kinds = {at for _, run, _ in results for at in run.calls if at[0] not in ("get", "list", "watch")}
    return [
        (f"{verb} {resource}, per object", verb, resource) for verb, resource in sorted(kinds, key=lambda at: at[::-1])
    ]


def _each(run: Measured, verb: str, resource: str) -> str:
    return f"{run.calls[verb, resource] / run.objects:.2f}"


def _pair(asked: Asked) -> tuple[float, float]:
    return asked.median, asked.longest


def _ms(pair: tuple[float, float]) -> str:
    return " / ".join(f"{seconds * 1000:.0f} ms" for seconds in pair)
