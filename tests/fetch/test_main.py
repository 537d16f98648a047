"""The commands as the container runs them: environment in, exit code and termination message out."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from slipway.fetch.settings import S3, Resolved, Settings, Source
from slipway.fetch.verdict import FetchError, Reason
from tests.fetch import bundles

BUNDLE = bundles.listed(bundles.files())


def _environment(tmp_path: Path, order: object) -> dict[str, str]:
    bundles.write(tmp_path / "claim/churn", BUNDLE)
    (tmp_path / "root").mkdir()
    return {
        **os.environ,
        "SLIPWAY_SOURCE": order if isinstance(order, str) else json.dumps(order),
        "SLIPWAY_ROOT": str(tmp_path / "root"),
        "SLIPWAY_SOURCE_ROOT": str(tmp_path / "claim"),
        "SLIPWAY_CREDENTIALS": str(tmp_path / "credentials"),
        "SLIPWAY_CONFIG": str(tmp_path / "config"),
        "SLIPWAY_TERMINATION_LOG": str(tmp_path / "termination-log"),
    }


def _run(tmp_path: Path, command: str, order: object) -> tuple[int, Any, str]:
    program = [sys.executable, "-c", "from slipway.fetch.main import main; main()", command]
    done = subprocess.run(
        program, env=_environment(tmp_path, order), capture_output=True, text=True, timeout=60, check=False
    )
    log = tmp_path / "termination-log"
    return done.returncode, json.loads(log.read_text()) if log.exists() else None, done.stderr


def test_resolve_leaves_its_answer(tmp_path: Path) -> None:
    code, said, _ = _run(tmp_path, "resolve", {"source": {"uri": "pvc://models/churn"}, "model": "churn"})
    assert code == 0
    assert said["resolved"]["digest"] == bundles.digest(BUNDLE)
    assert said["resolved"]["model"]["inputs"] == [["x", "FP32", [1]]]
    assert said["resolved"]["asks"] == [{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [3.0]}]}]


def test_fetch_leaves_a_repository_and_no_message(tmp_path: Path) -> None:
    resolved = {"digest": bundles.digest(BUNDLE), "size": sum(map(len, BUNDLE.values())), "unverified": False}
    order = {"source": {"uri": "pvc://models/churn"}, "model": "churn", "resolved": resolved}
    code, said, log = _run(tmp_path, "fetch", order)
    assert (code, said) == (0, None)
    assert (tmp_path / "root/repository/churn/1/model.onnx").exists()
    assert "churn is ready for Triton" in log


def test_a_failure_is_a_verdict_and_exit_code_1(tmp_path: Path) -> None:
    code, said, log = _run(tmp_path, "resolve", {"source": {"uri": "pvc://models/other"}, "model": "churn"})
    assert code == 1
    assert said["reason"] == "SourceNotFound"
    assert said["message"] in log
    assert "Traceback" not in log


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ("{", "the whole"),
        ("[]", "the whole"),
        ({"model": "churn"}, "source"),
        ({"source": {"uri": "s3://x/y", "s3": "minio"}, "model": "churn"}, "source.s3"),
        ({"source": {"uri": "ftp://x/y"}, "model": "churn"}, "source.uri"),
        ({"source": {"uri": "s3://x/y", "digest": "md5:1"}, "model": "churn"}, "source.digest"),
        ({"source": {"uri": "s3://x/y"}, "model": "../churn"}, "model"),
        ({"source": {"uri": "s3://x/y"}, "model": "churn", "storage": "8Gi"}, "storage"),
        ({"source": {"uri": "s3://x/y"}, "model": "churn", "resolved": {"size": -1}}, "resolved.size"),
    ],
)
def test_an_order_that_cannot_be_read_is_refused_with_its_field(tmp_path: Path, order: object, said: str) -> None:
    with pytest.raises(FetchError) as refused:
        Settings.from_environment(_environment(tmp_path, order))
    assert refused.value.reason is Reason.SPEC_INVALID
    assert refused.value.message.startswith(f"SLIPWAY_SOURCE: {said}: ")


def test_all_that_an_order_may_say_is_read(tmp_path: Path) -> None:
    s3 = {"endpoint": "http://minio:9000", "region": "eu-1", "forcePathStyle": False, "anonymous": True}
    digest = f"sha256:{'0' * 64}"
    order = {
        "source": {"uri": "s3://models/churn", "digest": digest, "s3": s3},
        "model": "churn",
        "resolved": {"digest": digest, "size": 7, "unverified": True},
        "storage": 8,
    }
    settings = Settings.from_environment(_environment(tmp_path, order))
    own = S3(endpoint="http://minio:9000", region="eu-1", force_path_style=False, anonymous=True)
    assert settings.source == Source(uri="s3://models/churn", digest=digest, s3=own)
    assert settings.resolved == Resolved(digest=digest, size=7, unverified=True)
    assert settings.storage == 8


def test_without_an_order_there_is_a_verdict_all_the_same(tmp_path: Path) -> None:
    code, said, _ = _run(tmp_path, "resolve", "")
    assert code == 1
    assert said["reason"] == "SpecInvalid"


@pytest.mark.parametrize("command", ["resolve", "fetch"])
def test_what_nobody_foresaw_is_a_verdict_too_and_leaves_its_trace(tmp_path: Path, command: str) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config/overlay.json").mkdir()  # a directory where a file belongs: nothing that we foresee
    code, said, log = _run(tmp_path, command, {"source": {"uri": "pvc://models/churn"}, "model": "churn"})
    assert code == 1
    assert said["reason"] == "FetchFailed"
    assert "the fetcher broke off (IsADirectoryError: " in said["message"]
    assert "Traceback" in log


def test_sigterm_ends_it_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        order = {"source": {"uri": f"http://127.0.0.1:{silent.getsockname()[1]}/b"}, "model": "churn"}
        program = [sys.executable, "-c", "from slipway.fetch.main import main; main()", "resolve"]
        with subprocess.Popen(program, env=_environment(tmp_path, order), stderr=subprocess.PIPE) as process:
            silent.settimeout(30)
            connection, _ = silent.accept()  # it waits for an answer now
            process.send_signal(signal.SIGTERM)
            assert process.wait(2) == 128 + signal.SIGTERM
            connection.close()


@pytest.mark.parametrize("module", ["slipway.fetch.fetch", "slipway.fetch.main"])
def test_the_fetcher_carries_nothing_of_the_operator(module: str) -> None:
    code = (
        f"import sys, {module}; heavy = {{'kopf', 'kubernetes', 'aiohttp', 'slipway.core', 'slipway.controller'}};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
