"""The catalogue's commands in front of an API server that says what a healthy one cannot be made to say."""

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from slipway.catalogue import cluster
from slipway.catalogue.shape import shaped
from tests.bundle import commands
from tests.console.spoiling import spoiled

VERSION = {
    "metadata": {
        "name": "churn-3",
        "namespace": "default",
        "annotations": {"a": "b"},
        "managedFields": [{"manager": "m", "operation": "Apply", "fieldsV1": {"f:spec": {"f:sources": {}}}}],
    },
    "spec": {
        "model": "churn",
        "version": "3",
        "digest": "sha256:" + "a" * 64,
        "sources": [{"uri": "s3://models/churn/3"}],
        "withdrawn": {"action": "Warn", "reason": "r"},
        "aliases": {"champion": "3"},
    },
    "status": {"uses": {"serving": 1, "refused": 0}},
}
ITEMS = {"metadata": {"resourceVersion": "7"}, "items": [VERSION, VERSION]}


@contextmanager
def kubeconfig(folder: Path, server: socketserver.TCPServer) -> Iterator[Path]:
    """Of a server, which answers until the end of the block."""
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    url = f"http://127.0.0.1:{server.socket.getsockname()[1]}"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "c",
    }
    (folder / "config").write_text(yaml.safe_dump(config))
    try:
        yield folder / "config"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Answers(BaseHTTPRequestHandler):
    """The same to everything: what the server has in `text`."""

    status = 200
    text = b""

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(type(self).status)
        self.send_header("Content-Length", str(len(type(self).text)))
        self.end_headers()
        self.wfile.write(type(self).text)

    do_GET = do_POST = do_PATCH = answer  # noqa: N815

    def log_message(self, *_: Any) -> None:
        pass


def odd_answers(status: int) -> list[Any]:
    whole: list[Any] = [{}, [], 7, None, {"metadata": None}, {"metadata": [], "spec": [], "items": {"a": "b"}}]
    if status != 200:
        return [*whole, {"details": [], "message": {}}]
    found = [made for odd, made in spoiled(VERSION) if odd != "x"]
    return [*whole, *({**ITEMS, **each} if isinstance(each, dict) else each for each in found)]


COMMANDS = [
    ("models",),
    ("withdraw", "churn", "3", "--reason", "r", "-o", "yaml"),
    ("withdraw", "churn", "3", "--reason", "r"),
    ("alias", "churn", "champion", "--remove"),
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("status", [200, 404, 409])
def test_whatever_is_answered_a_command_ends_with_a_sentence(
    tmp_path: Path, words: tuple[str, ...], status: int
) -> None:
    handler = type("Handler", (Answers,), {"status": status})
    with kubeconfig(tmp_path, ThreadingHTTPServer(("127.0.0.1", 0), handler)) as config:
        for answer in odd_answers(status):
            handler.text = json.dumps(answer).encode()  # type: ignore[attr-defined]
            told = commands.slipway(*words, KUBECONFIG=str(config))
            assert told.exit_code in (0, 1), told.output
            assert told.exception is None or isinstance(told.exception, SystemExit), (answer, told.exception)


def test_a_bad_object_costs_itself_alone(tmp_path: Path) -> None:
    text = json.dumps({"metadata": None, "items": [7, None, {"spec": []}, VERSION]}).encode()
    handler = type("Handler", (Answers,), {"text": text})
    with kubeconfig(tmp_path, ThreadingHTTPServer(("127.0.0.1", 0), handler)) as config:
        told = commands.slipway("models", KUBECONFIG=str(config))
    assert (told.exit_code, "s3://models/churn/3" in told.output) == (0, True), told.output


@pytest.mark.parametrize(
    ("words", "where"),
    [
        (("-n", "shop"), "in namespace shop; see -n and -A"),
        (("-A",), "in any namespace"),
        ((), "in namespace default;"),
    ],
)
def test_where_nothing_is_published_it_says_so(tmp_path: Path, words: tuple[str, ...], where: str) -> None:
    handler = type("Handler", (Answers,), {"text": b'{"metadata": {}, "items": []}'})
    with kubeconfig(tmp_path, ThreadingHTTPServer(("127.0.0.1", 0), handler)) as config:
        told = commands.slipway("models", *words, KUBECONFIG=str(config))
        assert (told.exit_code, told.stdout, f"no version is published {where}" in told.stderr) == (0, "", True)
        assert commands.slipway("models", *words, "-o", "json", KUBECONFIG=str(config)).exit_code == 0


@pytest.mark.parametrize(
    "words",
    [
        ("models",),
        ("publish", "churn", "3", "s3://b/k", "--bundle", "none"),
        ("withdraw", "churn", "3", "--undo"),
        ("alias", "churn", "champion", "--remove"),
    ],
    ids=lambda words: words[0],
)
def test_a_kubeconfig_may_be_named_by_an_option_too(tmp_path: Path, words: tuple[str, ...]) -> None:
    none, given = str(tmp_path / "none"), str(tmp_path / "given")
    told = commands.slipway(*words, "--kubeconfig", given, KUBECONFIG=none)
    assert (told.exit_code, given in told.output, none in told.output) == (1, True, False), told.output


def test_what_fits_its_schema_stays_as_it_is() -> None:
    assert shaped(VERSION) == VERSION


class Drips(socketserver.BaseRequestHandler):
    """A byte now and then, for ever."""

    ended = threading.Event()

    def handle(self) -> None:
        self.request.recv(65536)
        self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{")
        while not self.ended.wait(0.05):
            try:
                self.request.sendall(b" ")
            except OSError:
                return


def test_an_answer_that_drips_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_TIMEOUT_SECONDS", 1)
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Drips)
    server.daemon_threads = True
    with kubeconfig(tmp_path, server) as config:
        told = commands.slipway("models", KUBECONFIG=str(config))
        Drips.ended.set()
    assert told.exit_code == 1
    assert "the API server does not answer: no whole answer within 1 s" in told.output
