"""Which arguments of tritonserver users may give: a list of those that are known to open nothing.

An argument may open what Slipway locks by another door (Vertex AI's and SageMaker's servers answer on ports of their
own, without the lock), or take from the guard what it relies on. So whatever stands in neither list here is refused,
also what a later server brings: it is looked at first, and then listed.
"""

from __future__ import annotations

from typing import Sequence, Tuple

from .verdict import SPEC_INVALID, Verdict

Version = Tuple[int, ...]

# By the first version that takes them, since 2.40: before it no server can be locked. Each takes a value.
ALLOWED: dict[str, Version] = {
    **dict.fromkeys(
        (
            "--allow-cpu-metrics",
            "--backend-config",
            "--backend-directory",
            "--buffer-manager-thread-count",
            "--cache-config",
            "--cache-directory",
            "--cuda-memory-pool-byte-size",
            "--cuda-virtual-address-size",
            "--grpc-header-forward-pattern",
            "--grpc-http2-max-ping-strikes",
            "--grpc-http2-max-pings-without-data",
            "--grpc-http2-min-recv-ping-interval-without-data",
            "--grpc-infer-allocation-pool-size",
            "--grpc-infer-response-compression-level",
            "--grpc-keepalive-permit-without-calls",
            "--grpc-keepalive-time",
            "--grpc-keepalive-timeout",
            "--grpc-root-cert",
            "--grpc-server-cert",
            "--grpc-server-key",
            "--grpc-use-ssl",
            "--grpc-use-ssl-mutual",
            "--host-policy",
            "--http-header-forward-pattern",
            "--http-thread-count",
            "--id",
            "--log-error",
            "--log-info",
            "--log-verbose",
            "--log-warning",
            "--metrics-config",
            "--metrics-interval-ms",
            "--min-supported-compute-capability",
            "--model-load-gpu-limit",
            "--model-load-thread-count",
            "--pinned-memory-pool-byte-size",
            "--rate-limit",
            "--rate-limit-resource",
            "--repoagent-directory",
            "--response-cache-byte-size",
            "--trace-config",
            "--trace-count",
            "--trace-file",
            "--trace-level",
            "--trace-log-frequency",
            "--trace-rate",
        ),
        (2, 40),
    ),
    "--grpc-max-connection-age-grace": (2, 42),
    "--model-load-retry-count": (2, 42),
    "--enable-peer-access": (2, 47),
    "--grpc-max-response-pool-size": (2, 56),
    "--grpc-infer-thread-count": (2, 57),
    "--http-max-input-size": (2, 59),
}

# What could undo what Slipway sets although it is not one of ours by name, or leads past the locked APIs.
REFUSED = frozenset(
    {
        "--allow-client-shm",
        "--allow-grpc",
        "--allow-http",
        "--allow-metrics",
        "--allow-sagemaker",
        "--allow-vertex-ai",
        "--grpc-address",
        "--help",
        "--http-address",
        "--load-model",
        "--log-file",
        "--metrics-address",
        "--model-config-name",
        "--model-namespacing",
        "--model-store",
        "--repository-poll-secs",
        "--reuse-grpc-port",
        "--reuse-http-port",
        "--sagemaker-port",
        "--sagemaker-safe-port-range",
        "--sagemaker-thread-count",
        "--strict-model-config",
        "--vertex-ai-default-model",
        "--vertex-ai-port",
        "--vertex-ai-thread-count",
    }
)

# Variables that Triton's servers for Vertex AI and SageMaker read: AIP_MODE=PREDICTION alone starts the first.
_OTHER_DOORS = ("AIP_", "SAGEMAKER_")


def check(given: Sequence[str], ours: Sequence[str], version: Version | None) -> None:
    """SpecInvalid for the first argument that is not known to be harmless."""
    awaits: str | None = None
    for argument in given:
        if not argument.startswith("--"):
            if awaits is None:
                raise _refused(argument, "is no argument, and no value of one before it; write --name=value")
            awaits = None
            continue
        name, equals, _ = argument.partition("=")
        _check_name(argument, name, ours, version)
        awaits = None if equals else name


def without_other_doors(environment: dict[str, str]) -> dict[str, str]:
    """The environment without what would start a server beside the locked one."""
    return {name: value for name, value in environment.items() if not name.startswith(_OTHER_DOORS)}


def other_doors(environment: dict[str, str]) -> list[str]:
    """The names that are taken out."""
    return sorted(environment.keys() - without_other_doors(environment).keys())


def _check_name(argument: str, name: str, ours: Sequence[str], version: Version | None) -> None:
    if name in ALLOWED and name not in ours:
        if version is not None and version < ALLOWED[name]:
            since = ".".join(map(str, ALLOWED[name]))
            raise _refused(
                argument, f"Triton {'.'.join(map(str, version))} does not have it, {since} does; take it out"
            )
        return
    # Triton takes any unambiguous beginning of a flag's name, so one of them is as good as the whole.
    for flag in sorted(REFUSED.union(ours)):
        if flag.startswith(name):
            raise _refused(argument, f"{flag} is Slipway's to set; take it out")
    whole = [flag for flag in sorted(ALLOWED) if flag.startswith(name)]
    hint = f"write {whole[0]} in full" if len(whole) == 1 else "take it out"
    raise _refused(argument, f"not one that is known to be harmless; {hint}")


def _refused(argument: str, why: str) -> Verdict:
    return Verdict(SPEC_INVALID, f"server.args: {argument}: {why}")
