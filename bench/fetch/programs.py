"""The plain tools beside which a fetch is timed. Built where they are absent, and kept like the others."""

from pathlib import Path
from typing import Final

from testbed.tools import Recipe, ensure

# Not among the recipes of every testbed: this bench alone needs them.
RECIPES: Final = tuple(
    Recipe(name, (name,), package, version)
    for name, package, version in (
        ("age", "filippo.io/age/cmd/age", "v1.3.2"),
        ("oras", "oras.land/oras/cmd/oras", "v1.3.6"),
    )
)
_BY_NAME: Final = {recipe.name: recipe for recipe in RECIPES}


def program(name: str) -> Path:
    """The path of one of them, built first where it is absent."""
    ensure(_BY_NAME[name])
    return _BY_NAME[name].folder / "bin" / name
