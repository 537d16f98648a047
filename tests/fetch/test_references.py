"""What config.pbtxt names is in the bundle, or the bundle is refused when it is resolved: no pod starts for it."""

import posixpath
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from slipway.fetch import model
from slipway.fetch.policy import Policy
from slipway.fetch.settings import Decryption
from slipway.fetch.verdict import FetchError, Reason
from tests.fetch import bundles
from tests.fetch.calls import resolve
from tests.fetch.conftest import Order
from tests.fetch.fakes import fake

SEQUENCE = 'sequence_batching { state { input_name: "s" initial_state { name: "i" data_file: "zero" } } }'
WARMUP = (
    'model_warmup { name: "w" inputs { key: "x" value { data_type: TYPE_FP32 dims: 1 input_data_file: "x.raw" } } }'
)
ENVIRONMENT = 'parameters { key: "EXECUTION_ENV_PATH" value { string_value: "%s" } }'
LABELS = 'output { name: "z" data_type: TYPE_FP32 dims: [1] label_filename: "names.txt" }'

MISSING: dict[str, tuple[str, str, set[str], str]] = {
    "python's model.py": (
        "python",
        "",
        {"1/churn.py"},
        "1/model.py: not in the bundle, and the python backend runs it; the bundle has 1/churn.py: rename it, or name",
    ),
    "onnxruntime's model.onnx": ("onnxruntime", "", {"1/churn.onnx"}, "1/model.onnx: not in the bundle"),
    "one in the version of before": ("onnxruntime", "", {"1/model.onnx", "2/x"}, "2/model.onnx: not in the bundle"),
    "one of several served": (
        "onnxruntime",
        "version_policy { latest { num_versions: 2 } }",
        {"1/x", "2/model.onnx"},
        "1/model.onnx: not in the bundle",
    ),
    "one of all": (
        "onnxruntime",
        "version_policy { all {} }",
        {"1/x", "2/model.onnx"},
        "1/model.onnx: not in the bundle",
    ),
    "a named file": (
        "onnxruntime",
        'default_model_filename: "churn.onnx"',
        {"1/model.onnx"},
        "config.pbtxt: default_model_filename: the bundle has no 1/churn.onnx; add that file, or correct the name",
    ),
    "a named file of any backend": ("own", 'default_model_filename: "x"', {"1/y"}, "default_model_filename"),
    "a file that leaves it": ("own", 'default_model_filename: "../../x"', {"1/y"}, r"no \.\./x"),
    "one for a GPU": (
        "tensorrt",
        'cc_model_filenames { key: "8.0" value: "a.plan" }',
        {"1/model.plan"},
        r"cc_model_filenames\[8\.0\]: the bundle has no 1/a\.plan",
    ),
    "labels": ("own", LABELS, {"1/m", "1/names.txt"}, r"output\[1\]\.label_filename: the bundle has no names\.txt"),
    "warm-up data": ("own", WARMUP, {"1/m", "x.raw"}, r"inputs\[x\]\.input_data_file: the bundle has no warmup/x\.raw"),
    "a state to begin with": ("own", SEQUENCE, {"1/m", "zero"}, "data_file: the bundle has no initial_state/zero"),
    "an environment": (
        "python",
        ENVIRONMENT % "$$TRITON_MODEL_DIRECTORY/env.tar.gz",
        {"1/model.py"},
        r"parameters\[EXECUTION_ENV_PATH\]: the bundle has no env\.tar\.gz",
    ),
    "a version": (
        "own",
        "version_policy { specific { versions: [1, 3] } }",
        {"1/m", "2/m"},
        r"config\.pbtxt: version_policy\.specific: the bundle has no version 3, it has 1, 2; name one of these",
    ),
    "every version": ("own", "version_policy { specific {} }", {"1/m"}, r"version_policy\.specific: names no version"),
}


def _configured(backend: str, more: str) -> model.Configured:
    text = bundles.CONFIG.decode().replace("onnxruntime", backend)
    return model.configure(f"{text}\n{more}".encode(), None, "churn")


@pytest.mark.parametrize("what", MISSING)
def test_what_a_configuration_names_and_the_bundle_lacks_is_refused_with_field_and_path(what: str) -> None:
    backend, more, paths, said = MISSING[what]
    with pytest.raises(FetchError, match=said) as refused:
        model.check_references({"config.pbtxt", *paths}, _configured(backend, more))
    assert refused.value.reason is Reason.BUNDLE_INVALID


PRESENT: dict[str, tuple[str, str, set[str]]] = {
    "the usual file": ("onnxruntime", "", {"1/model.onnx"}),
    "a directory of that name": ("onnxruntime", "", {"1/model.onnx/model.onnx", "1/model.onnx/weights"}),
    "a version that is not served": ("onnxruntime", "", {"1/x", "2/model.onnx"}),
    "the latest as numbers": ("onnxruntime", "", {"9/x", "10/model.onnx"}),
    "only the named versions": ("python", "version_policy { specific { versions: 1 } }", {"1/model.py", "2/x"}),
    "a named file": ("python", 'default_model_filename: "churn.py"', {"1/churn.py"}),
    "a named file beside": ("onnxruntime", 'default_model_filename: "../shared/m.onnx"', {"1/x", "shared/m.onnx"}),
    "files for GPUs": ("tensorrt", 'cc_model_filenames { key: "8.0" value: "a.plan" }', {"1/a.plan"}),
    "a runtime of its own": ("pytorch", 'runtime: "model.py"', {"1/churn.py"}),
    "either of pytorch's": ("pytorch", "", {"1/model.pt2"}),
    "a backend that is not known": ("own", "", {"1/anything"}),
    "labels": ("own", LABELS, {"1/m", "names.txt"}),
    "warm-up data": ("own", WARMUP, {"1/m", "warmup/x.raw"}),
    "a state": ("own", SEQUENCE, {"1/m", "initial_state/zero"}),
    "an environment": ("python", ENVIRONMENT % "$$TRITON_MODEL_DIRECTORY/env", {"1/model.py", "env/bin/activate"}),
    "the image's environment": ("python", ENVIRONMENT % "/opt/env.tar.gz", {"1/model.py"}),
    "an environment beside what sorts before it": (
        "python",
        ENVIRONMENT % "$$TRITON_MODEL_DIRECTORY/env",
        {"1/model.py", "env-", "env.txt", "env/a", "env0"},
    ),
    "no environment": ("python", 'parameters { key: "x" value { string_value: "y" } }', {"1/model.py"}),
}


@pytest.mark.parametrize("what", PRESENT)
def test_what_is_there_is_accepted(what: str) -> None:
    backend, more, paths = PRESENT[what]
    configured = _configured(backend, more)
    before = configured.text
    model.check_references({"config.pbtxt", *paths}, configured)
    assert configured.text == before


@given(st.text(st.sampled_from("1am./\x00é"), min_size=1, max_size=8), st.sets(st.sampled_from(["1/a/b", "m", "a"])))
@example("/", set())
@example("../m", {"m"})
@example("../../m", {"m"})
def test_any_name_is_refused_or_leads_into_the_bundle(name: str, more: set[str]) -> None:
    paths = {"1/m", *more}
    configured = _configured("own", "")
    configured.config.default_model_filename = name
    with suppress(FetchError):
        model.check_references(paths, configured)
        named = posixpath.normpath(f"1/{name.lstrip('/')}")
        assert any(path == named or path.startswith(f"{named}/") for path in paths)


async def test_resolve_refuses_a_bundle_without_its_model_file(order: Order, policy: Policy) -> None:
    bundle = bundles.listed(bundles.files(**{"1/model.onnx": None, "1/churn.onnx": b"m"}))
    async with fake(bundle) as server:
        with pytest.raises(FetchError, match=r"1/model\.onnx: not in the bundle.* has 1/churn\.onnx"):
            await resolve(order(f"{server.address}/models/churn"), policy)


async def test_an_encrypted_file_is_there_under_its_plain_name(order: Order, policy: Policy, tmp_path: Path) -> None:
    files = bundles.files(**{"1/model.onnx": None, "labels.txt": None, "1/model.onnx.age": b"m"})
    bundles.write(tmp_path / "claim/a", bundles.listed(files))
    settings = replace(order("pvc://claim/a"), decryption=Decryption(secret_name="k"))
    assert (await resolve(settings, policy))["encrypted"] == 1
