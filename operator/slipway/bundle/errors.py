"""What goes wrong on the way to a bundle, in one sentence: file or tensor, what was found, what to do."""

import importlib
from typing import Any


class BundleError(Exception):
    """A model, an example or a bundle that cannot be used as it is."""


def need(module: str, *, install: str, why: str) -> Any:
    """The module, or a BundleError that says what to install."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or module
        raise BundleError(f"{missing}: not installed, and {why}; pip install {install}") from None
