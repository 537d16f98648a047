"""Evaluate: a served model on labelled rows, the report, and the Statement that publish takes."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined]

from slipway.bundle import evaluate, evaluation_file
from slipway.bundle.errors import BundleError
from slipway.bundle.evaluate import Evaluation
from slipway.bundle.labelled import of_columns
from slipway.guard import labelled, model_config
from tests.bundle import commands
from tests.guard.pod import Container, container
from tests.triton import models
from tests.triton.installation import installed

D = "sha256:" + "a" * 64
DONE = Evaluation(dataset="jan<uary>", digest="b" * 64, rows=40, metrics={"f1": 0.91, "log_loss": 0.3})
BESIDE = Evaluation(dataset="january", digest="b" * 64, rows=40, metrics={"f1": 0.71}, against={"f1": 0.9})


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Container]:
    """A server of y = 2x + 1."""
    made = container(tmp_path / "pod", installed())
    models.linear(made.repository)
    made.golden(models.golden())
    made.start()
    made.until_verified()
    yield made
    made.remove()


@pytest.fixture
def key(tmp_path: Path) -> Path:
    file = tmp_path / "key.pem"
    made = ec.generate_private_key(ec.SECP256R1())
    file.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return file


def ends(result: Any) -> str:
    """What a command said that ended well."""
    assert result.exit_code == 0, result.output
    return str(result.stdout)


@pytest.mark.triton
def test_a_served_model_is_measured_by_every_kind_of_file_alike(pod: Container, tmp_path: Path, key: Path) -> None:
    # given: labels that are off by a half in one row of forty
    x = np.arange(40, dtype=np.float32)
    y = (2 * x + 1 + (x == 7) / 2).astype(float)
    np.savez(tmp_path / "t.npz", x=x.reshape(-1, 1), y=y)
    (tmp_path / "t.csv").write_text("a,y\n" + "".join(f"{a},{b}\n" for a, b in zip(x, y, strict=True)))
    lines = [json.dumps({"inputs": {"x": [float(a)]}, "label": float(b)}) for a, b in zip(x, y, strict=True)]
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    url = f"http://127.0.0.1:{pod.ports[0]}"

    # when
    found = [
        json.loads(ends(commands.slipway("evaluate", url, "m", "--labelled", tmp_path / name, "-o", "json")))
        for name in ("t.npz", "t.csv", "t.jsonl")
    ]

    # then
    assert [each["metrics"]["mean_absolute_error"] for each in found] == [pytest.approx(0.0125)] * 3
    assert {each["dataset"]["rows"] for each in found} == {40}

    # and: beside another, with the report and a signed Statement
    words = ("--against", url, "--metric", "r2", "--digest", D, "--key", key, "--out", tmp_path / "report")
    said = ends(commands.slipway("evaluate", url, "m", "--labelled", tmp_path / "t.csv", *words))
    assert "+0" in said
    assert evaluation_file.metrics_of(tmp_path / "report" / "evaluation.json", D)[0]["name"] == "r2"


@pytest.mark.triton
def test_what_cannot_be_measured_is_said_in_a_sentence(pod: Container, tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("a,b,y\n1,2,3\n")
    url = f"http://127.0.0.1:{pod.ports[0]}"
    cases: list[tuple[tuple[Any, ...], str]] = [
        ((url, "m", "--labelled", file), "t.csv:1: inputs[0].data: shape [1, 1] has 1 elements, found 2"),
        ((url, "n", "--labelled", file), "answered 404"),
        ((url, "m", "--labelled", file, "--label", "z"), "has no column 'z'"),
        ((url, "m", "--labelled", file, "--metric", "f2"), "metric: no 'f2'; there are accuracy,"),
        (("http://127.0.0.1:1", "m", "--labelled", file), "is it the server's URL?"),
        (("nowhere", "m", "--labelled", file), "is it the server's URL?"),
        ((url, "m", "--labelled", file, "--header", "x"), "header: 'x' is not NAME: VALUE"),
    ]
    for words, says in cases:
        result = commands.slipway("evaluate", *words)
        assert result.exit_code != 0
        assert says in result.output
        assert "Traceback" not in result.output


def test_columns_of_a_table_are_one_input_or_an_input_each() -> None:
    data = labelled.read({"t": b'{"inputs": {"a": 1, "b": 2}, "label": 0}'})
    one = model_config.ModelConfig(batched=True, inputs={"x": (-1, 2)}, datatypes={"x": "FP32"}, outputs={})
    assert of_columns(data, one).rows[0].inputs == {"x": [1, 2]}
    each = model_config.ModelConfig(inputs={"a": (1,), "b": (1,)}, datatypes={}, outputs={})
    assert of_columns(data, each).rows[0].inputs == {"a": 1, "b": 2}


def test_the_statement_is_over_the_digest_and_its_signature_verifies(tmp_path: Path, key: Path) -> None:
    content = evaluation_file.statement(BESIDE, D, key)
    envelope = Envelope.from_dict(json.loads(content))
    public = SSlibKey.from_crypto(load_pem_private_key(key.read_bytes(), None).public_key())
    assert envelope.verify([public], 1)
    said = json.loads(envelope.payload)
    assert said["subject"] == [{"name": "bundle", "digest": {"sha256": "a" * 64}}]
    assert said["predicate"]["metrics"] == {"f1": 0.71}
    assert said["predicate"]["against"] == {"f1": 0.9}
    assert base64.b64decode(json.loads(content)["payload"]) == envelope.payload


def test_publish_takes_a_statement_over_its_digest_and_no_other(tmp_path: Path) -> None:
    file = tmp_path / "evaluation.json"
    file.write_bytes(evaluation_file.statement(DONE, D))
    assert evaluation_file.metrics_of(file, D) == [
        {"name": "f1", "value": "0.91", "dataset": "jan<uary>"},
        {"name": "log_loss", "value": "0.3", "dataset": "jan<uary>"},
    ]
    with pytest.raises(BundleError, match=f"is about {D}, and not sha256:bbb"):
        evaluation_file.metrics_of(file, "sha256:" + "b" * 64)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"payload": "x"}', b'{"payload": 1}', b"[" * 100_000, b"\xff"]
)
def test_a_file_that_is_no_statement_is_said(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "evaluation.json"
    file.write_bytes(content)
    with pytest.raises(BundleError, match="is no Statement of slipway evaluate"):
        evaluation_file.metrics_of(file, D)


@pytest.mark.parametrize("done", [DONE, BESIDE])
def test_the_report_is_a_table_and_a_chart_that_can_be_read(tmp_path: Path, done: Evaluation) -> None:
    files = evaluation_file.write(done, tmp_path / "report", None)
    assert set(files) == {"table", "chart"}
    assert files["table"].read_text().startswith("| metric | value |")
    drawn = ElementTree.fromstring(files["chart"].read_text())
    bars = [each for each in drawn if each.tag.endswith("rect")]
    assert len(bars) == 2
    assert [int(each.attrib["width"]) for each in bars] in ([320, 320], [252, 320])


class Odd(BaseHTTPRequestHandler):
    """A server that has no end, or drips, or answers too deep."""

    def do_GET(self) -> None:
        self.send_response(200)
        if "deep" in self.path:
            self.send_header("Content-Length", "10000")
        self.end_headers()
        pause = 0.05 if "drips" in self.path else 0
        piece = b" " if pause else b"[" * 10_000
        with suppress(OSError):
            self.wfile.write(piece)
            while "deep" not in self.path and not self.ended.wait(pause):
                self.wfile.write(piece)

    ended = threading.Event()

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("endless", "the answer has more than 1 MiB"),
        ("drips", "no whole answer within 1 s"),
        ("deep", "maximum recursion depth exceeded"),
    ],
)
def test_an_answer_has_an_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model: str, says: str) -> None:
    monkeypatch.setattr(evaluate, "_MOST_BYTES", 1 << 20)
    monkeypatch.setattr(evaluate, "_WHOLE_SECONDS", 1.0)
    (tmp_path / "rows.jsonl").write_text('{"inputs": {"x": [1]}, "label": 0}\n')
    with ThreadingHTTPServer(("127.0.0.1", 0), Odd) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        told = commands.slipway("evaluate", url, model, "--labelled", tmp_path / "rows.jsonl")
        Odd.ended.set()
        server.shutdown()
    Odd.ended.clear()
    assert (told.exit_code, says in told.output) == (1, True), told.output
