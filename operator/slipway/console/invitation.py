"""How a browser learns of the key: by a file. Everybody on a machine can read the arguments of a process."""

import tempfile
from pathlib import Path
from typing import Final

_PAGE: Final = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Slipway</title>'
    '<meta name="referrer" content="no-referrer"><meta http-equiv="refresh" content="0;url={0}">{1}</head>'
    '<body><a href="{0}">To the console</a></body></html>\n'
)


_ICON: Final = '<link rel="icon" href="{}static/icon.svg">'


def leading_to(address: str) -> str:
    """The page that leads to an address, which has nothing in it that HTML takes for its own."""
    return _PAGE.format(address, _ICON.format(address) if address.startswith("/") else "")


class Invitation:
    """A page that leads to the console, in a folder that nobody else can look into; gone once somebody has come."""

    def __init__(self, address: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="slipway-console-")
        self.file = Path(self._folder.name, "open.html")
        self.file.touch(0o600, exist_ok=False)
        self.file.write_text(leading_to(address))

    def withdraw(self) -> None:
        """Take it away."""
        self._folder.cleanup()
