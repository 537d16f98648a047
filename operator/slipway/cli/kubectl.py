"""kubectl, which has the user's rights and every way to sign in; and what its refusals mean, in a sentence."""

import re
import subprocess
from collections.abc import Sequence
from typing import Any, Final

from slipway.api.missing_right import MissingRight
from slipway.api.v1alpha1 import MODELS
from slipway.cli.complaints import Complaints
from slipway.cli.reading import read
from slipway.cli.text import plain
from slipway.core.body import mapping, mappings

MANAGER: Final = "slipway-cli"
"""Field manager: Flux takes away what a manager called kubectl has written."""
ANSWERS_SECONDS: Final = 20


class KubectlError(Exception):
    """kubectl's no, in a sentence that says what to do."""


class DeniedError(KubectlError):
    """A right is missing. `namespace`: where; empty at the cluster scope."""

    def __init__(self, message: str, namespace: str) -> None:
        super().__init__(message)
        self.namespace = namespace


class NoApiError(KubectlError):
    """The cluster does not know our kinds."""


class Kubectl:
    """kubectl for one cluster, and one namespace where one is named."""

    def __init__(
        self, *, context: str | None = None, kubeconfig: str | None = None, namespace: str | None = None
    ) -> None:
        options = {"--context": context, "--kubeconfig": kubeconfig, "--namespace": namespace}
        self._scope = [f"{option}={value}" for option, value in options.items() if value]

    def __call__(self, *words: str, stdin: str | None = None, seconds: float = ANSWERS_SECONDS) -> str:
        """What it prints, as it is: a carriage return ends no line. KubectlError where it refuses."""
        argv = self._argv(*words, f"--request-timeout={seconds:g}s")
        try:
            with Complaints() as complaints:
                done = subprocess.run(
                    argv,
                    input=None if stdin is None else stdin.encode(errors="replace"),
                    stdout=subprocess.PIPE,
                    stderr=complaints.write,
                    check=False,
                )
        except OSError as error:
            raise _absent(error) from None
        if done.returncode:
            raise refusal(complaints.said)
        return done.stdout.decode(errors="replace")

    def json(self, *words: str, stdin: str | None = None, seconds: float = ANSWERS_SECONDS) -> Any:
        """The object or the list that it prints."""
        return self._read(*words, "-o", "json", stdin=stdin, seconds=seconds)

    def raw(self, path: str) -> Any:
        """What the API server has at a path."""
        return self._read("get", "--raw", path)

    def _read(self, *words: str, stdin: str | None = None, seconds: float = ANSWERS_SECONDS) -> Any:
        return self._value(self(*words, stdin=stdin, seconds=seconds), *words)

    def _value(self, said: str, *words: str) -> Any:
        try:
            return read(said)
        except ValueError:
            raise KubectlError(f"kubectl {' '.join(words)}: answers no JSON; see kubectl version") from None

    def items(self, *words: str) -> list[dict[str, Any]]:
        """The objects of a list."""
        return [dict(each) for each in mappings(mapping(self.json("get", *words)).get("items"))]

    def named(self, resource: str, name: str, *words: str) -> Any:
        """One object; None where there is none. It takes no right to list."""
        said = self("get", resource, name, "--ignore-not-found", *words, "-o", "json")
        return self._value(said, "get", resource, name) if said.strip() else None

    def start(self, *words: str, with_complaints: bool = False, fed: bool = False) -> "subprocess.Popen[str]":
        """Start it; whoever asked reads what it says and ends it. Its complaints go nowhere, or among what it says.
        `fed`: it is written to."""
        try:
            return subprocess.Popen(
                self._argv(*words),
                stdin=subprocess.PIPE if fed else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if with_complaints else subprocess.DEVNULL,
                text=True,
                errors="replace",
            )
        except OSError as error:
            raise _absent(error) from None

    def run(self, *words: str) -> int:
        """Let it speak to the terminal by itself. Its exit code."""
        try:
            return subprocess.run(self._argv(*words), check=False).returncode
        except OSError as error:
            raise _absent(error) from None

    def _argv(self, *words: str) -> Sequence[str]:
        return ["kubectl", *self._scope, *words]


def _absent(error: OSError) -> KubectlError:
    return KubectlError(f"kubectl cannot be run ({error.strerror}): install it, and put it on PATH")


def refusal(said: str) -> KubectlError:
    """The sentence for what kubectl says on its way out."""
    said = _without_log(said)
    words = plain(said).removeprefix("error: ").removeprefix("Error from server ")
    if right := MissingRight.read(said):
        return DeniedError(right.message, right.namespace)
    if "the server doesn't have a resource type" in said or "could not find the requested resource" in said:
        return NoApiError(f"the cluster has no {MODELS}: install the chart slipway-crds, or choose another --context")
    if "(NotFound)" in said:
        return KubectlError(f"{words.removeprefix('(NotFound): ')}; slipway list -A shows what there is")
    if re.search(
        r"Unable to connect|connection to the server|was refused|i/o timeout|deadline exceeded|\bEOF\b|x509", said
    ):
        return KubectlError(f"the cluster does not answer: {words}; see --context, and kubectl cluster-info")
    if re.search(r"context .*(does not exist|was not found)", said):
        return KubectlError(f"kubectl: {words}; kubectl config get-contexts shows what there is")
    return KubectlError(f"kubectl: {words or 'ended without a word'}")


def _without_log(said: str) -> str:
    """Without the lines of kubectl's own log, where it says something beside them."""
    lines = said.splitlines(keepends=True)
    return "".join(line for line in lines if not _LOGGED.match(line)) or said


_LOGGED: Final = re.compile(r"[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+ ")
