"""What anybody wrote is shown as it is, and steers no terminal; a log's occurrence is a line of its own."""

import io
import logging
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import slipway
from slipway.guard.printable import LineFormatter, printable, printable_lines

CODE = Path(slipway.__file__).parent
HOSTILE = {
    "a title for the window": ("\x1b]0;all is well\x07", r"\x1b]0;all is well\x07"),
    "a line of its own": ("y\r\nsigned", r"y\r\nsigned"),
    "another line's end": ("y\x85\u2028\u2029signed", r"y\x85\u2028\u2029signed"),
    "letters that run backwards": ("\u202egnp.exe\u202c", r"\u202egnp.exe\u202c"),
    "an isolate that nobody ends": ("\u2067level", r"\u2067level"),
    "digits in another order": ("\u061c\u200e\u200f1", r"\u061c\u200e\u200f1"),
    "shapes that are swapped": ("\u206a\u206f(", r"\u206a\u206f("),
    "a note between the lines": ("\ufff9a\ufffbb", r"\ufff9a\ufffbb"),
    "eight bits": ("\x9b2J\x7f", r"\x9b2J\x7f"),
    "half a letter": ("\udcff", r"\udcff"),
}
STEERING = {"Cc", "Cs", "Zl", "Zp"}
TURNING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def test_nothing_that_a_terminal_obeys_is_left() -> None:
    """Of all characters: controls, half letters, ends of lines, and what turns the direction round."""
    letters = map(chr, range(0x110000))
    wanted = [
        each for each in letters if unicodedata.category(each) in STEERING or unicodedata.bidirectional(each) in TURNING
    ]
    assert len(wanted) > 2_000
    assert [each for each in wanted if each in printable(each)] == []


@pytest.mark.parametrize("what", HOSTILE)
def test_what_steers_a_terminal_is_escaped_for_people_to_see(what: str) -> None:
    text, shown = HOSTILE[what]
    assert printable(text) == shown


@given(st.text())
@example("שלום, سلام, नमस्ते, 👩\u200d🔬, Grüße, 你\u3000好")
def test_text_of_any_script_is_shown_as_it_is(text: str) -> None:
    shown = printable(text)
    assert printable(shown) == shown
    assert printable_lines(text).split("\n") == [printable(line) for line in text.split("\n")]
    if text.isprintable():
        assert shown == text


@pytest.mark.parametrize("what", HOSTILE)
def test_an_occurrence_is_one_line_of_a_log_and_those_of_its_trace_are_indented(what: str) -> None:
    text, shown = HOSTILE[what]
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LineFormatter("%(levelname)s %(message)s"))
    log = logging.Logger("of a test")
    log.addHandler(handler)
    try:
        raise ValueError(text)
    except ValueError:
        log.exception("%s is refused", text)
    first, *trace, end = stream.getvalue().split("\n")
    assert first == f"ERROR {shown} is refused"
    assert end == ""
    assert all(line.startswith("    ") and printable(line) == line for line in trace)


@pytest.mark.parametrize("package", ["bundle", "catalogue"])
def test_what_commands_print_goes_through_the_one_place_that_escapes(package: str) -> None:
    """But for a manifest, which is for a file and has an escape of its own."""
    past = re.compile(r"\b(click\.s?echo|print|sys\.std(out|err)\.\w+)\(")
    files = [file for file in (CODE / package).rglob("*.py") if past.search(file.read_text())]
    assert {file.name for file in files} <= {"console.py", "pack.py"} | (
        {"commands.py"} if package != "bundle" else set()
    )


def test_every_log_of_a_program_has_this_form() -> None:
    """The operator's other form is JSON, which is ASCII."""
    files = [file for file in CODE.rglob("*.py") if "StreamHandler(" in file.read_text()]
    assert len(files) == 4
    assert all("LineFormatter(" in file.read_text() for file in files)
    assert [file for file in CODE.rglob("*.py") if "basicConfig(stream" in file.read_text()] == []
