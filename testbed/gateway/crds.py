"""The Gateway API as a cluster has it: the CRDs of the standard channel, from the API's own Go module."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Final

from testbed.shell import CACHE, locked, need, run
from testbed.tools import GO_REMEDY

MODULE: Final = "sigs.k8s.io/gateway-api"
VERSION: Final = "v1.6.1"  # what Envoy Gateway 1.9.1 is built with


def gateway_api_crds() -> Path:
    """The folder of the CRDs, one a file, fetched first where it is absent."""
    folder = CACHE / f"gateway-api-{VERSION}"
    with locked(folder):
        if not folder.exists():
            need("go", GO_REMEDY)
            _fetch(folder)
    return folder


def _fetch(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as nowhere:
        told = run("go", "mod", "download", "-json", f"{MODULE}@{VERSION}", cwd=Path(nowhere), env={"GOWORK": "off"})
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for file in (Path(json.loads(told)["Dir"]) / "config" / "crd" / "standard").glob("*.yaml"):
        # Beside them is an admission policy, which guards clusters that many people install into.
        if "\nkind: CustomResourceDefinition\n" in (text := file.read_text()):
            (part / file.name).write_text(text)
    part.rename(folder)
