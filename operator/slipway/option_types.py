"""Option types: what the options of all commands take, where click's own types take what no command can use."""

import math
from typing import Any, Final

import click


class Finite(click.FloatRange):
    """A number between two bounds. click takes `nan` for one that is in every range, and a range without an end has
    `inf` in it."""

    def __init__(self, least: float, most: float, *, above: bool = False) -> None:
        """`above`: the least is none of them."""
        super().__init__(least, most, min_open=above)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """See click."""
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value} is not in the range {self._describe_range()}.", param, ctx)
        return number


DISTANCE: Final = Finite(0, 1e300)
"""How far answers may be away: the sum of two such is a number as well."""
_YEAR: Final = 366 * 24 * 60 * 60
"""Seconds: the longest that anything is waited for. Of much longer times the system's own clocks take none."""


def seconds_from(least: float) -> Finite:
    """A time of so many seconds at least."""
    return Finite(least, _YEAR)
