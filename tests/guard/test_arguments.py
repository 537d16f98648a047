"""Which arguments a server of which version gets, and which of the user's are refused."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from slipway.guard import allowed, arguments, settings, versions
from slipway.guard.settings import Settings
from slipway.guard.verdict import Verdict
from tests.triton.installation import Installation

SINCE: dict[str, list[str]] = json.loads((Path(__file__).parent / "flags" / "since.json").read_text())
"""Triton's flags by the version that brought them, from its sources. None has ever gone."""

TOLD: dict[str, Any] = {
    "model": "m",
    "modelVersion": "3",
    "requestTimeoutSeconds": 30,
    "startupTimeoutSeconds": 600,
    "intervalSeconds": 60,
    "gpu": False,
    "serverArgs": [],
    "leastServerVersion": "2.0",
}


def _settings(**told: Any) -> Settings:
    return settings.read({"SLIPWAY_GUARD": json.dumps({**TOLD, **told})})


def test_a_server_of_2_51_gets_what_design_and_measurements_ask_for() -> None:
    assert arguments.build(_settings(serverArgs=["--log-verbose=1"]), "KEY", (2, 51)) == [
        "--model-repository=/slipway/repository",
        "--model-control-mode=none",
        "--disable-auto-complete-config",
        "--strict-readiness=false",
        "--exit-on-error=true",
        "--exit-timeout-secs=30",
        "--http-port=8000",
        "--grpc-port=8001",
        "--metrics-port=8002",
        "--grpc-max-connection-age=5000",
        "--http-restricted-api=model-repository,shared-memory,trace,logging:slipway-key=KEY",
        "--grpc-restricted-protocol=model-repository,shared-memory,trace,logging:slipway-key=KEY",
        "--log-format=ISO8601",
        "--allow-gpu-metrics=false",
        "--metrics-config=summary_latencies=true",
        "--pinned-memory-pool-byte-size=0",
        "--log-verbose=1",
    ]


def test_what_is_to_be_locked_is_locked_and_never_left_open_for_want_of_knowing_it() -> None:
    built = arguments.build(_settings(lockedApis=["Statistics"]), "KEY", (2, 51))
    assert "--http-restricted-api=model-repository,shared-memory,trace,logging,statistics:slipway-key=KEY" in built
    with pytest.raises(Verdict, match=r"server\.lockedApis: this Slipway cannot lock Inference"):
        arguments.build(_settings(lockedApis=["Statistics", "Inference"]), "KEY", (2, 51))


def test_where_the_pods_address_is_of_ipv6_the_server_listens_there() -> None:
    told = {"SLIPWAY_GUARD": json.dumps(TOLD)}
    on_ipv6 = arguments.build(settings.read({**told, "SLIPWAY_POD_IP": "fd00::17"}), "KEY", (2, 51))
    on_ipv4 = arguments.build(settings.read({**told, "SLIPWAY_POD_IP": "10.0.0.7"}), "KEY", (2, 51))
    assert set(on_ipv6) - set(on_ipv4) == {"--http-address=ipv6:::"}


def test_a_gpu_keeps_its_pinned_memory() -> None:
    built = arguments.build(_settings(gpu=True), "KEY", (2, 51))
    assert not [argument for argument in built if argument.startswith("--pinned")]


def test_an_older_server_is_spared_the_flags_that_it_does_not_know() -> None:
    newer, older = (set(arguments.build(_settings(), "KEY", version)) for version in ((2, 42), (2, 41)))
    assert newer - older == {"--grpc-max-connection-age=5000"}


def test_a_server_that_cannot_be_locked_is_refused() -> None:
    with pytest.raises(Verdict) as refused:
        arguments.build(_settings(), "KEY", (2, 39))
    assert refused.value.reason == "SpecInvalid"
    assert refused.value.message == ("server.image: Triton 2.39 has no --http-restricted-api; use Triton 2.40 or later")


def test_without_a_version_the_listed_flags_decide() -> None:
    text = "Usage: tritonserver [options]\n  --help\n\tPrint\n  --http-restricted-api <<string>>\n\tlike --log-format\n"
    listed = arguments.listed_flags(text)
    assert listed == {"--help", "--http-restricted-api"}
    with pytest.raises(Verdict, match="this tritonserver has no --model-repository"):
        arguments.build(_settings(), "KEY", None, listed)


@pytest.mark.parametrize("seconds", [0.2, 1, 29.5])
def test_the_exit_timeout_is_whole_seconds_that_cover_the_request_timeout(seconds: float) -> None:
    assert arguments.exit_timeout_seconds(_settings(requestTimeoutSeconds=seconds)) - seconds < 1
    assert arguments.exit_timeout_seconds(_settings(requestTimeoutSeconds=seconds)) >= seconds


@pytest.mark.parametrize(
    ("environment", "file", "version"),
    [
        ({"TRITON_SERVER_VERSION": "2.51.0"}, None, (2, 51, 0)),
        ({"TRITON_SERVER_VERSION": "2.51.0", "NVIDIA_TRITON_SERVER_VERSION": "24.10"}, None, (2, 51, 0)),
        ({"NVIDIA_TRITON_SERVER_VERSION": "24.10"}, "2.51.0\n", (2, 51, 0)),
        ({"NVIDIA_TRITON_SERVER_VERSION": "24.10"}, None, None),
        ({"TRITON_SERVER_VERSION": "2.73.0dev"}, None, (2, 73, 0)),
        ({"TRITON_SERVER_VERSION": "2.59.1"}, None, (2, 59, 1)),
        ({"TRITON_SERVER_VERSION": "2.59"}, None, (2, 59, 0)),
        ({"TRITON_SERVER_VERSION": "2.99.0"}, "2.51.0\n", (2, 51, 0)),
        ({}, "garbage", None),
    ],
)
def test_the_version_is_what_the_image_states(
    tmp_path: Path, environment: dict[str, str], file: str | None, version: tuple[int, ...] | None
) -> None:
    stated = tmp_path / "TRITON_VERSION"
    if file is not None:
        stated.write_text(file)
    assert versions.of_image(environment, stated) == version


@pytest.mark.parametrize(
    ("args", "flag"),
    [
        (["--model-repository=/x"], "--model-repository"),
        (["--model-repo=/x"], "--model-repository"),
        (["--exit-timeout-secs", "9"], "--exit-timeout-secs"),
        (["--log-verbose=1", "--http-restricted-api=trace:a=b"], "--http-restricted-api"),
        (["--load-model=x"], "--load-model"),
        (["--exit-on-error=false"], "--exit-on-error"),
        (["--strict-model-config=false"], "--strict-model-config"),
        (["--allow-http=false"], "--allow-http"),
        (["--log-file=/tmp/x"], "--log-file"),
        (["--allow-vertex-ai=true"], "--allow-vertex-ai"),
        (["--allow-sage=true"], "--allow-sagemaker"),
        (["--id", "x", "--vertex-ai-port=8080"], "--vertex-ai-port"),
        (["--id", "--allow-vertex-ai=true"], "--allow-vertex-ai"),
        (["--allow-client-shm=true"], "--allow-client-shm"),
        (["--pinned-memory-pool-byte-size=1"], "--pinned-memory-pool-byte-size"),
        (["--"], "--allow-client-shm"),
    ],
)
def test_what_slipway_sets_is_not_the_users_to_set_by_any_beginning_of_its_name(args: list[str], flag: str) -> None:
    with pytest.raises(Verdict) as refused:
        arguments.build(_settings(serverArgs=args), "KEY", (2, 51))
    assert refused.value.reason == "SpecInvalid"
    assert f"{flag} is Slipway's to set; take it out" in refused.value.message
    assert "KEY" not in refused.value.message


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (None, "SLIPWAY_GUARD is not JSON"),
        ("[]", "SLIPWAY_GUARD is not a JSON object"),
        (json.dumps({**TOLD, "model": 3}), "SLIPWAY_GUARD: model is 3"),
        (json.dumps({**TOLD, "requestTimeoutSeconds": True}), "SLIPWAY_GUARD: requestTimeoutSeconds is True"),
        (json.dumps({**TOLD, "gpu": "no"}), "SLIPWAY_GUARD: gpu is 'no'"),
        (json.dumps({**TOLD, "serverArgs": [1]}), "serverArgs must be strings"),
        (json.dumps({k: v for k, v in TOLD.items() if k != "intervalSeconds"}), "intervalSeconds is missing"),
    ],
)
def test_settings_that_cannot_be_used_are_named(told: str | None, words: str) -> None:
    with pytest.raises(Verdict) as refused:
        settings.read({} if told is None else {"SLIPWAY_GUARD": told})
    assert refused.value.reason == "SpecInvalid"
    assert words in refused.value.message


def test_places_and_ports_have_the_contracts_defaults() -> None:
    told = _settings()
    assert [str(place) for place in (told.root, told.config, told.termination_log, told.verified)] == [
        "/slipway",
        "/etc/slipway",
        "/dev/termination-log",
        "/tmp/slipway-verified",
    ]
    assert (told.http_port, told.grpc_port, told.metrics_port, told.guard_port) == (8000, 8001, 8002, 8003)


def test_a_server_that_big_json_ends_is_warned_of() -> None:
    assert "dies on HTTP JSON bodies" in str(versions.warning((2, 61)))
    assert versions.warning((2, 62)) is None
    assert versions.warning(None) is None


def test_metrics_may_be_configured_further() -> None:
    built = arguments.build(_settings(serverArgs=["--metrics-config=histogram_latencies=true"]), "KEY", (2, 51))
    assert [each for each in built if each.startswith("--metrics-config")] == [
        "--metrics-config=summary_latencies=true",
        "--metrics-config=histogram_latencies=true",
    ]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--open-everything=true"], "--open-everything=true: not one that is known to be harmless; take it out"),
        (["--http-thread=2"], "write --http-thread-count in full"),
        (["log-verbose=1"], "log-verbose=1: is no argument, and no value of one"),
        (["--log-verbose=1", "2"], "2: is no argument"),
        (["-x"], "-x: is no argument"),
        (["--grpc-infer-thread-count=2"], "Triton 2.51 does not have it, 2.57 does"),
        (["---id=x"], "not one that is known"),
        (["--id\n=x"], "not one that is known"),
    ],
)
def test_an_argument_that_nobody_has_looked_at_is_refused(args: list[str], says: str) -> None:
    with pytest.raises(Verdict) as refused:
        arguments.build(_settings(serverArgs=args), "KEY", (2, 51))
    assert refused.value.reason == "SpecInvalid"
    assert says in refused.value.message


def test_values_may_stand_by_themselves() -> None:
    args = ["--log-verbose", "1", "--id", "-x", "--backend-config=python,x=y"]
    assert arguments.build(_settings(serverArgs=args), "KEY", (2, 51))[-5:] == args


def _kinds(flag: str, *, gpu: bool) -> set[str]:
    ours = {each.name for each in arguments.flags(_settings(gpu=gpu), "KEY") if not each.shared}
    lists = {"ours": ours, "allowed": allowed.ALLOWED.keys() - ours, "refused": allowed.REFUSED}
    return {kind for kind, flags in lists.items() if flag in flags}


@pytest.mark.parametrize("gpu", [True, False])
@pytest.mark.parametrize("flag", [flag for flags in SINCE.values() for flag in flags] + ["--help"])
def test_every_flag_of_every_triton_is_ours_or_allowed_or_refused(flag: str, *, gpu: bool) -> None:
    """A new one fails here until somebody has looked at it."""
    assert len(_kinds(flag, gpu=gpu)) == 1


@pytest.mark.parametrize(("version", "flags"), SINCE.items())
def test_what_is_allowed_and_what_is_ours_is_given_to_servers_that_have_it(version: str, flags: list[str]) -> None:
    since = {each.name: each.since for each in arguments.flags(_settings(), "KEY")} | allowed.ALLOWED
    brought = tuple(map(int, version.split(".")))
    for flag in since.keys() & set(flags):
        assert since[flag] == brought[:2] or brought == (2, 40, 0) >= since[flag], flag


@pytest.mark.triton
def test_the_real_server_has_no_flag_that_is_not_in_the_table(tritonserver: Installation) -> None:
    command = [str(tritonserver.root / "rootfs/opt/tritonserver/bin/tritonserver"), "--help"]
    said = subprocess.run(command, capture_output=True, text=True, check=False, env=tritonserver.environment)
    listed = arguments.listed_flags(said.stdout + said.stderr)
    of_then = {
        f for version, flags in SINCE.items() if tuple(map(int, version.split("."))) <= (2, 51, 0) for f in flags
    }
    assert listed == of_then | {"--help"}


def test_the_environment_opens_no_server_beside_the_locked_one() -> None:
    given = {"AIP_MODE": "PREDICTION", "AIP_HTTP_PORT": "8080", "SAGEMAKER_BIND_TO_PORT": "8080", "PATH": "/bin"}
    assert allowed.without_other_doors(given) == {"PATH": "/bin"}
    assert allowed.other_doors(given) == ["AIP_HTTP_PORT", "AIP_MODE", "SAGEMAKER_BIND_TO_PORT"]


@pytest.mark.parametrize(
    ("version", "least", "let"),
    [
        ((2, 59, 0), None, False),
        ((2, 59, 1), None, True),
        ((2, 51, 0), None, False),
        ((2, 51, 0), "2.51.0", True),
        ((2, 51, 0), "2.51", True),
        ((2, 67, 0), "2.68.0", False),
        ((2, 100, 0), None, True),
    ],
)
def test_no_server_below_the_least_version_is_started(
    version: tuple[int, ...], least: str | None, *, let: bool
) -> None:
    told = {name: value for name, value in TOLD.items() if name != "leastServerVersion"}
    given = settings.read({"SLIPWAY_GUARD": json.dumps(told | ({"leastServerVersion": least} if least else {}))})
    if let:
        assert arguments.build(given, "KEY", version)
        return
    with pytest.raises(Verdict, match="is below 2") as refused:
        arguments.build(given, "KEY", version)
    assert refused.value.reason == "SpecInvalid"
    assert "server.leastVersion" in refused.value.message


@pytest.mark.parametrize(("of", "let"), [("2.51.0", False), ("2.59.0", False), ("2.68.0", True)])
def test_a_server_that_states_no_version_is_as_old_as_its_arguments_show(of: str, *, let: bool) -> None:
    listed = frozenset(flag for version, flags in SINCE.items() if version <= of for flag in flags)
    told = _settings(leastServerVersion="2.59.1")
    if let:
        assert arguments.build(told, "KEY", None, listed)
        return
    with pytest.raises(Verdict, match="states no version"):
        arguments.build(told, "KEY", None, listed)


@pytest.mark.parametrize("least", ["", "2", "3.1", "2.59.x", "2.59.1.1", "2." + "9" * 5000])
def test_a_least_version_that_is_none_is_refused(least: str) -> None:
    with pytest.raises(Verdict, match=r"leastServerVersion is .* like 2\.59\.1"):
        _settings(leastServerVersion=least)


def test_bodies_are_limited_where_a_server_can_and_users_may_say_how_far() -> None:
    assert "--http-max-input-size=67108864" in arguments.build(_settings(), "KEY", (2, 59, 0))
    assert not [each for each in arguments.build(_settings(), "KEY", (2, 58, 0)) if "max-input" in each]
    own = arguments.build(_settings(serverArgs=["--http-max-input-size=9"]), "KEY", (2, 59, 0))
    assert own[-1] == "--http-max-input-size=9"  # the last one counts


@pytest.mark.parametrize(
    ("version", "signal", "memory"),
    [
        ((2, 51, 0), "one large or chunked HTTP body ends Triton 2.51.0 so", "Triton 2.51.0 limits no body"),
        ((2, 59, 1), "one large or chunked HTTP body ends Triton 2.59.1 so", "--http-max-input-size in server.args"),
        ((2, 62, 0), None, "--http-max-input-size in server.args limits the body"),
        (None, None, "--http-max-input-size in server.args limits the body"),
    ],
)
def test_what_a_request_can_do_to_a_server_is_said_by_its_version(
    version: tuple[int, ...] | None, signal: str | None, memory: str
) -> None:
    said = versions.by_a_request(version)
    assert said is None if signal is None else said is not None and signal in said
    assert memory in versions.of_bodies(version)
