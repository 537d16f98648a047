"""Why a model has so many pods, where their number follows a load: in a line, and what is in the way of it."""

from collections.abc import Iterator

from slipway.cli.model import Model
from slipway.core.load import LOAD_UNKNOWN
from slipway.core.status.scaler_faults import SCALING_BLOCKED


def scaling(model: Model) -> tuple[str, ...]:
    """What status says of it, and of each thing that keeps the number as it is."""
    return tuple(_lines(model))


def _lines(model: Model) -> Iterator[str]:
    if scaled := model.status.autoscaling:
        pods = "1 pod" if scaled.wanted == 1 else f"{scaled.wanted} pods"
        bounds = f", bounds {model.bounds[0]} to {model.bounds[1]}" if model.bounds else ""
        yield f"{pods} by {scaled.by}{bounds}: {scaled.because}"
    for kind in (LOAD_UNKNOWN, SCALING_BLOCKED):
        if (condition := model.condition(kind)) and condition.status == "True":
            yield f"{condition.reason}: {condition.message}"
