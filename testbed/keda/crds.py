"""KEDA's ScaledObject as a cluster has it: the CRD from its Go module."""

from pathlib import Path
from typing import Final

from testbed.module_crds import kept
from testbed.shell import CACHE

MODULE: Final = "github.com/kedacore/keda/v2"
VERSION: Final = "v2.21.0"


def keda_crds() -> Path:
    """The folder of the CRD, fetched first where it is absent."""
    return kept(CACHE / f"keda-{VERSION}", f"{MODULE}@{VERSION}", "config/crd/bases/keda.sh_scaledobjects.yaml")
