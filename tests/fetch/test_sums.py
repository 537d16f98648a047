"""SHA256SUMS: read as sha256sum writes it, refused with the line otherwise."""

import hashlib
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.fetch import sums
from slipway.fetch.verdict import FetchError, Reason
from tests.fetch import bundles

A, B = "a" * 64, "b" * 64


@pytest.mark.parametrize(
    ("content", "listed"),
    [
        (f"{A}  1/model.onnx\n", {"1/model.onnx": A}),
        (f"{A} *binary\n", {"binary": A}),
        (f"{A.upper()}  x\n", {"x": A}),
        (f"{A}  ./1/m\r\n{B}  c\n\n", {"1/m": A, "c": B}),
        (f"{A}  a name  with spaces", {"a name  with spaces": A}),
    ],
)
def test_a_list_is_read_as_sha256sum_writes_it(content: str, listed: dict[str, str]) -> None:
    assert sums.parse(content.encode()) == listed


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "names no file"),
        (b"\n\n", "names no file"),
        (b"\xff\xff", "not UTF-8 at byte 0"),
        (f"{A}  a\n{A[:-1]}  b\n".encode(), "line 2"),
        (f"{A} a\n".encode(), "line 1"),
        (f"{A}  a\n{B}  a\n".encode(), "line 2: a is listed twice"),
        (f"{A}  a\n{B}  ./a\n".encode(), "line 2: a is listed twice"),
        (f"{A}  SHA256SUMS\n".encode(), "lists itself"),
        (f"\\{A}  a\\nb\n".encode(), "line break"),
    ],
)
def test_what_is_no_list_is_refused_with_its_line(content: bytes, said: str) -> None:
    with pytest.raises(FetchError, match=said) as refused:
        sums.parse(content)
    assert refused.value.reason is Reason.BUNDLE_INVALID


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="\\"), min_size=1).filter(
            lambda name: not name.startswith("./") and name != sums.NAME
        ),
        st.binary(max_size=8),
        min_size=1,
    )
)
def test_what_is_written_reads_back(files: dict[str, bytes]) -> None:
    whole = bundles.listed(files)
    expected = {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}
    assert sums.parse(whole[sums.NAME]) == expected


def test_the_list_is_the_one_that_sha256sum_makes(tmp_path: Path) -> None:
    files = bundles.files()
    bundles.write(tmp_path, files)
    made = subprocess.run(["sha256sum", *sorted(files)], cwd=tmp_path, capture_output=True, check=True).stdout
    assert made == bundles.listed(files)[sums.NAME]


def test_the_digest_is_that_of_the_list() -> None:
    assert sums.digest_of(b"x") == f"sha256:{hashlib.sha256(b'x').hexdigest()}"


def test_a_listings_digest_changes_with_name_size_and_tag_and_not_with_order() -> None:
    one, two = ("a", 1, "t"), ("b", 2, "u")
    digest = sums.digest_of_listing([one, two])
    assert digest == sums.digest_of_listing([two, one])
    others = [[one], [one, ("b", 3, "u")], [one, ("b", 2, "v")], [one, ("c", 2, "u")]]
    assert len({digest, *(sums.digest_of_listing(other) for other in others)}) == 5


def test_the_command_that_messages_and_docs_give_lists_every_file(tmp_path: Path) -> None:
    plain = bundles.files(**{"1/a name with blanks": b"x", "1/deep/er": b"y", "1/it's": b"z"})
    directory = bundles.write(tmp_path, plain)
    (directory / sums.SIGNATURE).write_bytes(b"signed")
    subprocess.run(["bash", "-c", sums.COMMAND], cwd=directory, check=True)
    assert sums.parse((directory / sums.NAME).read_bytes()).keys() == plain.keys()
    assert sums.COMMAND in (Path(__file__).parents[2] / "docs/bundle.md").read_text()
