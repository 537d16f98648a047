"""Outcomes of checks, and which of several counts."""

from collections.abc import Collection
from typing import Final

from slipway.api.v1alpha1.analysis import MeasurementOutcome

Check = tuple[MeasurementOutcome, str]
"""What one condition says, with its words."""

_WORST_FIRST: Final = (MeasurementOutcome.FAILURE, MeasurementOutcome.INCONCLUSIVE, MeasurementOutcome.SUCCESS)


def worst(outcomes: Collection[MeasurementOutcome]) -> MeasurementOutcome:
    """The one that counts of several; there must be one."""
    return next(outcome for outcome in _WORST_FIRST if outcome in outcomes)


def held(condition: bool) -> MeasurementOutcome:
    """Success where the condition holds."""
    return MeasurementOutcome.SUCCESS if condition else MeasurementOutcome.FAILURE
