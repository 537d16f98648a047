"""Whether the exported model answers as the framework does, for batches of one, two and three rows.

An exporter that saw one batch size may have written it into the graph: such a model loads, answers its example, and
fails its first client who sends another number of rows. Three sizes are asked here, where the name can still be told.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from slipway.bundle import golden
from slipway.bundle.errors import BundleError
from slipway.bundle.runtime import CannotRun, OnnxModel
from slipway.bundle.tensors import Array, Arrays, Declared, Signature, rows_of, take
from slipway.guard.tensors import Tolerance

SIZES: Final = (1, 2, 3)
_REMEDY: Final = "export it with a free first dimension, or pack it without batches (batch=False, --no-batch)"


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Who knows the right answers."""

    name: str
    answer: Callable[[Arrays], Arrays]


def check_free(signature: Signature, file: str) -> None:
    """BundleError with the tensor unless the first dimension of all inputs and outputs is free."""
    for what, tensors in (("input", signature.inputs), ("output", signature.outputs)):
        for tensor in tensors:
            if tensor.free_first:
                continue
            if not tensor.dims:
                raise BundleError(f"{file}: {what} {tensor.shown} has no batch dimension; {_REMEDY}")
            raise BundleError(
                f"{file}: {what} {tensor.shown}: the batch dimension is baked in as {tensor.dims[0]}; {_REMEDY}"
            )


@dataclass(frozen=True, kw_only=True)
class Both:
    """The exported model, and who knows what it must answer."""

    model: OnnxModel
    reference: Reference
    signature: Signature
    tolerance: Tolerance | None

    def agree_by_batch(self, rows: Arrays) -> bool:
        """Ask both with one, two, three and all rows; whether all answers were equal to the bit."""
        exact = [self._agree(take(rows, size), size) for size in sorted({*SIZES, rows_of(rows)})]
        return all(exact)

    def agree(self, rows: Arrays) -> bool:
        """Ask both for the examples as they are; whether the answers were equal to the bit."""
        return self._agree(rows, None)

    def _agree(self, rows: Arrays, batch: int | None) -> bool:
        at = "" if batch is None else f"a batch of {batch}: "
        got = self._run(rows, batch, at)
        expected = self.reference.answer(rows)
        golden.no_nan(expected, self.reference.name)
        if wrong := golden.difference(expected, got, self.signature, self.tolerance):
            raise BundleError(
                f"{at}the exported model does not answer as {self.reference.name} does: {wrong}; export it "
                "another way, or say how far answers may differ (tolerance)"
            )
        return all(np.array_equal(got[name], array) for name, array in expected.items())

    def _run(self, rows: Arrays, batch: int | None, at: str) -> Arrays:
        try:
            got = self.model.run(rows)
        except CannotRun as error:
            if batch is None:
                raise BundleError(f"the exported model does not take the examples: {error}; correct them") from None
            why = f"the exported model does not take it, another batch is baked in: {error}"
            raise BundleError(f"{at}{why}; {_REMEDY}") from None
        for output in self.signature.outputs if batch is not None else ():
            _check_rows(output, got[output.name], batch or 0)
        return got


def _check_rows(output: Declared, answer: Array, size: int) -> None:
    if not answer.ndim or len(answer) != size:
        raise BundleError(
            f"a batch of {size}: output {output.name!r} has shape {list(answer.shape)}, whose first dimension is not "
            f"the batch: it is baked in, or the model answers once for all rows; {_REMEDY}"
        )
