"""CRDs out of Go modules: a project's own, without building anything of it."""

import json
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from testbed.shell import locked, run
from testbed.tools import need_go


def kept(folder: Path, module: str, *patterns: str) -> Path:
    """The folder with a module's CRDs, one a file, fetched first where it is absent."""
    with locked(folder):
        if not folder.exists():
            need_go()
            _fetch(folder, module, patterns)
    return folder


def _fetch(folder: Path, module: str, patterns: Iterable[str]) -> None:
    with tempfile.TemporaryDirectory() as nowhere:
        told = run("go", "mod", "download", "-json", module, cwd=Path(nowhere), env={"GOWORK": "off"})
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for file in (found for pattern in patterns for found in Path(json.loads(told)["Dir"]).glob(pattern)):
        # Beside them is an admission policy, which guards clusters that many people install into.
        if "\nkind: CustomResourceDefinition\n" in (text := file.read_text()):
            (part / file.name).write_text(text)
    part.rename(folder)
