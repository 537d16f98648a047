"""Scalars that Kubernetes users write as strings: durations (`1h30m`) and quantities (`20Gi`).

They stay strings in the models, so that what was applied reads back the same; these functions say what they mean.
"""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Final

from pydantic import Field

DURATION_PATTERN: Final = r"^([0-9]+(ms|s|m|h))+$"
QUANTITY_PATTERN: Final = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$"
DECIMAL_PATTERN: Final = r"^[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"

Duration = Annotated[str, Field(pattern=DURATION_PATTERN, max_length=32)]
Quantity = Annotated[str, Field(pattern=QUANTITY_PATTERN, max_length=32)]
Decimals = Annotated[str, Field(pattern=DECIMAL_PATTERN, max_length=32)]

_UNIT: Final = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
}
_SUFFIX: Final = {"": Decimal(1), "m": Decimal("0.001")}
_SUFFIX.update({s: Decimal(1000) ** (i + 1) for i, s in enumerate("kMGTPE")})
_SUFFIX.update({f"{s}i": Decimal(1024) ** (i + 1) for i, s in enumerate("KMGTPE")})


def duration(text: str) -> timedelta:
    """`1h30m`, `15s`, `200ms` as a timedelta; ValueError for anything else."""
    if not re.fullmatch(DURATION_PATTERN, text):
        raise ValueError(f"{text!r} is not a duration: write it like 30s, 10m or 1h30m")
    parts = re.findall(r"([0-9]+)(ms|s|m|h)", text)
    return sum((int(n) * _UNIT[unit] for n, unit in parts), timedelta())


def quantity(text: str | int) -> Decimal:
    """A Kubernetes quantity (`20Gi`, `500m`, `2`) as a number of its base unit; ValueError for anything else."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([a-zA-Z]*)", str(text))
    if not match or match[2] not in _SUFFIX:
        raise ValueError(f"{text!r} is not a quantity: write it like 500m, 2 or 20Gi")
    return Decimal(match[1]) * _SUFFIX[match[2]]
