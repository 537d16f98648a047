"""A model for people: its tree, the way of its rollout, its numbers, and what it awaits."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text
from rich.tree import Tree

from slipway.cli.awaited import Awaited
from slipway.cli.screen import Screen, style_of, words
from slipway.cli.steps import Mark, Step
from slipway.cli.text import age, at, plain
from slipway.cli.tree import MetricLine, ModelTree, PodLine, RevisionLine

MOST_PODS: Final = 8
"""Of a revision, those that are ready; all others are shown."""
_STYLES: Final = {Mark.DONE: "green", Mark.NOW: "bold cyan", Mark.TO_COME: "dim"}


def tree_of(view: ModelTree, screen: Screen, now: datetime) -> RenderableType:
    """A model for people."""
    parts: list[RenderableType] = [_tree(view, screen, now)]
    if view.message:
        parts.append(words(view.message))
    if view.stages:
        parts.append(_in_line(view.stages, screen))
    if view.steps:
        parts += [Text("steps", "bold"), *(_step(number, step, screen) for number, step in enumerate(view.steps, 1))]
    if view.measured:
        parts += [Text.assemble(("measured", "bold"), f"  {view.measured}"), *map(_measurement, view.measurements)]
    if view.strategy:
        parts.append(Text.assemble(("strategy", "bold"), "  ", words(view.strategy)))
    if view.follows:
        parts.append(Text.assemble(("follows", "bold"), "  ", words(view.follows)))
    parts += [Text.assemble(("scaling", "bold"), "  ", words(each)) for each in view.scaling]
    if view.last_request:
        parts.append(Text.assemble(("asked", "bold"), "  ", words(view.last_request)))
    if view.awaited:
        parts.append(Text.assemble(("awaits", "bold"), "  ", awaited_of(view.awaited, now)))
    if view.unreadable:
        missing = f"{', '.join(view.unreadable)} cannot be read by this version of the command: see slipway version"
        parts.append(words(missing, "yellow"))
    return Group(*parts)


def awaited_of(awaited: Awaited, now: datetime) -> Text:
    """What is awaited, until when, and then what."""
    until = f"; at {at(awaited.until, now)}: " if awaited.until else "; " if awaited.then else ""
    return words(f"{awaited.what}{until}{awaited.then}")


def _tree(view: ModelTree, screen: Screen, now: datetime) -> Tree:
    root = Tree(
        Text.assemble(
            words(view.name, "bold"),
            "  ",
            words(view.namespace, "dim"),
            "  ",
            words(view.phase, style_of(view.phase)),
            f"  {plain(view.ready)} ready",
        ),
        guide_style="dim",
    )
    for each in view.revisions:
        branch = root.add(_revision(each))
        ready = [pod for pod in each.pods if pod.state == "ready"]
        hidden = {pod.name for pod in ready[MOST_PODS:]}
        for pod in each.pods:
            if pod.name not in hidden:
                branch.add(_pod(pod, screen, now))
        if hidden:
            branch.add(Text(f"and {len(hidden)} more that are ready", "dim"))
    return root


def _revision(line: RevisionLine) -> Text:
    number = f"#{line.number} " if line.number else ""
    return Text.assemble(
        words(line.version, "bold"),
        "  ",
        (f"{number}{plain(line.revision or 'no revision yet')}", "dim"),
        "  ",
        (line.state, "cyan"),
        f"  {line.share} %  {line.available}/{line.replicas} pods",
    )


def _pod(line: PodLine, screen: Screen, now: datetime) -> Text:
    style = "green" if line.state == "ready" else "bold red" if line.state.startswith("ended") else "yellow"
    parts = [(plain(line.state), style), (plain(line.node), "") if line.node else None]
    parts += [(plain(line.gpu), "") if line.gpu else None, (_golden(line, screen), "")]
    parts += [(f"{line.restarts} restarts", "yellow") if line.restarts else None, (age(line.created, now), "dim")]
    text = words(line.name)
    for part in filter(None, parts):
        text.append("  ").append(*part)
    return text


def _golden(line: PodLine, screen: Screen) -> str:
    if line.golden is None:
        return "no golden requests"
    return f"golden {screen.mark(Mark.DONE if line.golden else Mark.TO_COME)}"


def _in_line(steps: Iterable[Step], screen: Screen) -> Columns:
    return Columns([Text(f"{screen.mark(step.mark)} {step.words}", _STYLES[step.mark]) for step in steps], (0, 2))


def _step(number: int, step: Step, screen: Screen) -> RenderableType:
    return Text(f"  {screen.mark(step.mark):{len(screen.mark(Mark.DONE))}} {number} {step.words}", _STYLES[step.mark])


def _measurement(line: MetricLine) -> RenderableType:
    text = Text.assemble(words(line.metric), "  ", (line.outcome, style_of(line.outcome)), "  ", words(line.message))
    return Padding(text, (0, 0, 0, 2))
