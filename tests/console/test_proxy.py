"""kubectl proxy, as the console starts it: what it says reaches whoever has to sign in."""

import asyncio
import sys
from pathlib import Path

import pytest

from slipway.console.api_server import ApiServer
from tests.cli.speaking import script

LISTENS = """
import signal, socket, sys, time
listener = socket.socket(socket.AF_UNIX)
listener.bind(next(word.partition("=")[2] for word in sys.argv if word.startswith("--unix-socket=")))
time.sleep(0.3)  # as on a busy machine: the file is there, and nobody listens yet
listener.listen()
sys.stderr.write("open https://login.example and type 1234\\033[2J")
sys.stderr.flush()
signal.pause()
"""


async def test_how_to_sign_in_is_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shown, said = asyncio.Event(), list[str]()

    class Terminal:
        def write(self, text: str) -> None:
            said.append(text)
            shown.set()

        def flush(self) -> None:
            pass

    (tmp_path / "listens.py").write_text(LISTENS)
    script(monkeypatch, tmp_path, f'exec "{sys.executable}" "{tmp_path}/listens.py" "$@"\n')
    monkeypatch.setattr(sys, "stderr", Terminal())
    async with asyncio.timeout(60), ApiServer.by_kubectl([]):
        await shown.wait()
    assert "".join(said) == "open https://login.example and type 1234\\x1b[2J"
