"""The stored samples: objects as users write them and as released versions stored them."""

from pathlib import Path
from typing import Any, Final

from testbed import yamls

FOLDER: Final = Path(__file__).parent / "samples" / "v1alpha1"
NAMES: Final = sorted(path.stem for path in FOLDER.glob("*.yaml"))


def sample(name: str) -> dict[str, Any]:
    """One of them, parsed anew: a test may change it."""
    parsed: dict[str, Any] = yamls.load((FOLDER / f"{name}.yaml").read_text())
    return parsed
