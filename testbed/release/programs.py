"""The programs that a release takes beside helm. Built where they are absent, and kept like the others."""

from pathlib import Path
from typing import Final

from testbed.tools import Recipe, ensure

# Not among the recipes of every testbed: cosign and syft take minutes to build, and a release alone needs them.
RECIPES: Final = tuple(
    Recipe(name, (name,), package, version)
    for name, package, version in (
        ("regctl", "github.com/regclient/regclient/cmd/regctl", "v0.11.7"),
        ("cosign", "github.com/sigstore/cosign/v3/cmd/cosign", "v3.1.3"),
        ("syft", "github.com/anchore/syft/cmd/syft", "v1.57.1"),
    )
)
_BY_NAME: Final = {recipe.name: recipe for recipe in RECIPES}


def program(name: str) -> Path:
    """The path of one of them, built first where it is absent."""
    ensure(_BY_NAME[name])
    return _BY_NAME[name].folder / "bin" / name
