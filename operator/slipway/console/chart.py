"""A line through a few numbers, as SVG coordinates."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 320
HEIGHT: Final = 80
_MARGIN: Final = 8


@dataclass(frozen=True)
class Chart:
    """`points` for a polyline of WIDTH by HEIGHT; where each value is; least and greatest of them."""

    points: str
    places: list[tuple[float, float, str]]
    least: float
    greatest: float


def chart(values: Sequence[str | None]) -> Chart | None:
    """A chart of decimals in their order; None where fewer than two are numbers."""
    numbers = [(place, float(text), text) for place, text in enumerate(values) if text is not None and _finite(text)]
    if len(numbers) < 2:
        return None
    least, greatest = min(number for _, number, _ in numbers), max(number for _, number, _ in numbers)
    across, up = (WIDTH - 2 * _MARGIN) / max(1, len(values) - 1), (HEIGHT - 2 * _MARGIN) / ((greatest - least) or 1)
    places = [
        (round(_MARGIN + place * across, 1), round(HEIGHT - _MARGIN - (number - least) * up, 1), text)
        for place, number, text in numbers
    ]
    return Chart(" ".join(f"{x},{y}" for x, y, _ in places), places, least, greatest)


def _finite(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
