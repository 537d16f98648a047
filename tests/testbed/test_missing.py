"""What a machine lacks is said in one sentence, before hours are spent on what needs it."""

import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from testbed import engine
from testbed.cluster import Cluster
from testbed.say import MissingError
from testbed.shell import ROOT

INSTALL_GO = "install Go 1.26 or newer from https://go.dev/dl."


@dataclass(frozen=True)
class Machine:
    """One with nothing on PATH but what a test puts there, and no container engine."""

    root: Path

    @property
    def programs(self) -> Path:
        return self.root / "bin"

    def has(self, program: str, script: str) -> None:
        file = self.programs / program
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    def says(self, *argv: str | Path, code: int = 1) -> str:
        """All that a command says, which ends with that code."""
        environment = {
            "PATH": str(self.programs),
            "HOME": str(self.root),
            "SLIPWAY_CACHE": str(self.root / "cache"),
            "DOCKER_HOST": f"unix://{self.root}/nobody-listens",
        }
        done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        said = done.stdout + done.stderr
        assert done.returncode == code, said
        return said

    def says_of(self, *command: str) -> str:
        """What `make` shows of a command of the testbed."""
        return self.says(sys.executable, "-m", "testbed", *command)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    made.programs.mkdir()
    return made


@pytest.mark.parametrize("command", ["demo", "demo-canary", "demo-update", "engine"])
def test_no_container_engine(machine: Machine, command: str) -> None:
    assert machine.says_of(command) == (
        "No container engine answers: start Docker, or run this as root on Debian, where it is installed and started "
        "for you.\n"
    )


def test_another_kind_of_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with pytest.raises(MissingError, match=r"^Linux on x86-64 is needed: .*\.$"):
        engine.ensure()


def test_no_go(machine: Machine) -> None:
    assert machine.says_of("tools") == f"go is not on PATH: {INSTALL_GO}\n"


# As Go answers in a module that asks for a newer one: from before 1.21, with GOTOOLCHAIN=local, and offline.
@pytest.mark.parametrize(
    "script",
    [
        "echo go version go1.19.8 linux/amd64",
        "echo go version go1.25.4 linux/amd64",
        "[ ! -e go.mod ] && echo go version go1.25.4 linux/amd64",
    ],
)
def test_a_go_that_is_too_old(machine: Machine, script: str) -> None:
    machine.has("go", script)
    own = "1.19" if "1.19" in script else "1.25"
    assert machine.says_of("tools") == f"go on PATH is {own}, and it fetches no newer one: {INSTALL_GO}\n"


def test_an_old_go_that_fetches_a_new_one_builds(machine: Machine) -> None:
    newer, own = "echo go version go1.26.0 linux/amd64", "echo go version go1.25.4 linux/amd64"
    machine.has(
        "go", f'[ "$1" = version ] || {{ echo building; exit 7; }}; if [ -e go.mod ]; then {newer}; else {own}; fi'
    )
    said = machine.says_of("tools", "kind")
    assert "`go get -tool sigs.k8s.io/kind@v0.33.0` ended with 7:\nbuilding\n" in said


@pytest.mark.parametrize(
    ("python", "sentence"),
    [
        ("exit 1", "Python 3.11 or newer is missing: install it (Debian: apt-get install python3 python3-venv).\n"),
        (
            'case "$2" in *ensurepip*) exit 1;; esac',
            "The Python module ensurepip is missing: install your distribution's python3-venv.\n",
        ),
    ],
)
def test_no_python_that_can_make_an_environment(machine: Machine, python: str, sentence: str) -> None:
    machine.has("python3", python)
    assert machine.says("/bin/bash", "testbed/venv", machine.root / "venv") == sentence


def test_a_cluster_that_may_be_used_and_is_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USE_CLUSTER", "yes")
    monkeypatch.delenv("KUBECONFIG", raising=False)
    with pytest.raises(MissingError, match=r"^USE_CLUSTER=yes needs KUBECONFIG: .*\.$"):
        Cluster.given()
