"""What is made from files is made again exactly when they change."""

from pathlib import Path

from testbed.fingerprint import fingerprint


def _folder(path: Path, **files: str) -> Path:
    path.mkdir()
    for name, text in files.items():
        (path / name).write_text(text)
    return path


def test_the_same_content_has_the_same_name_wherever_it_lies(tmp_path: Path) -> None:
    assert fingerprint(_folder(tmp_path / "a", x="1")) == fingerprint(_folder(tmp_path / "b", x="1"))


def test_a_changed_byte_name_or_mode_changes_it(tmp_path: Path) -> None:
    plain = fingerprint(_folder(tmp_path / "plain", x="1"))
    program = _folder(tmp_path / "program", x="1")
    (program / "x").chmod(0o755)
    others = {fingerprint(_folder(tmp_path / "byte", x="2")), fingerprint(_folder(tmp_path / "name", y="1"))}
    assert plain not in others | {fingerprint(program)}


def test_text_cannot_move_from_one_part_to_the_next() -> None:
    assert fingerprint("ab", "c") != fingerprint("a", "bc")


def test_bytecode_does_not_count(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "a", x="1")
    before = fingerprint(folder)
    _folder(folder / "__pycache__", **{"x.pyc": "1"})
    assert fingerprint(folder) == before
