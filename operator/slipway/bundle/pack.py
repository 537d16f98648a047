"""Pack a trained model into a bundle: one function a framework.

    from slipway.bundle import pack

    packed = pack.sklearn(pipeline, X_test[:20], out="churn")
    print(packed.digest)

Each exports the model, asks export and framework the same questions with batches of one, two and three rows, writes
config.pbtxt from the graph, golden requests with the framework's answers, the card and SHA256SUMS, and has the
fetcher's own code look at the result before it puts it in its place. A BundleError names the file or tensor and what to
do.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

from slipway.bundle import from_keras, from_models, from_onnx, from_python, from_sklearn, from_torch
from slipway.bundle.assemble import Options, Packed
from slipway.bundle.card import Card
from slipway.bundle.errors import BundleError
from slipway.bundle.tensors import Arrays

__all__ = ["BundleError", "Card", "Packed", "keras", "models", "onnx", "python", "sklearn", "torch"]


def onnx(
    file: str | Path,
    inputs: object,
    *,
    answers: object = None,
    names: Mapping[str, str] | None = None,
    **options: Unpack[Options],
) -> Packed:
    """An ONNX file. `answers` are the training framework's, one row a row; without them the file's own are golden.

    `names` gives inputs and outputs other names, old to new.
    """
    return from_onnx.pack(file, inputs, options, answers=answers, names=names)


def sklearn(
    estimator: Any,
    X: Any,  # noqa: N803  scikit-learn's name for it
    *,
    dtype: str = "FP32",
    names: Mapping[str, str] | None = None,
    **options: Unpack[Options],
) -> Packed:
    """A fitted estimator or pipeline of scikit-learn. A frame's columns become one input each, an array is `x`."""
    return from_sklearn.pack(estimator, X, options, dtype=dtype, names=names)


def torch(
    module: Any,
    inputs: object,
    *,
    dynamic: Mapping[str, Mapping[int, str]] | None = None,
    outputs: Sequence[str] = (),
    **options: Unpack[Options],
) -> Packed:
    """A torch module. `inputs` are named as forward's parameters; `dynamic` names free dimensions beside the batch."""
    return from_torch.pack(module, inputs, options, dynamic=dynamic, outputs=outputs)


def keras(model: Any, inputs: object, *, outputs: Sequence[str] = (), **options: Unpack[Options]) -> Packed:
    """A Keras 3 model. `outputs` names what it gives, in its order."""
    return from_keras.pack(model, inputs, options, outputs=outputs)


def python(
    file: str | Path,
    inputs: Mapping[str, object],
    answers: Mapping[str, object] | Callable[[Arrays], Mapping[str, object]],
    *,
    beside: tuple[str | Path, ...] = (),
    dynamic: Mapping[str, tuple[int, ...]] | None = None,
    **options: Unpack[Options],
) -> Packed:
    """A model.py for Triton's Python backend, with the answers that it must give; `beside` are files it reads."""
    return from_python.pack(file, inputs, answers, options, beside=beside, dynamic=dynamic)


def models(
    directory: str | Path,
    inputs: object,
    answers: object | Callable[[Arrays], object],
    *,
    entry: str | None = None,
    **options: Unpack[Options],
) -> Packed:
    """Several models, each with its config.pbtxt in a directory of its name, such as an ensemble with its steps.

    `entry` is the one that clients ask, whose `inputs` and `answers` are given; without it the only one that is no step
    of another. Bundles may be among them: their golden requests, cards and lists are left out. Batches are as
    config.pbtxt has them.
    """
    return from_models.pack(directory, inputs, answers, options, entry=entry)
