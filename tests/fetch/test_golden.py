"""Golden requests of a bundle against what its config.pbtxt declares."""

import base64
import codecs
import copy
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from slipway.fetch import golden, model, sums, verdict
from slipway.fetch import resolve as resolving
from slipway.fetch.fetch import fetch
from slipway.fetch.policy import Policy
from slipway.fetch.verdict import FetchError, Reason
from slipway.guard import golden as guard
from tests.fetch import bundles
from tests.fetch.conftest import Order

CONFIG = b"""
backend: "onnxruntime"
max_batch_size: 4
input [
  { name: "x" data_type: TYPE_FP32 dims: [2] },
  { name: "hint" data_type: TYPE_STRING dims: [1] optional: true }
]
output [{ name: "y" data_type: TYPE_INT64 dims: [-1] }]
"""
REQUEST: dict[str, Any] = {
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [2, 2], "data": [1, 2.5, 3, 4]}],
    "outputs": [{"name": "y", "datatype": "INT64", "shape": [2, 3], "data": [1, 2, 3, 4, 5, 6]}],
    "tolerance": {"absolute": "0.5"},
}


def check(content: bytes, config: bytes = CONFIG) -> None:
    model.check_golden({"golden/a.json": content}, model.configure(config, None, "churn"))


def test_a_request_that_fits_is_accepted() -> None:
    check(json.dumps(REQUEST).encode())


def _asked(data: list[Any], absolute: str | None = "0.5", kind: str = "FP32") -> bytes:
    request = {**REQUEST, "outputs": [{"name": "y", "datatype": kind, "shape": [len(data)], "data": data}]}
    del request["tolerance"]
    return json.dumps({**request, "tolerance": {"absolute": absolute}} if absolute else request).encode()


TELLING: dict[str, list[bytes]] = {
    "none": [],
    "beyond the tolerance": [_asked([0.1, 0.6])],
    "one of several": [_asked([0.1]), _asked([7])],
    "zeros that are right": [_asked([0, 0])],
    "without a tolerance": [_asked([0.00001], None)],
    "numbers that are counted": [_asked([1], "3", "INT64")],
    "texts": [_asked(["a"], "3", "BYTES")],
    "NaN": [_asked(["NaN"])],
    "an infinity": [_asked(["-Infinity"], "1e300")],
    "a later step": [b"[%s, %s]" % (_asked([0.1]), _asked([9]))],
}
SILENT: dict[str, list[bytes]] = {
    "all within": [_asked([0.1, -0.5])],
    "each of several": [_asked([0.1]), _asked([0.4, 0])],
    "any number": [_asked([1e30], "1e300")],
    "relative": [_asked([5.0]).replace(b'"absolute": "0.5"', b'"relative": 1')],
    "each step": [b"[%s, %s]" % (_asked([0.1]), _asked([0.2]))],
}


@pytest.mark.parametrize("what", TELLING)
def test_a_request_tells_a_model_from_zeros(what: str) -> None:
    golden.check_telling({f"golden/{number}.json": content for number, content in enumerate(TELLING[what])})


@pytest.mark.parametrize("what", SILENT)
def test_requests_that_zeros_pass_are_no_proof(what: str) -> None:
    with pytest.raises(FetchError, match=r"golden/0\.json: tolerance: an answer of zeros would pass") as refused:
        golden.check_telling({f"golden/{number}.json": content for number, content in enumerate(SILENT[what])})
    assert refused.value.reason is Reason.BUNDLE_INVALID


def test_they_are_refused_when_the_bundle_is_resolved_and_serve_on_where_they_were(
    order: Order, policy: Policy, tmp_path: Path
) -> None:
    plain = bundles.files(
        **{"golden/three.json": json.dumps({**bundles.GOLDEN, "tolerance": {"absolute": 9}}).encode()}
    )
    bundle = bundles.listed(plain)
    bundles.write(tmp_path / "claim" / "a", bundle)
    with pytest.raises(FetchError, match="an answer of zeros would pass"):
        resolving.resolve(order("pvc://claim/a"), policy)
    fetch(order("pvc://claim/a", bundles.digest(bundle)), policy)


def test_nested_data_counts_its_elements() -> None:
    request = copy.deepcopy(REQUEST)
    request["inputs"][0]["data"] = [[1, 2.5], [3, 4]]
    check(json.dumps(request).encode())


def _set(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(request: dict[str, Any]) -> None:
        target: Any = request
        *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
        for step in way:
            target = target[step]
        target[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_set("inputs", []), r"golden/a\.json: inputs"),
        (_set("outputs", "y"), r"golden/a\.json: outputs"),
        (_set("output", []), "output"),
        (_set("inputs.0.name", "z"), r"inputs\[0\]\.name: the model has no 'z'; config.pbtxt declares x, hint"),
        (_set("inputs.0.datatype", "FP16"), r"inputs\[0\]\.datatype: FP16, and config.pbtxt has 'x' as FP32"),
        (_set("inputs.0.datatype", "FLOAT"), r"inputs\[0\]\.datatype"),
        (_set("inputs.0.shape", [2, 3]), r"inputs\[0\]\.data"),
        (
            _set("inputs.0.shape", [4]),
            r"inputs\[0\]\.shape: 'x' has \[4\], and config.pbtxt declares dims \[2\] after the batch; .* see \[4, 2\]",
        ),
        (_set("inputs.0.shape", [1, 4]), r"inputs\[0\]\.shape"),
        (_set("inputs.0.data", [1, 2, 3]), r"inputs\[0\]\.data"),
        (_set("inputs.0.data.1", "two"), r"inputs\[0\]\.data\[1\]"),
        (_set("outputs.0.data.2", 1.5), r"outputs\[0\]\.data\[2\]"),
        (_set("outputs.0.data.2", 2**63), r"outputs\[0\]\.data\[2\]"),
        (_set("tolerance.absolute", "-1"), "tolerance.absolute"),
        (_set("inputs.0.name", "hint"), r"inputs\[0\]\.datatype"),
    ],
)
def test_what_does_not_fit_is_refused_with_file_and_field(change: Callable[[dict[str, Any]], None], said: str) -> None:
    request = copy.deepcopy(REQUEST)
    change(request)
    with pytest.raises(FetchError, match=said) as refused:
        check(json.dumps(request).encode())
    assert refused.value.reason is Reason.BUNDLE_INVALID


def test_a_batch_larger_than_the_models_is_refused() -> None:
    request = copy.deepcopy(REQUEST)
    request["inputs"][0] |= {"shape": [5, 2], "data": [0] * 10}
    with pytest.raises(FetchError, match=r"must begin with a batch of 1 to 4"):
        check(json.dumps(request).encode())


def test_an_input_that_is_declared_and_not_given_is_named() -> None:
    config = CONFIG.replace(b" optional: true", b"")
    with pytest.raises(FetchError, match="inputs: 'hint' is missing"):
        check(json.dumps(REQUEST).encode(), config)


@pytest.mark.parametrize("content", [b"", b"{", b"\x00", b"[" * 100_000])
def test_what_is_not_json_is_refused_with_the_file(content: bytes) -> None:
    with pytest.raises(FetchError, match=r"golden/a\.json: not JSON"):
        check(content)


@pytest.mark.parametrize("content", [b"[]", b"3", b"null"])
def test_what_is_no_request_is_refused_with_the_file(content: bytes) -> None:
    with pytest.raises(FetchError, match=r"golden/a\.json: expected an object"):
        check(content)


@pytest.mark.parametrize("file", ["golden/a.json", "config.pbtxt", "SHA256SUMS"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.encode("utf-8-sig"), "begins with a byte order mark; save it as UTF-8 without one"),
        (lambda text: text.encode("utf-16"), "is not UTF-8 but UTF-16 or UTF-32"),
        (lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"), "is not UTF-8 but UTF-16 or UTF-32"),
        (lambda text: text.encode("utf-32"), "is not UTF-8 but UTF-16 or UTF-32"),
        (lambda text: b"\xff" + text.encode(), "not UTF-8 at byte 0; save it as UTF-8"),
    ],
)
def test_text_in_another_encoding_is_refused_with_what_it_is(
    file: str, change: Callable[[str], bytes], said: str
) -> None:
    """As editors and PowerShell on Windows write it."""
    read: dict[str, tuple[str, Callable[[bytes], object]]] = {
        "golden/a.json": (json.dumps(REQUEST), check),
        "config.pbtxt": (CONFIG.decode(), lambda content: check(json.dumps(REQUEST).encode(), content)),
        sums.NAME: (f"{'0' * 64}  config.pbtxt\n", sums.parse),
    }
    text, reader = read[file]
    reader(text.encode())
    with pytest.raises(FetchError, match=said) as refused:
        reader(change(text))
    assert refused.value.reason is Reason.BUNDLE_INVALID
    assert refused.value.message.startswith(f"{file}: ")


@pytest.mark.parametrize("literal", ["1e400", "-1e400", "1" + "0" * 400 + ".0"])
@pytest.mark.parametrize("path", ["inputs.0.data.1", "tolerance.absolute"])
def test_a_number_that_no_float_holds_is_not_read_as_an_infinity(literal: str, path: str) -> None:
    request = copy.deepcopy(REQUEST)
    _set(path, "HERE")(request)
    with pytest.raises(FetchError, match=r"golden/a\.json: .*is more than a float holds; write \"Infinity\""):
        check(json.dumps(request).replace('"HERE"', literal).encode())


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", '"NaN"', '"Infinity"', '"-Infinity"', "1e308"])
def test_what_is_meant_to_be_none_may_be_written_as_number_or_text(literal: str) -> None:
    request = json.dumps(REQUEST).replace("2.5", literal)
    config = CONFIG.replace(b"TYPE_FP32", b"TYPE_FP64")
    check(request.replace("FP32", "FP64").encode(), config)


NUMBERS = st.one_of(
    st.integers(0, 1).map(str),
    st.floats(width=16).map(json.dumps),
    st.floats().map(json.dumps),
    st.integers(-(10**400), 10**400).map(str),
    st.sampled_from(["1e400", "-1e39", "1e-400", "65520", "true", "null", '"NaN"', "[[1]]"]),
    st.integers(1, 2000).map(lambda depth: "[" * depth + "1" + "]" * depth),
)
TEXTS = (
    st.text(max_size=3).map(json.dumps)
    | st.just('"\\ud800"')
    | st.binary(max_size=3).map(lambda found: json.dumps({"b64": base64.b64encode(found).decode()}))
    | st.text(max_size=3).map(lambda found: json.dumps({"b64": found}))
)


@st.composite
def requests(draw: st.DrawFn) -> tuple[bytes, str]:
    """A request for `x` as somebody may have saved it, and the datatype of `x`."""
    kind = draw(st.sampled_from(["BYTES", "FP32", "FP64", "FP16", "BF16", "INT64", "BOOL"]))
    values = draw(st.lists(TEXTS if kind == "BYTES" else NUMBERS, min_size=1, max_size=2))
    tensor = f'"name": "x", "datatype": "{kind}", "shape": [{len(values)}], "data": [{", ".join(values)}]'
    right = '"name": "y", "datatype": "FP32", "shape": [1], "data": [0.5]'
    encoding = draw(st.just("utf-8") | st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"]))
    return f'{{"inputs": [{{{tensor}}}], "outputs": [{{{right}}}]}}'.encode(encoding), kind


@given(requests() | st.binary(max_size=30).map(lambda content: (content, "FP32")))
@example((b"\xef\xbb\xbf" + json.dumps(REQUEST).encode(), "FP32"))
@example((json.dumps(REQUEST).encode("utf-16"), "FP32"))
@settings(deadline=None)
def test_whatever_the_fetcher_takes_the_guard_takes_and_is_told_as_json(made: tuple[bytes, str]) -> None:
    """Two pods would start for what they read differently, and a canary would ask something else."""
    content, kind = made
    tensors = 'input { name: "x" data_type: TYPE_KIND dims: -1 } output { name: "y" data_type: TYPE_FP32 dims: -1 }'
    config = f'backend: "x" {tensors}'.replace("KIND", "STRING" if kind == "BYTES" else kind)
    try:
        check(content, config.encode())
    except FetchError:
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "golden/a.json"
        file.parent.mkdir()
        file.write_bytes(content)
        (taken,) = guard.load(Path(folder), Path(folder))
    (asked,) = resolving.asks({"golden/a.json": content})
    again = json.loads(verdict.answer_text({"model": {"inputs": [], "outputs": []}, "asks": [asked]}))
    told = guard.parse_tensors(again["resolved"]["asks"][0], "inputs")
    assert repr(told) == repr(taken.inputs)


def test_the_overlay_is_laid_on_and_the_name_is_tritons_directory() -> None:
    configured = model.configure(bundles.CONFIG, {"maxBatchSize": 2}, "churn")
    assert configured.declared["maxBatchSize"] == 2
    assert 'name: "churn"' in configured.text


def test_an_overlay_that_does_not_fit_is_the_specs_fault() -> None:
    with pytest.raises(FetchError, match=r"spec\.model\.config\.maxBatchSize") as refused:
        model.configure(bundles.CONFIG, {"maxBatchSize": 0}, "churn")
    assert refused.value.reason is Reason.SPEC_INVALID


@pytest.mark.parametrize(
    ("config", "said"),
    [(b"name: ", "config.pbtxt: line 1"), (b"\xff", "not UTF-8"), (b'backend: "onnxruntime"', "config.pbtxt: input")],
)
def test_a_configuration_that_cannot_be_served_is_the_bundles_fault(config: bytes, said: str) -> None:
    with pytest.raises(FetchError, match=said) as refused:
        model.configure(config, None, "churn")
    assert refused.value.reason is Reason.BUNDLE_INVALID


DECOUPLED = CONFIG + b"model_transaction_policy { decoupled: true }"
SEQUENCES = CONFIG + b"sequence_batching { }"
RESPONSES: dict[str, Any] = {
    "inputs": REQUEST["inputs"],
    "responses": [{"outputs": REQUEST["outputs"]}, {"outputs": REQUEST["outputs"]}],
}


@pytest.mark.parametrize(("document", "config"), [([REQUEST, REQUEST], SEQUENCES), (RESPONSES, DECOUPLED)])
def test_what_fits_the_way_in_which_the_model_is_asked_is_accepted(document: Any, config: bytes) -> None:
    check(json.dumps(document).encode(), config)


@pytest.mark.parametrize(
    ("document", "config", "said"),
    [
        ([REQUEST, REQUEST], CONFIG, "golden/a.json: several requests are one sequence, and config.pbtxt has no"),
        (RESPONSES, CONFIG, "golden/a.json: responses: only a decoupled model has several"),
        ([REQUEST, {**REQUEST, "inputs": []}], SEQUENCES, r"golden/a.json: \[1\]: inputs"),
        (
            {**RESPONSES, "responses": [RESPONSES["responses"][0], {"outputs": REQUEST["inputs"]}]},
            DECOUPLED,
            r"golden/a.json: responses\[1\].outputs\[0\].name: the model has no 'x'",
        ),
        (
            REQUEST,
            DECOUPLED.replace(b"dims: [2] }", b"dims: [-1] }"),
            r"golden/a.json: inputs\[0\].shape: \[2, 2\] cannot be",
        ),
        (
            REQUEST,
            DECOUPLED + b" sequence_batching { }",
            "config.pbtxt: model_transaction_policy.decoupled: with sequence",
        ),
        (REQUEST, DECOUPLED.replace(b"TYPE_INT64", b"TYPE_BF16"), "config.pbtxt: output: 'y' is BF16"),
    ],
)
def test_what_does_not_fit_it_is_refused_before_a_server_starts(document: Any, config: bytes, said: str) -> None:
    with pytest.raises(FetchError, match=said) as refused:
        check(json.dumps(document).encode(), config)
    assert refused.value.reason is Reason.BUNDLE_INVALID


def test_a_comparison_asks_a_sequences_first_request_with_its_parameters() -> None:
    first = {"inputs": REQUEST["inputs"], "parameters": {"priority": 1}}
    files = {
        "golden/a.json": json.dumps([{**REQUEST, **first}, REQUEST]).encode(),
        "golden/b.json": json.dumps(RESPONSES).encode(),
    }
    assert list(resolving.asks(files)) == [first, {"inputs": REQUEST["inputs"]}]
