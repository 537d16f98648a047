"""Backends: where a platform says which there are, a bundle has one of them and brings no other code."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from slipway.core.children.resolve_job import resolve_job
from slipway.fetch.model import configure
from slipway.fetch.policy import Policy
from slipway.fetch.resolve import resolve
from slipway.fetch.settings import Settings
from slipway.fetch.verdict import FetchError, Reason
from tests.core.gen import POLICY, md_spec, owner, platform
from tests.fetch import bundles
from tests.fetch.conftest import Order
from tests.guard.pod import container
from tests.triton import models
from tests.triton.installation import installed

BACKEND = b'backend: "onnxruntime"'


def configured(line: bytes, *, backend: bytes = BACKEND) -> dict[str, bytes]:
    assert BACKEND in bundles.CONFIG
    return bundles.files(**{"config.pbtxt": bundles.CONFIG.replace(BACKEND, backend) + line})


PYTHON = configured(b"", backend=b'backend: "python"') | {"1/model.py": b"import numpy"}
LET: dict[str, tuple[dict[str, bytes], tuple[str, ...]]] = {
    "any": (PYTHON, ()),
    "one that is allowed": (configured(b""), ("tensorrt", "onnxruntime")),
    "by its older name": (configured(b"", backend=b'platform: "onnxruntime_onnx"'), ("onnxruntime",)),
    "Python with what it brings": (PYTHON | {"1/libfast.so.1": b"x"}, ("python",)),
}
REFUSED: dict[str, tuple[dict[str, bytes], str]] = {
    "another": (configured(b"", backend=b'backend: "python"'), "backend: python is not allowed here, only onnxruntime"),
    "another by its older name": (configured(b"", backend=b'platform: "tensorrt_plan"'), "backend: tensorrt is not"),
    "a library of its name": (configured(b"") | {"libtriton_onnxruntime.so": b"x"}, "libtriton_onnxruntime.so: code"),
    "a library beside the model": (configured(b"") | {"1/libop.so.2": b"x"}, "1/libop.so.2: code"),
    "another library by name": (configured(b'runtime: "libtriton_python.so"\n'), "config.pbtxt: runtime: code"),
    "operations of its own": (
        configured(b'model_operations { op_library_filename: "1/ops" }\n'),
        "config.pbtxt: model_operations: code",
    ),
    "Python beside the model": (configured(b"") | {"1/onnxruntime_extensions.py": b"x"}, "extensions.py: code"),
    "Python that is compiled": (configured(b"") | {"1/tokens/__init__.pyc": b"x"}, "__init__.pyc: code"),
    "an environment": (
        configured(b'parameters { key: "EXECUTION_ENV_PATH" value { string_value: "$$TRITON_MODEL_DIRECTORY/e" } }')
        | {"e/bin/activate": b"x"},
        "config.pbtxt: parameters[EXECUTION_ENV_PATH]: code",
    ),
    "a library of any name": (
        configured(b'parameters { key: "CPU_EXTENSION_PATH" value { string_value: "/slipway/x" } }'),
        "config.pbtxt: parameters[CPU_EXTENSION_PATH]: code",
    ),
    "a library of an accelerator": (
        configured(
            b'optimization { execution_accelerators { gpu_execution_accelerator { name: "tensorrt" '
            b'parameters { key: "trt_extra_plugin_lib_paths" value: "/slipway/x" } } } }'
        ),
        "config.pbtxt: parameters[trt_extra_plugin_lib_paths]: code",
    ),
}
COMPILED = configured(b"", backend=b'backend: "pytorch" platform: "torch_aoti"') | {"1/model.pt2": b"x"}


@pytest.fixture
def settings(tmp_path: Path, order: Order) -> Settings:
    return order("pvc://claim/a")


def put(tmp_path: Path, files: dict[str, bytes]) -> None:
    bundles.write(tmp_path / "claim" / "a", bundles.listed(files))


@pytest.mark.parametrize("what", LET)
def test_a_bundle_with_a_backend_that_is_allowed_is_resolved(
    what: str, settings: Settings, tmp_path: Path, policy: Policy
) -> None:
    files, allowed = LET[what]
    put(tmp_path, files)
    assert resolve(replace(settings, allowed_backends=allowed), policy)["digest"]


@pytest.mark.parametrize("what", REFUSED)
def test_a_bundle_has_a_backend_that_is_allowed_and_brings_no_other_code(
    what: str, settings: Settings, tmp_path: Path, policy: Policy
) -> None:
    files, words = REFUSED[what]
    put(tmp_path, files)
    with pytest.raises(FetchError) as refused:
        resolve(replace(settings, allowed_backends=("onnxruntime",)), policy)
    assert refused.value.reason is Reason.BACKEND_NOT_ALLOWED
    assert words in refused.value.message
    assert "models.allowedBackends" in refused.value.message


def test_where_backends_are_allowed_pods_get_the_bytes_that_were_looked_at(
    settings: Settings, tmp_path: Path, policy: Policy
) -> None:
    """Without hashes a store may send another configuration of this size, name and tag later."""
    folder = bundles.write(tmp_path / "claim" / "a", configured(b""))
    with pytest.raises(FetchError, match=r"1/model\.onnx: nothing says which bytes") as refused:
        resolve(replace(settings, allowed_backends=("onnxruntime",)), policy)
    assert refused.value.reason is Reason.BACKEND_NOT_ALLOWED
    assert resolve(settings, policy)["unverified"]
    bundles.write(folder, bundles.listed(configured(b"")))
    assert resolve(replace(settings, allowed_backends=("onnxruntime",)), policy)["digest"]


def test_a_model_that_is_compiled_into_a_library_is_code(settings: Settings, tmp_path: Path, policy: Policy) -> None:
    put(tmp_path, COMPILED)
    assert resolve(settings, policy)["digest"]
    with pytest.raises(FetchError, match=r"config.pbtxt: platform: code of a bundle's own is not allowed"):
        resolve(replace(settings, allowed_backends=("pytorch",)), policy)


@pytest.mark.parametrize("older", ["fil", "onnxruntime_onnx"])
@pytest.mark.triton
def test_what_is_declared_is_what_is_run_whatever_a_file_is_called(older: str, tmp_path: Path) -> None:
    """Triton takes a backend that is not named from the name of a file: `model.py` is Python's."""
    pod, marker = container(tmp_path / "pod", installed()), tmp_path / "ran"
    models.linear(pod.repository)
    config = (pod.repository / "m/config.pbtxt").read_text()
    stated = config.replace('backend: "onnxruntime"', f'platform: "{older}" default_model_filename: "model.py"')
    assert stated != config
    configured = configure(stated.encode(), None, "m")
    (pod.repository / "m/config.pbtxt").write_text(configured.text)
    (pod.repository / "m/1/model.py").write_text(f"open({str(marker)!r}, 'w')\n{models.OBEDIENT}")
    try:
        pod.start()
        pod.until(lambda: pod.verified.exists() or not pod.running)
    finally:
        pod.remove()
    assert not marker.exists()
    assert configured.config.backend == configured.declared["backend"] == older.partition("_")[0]


@pytest.mark.parametrize("allowed", [(), ("onnxruntime", "ensemble")])
def test_the_resolve_job_is_told_what_the_platform_allows(allowed: tuple[str, ...]) -> None:
    job = resolve_job(
        owner=owner(),
        spec=md_spec(),
        ask="a" * 64,
        platform=platform(allowed_backends=allowed),
        deadline=POLICY.fetch_timeout,
    )
    env = {each["name"]: each["value"] for each in job["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert Settings.from_environment(env).allowed_backends == allowed
    assert ("allowedBackends" in json.loads(env["SLIPWAY_SOURCE"])) is bool(allowed), "no Job changes without it"
