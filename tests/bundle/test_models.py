"""Several models that lie ready become one bundle, which goes the way of every bundle: checked, encrypted, signed,
pushed to a store, pulled again, and answered by the real server."""

import json
import secrets
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from slipway.bundle import pack
from slipway.bundle.check import check
from slipway.bundle.encrypt import decrypted, encrypt
from slipway.bundle.errors import BundleError
from slipway.bundle.place import Place
from slipway.bundle.shrink import shrink
from slipway.bundle.sign import sign, verify
from slipway.bundle.transfer import pull, push
from slipway.program import main
from tests.bundle import graphs
from tests.bundle.conftest import Serve
from tests.bundle.folders import files
from tests.bundle.keys import identity, key
from tests.fetch.conftest import Gateway, gateway, s3
from tests.triton import models

__all__ = ["gateway", "s3"]
X = [1.0, 2.0, 3.0]


def answers(rows: Any) -> Any:
    return {"y": 2 * (2 * rows["x"] + 1) + 1}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """An ensemble of two models, one of them a bundle, as packing and trying it out left them."""
    made = tmp_path / "repository"
    models.ensemble(made, "first: x -> between", "second: between -> y", name="both")
    models.linear(made, "first")
    pack.onnx(graphs.linear(tmp_path / "m.onnx"), np.array([[1.0], [2.0]]), out=made / "second", name="m")
    (made / "first/1/__pycache__").mkdir()
    (made / "first/1/__pycache__/model.pyc").write_bytes(b"")
    (made / "notes").mkdir()
    (made / "first/labels.txt").write_text("odd\n")
    return made


def packed(repository: Path, tmp_path: Path, **more: Any) -> pack.Packed:
    return pack.models(repository, {"x": X}, answers, out=tmp_path / "bundle", **more)


def test_the_model_that_clients_ask_is_at_the_top_and_the_others_are_its_parts(
    repository: Path, tmp_path: Path, served: Serve
) -> None:
    found = packed(repository, tmp_path)
    assert files(tmp_path / "bundle").keys() == {
        "README.md",
        "SHA256SUMS",
        "config.pbtxt",
        "golden/batch.json",
        "golden/one.json",
        "models/first/1/model.onnx",
        "models/first/config.pbtxt",
        "models/first/labels.txt",
        "models/second/1/model.onnx",
        "models/second/config.pbtxt",
        "models/second/golden/batch.json",
        "models/second/golden/one.json",
    }
    assert [(part["name"], part["backend"]) for part in found.model["parts"]] == [
        ("first", "onnxruntime"),
        ("second", "onnxruntime"),
    ]
    assert found.model["maxBatchSize"] == 8
    assert packed(repository, tmp_path, replace=True).digest == found.digest
    assert served(found.directory).said == "2 golden requests answered rightly, with first, second (2 of its own)"


def test_a_python_model_that_calls_another_is_named(repository: Path, tmp_path: Path, served: Serve) -> None:
    models.calling(repository, "both", name="caller")
    with pytest.raises(
        BundleError, match=r"entry: both, caller of .*: any of them could be what clients ask; say which"
    ):
        packed(repository, tmp_path)
    assert len(packed(repository, tmp_path, entry="caller").model["parts"]) == 3
    assert (
        served(tmp_path / "bundle").said
        == "2 golden requests answered rightly, with both, first, second (2 of its own)"
    )


def test_it_goes_the_way_of_every_bundle(repository: Path, tmp_path: Path, s3: Gateway, served: Serve) -> None:
    # given: it was encrypted, all but what is read without a key, and signed
    packed(repository, tmp_path)
    encrypt(tmp_path / "bundle", out=tmp_path / "e", recipients=[identity(tmp_path / "id")])
    encrypted = {path for path in files(tmp_path / "e") if path.endswith(".age")}
    assert encrypted == {
        "models/first/1/model.onnx.age",
        "models/first/labels.txt.age",
        "models/second/1/model.onnx.age",
    }
    sign(tmp_path / "e", key=key(tmp_path))

    # when: it goes to a store and back
    bucket = f"b-{secrets.token_hex(4)}"
    s3.bucket(bucket)
    place = Place(uri=f"s3://{bucket}/texts/1", endpoint=s3.endpoint, keys=tmp_path / "credentials")
    assert push(tmp_path / "e", place).signed
    pull(place, tmp_path / "back")

    # then: it is the same, and is served as the plain one
    assert files(tmp_path / "back") == files(tmp_path / "e")
    assert verify(tmp_path / "back", key=tmp_path / "key.pub").digest == push(tmp_path / "back", place).digest
    with decrypted(tmp_path / "back", tmp_path / "id") as (plain, _):
        assert files(plain) == files(tmp_path / "bundle")
        assert served(plain).said == "2 golden requests answered rightly, with first, second (2 of its own)"


def test_by_command_the_parts_are_told(repository: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.array([[1.0], [2.0]], np.float32))
    np.savez(tmp_path / "y.npz", y=np.array([[7.0], [11.0]], np.float32))
    words = ["models", repository, "--inputs", tmp_path / "x.npz", "--answers", tmp_path / "y.npz"]
    told = CliRunner().invoke(main, ["pack", *map(str, words), "--out", str(tmp_path / "bundle"), "-o", "json"])
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout)["digest"] == check(tmp_path / "bundle").digest
    shown = CliRunner().invoke(main, ["check", str(tmp_path / "bundle")]).stdout
    assert "part             first onnxruntime\n" in shown


def spoil(repository: Path, path: str, content: str) -> None:
    (repository / path).parent.mkdir(parents=True, exist_ok=True)
    (repository / path).write_text(content)


REFUSED: dict[str, tuple[dict[str, str], dict[str, Any], str]] = {
    "an entry model that is not there": (
        {},
        {"entry": "all"},
        r"entry: .* has no model 'all', it has both, first, second",
    ),
    "a configuration": ({"first/config.pbtxt": "backend: 1"}, {}, r"first/config\.pbtxt: line 1"),
    "models of a model": (
        {"first/models/deep/config.pbtxt": ""},
        {},
        r"first/models/deep/: a model of a model; put deep beside first, where all are",
    ),
    "a step that is not there": (
        {"both/config.pbtxt": ""},
        {"entry": "both"},
        r"both/config\.pbtxt: input: none declared",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_packed_is_told(what: str, repository: Path, tmp_path: Path) -> None:
    changed, more, said = REFUSED[what]
    for path, content in changed.items():
        spoil(repository, path, content)
    with pytest.raises(BundleError, match=said):
        packed(repository, tmp_path, **more)
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize(
    ("rows", "right", "said"),
    [
        ({"x": X}, {"y": [7.0]}, "answers: 1 rows, and 3 were asked"),
        ({"x": X}, {"z": X}, "answers: has no 'z'; the model has y"),
        ({"q": X}, {"y": X}, "inputs: has no 'q'; the model has x"),
        ({"x": X}, {"y": [1.0, float("nan"), 2.0]}, "the reference answers NaN there"),
        ({"x": X}, lambda _: 1 / 0, "answers: does not take the examples: division by zero"),
    ],
)
def test_rows_and_answers_are_the_entry_models(
    repository: Path, tmp_path: Path, rows: Any, right: Any, said: str
) -> None:
    with pytest.raises(BundleError, match=said):
        pack.models(repository, rows, right, out=tmp_path / "bundle")


def test_what_the_fetcher_would_refuse_is_not_written(repository: Path, tmp_path: Path) -> None:
    config = repository / "both/config.pbtxt"
    config.write_text(config.read_text().replace("second", "third"))
    with pytest.raises(BundleError, match=r"BundleInvalid: config\.pbtxt: .*the bundle has no model 'third'"):
        packed(repository, tmp_path, entry="both")
    assert not (tmp_path / "bundle").exists()


def test_an_empty_directory_and_none_at_all(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for directory, said in (("empty", "no model in it; lay them out as DIRECTORY/NAME"), ("none", "no such directory")):
        with pytest.raises(BundleError, match=said):
            packed(tmp_path / directory, tmp_path)


def test_an_ensemble_is_shrunk_part_by_part(repository: Path, tmp_path: Path) -> None:
    packed(repository, tmp_path)
    with pytest.raises(BundleError, match="a part as a bundle of its own"):
        shrink(tmp_path / "bundle", out=tmp_path / "small")
