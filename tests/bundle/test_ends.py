"""How commands end: in one sentence, with a code, and with nothing left that nobody should find."""

import json
import os
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from slipway.fetch import sums
from slipway.guard.printable import printable, printable_lines
from testbed.operating import until
from tests.bundle.commands import slipway
from tests.bundle.folders import files, packed
from tests.bundle.keys import identity, key
from tests.fetch import bundles
from tests.serving import EndingServer, running

NOWHERE = "oci://127.0.0.1:1/a:1"
ZEROS = "0" * 64


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packed(tmp_path_factory.mktemp("ends") / "b")


FAULTS: dict[str, tuple[list[str], str]] = {
    "an address of another kind": (["check", "ftp://x/y"], "ftp://x/y: no address of a bundle; write it as s3://"),
    "a file's address": (["pull", "file:///tmp/b", "{tmp}/o"], "file:///tmp/b: no address of a bundle"),
    "an address of nothing": (["pull", "s3://", "{tmp}/o"], "s3://: no address of a bundle"),
    "no bundle": (["check", ""], ": no such directory"),
    "an empty digest": (["pull", NOWHERE, "{tmp}/o", "--digest", ""], "digest: '' is none; write sha256:"),
    "half a digest": (["pull", NOWHERE, "{tmp}/o", "--digest", "sha256:0"], "digest: 'sha256:0' is none"),
    "a digest in capitals": (["copy", NOWHERE, NOWHERE, "--digest", f"SHA256:{ZEROS}"], f"digest: 'SHA256:{ZEROS}' is"),
    "keys that are not there": (["push", "{b}", NOWHERE, "--keys", "{tmp}/none"], "/none: no such directory"),
    "the other store's": (["copy", NOWHERE, NOWHERE, "--to-keys", "{tmp}/none"], "/none: no such directory"),
    "a place that nobody may write": (["encrypt", "{b}", "--out", "/proc/e", "-r", "{age}"], "/proc/.e.new: "),
    "a name without an end": (["encrypt", "{b}", "--out", "n" * 255, "-r", "{age}"], "File name too long"),
    "a place in the bundle": (["encrypt", "{b}", "--out", "{b}/in", "-r", "{age}"], "which would no longer be what"),
    "a deep place in it": (["shrink", "{b}", "--out", "{b}/1/in"], "which would no longer be what its list says"),
}


@pytest.mark.parametrize("what", FAULTS)
def test_what_is_wrong_is_one_sentence(what: str, bundle: Path, tmp_path: Path) -> None:
    words, message = FAULTS[what]
    age, before = identity(tmp_path / "id"), files(bundle)
    given = {"tmp": str(tmp_path), "b": str(bundle), "age": age}
    for form in ("text", "json"):
        ended = slipway(*(word.format(**given) for word in words), "-o", form)
        assert ended.exit_code == 1
        assert isinstance(ended.exception, SystemExit), "and no trace"
        assert message in ended.stderr.splitlines()[-1]
        assert not ended.stdout, "programs read it"
    assert files(bundle) == before


HOSTILE = {
    "a title for the window": "\x1b]0;all is well\x07",
    "a line of its own": "y\r\nsigned by the key of the release",
    "letters that run backwards": "\u202egnp.exe",
    "eight bits": "\x9b2J",
    "half a letter": "\udcff",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_nothing_of_a_bundle_steers_the_terminal(what: str, tmp_path: Path) -> None:
    """Neither where it is shown nor where it is refused; JSON has it as it is, by its own escapes."""
    text = HOSTILE[what]
    name = "".join(f"\\{byte:03o}" for byte in text.encode("utf-8", "replace")).encode()
    config = bundles.CONFIG.replace(b'"y"', b'"%s"' % name)
    plain = bundles.files(**{"config.pbtxt": config, "golden/three.json": None})
    shown = slipway("check", bundles.write(tmp_path / "b", bundles.listed(plain)))
    refused = slipway("check", tmp_path / f"b-{text}")
    assert (shown.exit_code, refused.exit_code) == (0, 1)
    for ended in (shown, refused):
        assert all(letter == "\n" or printable(letter) == letter for letter in ended.output)
    as_json = slipway("check", tmp_path / "b", "-o", "json").stdout
    assert printable_lines(as_json) == as_json
    assert json.loads(as_json)["model"]["outputs"][0][0] == text.encode("utf-8", "replace").decode()


def test_a_path_that_is_no_text_is_shown_and_is_json(bundle: Path, tmp_path: Path) -> None:
    age = identity(tmp_path / "id")
    out = tmp_path / os.fsdecode(b"o-\xff")
    made = slipway("encrypt", bundle, "--out", out, "-r", age, "-o", "json")
    assert json.loads(made.stdout)["directory"] == str(out)
    shown = slipway("encrypt", bundle, "--out", out, "-r", age, "--replace")
    assert shown.exit_code == 0
    assert r"o-\udcff" in shown.stdout


def test_a_bundle_that_has_nothing_beside_it_is_signed_where_it_is(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that is mounted into a container: its parent is another file system, or nobody's to write."""

    def elsewhere(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    private = key(tmp_path)
    monkeypatch.setattr(Path, "replace", elsewhere)
    assert slipway("sign", bundle, "--key", private).exit_code == 0
    assert slipway("check", bundle, "--key", private.with_suffix(".pub")).exit_code == 0
    assert [path.name for path in bundle.parent.iterdir() if path.name.startswith(".")] == []
    (bundle / sums.SIGNATURE).unlink()


LED_ASTRAY: dict[str, tuple[bool, str, str]] = {
    "a redirect": (True, "/upload", "redirects what is sent to it"),
    "no address": (False, "http://[::1", "says to upload to an address that is none"),
    "no host": (False, f"http://{'x' * 64}/", "label too long"),
    "another kind of address": (False, "ftp://x/", "unsupported protocol"),
}


@pytest.mark.parametrize("what", LED_ASTRAY)
def test_a_registry_that_leads_an_upload_astray_is_told(what: str, bundle: Path) -> None:
    with running(SlowServer()) as server:
        server.moved, server.place, message = LED_ASTRAY[what]
        ended = slipway("push", bundle, f"oci://127.0.0.1:{server.server_port}/b:1")
    assert isinstance(ended.exception, SystemExit)
    assert message in ended.stderr


def test_a_signature_that_is_a_directory_too_is_refused(tmp_path: Path) -> None:
    with running(SlowServer()) as server:
        server.files = bundles.listed(bundles.files(**{"model.sig/x": b""})) | {sums.SIGNATURE: b"{}"}
        ended = slipway("pull", f"http://127.0.0.1:{server.server_port}/b", tmp_path / "out")
    assert "model.sig/: a directory where the signature belongs" in ended.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"dsseEnvelope": {"payload": "%s"}}' % (b"W1tb" * 100_000)])
def test_a_signature_that_is_brackets_thousands_deep_is_none(content: bytes, tmp_path: Path) -> None:
    made = packed(tmp_path / "b")
    (made / sums.SIGNATURE).write_bytes(content)
    ended = slipway("check", made, "--key", key(tmp_path).with_suffix(".pub"))
    assert isinstance(ended.exception, SystemExit)
    assert "not a signature in OpenSSF's format" in ended.stderr


@pytest.mark.parametrize("hint", [None, ""])
def test_the_key_that_is_shown_is_the_one_that_verified(hint: str | None, tmp_path: Path) -> None:
    """What a signature says of it is not signed, and whoever keeps the store may change it."""
    made, private = packed(tmp_path / "b"), key(tmp_path)
    signed = json.loads(slipway("sign", made, "--key", private, "-o", "json").stdout)
    content = json.loads((made / sums.SIGNATURE).read_text())
    content["verificationMaterial"]["publicKey"]["hint"] = hint
    (made / sums.SIGNATURE).write_text(json.dumps(content))
    found = slipway("check", made, "--key", private.with_suffix(".pub"))
    assert f"signed by the key {signed['keys'][0]}\n" in found.stdout


def test_a_bundle_whose_replacing_was_killed_is_there_again(tmp_path: Path) -> None:
    out = packed(tmp_path / "b")
    before = files(out)
    out.rename(tmp_path / ".b.old")
    (tmp_path / ".b.new").mkdir()
    ended = slipway("encrypt", packed(tmp_path / "other"), "--out", out, "-r", identity(tmp_path / "id"))
    assert "a bundle is there already" in ended.stderr
    assert files(out) == before


# -- ended by somebody


class Slow(BaseHTTPRequestHandler):
    """A web directory, and of its weights a byte now and then; a registry that answers no upload."""

    protocol_version = "HTTP/1.1"
    server: "SlowServer"

    def do_GET(self) -> None:
        content = self.server.files.get(self.path.removeprefix("/b/"))
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        if content is None or "weights" not in self.path:
            self.wfile.write(content or b"")
            return
        if "Range" not in self.headers:  # the look at how large they are, before, asks for a part
            self.server.begun.set()
        while not self.server.ended.wait(0.2):
            self.wfile.write(b"x")

    def do_HEAD(self) -> None:
        self.send_response(404)
        self.end_headers()

    def do_POST(self) -> None:
        self.send_response(202)
        self.send_header("Location", self.server.place)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_PUT(self) -> None:
        if self.server.moved:
            self.send_response(307)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.server.begun.set()
        self.server.ended.wait()

    def log_message(self, *_: Any) -> None:
        pass


class SlowServer(EndingServer):
    def __init__(self) -> None:
        super().__init__(Slow)
        weights = {f"1/weights-{number}": b"x" * 100_000 for number in range(20)}
        self.files = bundles.listed({**bundles.files(), **weights})
        self.moved, self.place = False, "/upload"
        self.begun = threading.Event()

    def handle_error(self, *_: Any) -> None:
        """The client is gone."""


# Who runs in the background ignores what a terminal sends.
PROGRAM = """
import signal
from slipway.program import main
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_DFL)
main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_whoever_ends_a_pull_waits_for_no_weights_and_leaves_no_keys(number: signal.Signals, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    environment = {**os.environ, "TMPDIR": str(scratch), "SLIPWAY_TOKEN": "secret"}
    with running(SlowServer()) as server:
        uri = f"http://127.0.0.1:{server.server_port}/b"
        command = [sys.executable, "-c", PROGRAM, "pull", uri, str(tmp_path / "out")]
        pulling = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
        try:
            until("weights are under way", lambda: server.begun.is_set() or None, 60)
            assert list(scratch.iterdir()), "the keys are there"
            pulling.send_signal(number)
            said = pulling.communicate(timeout=60)[1]
        finally:
            pulling.kill()
    assert pulling.returncode == 128 + number
    assert said.endswith(b"Aborted!\n")
    assert not list(scratch.iterdir())
    assert not [path for path in tmp_path.iterdir() if path.name != "scratch"], "neither bundle nor parts of it"


def test_whoever_ends_a_push_does_not_wait_until_the_registry_has_answered(bundle: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with running(SlowServer()) as server:
        uri = f"oci://127.0.0.1:{server.server_port}/b:1"
        command = [sys.executable, "-c", PROGRAM, "push", str(bundle), uri]
        pushing = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
        try:
            until("an upload waits for its answer", lambda: server.begun.is_set() or None, 60)
            pushing.send_signal(signal.SIGINT)
            pushing.communicate(timeout=60)
        finally:
            pushing.kill()
    assert pushing.returncode == 128 + signal.SIGINT
    assert not list(tmp_path.iterdir())


KEEPS_KEYS = """
import os, signal, threading
from kubernetes.config import kube_config
from slipway.bundle.console import errors_reported
kube_config._create_temp_file_with_content("a client's key")
with errors_reported():
    os.kill(os.getpid(), signal.{})
    threading.Event().wait(60)
"""


@pytest.mark.parametrize("ending", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_the_keys_of_a_cluster_are_taken_away_however_a_command_ends(tmp_path: Path, ending: str) -> None:
    # A shell has what it runs in the background ignore Ctrl-C, and all that is started from there inherits that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        argv = [sys.executable, "-c", KEEPS_KEYS.format(ending)]
        ended = subprocess.run(argv, env={**os.environ, "TMPDIR": str(tmp_path)}, check=False, timeout=120)
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended.returncode == 128 + signal.Signals[ending]
    assert list(tmp_path.rglob("*")) == []
