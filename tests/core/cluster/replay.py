"""`python -m tests.core.cluster.replay LOG`: what explore.py has printed, by the fewest steps to the same fault.

Each find is printed as a case for a test, with the message that it ends with.
"""

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self, cast

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine

from tests.core.cluster.machines import MACHINES
from tests.core.cluster.operated import Operated
from tests.core.cluster.torn import TornMachine

Machine = type[RuleBasedStateMachine]


class Chosen:
    """Hypothesis' draws, chosen beforehand. A fake."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def draw(self, strategy: object, label: object = None) -> Any:
        return self.value


def chosen(value: Any) -> st.DataObject:
    """A draw whose value is known."""
    return cast("st.DataObject", Chosen(value))


DRAWS: Final = "data"
"""The argument by which a rule draws."""
NO_STEPS: Final = ("teardown", "step_is_made")
"""What is printed like a step: the end, and what explore.py counts by."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One rule of the machine, with what it was called with and what it drew."""

    rule: str
    arguments: dict[str, Any]

    def made(self, machine: RuleBasedStateMachine) -> None:
        """Make the step once more."""
        drawn = {DRAWS: chosen(self.arguments[DRAWS])} if DRAWS in self.arguments else {}
        getattr(machine, self.rule)(**{**self.arguments, **drawn})

    def smaller(self) -> Iterator[Self]:
        """The step with less of what it has a number of, least first."""
        for name, value in self.arguments.items():
            numbers = range(value) if type(value) is int and value > 0 else ()
            for number in numbers:
                yield replace(self, arguments={**self.arguments, name: number})


def steps_of(printed: str) -> list[Step]:
    """The steps of one find. Those that drew nothing did nothing, and are left out."""
    steps, drawn, text = [], [], ""
    for line in printed.splitlines():
        if found := re.match(r"\s*Draw \d+: (.*)", line):
            drawn.append(ast.literal_eval(found[1]))
        elif text or re.match(r"\s*state\.\w+\(", line):
            text += line.strip()
            call = _call(text)
            if call is not None:
                steps += _step(call, drawn)
                drawn, text = [], ""
    return [step for step in steps if step.rule not in NO_STEPS]


def _call(text: str) -> ast.Call | None:
    """A statement, if it is whole by now."""
    try:
        expression = ast.parse(text, mode="eval").body
    except SyntaxError:
        return None
    return expression if isinstance(expression, ast.Call) else None


def _step(call: ast.Call, drawn: Sequence[Any]) -> list[Step]:
    if not isinstance(call.func, ast.Attribute):
        return []
    given = {each.arg: each.value for each in call.keywords if each.arg}
    arguments = {name: ast.literal_eval(value) for name, value in given.items() if name != DRAWS}
    draws = DRAWS in given
    if draws and not drawn and call.func.attr != "turns_the_service":
        return []
    return [Step(rule=call.func.attr, arguments=arguments | ({DRAWS: drawn[0] if drawn else None} if draws else {}))]


def fault_of(steps: Sequence[Step], kind: Machine = TornMachine) -> tuple[str, RuleBasedStateMachine]:
    """What breaks first, and the machine as it is then; nothing where all goes well, or a step cannot be made."""
    machine = kind()
    try:
        for step in steps:
            step.made(machine)
        machine.teardown()
    except AssertionError as error:
        return str(error).split("\n", maxsplit=1)[0], machine
    except (LookupError, ValueError):  # a step about something that is not there without those that were left out
        return "", machine
    return "", machine


def sort_of(fault: str) -> str:
    """A fault without what differs from example to example."""
    return re.sub(r"[\[{(].*|\b[0-9a-f]{8}\b|\d+|[345]\b", "…", fault)


def fewest(steps: Sequence[Step], kind: Machine = TornMachine) -> list[Step]:
    """As few steps as lead to a fault of the same sort, each as small as can be."""
    sort, left = sort_of(fault_of(steps, kind)[0]), list(steps)

    def leads_there(fewer: Sequence[Step]) -> bool:
        return sort_of(fault_of(fewer, kind)[0]) == sort

    first = int(kind is TornMachine)  # its first step begins the world
    size, before = len(left) // 2, 0
    while sort and size:
        before = len(left)
        for at in range(len(left) - size, first - 1, -1):
            fewer = left[:at] + left[at + size :]
            left = fewer if len(fewer) < len(left) and leads_there(fewer) else left
        size = size if size == 1 and len(left) < before else size // 2
    for at, step in enumerate(left):
        smaller = (each for each in step.smaller() if leads_there([*left[:at], each, *left[at + 1 :]]))
        left[at] = next(smaller, step) if sort else step
    return left


def case(steps: Sequence[Step], kind: Machine = TornMachine) -> str:
    """The steps as a test, with its fault."""
    fault, machine = fault_of(steps, kind)
    versions = _versions(machine)
    lines = [f"# {fault}", "def test_() -> None:"]
    lines += [] if steps and steps[0].rule == "begins" else [f"    machine = {kind.__name__}()"]
    for step in steps:
        of = [f"{name}={_text(name, value, versions)}" for name, value in step.arguments.items()]
        call = f"machine = begun({', '.join(of)})" if step.rule == "begins" else f"machine.{step.rule}({', '.join(of)})"
        lines.append(f"    {call}")
    return "\n".join([*lines, "    machine.teardown()"])


def _versions(machine: RuleBasedStateMachine) -> dict[str, str]:
    """Version by revision."""
    if isinstance(machine, TornMachine):
        return machine.world.versions
    listed = machine.cluster.status.get("revisions") or () if isinstance(machine, Operated) else ()
    return {each["revision"]: each["version"] for each in listed}


def _text(name: str, value: Any, versions: dict[str, str]) -> str:
    text = f"chosen({value!r})" if name == DRAWS else repr(value)
    for revision, version in versions.items():
        text = text.replace(f"'churn-{revision}'", f'deployment(machine, "{version}")')
    return text


def main(log: str) -> None:
    """Print a case for each find in what explore.py has printed."""
    for printed in re.split(r"^seed ", Path(log).read_text("utf-8"), flags=re.MULTILINE)[1:]:
        found = printed.split(":", 1)[0]
        kind = MACHINES[found.rpartition(" of ")[2]]
        print(f"# seed {found}", case(fewest(steps_of(printed), kind), kind), sep="\n", end="\n\n", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
