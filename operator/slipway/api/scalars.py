"""Scalars that Kubernetes users write as strings: durations (`1h30m`) and quantities (`20Gi`).

They stay strings in the models, so that what was applied reads back the same; these functions say what they mean.
"""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field
from pydantic.config import JsonDict

from slipway.api.base import RULES, rule

# Units from large to small, each once. The digits are few enough that neither CEL's nor Python's durations overflow.
DURATION_PATTERN: Final = r"^([0-9]{1,5}h)?([0-9]{1,7}m)?([0-9]{1,7}s)?([0-9]{1,7}ms)?$"
SECONDS_PATTERN: Final = r"^([0-9]{1,5}h)?([0-9]{1,7}m)?([0-9]{1,7}s)?$"
QUANTITY_PATTERN: Final = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$"
PERCENT_PATTERN: Final = r"^(100|[0-9]{1,2})%$"
DECIMAL_PATTERN: Final = r"^[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?$"

RATE_PATTERN: Final = r"^([1-9][0-9]{0,6}(\.[0-9]{1,3})?|0\.(00[1-9]|0[1-9][0-9]?|[1-9][0-9]{0,2}))$"

# An empty string would match a pattern of optional parts.
_NOT_EMPTY: Final = 2
_LENGTH: Final = 32


def value_rule(cel: str, message: str) -> JsonDict:
    """A rule about one value, which the message quotes: the API server by itself only says `string`."""
    return rule(cel, message, quoted='"\'" + self + "\'"')


def text(
    pattern: str, hint: str, *, max_length: int, min_length: int | None = None, rules: tuple[JsonDict, ...] = ()
) -> Any:
    """A string field whose form has a reason: `hint` is what the API server says of one that does not fit.

    In the CRD the pattern becomes a CEL rule, because the API server answers a pattern with nothing but the pattern.
    """
    extra: JsonDict = {RULES: [value_rule(f"self.matches(r'{pattern}')", hint), *rules]}
    return Field(pattern=pattern, min_length=min_length, max_length=max_length, json_schema_extra=extra)


def _time(pattern: str, hint: str, *rules: JsonDict) -> Any:
    return text(pattern, hint, min_length=_NOT_EMPTY, max_length=_LENGTH, rules=rules)


_ZERO: Final = "^0[0.a-zA-Z]*$"
_MUST_BE: Final = "must be more than zero"
_POSITIVE: Final = value_rule(f"!self.matches('{_ZERO}')", _MUST_BE)
_QUANTITY_HINT: Final = "is not a quantity: write it like 500m, 2 or 20Gi"
_SECONDS_HINT: Final = "is not a time in whole seconds: write it like 30s, 10m or 1h30m"
_RATE_HINT: Final = "is not a number of requests a second above zero: write it as a string like '85' or '0.5'"
_DECIMAL_HINT: Final = "is not a decimal: write it as a string like '0.001' or '1e-5'"


def _above_zero(value: str) -> str:
    """The API server's rule, for what was stored before it."""
    if re.match(_ZERO, value):
        raise ValueError(f"{value!r} {_MUST_BE}")
    return value


Duration = Annotated[str, _time(DURATION_PATTERN, "is not a duration: write it like 200ms, 2s or 1m30s")]
PositiveDuration = Annotated[
    str,
    _time(DURATION_PATTERN, "is not a duration: write it like 200ms, 2s or 1m30s", _POSITIVE),
    AfterValidator(_above_zero),
]
Interval = Annotated[str, _time(SECONDS_PATTERN, _SECONDS_HINT)]
Timeout = Annotated[str, _time(SECONDS_PATTERN, _SECONDS_HINT, _POSITIVE), AfterValidator(_above_zero)]
Quantity = Annotated[str, text(QUANTITY_PATTERN, _QUANTITY_HINT, max_length=_LENGTH)]
Size = Annotated[
    str,
    text(QUANTITY_PATTERN, _QUANTITY_HINT, max_length=_LENGTH, rules=(_POSITIVE,)),
    AfterValidator(_above_zero),
]
Decimals = Annotated[str, text(DECIMAL_PATTERN, _DECIMAL_HINT, max_length=_LENGTH)]
PositiveRate = Annotated[str, text(RATE_PATTERN, _RATE_HINT, max_length=_LENGTH)]

CountOrPercent = (
    Annotated[int, Field(ge=0, le=1000)]
    | Annotated[str, text(PERCENT_PATTERN, "is not a share: write it like 25%, or give a number of pods", max_length=4)]
)

_UNIT: Final = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
}
MULTIPLIERS: Final = {"": Decimal(1), "m": Decimal("0.001")}
MULTIPLIERS.update({s: Decimal(1000) ** (i + 1) for i, s in enumerate("kMGTPE")})
MULTIPLIERS.update({f"{s}i": Decimal(1024) ** (i + 1) for i, s in enumerate("KMGTPE")})
"""What each suffix of a quantity multiplies by."""


def duration(text: str) -> timedelta:
    """`1h30m`, `15s`, `200ms` as a timedelta; ValueError for anything else."""
    if not text or not re.fullmatch(DURATION_PATTERN, text):
        raise ValueError(f"{text!r} is not a duration: write it like 30s, 10m or 1h30m")
    parts = re.findall(r"([0-9]+)(ms|s|m|h)", text)
    return sum((int(n) * _UNIT[unit] for n, unit in parts), timedelta())


def quantity(text: str | int) -> Decimal:
    """A Kubernetes quantity (`20Gi`, `500m`, `2`) as a number of its base unit; ValueError for anything else."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([a-zA-Z]*)", str(text))
    if not match or match[2] not in MULTIPLIERS:
        raise ValueError(f"{text!r} is not a quantity: write it like 500m, 2 or 20Gi")
    return Decimal(match[1]) * MULTIPLIERS[match[2]]


def share_of(value: int | str, whole: int, *, up: bool) -> int:
    """`25%` of a whole number of pods, rounded `up` or down; a plain number stands for itself."""
    if isinstance(value, int):
        return value
    hundredths = int(value.removesuffix("%")) * whole
    return -(-hundredths // 100) if up else hundredths // 100
