"""The Gateway API and Envoy Gateway's policies as a cluster has them: CRDs, each from its own Go module.

Of the Gateway API those of the standard channel; of Envoy Gateway the kinds that we make.
"""

import json
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from testbed.shell import CACHE, locked, run
from testbed.tools import need_go

MODULE: Final = "sigs.k8s.io/gateway-api"
VERSION: Final = "v1.6.1"  # what Envoy Gateway 1.9.1 is built with
ENVOY_MODULE: Final = "github.com/envoyproxy/gateway"
ENVOY_VERSION: Final = "v1.9.1"
_POLICIES: Final = ("backendtrafficpolicies", "securitypolicies")


def gateway_api_crds() -> Path:
    """The folder of the CRDs, one a file, fetched first where it is absent."""
    return _kept(CACHE / f"gateway-api-{VERSION}", f"{MODULE}@{VERSION}", "config/crd/standard/*.yaml")


def envoy_gateway_crds() -> Path:
    """The folder of the CRDs of the policies, one a file, fetched first where it is absent."""
    files = (f"charts/gateway-helm/charts/crds/crds/generated/*_{kind}.yaml" for kind in _POLICIES)
    return _kept(CACHE / f"envoy-gateway-policies-{ENVOY_VERSION}", f"{ENVOY_MODULE}@{ENVOY_VERSION}", *files)


def _kept(folder: Path, module: str, *patterns: str) -> Path:
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
