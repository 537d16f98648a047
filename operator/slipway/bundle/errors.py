"""What goes wrong on the way to a bundle, in one sentence: file or tensor, what was found, what to do."""

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

_TELLS_NOBODY: Final = {"ORT_DISABLE_TELEMETRY": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}
"""ONNX Runtime and MLflow else tell their makers what runs, and when. They read this when they are imported."""


class BundleError(Exception):
    """A model, an example or a bundle that cannot be used as it is."""


def need(module: str, *, install: str, why: str) -> Any:
    """The module, or a BundleError that says what to install."""
    for name, value in _TELLS_NOBODY.items():
        os.environ.setdefault(name, value)
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or module
        if missing.partition(".")[0] == module.partition(".")[0]:
            raise BundleError(f"{missing}: not installed, and {why}; pip install {install}") from None
        other = " (Keras on another backend: set KERAS_BACKEND, as KERAS_BACKEND=jax)" if module == "keras" else ""
        raise BundleError(f"{missing}: not installed, and {module} needs it; install it{other}") from None


@contextmanager
def asking(what: str, remedy: str = "give rows as it was trained with") -> Iterator[None]:
    """A model in memory that is asked the examples: whatever its code raises, in one sentence."""
    try:
        yield
    except BundleError:
        raise
    except Exception as error:  # noqa: BLE001  it is the user's code
        words = " ".join(str(error).split())[:400] or type(error).__name__
        raise BundleError(f"{what}: does not take the examples: {words}; {remedy}") from None
