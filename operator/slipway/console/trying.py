"""Try: a served model is asked from its page, by the same code as `slipway ask` and with the same rights."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from slipway.api.v1alpha1.status import ModelDeploymentStatus
from slipway.cli import asking
from slipway.cli.answers import Answers
from slipway.cli.kubectl import Kubectl, KubectlError
from slipway.cli.questions import InputError, QuestionError
from slipway.cli.requests import NothingToAskError

_SECONDS: Final = 30.0
_AT_ONCE: Final = 2
"""Each holds a thread, and a kubectl or two."""
_INPUT: Final = "input."
"""In front of an input's name in the form."""


@dataclass(frozen=True)
class Version:
    """A revision that may be asked."""

    revision: str
    version: str
    state: str


def versions(status: ModelDeploymentStatus) -> list[Version]:
    """Those that have pods."""
    able = [each for each in status.revisions if each.available]
    return [Version(each.revision, each.version, str(each.state)) for each in able]


@dataclass(frozen=True)
class Tried:
    """What a model answered, or why it was not asked."""

    answers: Answers | None = None
    said: str = ""
    field: str = ""
    """The input that it was not asked for."""


class Trying:
    """Asks by kubectl. `within` is kubectl for a namespace."""

    def __init__(self, within: Callable[[str], Kubectl]) -> None:
        self._within, self._room = within, asyncio.Semaphore(_AT_ONCE)

    async def ask(self, namespace: str, name: str, form: Mapping[str, Any]) -> Tried:
        """What a form asks for."""
        given = {field.removeprefix(_INPUT): str(form[field]) for field in form if field.startswith(_INPUT)}
        inputs = tuple(f"{field}={text}" for field, text in given.items() if text)
        if "own" in form and not inputs:
            return Tried(said="Fill in an input.")
        wanted = asking.Wanted(
            inputs=inputs if "own" in form else (), revision=str(form.get("revision") or "") or None, seconds=_SECONDS
        )
        async with self._room:
            try:
                return Tried(await asyncio.to_thread(asking.ask, self._within(namespace), name, wanted))
            except InputError as error:
                return Tried(said=f"{error.name}: {error.why}", field=error.name)
            except (KubectlError, NothingToAskError, QuestionError) as error:
                return Tried(said=str(error))
