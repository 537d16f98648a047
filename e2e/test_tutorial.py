"""docs/tutorial.md, command by command: what it shows is what there is."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from e2e.space import Space
from testbed import tools, training
from testbed.shell import ROOT

PAGE = (ROOT / "docs" / "tutorial.md").read_text()
BLOCK = re.compile(r"(?ms)^```(\w+)\n(.*?)^```")
FILES = {"python": "train.py", "yaml": "reverse.yaml"}
BY_HAND = ("make ", "export KUBECONFIG", "export PATH", "pip install")
"""What whoever runs this has done."""
DEADLINE_SECONDS = 300
"""For one command; the longest waits for pods, and `slipway wait` has ten minutes of its own."""


def commands(block: str) -> Iterator[tuple[str, str]]:
    """Each command of a block, and what the page shows of its output."""
    for part in re.split(r"(?m)^\$ ", block)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


@contextmanager
def shell(folder: Path, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A shell that all commands are given to, as a person would; it and what it has started end with the block."""
    process = subprocess.Popen(
        ["bash"],
        cwd=folder,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def told(process: subprocess.Popen[str], command: str) -> str:
    """What a command has printed; a test that fails where it does."""
    assert process.stdin is not None
    assert process.stdout is not None
    if command.endswith("&"):
        # The page's reader sees that it forwards; here its first line says so.
        command = (
            f"rm -f forwarded; {command[:-1]} > forwarded 2>&1 & "
            "until grep -qs Forwarding forwarded || ! kill -0 $!; do sleep 0.1; done; "
            "grep Forwarding forwarded || (cat forwarded; false)"
        )
    lines = list[str]()
    deadline = threading.Timer(DEADLINE_SECONDS, os.killpg, (process.pid, signal.SIGKILL))
    deadline.start()
    try:
        process.stdin.write(f"{command}\nprintf '\\nended %s\\n' $?\n")  # not every answer ends in a newline
        process.stdin.flush()
        while not (line := process.stdout.readline()).startswith("ended "):
            assert line, f"{command}: the shell has ended, or was ended at its deadline, after:\n{''.join(lines)}"
            lines.append(line)
    finally:
        deadline.cancel()
    assert line == "ended 0\n", f"{command}:\n{''.join(lines)}"
    return "".join(lines)


def looks_like(shown: str) -> re.Pattern[str]:
    """Output with any text for each ellipsis, and any width of columns."""
    words = [".*".join(map(re.escape, word.split("…"))) for word in shown.split()]
    return re.compile(r"\s*".join(words), re.DOTALL)


@pytest.fixture
def environment(space: Space, tmp_path: Path) -> dict[str, str]:
    """A person's: their own kubeconfig, and the programs that they have installed."""
    own = tmp_path / "kubeconfig"
    shutil.copy(space.cluster.kubeconfig, own)
    programs = tmp_path / "bin"
    programs.mkdir()
    python, beside = training.python_for("mlp")
    _program(programs / "python", f'PYTHONPATH="{beside["PYTHONPATH"]}" exec "{python}" "$@"')
    _program(
        programs / "slipway",
        f'PYTHONPATH="{ROOT / "operator"}" exec "{sys.executable}" -c "from slipway.program import main; main()" "$@"',
    )
    links = os.pathsep.join([str(programs), str(tools.links()), os.environ["PATH"]])
    return {**os.environ, "KUBECONFIG": str(own), "PATH": links, "NO_COLOR": "1"}


def _program(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/bash\n{line}\n")
    path.chmod(0o755)


def test_each_command_of_the_tutorial_does_what_the_page_shows(
    space: Space, environment: dict[str, str], tmp_path: Path
) -> None:
    # given: the page's two files, as its reader saves them, and the cluster of `make up`
    folder = tmp_path / "work"
    folder.mkdir()
    for kind, text in BLOCK.findall(PAGE):
        if kind in FILES:
            (folder / FILES[kind]).write_text(text)

    # when: every command is run in its order
    try:
        with shell(folder, environment) as process:
            for kind, text in BLOCK.findall(PAGE):
                for command, shown in commands(text) if kind == "console" else ():
                    if command.startswith(BY_HAND):
                        continue
                    output = told(process, command)
                    # then: each ends well, and prints what the page shows
                    assert looks_like(shown).search(output), f"{command}:\n{output}"
    finally:
        space.cluster.kubectl("delete", "namespace", "team-a", "--ignore-not-found", "--wait=false")
