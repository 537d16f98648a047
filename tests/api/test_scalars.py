"""Durations and quantities: what is accepted, and what it means."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from slipway.api.scalars import (
    Decimals,
    Duration,
    Interval,
    PositiveDuration,
    PositiveRate,
    Quantity,
    Size,
    Timeout,
    duration,
    quantity,
)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("0s", timedelta()),
        ("200ms", timedelta(milliseconds=200)),
        ("30s", timedelta(seconds=30)),
        ("90m", timedelta(minutes=90)),
        ("1h30m", timedelta(hours=1, minutes=30)),
        ("1h1m1s1ms", timedelta(hours=1, minutes=1, seconds=1, milliseconds=1)),
        (
            "99999h9999999m9999999s9999999ms",
            timedelta(hours=99999, minutes=9999999, seconds=9999999, milliseconds=9999999),
        ),
    ],
)
def test_a_duration_means(text: str, meaning: timedelta) -> None:
    assert duration(TypeAdapter(Duration).validate_python(text)) == meaning


@pytest.mark.parametrize("kind", [PositiveDuration, Timeout, Size])
@pytest.mark.parametrize("text", ["0", "0s", "0h0m0s", "0ms", "0.0Gi", "00"])
def test_zero_is_refused_as_by_the_api_server_also_where_it_is_stored(kind: type[str], text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(text)


@pytest.mark.parametrize(
    "text", ["", "s", "5", "1.5h", "-1s", "1s ", "1s\n", "30s1m", "1m1m", "1d", "1us", "100000h", "٣s"]
)
def test_not_a_duration(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Duration).validate_python(text)
    with pytest.raises(ValueError, match="is not a duration: write it like 30s, 10m or 1h30m"):
        duration(text)


@pytest.mark.parametrize("kind", [Interval, Timeout])
def test_times_that_servers_take_in_seconds_have_no_milliseconds(kind: type[str]) -> None:
    assert TypeAdapter(kind).validate_python("1m30s") == "1m30s"
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python("1500ms")


@settings(deadline=None)
@given(
    st.integers(0, 99999), st.integers(0, 9999999), st.integers(0, 9999999), st.integers(0, 9999999), st.integers(1, 15)
)
def test_a_duration_is_the_sum_of_its_parts(h: int, m: int, s: int, ms: int, used: int) -> None:
    parts = [("h", "hours", h), ("m", "minutes", m), ("s", "seconds", s), ("ms", "milliseconds", ms)]
    chosen = [part for index, part in enumerate(parts) if used & 1 << index]
    text = "".join(f"{number}{unit}" for unit, _, number in chosen)
    assert duration(TypeAdapter(Duration).validate_python(text)) == timedelta(
        **{name: number for _, name, number in chosen}
    )


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("0", 0),
        (2, 2),
        ("500m", Decimal("0.5")),
        ("1.5Gi", 1610612736),
        ("20Gi", 20 * 2**30),
        ("1G", 10**9),
        ("1k", 1000),
        ("3Ti", 3 * 2**40),
        ("1E", 10**18),
        ("1Ei", 2**60),
    ],
)
def test_a_quantity_means(text: str | int, meaning: Decimal | int) -> None:
    assert quantity(text) == meaning
    assert TypeAdapter(int | Quantity).validate_python(text) == text


@pytest.mark.parametrize("text", ["", "Gi", "20GB", "20gi", "-1", "1.", ".5", "1e3", "1 Gi", "1K", "5Gi\n", "٣Gi"])
def test_not_a_quantity(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Quantity).validate_python(text)
    with pytest.raises(ValueError, match="is not a quantity: write it like 500m, 2 or 20Gi"):
        quantity(text)


@settings(deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["m", "", "k", "M", "G", "T", "P", "E"]))
def test_a_thousand_of_one_suffix_is_one_of_the_next(number: int, suffix: str) -> None:
    suffixes = ["m", "", "k", "M", "G", "T", "P", "E"]
    smaller = suffixes[max(suffixes.index(suffix) - 1, 0)]
    factor = 1 if smaller == suffix else 1000
    assert quantity(f"{number}{suffix}") == quantity(f"{number * factor}{smaller}")


@pytest.mark.parametrize("text", ["0", "0.001", "1e-5", "1.5E+3"])
def test_a_decimal_stays_as_it_was_written(text: str) -> None:
    assert TypeAdapter(Decimals).validate_python(text) == text


@pytest.mark.parametrize("text", ["", "-1", "nan", "inf", "1e999", "1,5", ".1"])
def test_not_a_decimal(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Decimals).validate_python(text)


@pytest.mark.parametrize("text", ["1", "85", "0.5", "0.05", "0.001", "85.125", "9999999.999", "10.0"])
def test_a_rate_is_a_number_above_zero(text: str) -> None:
    assert float(TypeAdapter(PositiveRate).validate_python(text)) > 0


@pytest.mark.parametrize("text", ["", "0", "0.0", "0.000", "00", "01", "-1", "1e3", ".5", "1.", "0.0005", "10000000"])
def test_not_a_rate(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(PositiveRate).validate_python(text)
