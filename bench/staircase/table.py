"""The courses as a table, and as a chart in SVG. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final
from xml.sax.saxutils import escape

from bench.staircase.figures import Course, Moment

HEADINGS: Final = (
    "model",
    "scaler",
    "pod-minutes",
    "missing, pod-minutes",
    "farthest below",
    "farthest above",
    "turns",
    "requests",
    "over the objective",
)
COLOURS: Final = {"slipway": "#1a7f37", "cpu": "#8250df", "ratio": "#bc4c00", "queue": "#cf222e"}
WIDTH, HEIGHT, LEFT, TOP = 900, 190, 46, 48
"""Pixels: of a panel's drawing, of a panel, and what is left of and above the drawings."""

Courses = Mapping[tuple[str, str], Course]
"""By the names of model and scaler."""


def table(courses: Courses, words: Mapping[str, str]) -> str:
    """A row for each model and scaler. `words` are a scaler's by its name."""
    rows: list[Sequence[str]] = [HEADINGS, ("---", "---", *("---:" for _ in HEADINGS[2:]))]
    for (model, scaler), course in courses.items():
        part = 100 * course.late / course.answered if course.answered else 0
        numbers = (course.most_missing, course.most_beyond, course.turns, course.answered)
        rows.append(
            (
                model,
                words[scaler],
                f"{course.pod_minutes:.1f}",
                f"{course.missing_minutes:.1f}",
                *map(str, numbers),
                f"{course.late} ({part:.1f} %)",
            )
        )
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def chart(courses: Courses, words: Mapping[str, str]) -> str:
    """A panel for each model: what is needed as a grey area, and each scaler's pods as a line."""
    models = list(dict.fromkeys(model for model, _ in courses))
    lines: list[str] = []
    for number, model in enumerate(models):
        there = {scaler: course for (of, scaler), course in courses.items() if of == model}
        lines += _panel(there, TOP + number * HEIGHT)
    plain = {name: escape(text.replace("`", "")) for name, text in words.items()}
    legend = (
        f'<text x="{LEFT + 220 * place}" y="22" fill="{COLOURS[name]}">{plain[name]}</text>'
        for place, name in enumerate(dict.fromkeys(scaler for _, scaler in courses))
    )
    size = f'width="{LEFT + WIDTH + 20}" height="{TOP + HEIGHT * len(models)}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">'
    ground = '<rect width="100%" height="100%" fill="#ffffff"/>'
    return "\n".join([head, ground, *legend, *lines, "</svg>", ""])


def _panel(courses: Mapping[str, Course], top: int) -> Iterator[str]:
    first = next(iter(courses.values()))
    until = max(course.moments[-1].at for course in courses.values())
    most = max(max(m.wanted for m in course.moments) for course in courses.values())
    drawn = HEIGHT - 56

    def x(at: float) -> float:
        return LEFT + WIDTH * at / until

    def y(pods: float) -> float:
        return top + 20 + drawn * (1 - pods / most)

    title = escape(f"{first.model.name}: {first.model.what}")
    yield f'<text x="{LEFT}" y="{top + 10}" font-weight="bold">{title}</text>'
    for pods in range(most + 1):
        yield f'<text x="{LEFT - 8}" y="{y(pods) + 4:.0f}" text-anchor="end" fill="#57606a">{pods}</text>'
        yield f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y(pods):.1f}" y2="{y(pods):.1f}" stroke="#d0d7de"/>'
    needs = [Moment(float(at), first.needed(at), 0) for at in range(int(until) + 1)]
    area = f"{_steps(needs, x, y)} L{x(until):.1f},{y(0):.1f} L{x(0):.1f},{y(0):.1f} Z"
    yield f'<path d="{area}" fill="#d0d7de" fill-opacity="0.7" stroke="none"/>'
    for place, (name, course) in enumerate(courses.items()):
        shift = 1.5 * place  # lines over each other would hide each other
        path = f'd="{_steps(course.moments, x, y)}" transform="translate(0,-{shift})"'
        yield f'<path {path} fill="none" stroke="{COLOURS[name]}" stroke-width="2"/>'
    for minute in range(0, int(until) // 60 + 1, 2):
        where = f'x="{x(60 * minute):.0f}" y="{top + HEIGHT - 20}"'
        yield f'<text {where} text-anchor="middle" fill="#57606a">{minute} min</text>'


def _steps(moments: Sequence[Moment], x: Callable[[float], float], y: Callable[[float], float]) -> str:
    """A line that keeps its height until it changes."""
    points = [f"M{x(moments[0].at):.1f},{y(moments[0].wanted):.1f}"]
    last = moments[0].wanted
    for moment in moments[1:]:
        if moment.wanted != last:
            points.append(f"H{x(moment.at):.1f} V{y(moment.wanted):.1f}")
            last = moment.wanted
    return " ".join([*points, f"H{x(moments[-1].at):.1f}"])
