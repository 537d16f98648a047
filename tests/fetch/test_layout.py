"""Which files may make up a bundle."""

import posixpath
import tracemalloc

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from slipway.fetch import layout, model
from slipway.fetch.policy import MIB
from slipway.fetch.stores import Entry
from slipway.fetch.verdict import FetchError, Reason
from tests.fetch import bundles

GOOD = ["config.pbtxt", "1/model.onnx"]


@pytest.mark.parametrize(
    "more",
    [
        [],
        ["2/model.onnx", "10/model.onnx"],
        ["golden/a.json", "labels.txt", "SHA256SUMS"],
        ["1/deep/er/weights.bin", "tokenizer/vocab.txt", ".gitattributes", "v2/notes.txt"],
        ["1/ein Name mit ü.txt"],
    ],
)
def test_a_triton_model_directory_is_accepted(more: list[str]) -> None:
    layout.check([*GOOD, *more])


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        (["1/model.onnx"], "config.pbtxt: not in the bundle, which has 1/model.onnx"),
        (["churn/config.pbtxt", "churn/1/m"], "there is churn/config.pbtxt; let source.uri end in that directory"),
        (["config.pbtxt"], "no version directory"),
        (["config.pbtxt", "model.onnx"], "no version directory"),
        ([*GOOD, "2.tmp/model.onnx"], r"2\.tmp/: Triton would take it for a version"),
        ([*GOOD, "04/model.onnx"], "04/: Triton"),
        ([*GOOD, "0/model.onnx"], "0/: Triton"),
        ([*GOOD, "+2/model.onnx"], "Triton"),
        ([*GOOD, "-1/model.onnx"], "Triton"),
        ([*GOOD, " 2/model.onnx"], "Triton"),
        ([*GOOD, "1/__pycache__/model.cpython-311.pyc"], "__pycache__"),
        ([*GOOD, "../evil"], "leaves the bundle's directory"),
        ([*GOOD, "1/../../evil"], "leaves the bundle's directory"),
        ([*GOOD, "/etc/passwd"], "leaves the bundle's directory"),
        ([*GOOD, "1//model"], "empty or `.` part"),
        ([*GOOD, "1/./model"], "empty or `.` part"),
        ([*GOOD, "1\\model"], "backslash"),
        ([*GOOD, "1/a\nb"], "control character"),
        ([*GOOD, "1/" + "n" * 256], "longer than"),
        ([*GOOD, "1/\udc80"], "not UTF-8"),
        ([*GOOD, "1/model.onnx/part"], "1/model.onnx: a file, and a directory in 1/model.onnx/part"),
    ],
)
def test_what_breaks_a_rule_is_refused_with_its_name(paths: list[str], said: str) -> None:
    with pytest.raises(FetchError, match=said) as refused:
        layout.check(paths)
    assert refused.value.reason is Reason.BUNDLE_INVALID


def test_more_files_than_anyone_needs_are_refused() -> None:
    with pytest.raises(FetchError, match="10001 files"):
        layout.check([f"1/{n}" for n in range(layout.MAX_FILES + 1)])


@given(st.text(st.sampled_from("a./\\2 \x00é"), max_size=12))
@example("..")
@example("a/..")
def test_an_accepted_path_stays_inside(path: str) -> None:
    try:
        layout.check_path(path)
    except FetchError:
        return
    joined = posixpath.normpath(posixpath.join("/bundle", path))
    assert joined == f"/bundle/{path}"


@given(st.text(st.sampled_from("0123456789+- .tmp"), min_size=1, max_size=6))
def test_a_directory_that_stoll_reads_is_a_plain_positive_number_or_refused(name: str) -> None:
    def stoll_reads(text: str) -> bool:
        digits = text.lstrip(" ")
        digits = digits[1:] if digits[:1] in {"+", "-"} else digits
        return digits[:1].isdigit()

    try:
        layout.check([*GOOD, f"{name}/model.onnx"])
    except FetchError:
        return
    assert not stoll_reads(name) or str(int(name)) == name


def test_unlisted_and_missing_files_are_named() -> None:
    listed = {"config.pbtxt": "a", "1/m": "b"}
    layout.check_complete(listed, ["config.pbtxt", "1/m", "SHA256SUMS"])
    with pytest.raises(FetchError, match=r"2\.tmp, x: in the bundle but not in SHA256SUMS") as unlisted:
        layout.check_complete(listed, ["config.pbtxt", "1/m", "x", "2.tmp"])
    assert unlisted.value.reason is Reason.BUNDLE_INVALID
    with pytest.raises(FetchError, match="1/m: SHA256SUMS names it") as missing:
        layout.check_complete(listed, ["config.pbtxt"])
    assert missing.value.reason is Reason.SOURCE_NOT_FOUND


def test_the_empty_objects_that_stand_for_directories_are_no_files() -> None:
    assert layout.without_markers({"1": 0, "1/m": 5, "empty": 0}) == {"1/m", "empty"}
    assert layout.without_markers({"1": 3, "1/m": 5}) == {"1", "1/m"}


def test_a_listing_whose_names_go_on_and_on_is_refused_before_they_are_taken_apart() -> None:
    with pytest.raises(FetchError, match="longer than a file system takes") as refused:
        layout.bounded([Entry(path="a/" * 50_000 + "m", size=1)], "oci://a/b:1")
    assert refused.value.reason is Reason.BUNDLE_INVALID


def test_the_directories_of_deep_names_are_not_kept() -> None:
    """A list of 4 MiB names some thousand paths of 500 directories each, all of them different."""
    deep = "/a" * 500
    paths = {"config.pbtxt", "1/m", *(f"n{number}{deep}" for number in range(400))}
    configured = model.configure(bundles.CONFIG.replace(b"onnxruntime", b"own"), None, "churn")
    layout.check(paths)
    tracemalloc.start()
    assert layout.without_markers(dict.fromkeys(paths, 1)) == paths
    model.check_references(paths, configured)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 * MIB, "all directories of these take 100 MiB"


@pytest.mark.parametrize(
    ("path", "golden"),
    [
        ("golden/a.json", True),
        ("golden/a.txt", False),
        ("golden/deep/a.json", False),
        ("a.json", False),
        ("models/part/golden/a.json", True),
        ("models/part/golden/deep/a.json", False),
        ("models/part/1/golden/a.json", False),
        ("models/golden/a.json", False),
    ],
)
def test_golden_requests_are_the_json_files_of_golden(path: str, golden: bool) -> None:
    assert layout.is_golden(path) is golden
