"""A gate on quality: a metric of scikit-learn's, measured on labelled data before and after.

    f1 drop <= 0.01        at most so much less than the original's
    accuracy >= 0.9        at least so much

Metrics are scikit-learn's scorers, for which more is better: f1, accuracy, roc_auc, r2, neg_mean_absolute_error, …
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from slipway.bundle.errors import BundleError, need
from slipway.bundle.tensors import Array, Arrays, Declared, Signature

Run = Callable[[Arrays], Arrays]
_GATE: Final = re.compile(r"(?P<metric>\w+)\s+(?:(?P<drop>drop\s*<=)|>=)\s*(?P<limit>\S+)")


@dataclass(frozen=True, kw_only=True)
class Gate:
    """What must hold of a metric after the change."""

    metric: str
    drop: bool
    limit: float

    def refusal(self, before: float | None, after: float | None) -> str | None:
        """What is wrong, or None. NaN never passes, nor does what was not measured."""
        before, after = (math.nan if value is None else value for value in (before, after))
        measured = before - after if self.drop else after
        passes = measured <= self.limit if self.drop else measured >= self.limit
        if passes and math.isfinite(before) and math.isfinite(after):
            return None
        return (
            f"{self.metric} was {before:.4g} and is {after:.4g}, and the gate is {self}; "
            "calibrate with more rows, try another way (--to), or keep the original"
        )

    def __str__(self) -> str:
        return f"`{self.metric} {'drop <=' if self.drop else '>='} {self.limit:g}`"


def parse(text: str) -> Gate:
    """The gate in a person's words."""
    match = _GATE.fullmatch(text.strip())
    try:
        limit = float(match["limit"]) if match else math.nan
    except ValueError:
        limit = math.nan
    if match is None or not math.isfinite(limit):
        raise BundleError(f"gate: {text!r} is neither `METRIC drop <= NUMBER` nor `METRIC >= NUMBER`")
    return Gate(metric=match["metric"], drop=match["drop"] is not None, limit=limit)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A gate, and the labelled rows that it is tried on."""

    gate: Gate
    rows: Arrays
    labels: Array
    output: str | None
    """The output that is measured; None: the one that suits."""

    def score(self, run: Run, signature: Signature) -> float:
        """The metric of a model's answers."""
        metrics = need("sklearn.metrics", install="scikit-learn", why="the gate's metrics are its")
        name = self.gate.metric
        try:
            scorer = metrics.get_scorer(name)
        except ValueError:
            raise BundleError(f"gate: scikit-learn has no scorer {name!r}; get_scorer_names() lists them") from None
        output = _output(signature, self.output)
        served = _estimator(output, self.labels, lambda: run(self.rows)[output.name])
        try:
            return float(scorer(served, np.zeros((len(self.labels), 1)), self.labels))
        except ValueError as error:
            raise BundleError(f"gate: {name} of output {output.name!r}: {error}; name another (--measure)") from None


def _output(signature: Signature, wanted: str | None) -> Declared:
    """The output that is measured: the one that was named, else the only one of floats, else the first."""
    by_name = {tensor.name: tensor for tensor in signature.outputs}
    if wanted is not None:
        if wanted not in by_name:
            raise BundleError(f"output: the model has no {wanted!r}; it has {', '.join(by_name)}")
        return by_name[wanted]
    floats = [tensor for tensor in signature.outputs if tensor.datatype.startswith(("FP", "BF"))]
    return floats[0] if floats else signature.outputs[0]


def _estimator(output: Declared, labels: Array, answer: Callable[[], Array]) -> Any:
    """The model as scikit-learn's scorers want it: labels, or a probability a class, or one number a row."""
    base: Any = need("sklearn.base", install="scikit-learn", why="the gate's metrics are its")
    classes = np.unique(labels)

    def probabilities(_: object) -> Array:
        answers = answer()
        if answers.shape != (len(labels), len(classes)):
            raise BundleError(
                f"gate: {output.name!r} has shape {list(answers.shape)}, and the labels are {len(classes)} classes of "
                f"{len(labels)} rows; name another output (--measure)"
            )
        return answers

    class Classifier(base.ClassifierMixin, base.BaseEstimator):  # type: ignore[misc]
        def predict(self, rows: object) -> Array:
            if output.datatype.startswith(("FP", "BF")):
                predicted: Array = classes[np.argmax(probabilities(rows), axis=1)]
                return predicted
            return answer().reshape(-1)

        def predict_proba(self, rows: object) -> Array:
            return probabilities(rows)

    class Regressor(base.RegressorMixin, base.BaseEstimator):  # type: ignore[misc]
        def predict(self, _: object) -> Array:
            answers = answer()
            return answers.reshape(-1) if answers.size == len(labels) else answers

    made: Any = Regressor() if labels.dtype.kind == "f" else Classifier()
    if labels.dtype.kind != "f":
        made.classes_ = classes
    return made
