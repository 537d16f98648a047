"""The commands: what they print, in text and as JSON, and how they end."""

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest

from slipway.bundle import console
from slipway.bundle.console import errors_reported, print_columns
from slipway.bundle.errors import BundleError
from slipway.bundle.place import keys_of_environment
from slipway.program import main
from testbed.images import CODE, FETCHER_CODE, OPERATOR_CODE
from tests.bundle import graphs, keys
from tests.bundle.commands import slipway
from tests.triton.installation import VERSION, Installation

X = np.array([[1.0], [2.0], [3.0]], np.float32)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    np.savez(tmp_path / "rows.npz", x=X)
    np.savez(tmp_path / "answers.npz", y=X * 2 + 1)
    return graphs.linear(tmp_path / "m.onnx")


@pytest.fixture
def bundle(model: Path) -> Path:
    out = model.parent / "bundle"
    assert slipway("pack", "onnx", model, "--inputs", model.parent / "rows.npz", "--out", out).exit_code == 0
    return out


def test_pack_says_what_it_wrote_and_check_finds_the_same(model: Path) -> None:
    rows, answers, out = (model.parent / name for name in ("rows.npz", "answers.npz", "bundle"))
    packed = slipway("pack", "onnx", model, "--inputs", rows, "--answers", answers, "--out", out, "--metric", "r2=0.9")
    assert packed.exit_code == 0, packed.output
    assert "asking the training framework and ONNX Runtime" in packed.stderr
    checked = slipway("check", out)
    assert checked.exit_code == 0
    assert checked.stdout.split()[:2] == packed.stdout.split()[:2]
    assert "takes            x FP32 [1]\ngives            y FP32 [1]\n" in checked.stdout
    assert "equal to the bit  yes\n" in packed.stdout


def test_the_same_as_json(bundle: Path) -> None:
    found: dict[str, Any] = json.loads(slipway("check", bundle, "-o", "json").stdout)
    assert found["model"]["inputs"] == [["x", "FP32", [1]]]
    assert found["golden"] == 2


def test_rows_may_be_a_request_or_one_array(model: Path) -> None:
    np.save(model.parent / "rows.npy", X)
    request = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [2, 1], "data": [1, 2]}]}
    (model.parent / "rows.json").write_text(json.dumps(request))
    for name in ("rows.npy", "rows.json"):
        packed = slipway(
            "pack", "onnx", model, "--inputs", model.parent / name, "--out", model.parent / "b", "--replace"
        )
        assert packed.exit_code == 0, packed.output


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda b: (b / "1" / "model.onnx").write_bytes(b"x"), "BundleCorrupt: 1/model.onnx: "),
        (lambda b: (b / "notes.txt").touch(), "BundleInvalid: notes.txt: in the bundle but not in SHA256SUMS"),
        (lambda b: (b / "golden" / "one.json").unlink(), "golden/one.json: SHA256SUMS names it and"),
        (shutil.rmtree, "no such directory; name a bundle's directory or address"),
    ],
)
def test_check_says_what_the_cluster_would(bundle: Path, spoil: Any, message: str) -> None:
    spoil(bundle)
    checked = slipway("check", bundle)
    assert checked.exit_code == 1
    assert message in checked.stderr
    assert "pvc://" not in checked.stderr


def test_what_cannot_be_packed_is_one_sentence(model: Path) -> None:
    fixed = graphs.linear(model.parent / "fixed.onnx", takes=(1, 1), gives=(1, 1))
    packed = slipway("pack", "onnx", fixed, "--inputs", model.parent / "rows.npz", "--out", model.parent / "b")
    assert packed.exit_code == 1
    assert "Error: fixed.onnx: input 'x' [1, 1]: the batch dimension is baked in as 1" in packed.stderr


def test_rows_that_were_pickled_are_not_read(model: Path) -> None:
    np.save(model.parent / "rows.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    packed = slipway("pack", "onnx", model, "--inputs", model.parent / "rows.npy", "--out", model.parent / "b")
    assert packed.exit_code == 1
    assert "nothing pickled" in packed.stderr


@pytest.mark.triton
def test_check_serves_where_a_server_is_at_hand(bundle: Path, tritonserver: Installation) -> None:
    assert "tritonserver: not on PATH" in slipway("check", bundle, "--serve", PATH="/nowhere").stderr
    arguments = [word for argument in tritonserver.arguments for word in ("--server-arg", argument)]
    checked = slipway(
        "check",
        bundle,
        "--serve",
        "--least-server-version",
        VERSION,
        "--load-seconds",
        0.2,
        *arguments,
        "-o",
        "json",
        **tritonserver.environment,
    )
    assert checked.exit_code == 0, checked.output
    served = json.loads(checked.stdout)["served"]
    assert served["said"] == "2 golden requests answered rightly"
    assert served["memory"] > 10 * 2**20
    assert 0 < served["loaded"] <= served["seconds"]
    assert [found["batch"] for found in served["throughput"]] == [1, 2, 4, 8, 16, 32]
    for found in served["throughput"]:
        assert found["perSecond"] > 10
        assert 0 < found["medianMilliseconds"] <= found["p99Milliseconds"]


def test_every_command_that_is_named_is_there() -> None:
    context = click.Context(main)
    names = main.list_commands(context)
    assert {"run", "pack", "check"} <= set(names)
    assert all(isinstance(main.get_command(context, name), click.Command) for name in names)
    assert main.get_command(context, "pakc") is None


def test_the_operators_image_has_its_own_command_and_nothing_of_packing(tmp_path: Path) -> None:
    assert "bundle" not in {*OPERATOR_CODE, *FETCHER_CODE}
    for part in OPERATOR_CODE:
        copy = shutil.copytree if (CODE / part).is_dir() else shutil.copy
        (tmp_path / "slipway").mkdir(exist_ok=True)
        copy(CODE / part, tmp_path / "slipway" / part)
    source = "import click, slipway.program as p; print(p.main.list_commands(click.Context(p.main)))"
    told = subprocess.run(
        [sys.executable, "-c", source], env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "['run']"


def test_what_a_stranger_has_named_orders_no_terminal_about(capsys: pytest.CaptureFixture[str]) -> None:
    print_columns([("takes", "x\x1b]0;y\x07\u202e\n"), ("gives", "é 你好")])
    with pytest.raises(click.ClickException) as ended, errors_reported():
        raise BundleError("1/\x9b2J: not there;\nadd it")

    assert "".join(capsys.readouterr().out.split("\n")).isprintable()
    assert ended.value.message == "1/\\x9b2J: not there;\nadd it"


AWS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"


@pytest.mark.parametrize(
    ("words", "here"),
    [
        (["push", "{b}", "s3://models/m/1"], f"Here source.secretName is {AWS} in the environment or --keys."),
        (["check", "s3://models/m/1"], f"Here source.secretName is {AWS} in the environment."),
        (
            ["pull", "s3://m/1", "out", "--endpoint", "s3:7070"],
            "Here source.s3.endpoint is AWS_ENDPOINT_URL or --endpoint.",
        ),
        (["check", "{e}"], "Here source.decryption is --identity."),
    ],
)
def test_words_about_a_manifest_say_what_a_command_has_instead(bundle: Path, words: list[str], here: str) -> None:
    encrypted = bundle.parent / "encrypted"
    recipient = keys.identity(bundle.parent / "identity.txt")
    assert slipway("encrypt", bundle, "--out", encrypted, "-r", recipient).exit_code == 0
    none = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    told = slipway(*(word.format(b=bundle, e=encrypted) for word in words), **none)
    assert told.exit_code == 1
    assert here in told.stderr


@pytest.mark.parametrize("scheme", console.KEYS)
def test_the_keys_that_are_named_are_those_that_a_command_hands_over(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "none"))
    named = re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", console.KEYS[scheme])
    for variable in named:
        monkeypatch.setenv(variable, variable)
    told = console.in_place_of_fields(f"{scheme}://m/1: no credentials; name a Secret in source.secretName", ())
    assert told == f"\nHere source.secretName is {console.KEYS[scheme]} in the environment."
    given = {file.read_text() for file in keys_of_environment(scheme, tmp_path).iterdir()}
    assert given == set(named)


@pytest.mark.parametrize(
    ("host", "told"),
    [
        (
            "https://models.s3.us-east-1.amazonaws.com",
            "\nHere a store that is not AWS is named by AWS_ENDPOINT_URL or --endpoint.",
        ),
        ("http://127.0.0.1:9", ""),
    ],
)
def test_a_store_that_was_looked_for_at_amazon_is_named_by_its_endpoint(host: str, told: str) -> None:
    said = f"SourceUnavailable: s3://models/m/1: no connection to {host}: connect error; check the address"
    assert console.in_place_of_fields(said, {"--endpoint"}) == told


def test_every_field_that_the_fetcher_and_the_guard_name_is_something_to_a_command_or_to_none() -> None:
    """A new one belongs into console.FIELDS, or here."""
    only_in_a_manifest = {"source.s3", "s3.forcePathStyle", "server.lockedApis", "server.resources.limits.memory"}
    words = re.compile(r"\b(?:source|server|s3)(?:\.[a-z]\w*)+")
    constants = (
        node.value
        for folder in ("fetch", "guard")
        for file in (CODE / folder).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    named = {word for text in constants for word in words.findall(text)}
    assert {"source.uri", "server.leastVersion"} <= named
    assert named - console.FIELDS.keys() == only_in_a_manifest


def test_keys_look_into_a_directory(bundle: Path) -> None:
    keys.key(bundle.parent)
    told = slipway("check", "s3://models/m/1", "--key", bundle.parent / "key.pub")
    assert "s3://models/m/1: --key and --identity look into a directory; `slipway pull` it first" in told.stderr
