"""The guard as one file, `guard.pyz`, that any Python 3.8 runs: same package, same bytes.

python3 -m slipway.guard.archive guard.pyz
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

_MAIN = b'"""Entry point of the zipapp."""\n\nimport sys\n\nfrom guard.main import main\n\nsys.exit(main())\n'
# The earliest time that a zip file can hold: the file's own would make every archive another.
_TIME = (1980, 1, 1, 0, 0, 0)


def write(path: Path) -> None:
    """Write the archive of this package, byte for byte the same from the same sources."""
    here = Path(__file__).parent
    sources = {f"guard/{file.name}": file.read_bytes() for file in here.glob("*.py") if file.name != "archive.py"}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted({**sources, "__main__.py": _MAIN}.items()):
            entry = zipfile.ZipInfo(name, _TIME)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
