"""What a person's own Python has: `train:model` is the attribute `model` of `train.py` in the working directory.

Importing runs that Python, as running it would. What it prints is progress and goes to stderr, for a result on stdout
is read by programs.
"""

import contextlib
import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from slipway.bundle.errors import BundleError

_REFERENCE: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


def is_reference(text: str) -> bool:
    """Whether it is written as MODULE:ATTRIBUTE."""
    return _REFERENCE.fullmatch(text) is not None


def imported(reference: str) -> Any:
    """The attribute that MODULE:ATTRIBUTE names; BundleError where importing fails or has no such thing."""
    name, _, attribute = reference.partition(":")
    with at_home(), guarded(f"{reference}: importing {name}"):
        value: Any = importlib.import_module(name)
    for part in attribute.split("."):
        if not hasattr(value, part):
            raise BundleError(f"{reference}: {name} has no {part!r}; name what it assigns or returns")
        value = getattr(value, part)
    return value


def called(reference: str, function: Any) -> Any:
    """What a function of theirs returns."""
    with at_home(), guarded(f"{reference}: calling it"):
        return function()


@contextlib.contextmanager
def guarded(what: str) -> Iterator[None]:
    """Whatever code or a file of theirs raises, in one sentence that begins with `what`."""
    try:
        yield
    except BundleError:
        raise
    except ModuleNotFoundError as error:
        raise BundleError(f"{what}: no module {error.name!r}; run this where it is, or install it") from None
    except SystemExit as error:
        why = f"it ended the program (exit code {error.code})"
        raise BundleError(f"{what}: {why}; put what runs as a program under `if __name__ == '__main__':`") from None
    except Exception as error:  # noqa: BLE001  it is the user's code, or the framework's about the user's file
        words = " ".join(str(error).split())[:400]
        raise BundleError(f"{what}: {type(error).__name__}: {words or 'no words'}; correct it") from None


@contextlib.contextmanager
def at_home() -> Iterator[None]:
    """The working directory comes first, as for `python train.py`; words go to stderr."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(here)
