"""What is in an image, as CycloneDX by syft: it reads Debian's and Python's own records out of the layers."""

import json
from pathlib import Path

from testbed.release.layouts import Layout
from testbed.release.programs import program
from testbed.release.registry import ReleaseError
from testbed.shell import run


def write(layout: Layout, version: str, target: Path) -> None:
    """Write the SBOM of an image."""
    name = [f"--source-name={layout.name}", f"--source-version={version}"]
    run(
        program("syft"), "scan", "--quiet", f"oci-dir:{layout.folder}", *name, f"--output=cyclonedx-json={target}",
        env={"SYFT_CHECK_FOR_APP_UPDATE": "false"},
    )  # fmt: skip
    if not packages(target):
        raise ReleaseError(f"Image {layout.name}: its SBOM names no package. An image has to keep the records of them.")


def packages(sbom: Path) -> dict[str, str]:
    """The packages that an SBOM names, with their versions."""
    components = json.loads(sbom.read_text()).get("components", [])
    return {each["name"]: each.get("version", "") for each in components if each["type"] == "library"}
