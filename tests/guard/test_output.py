"""What is quoted of the server's output. The lines are those of real servers (2.51)."""

import io

import pytest

from slipway.guard.output import Output

STAMP = "2026-01-31T10:20:30Z"
NOISE = f'{STAMP} E 7009 server.cc:241] "CudaDriverHelper has not been initialized."'
LAST = "error: creating server: Internal - failed to load all models"


def _heard(*lines: str) -> Output:
    output = Output(secret="KEY")
    for line in lines:
        output.note(line)
    return output


RAISED = (
    f"{STAMP} E 7009 model_lifecycle.cc:642] \"failed to load 'm' version 1: Internal: ValueError: no weights"
    '\\nin sight\\n\\nAt:\\n  /m/1/model.py(3): initialize\\n"'
)
INSTANCE = f'{STAMP} E 7009 backend_model.cc:692] "ERROR: Failed to create instance: ValueError: no weights"'
DEFAULT_FORMAT = "E0131 10:20:30.123456 7009 model_lifecycle.cc:642] failed to load 'm' version 1: Not found: a b"
PARSED = '[libprotobuf ERROR /tmp/text_format.cc:337] Error parsing text-format inference.ModelConfig: 6:4: no "f".'
POLL = f"{STAMP} E 6960 model_repository_manager.cc:1460] \"Poll failed for model directory 'm': failed to read\""
POLLED = (
    'Error parsing text-format inference.ModelConfig: 6:4: no "f".; '
    "Poll failed for model directory 'm': failed to read"
)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([INSTANCE, RAISED], "failed to load 'm' version 1: Internal: ValueError: no weights\nin sight"),
        ([DEFAULT_FORMAT], "failed to load 'm' version 1: Not found: a b"),
        ([PARSED, POLL], POLLED),
        ([], None),
    ],
)
def test_the_words_for_a_failed_load_are_found_among_the_rest(lines: list[str], words: str | None) -> None:
    assert _heard(NOISE, *lines, "| m | 1 | UNAVAILABLE |", LAST).why_not_loaded() == words


def test_a_missing_backend_is_named() -> None:
    line = (
        f"{STAMP} E 1 model_lifecycle.cc:642] \"failed to load 'm' version 1: Invalid argument: unable to find backend "
    )
    assert _heard(line + "library for backend 'tensorrt', try specifying runtime\"").missing_backend() == "tensorrt"
    assert _heard(NOISE).missing_backend() is None


def test_a_refused_argument_is_found_before_pages_of_usage() -> None:
    usage = ["Usage: tritonserver [options]", *(f"  --option-{n}" for n in range(100))]
    heard = _heard("/opt/tritonserver/bin/tritonserver: unrecognized option '--foo=1'", *usage)
    assert heard.refused_arguments() == "unrecognized option '--foo=1'"
    assert _heard(*usage).refused_arguments() == "a value is not of the argument's type"
    assert _heard(NOISE).refused_arguments() is None


def test_last_words_are_the_last_lines_with_something_in_them() -> None:
    heard = _heard(*(f"line {n}" for n in range(100)), "", "  ", "x" * 1000)
    assert heard.last_words(3) == "line 98\nline 99\n" + "x" * 400
    assert _heard().last_words() == "(it said nothing)"


def test_however_much_the_server_says_only_so_much_of_it_is_kept() -> None:
    chatter = f'{STAMP} E 7009 pb_stub.cc:1] "unknown token {"x" * 100_000}"'
    output = _heard(*[chatter] * 1_000, RAISED)
    assert output.why_not_loaded() == "failed to load 'm' version 1: Internal: ValueError: no weights\nin sight"
    assert sum(map(len, output._errors)) < 200_000
    assert len(_heard(f"tritonserver: unknown option {'x' * 100_000}").refused_arguments() or "") < 3_000

    output.loaded()
    for _ in range(1_000):
        output.note(chatter)
    assert output._errors == []


@pytest.mark.parametrize("before", range(0, 131_100, 9_973))
def test_a_line_without_an_end_is_copied_in_pieces_and_without_the_secret(
    before: int, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    line = b"x" * before + b"KEY" + b"y" * 200_000
    output = Output(secret="KEY")
    output.follow(_Stream(line + b"\nnext\n"))
    output.finish(5)
    assert capfdbinary.readouterr().out == line.replace(b"KEY", b"***") + b"\nnext\n"
    assert [len(kept) for kept in output.last_words().splitlines()] == [400, 4]


@pytest.mark.parametrize("at", [65_533, 65_534, 65_535, 65_536])
def test_a_secret_that_a_piece_cuts_in_two_is_left_out(at: int, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    output = Output(secret="KEY")
    output.follow(io.BytesIO(b"x" * at + b"KEY" + b"y" * 9))
    output.finish(5)
    assert capfdbinary.readouterr().out == b"x" * at + b"***" + b"y" * 9


class _Stream(io.BytesIO):
    """Of which no more may be had at once than is good for the guard."""

    def readline(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        assert 0 < size <= 1 << 20
        return super().readline(size)


def test_the_stream_is_copied_without_the_secret(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    output = Output(secret="KEY")
    output.follow(io.BytesIO(b"--http-restricted-api=trace:slipway-key=KEY\n\xff\nno line end"))
    output.finish(5)
    assert capfdbinary.readouterr().out == b"--http-restricted-api=trace:slipway-key=***\n\xff\nno line end"
    assert "KEY" not in output.last_words()
