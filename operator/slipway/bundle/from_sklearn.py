"""A fitted scikit-learn estimator or pipeline, through skl2onnx."""

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from slipway.bundle import graph
from slipway.bundle.assemble import MODEL, Options, Packed, pack_graph, quiet, scratch
from slipway.bundle.batches import Reference
from slipway.bundle.errors import BundleError, asking, need
from slipway.bundle.tensors import Array, Arrays, Signature, by_name, check_rows, datatype_of, to_array

_INPUT: Final = "x"
_GRAPH: Final = "model"
"""Without a name each export gets another one, and the bundle another digest."""


def pack(
    estimator: Any, given: Any, options: Options, *, dtype: str = "FP32", names: Mapping[str, str] | None = None
) -> Packed:
    """See `slipway.bundle.pack.sklearn`."""
    say = options.get("say", quiet)
    sklearn = need("sklearn", install="scikit-learn", why="the estimator is its")
    converter = need("skl2onnx", install="skl2onnx", why="it turns scikit-learn's estimators into ONNX")
    if isinstance(given, Mapping):
        given, names = _of_mapping(estimator, given, names or {})
    columns = {name: _of_type(column, dtype) for name, column in _columns(given).items()}
    values = _methods(estimator, sklearn)
    _check_takes(estimator, values, _as_given(columns, given))
    with scratch() as folder:
        say(f"exporting {type(estimator).__name__} with skl2onnx {converter.__version__}")
        model = _convert(_by_column(estimator, given, columns), columns, sklearn, converter)
        _named_as_given(model, columns)
        del model.graph.output[len(values) :]
        _in_order(model)
        if names:
            graph.rename(model, names, "the export")
        called = {name: (names or {}).get(name, name) for name in columns}
        file = Path(folder) / MODEL
        file.write_bytes(model.SerializeToString())
        signature = graph.signature(model, file.name)
        reference = Reference(
            name=f"scikit-learn {sklearn.__version__}",
            answer=lambda asked: _answers(
                estimator, _as_given({old: asked[new] for old, new in called.items()}, given), values, signature
            ),
        )
        facts = [
            f"{type(estimator).__name__} of scikit-learn {sklearn.__version__}, by skl2onnx {converter.__version__}."
        ]
        rows = by_name({called[name]: column for name, column in columns.items()}, signature.inputs)
        return pack_graph(file, rows, reference, options, library="sklearn", facts=facts)


def _of_mapping(estimator: Any, given: Mapping[str, Any], names: Mapping[str, str]) -> tuple[Any, dict[str, str]]:
    """Arrays by name, as files have them: the columns of a frame, or the one array, whose name the input then has."""
    columns = list(getattr(estimator, "feature_names_in_", ()))
    if len(given) == 1 and not columns:
        ((name, array),) = given.items()
        return array, {_INPUT: name, **names} if name != _INPUT else dict(names)
    pandas = need("pandas", install="pandas", why="the estimator takes its columns by their names")
    order = columns if set(columns) == set(given) else list(given)
    arrays = {name: to_array(given[name], name) for name in order}
    if wide := [name for name, array in arrays.items() if array.size != len(array)]:
        raise BundleError(
            f"inputs: {wide[0]!r} has shape {list(arrays[wide[0]].shape)}; give a column of one value a row"
        )
    return pandas.DataFrame({name: array.reshape(-1) for name, array in arrays.items()}), dict(names)


def _columns(given: Any) -> dict[str, Array]:
    """The inputs by name: a frame's columns are one each, as ColumnTransformer takes them; an array is one."""
    if hasattr(given, "columns"):
        return {str(name): to_array(given[name], str(name)).reshape(-1, 1) for name in given.columns}
    array = to_array(given, _INPUT)
    check_rows({_INPUT: array})
    return {_INPUT: array.reshape(-1, 1) if array.ndim == 1 else array}


def _of_type(array: Array, dtype: str) -> Array:
    """Floats in the datatype that the model is to take; whole numbers and booleans of a frame's column as INT64."""
    if dtype not in {"FP32", "FP64"}:
        raise BundleError(f"dtype: {dtype!r} is neither FP32 nor FP64; those are what skl2onnx computes in")
    if array.dtype.kind == "f" or (array.dtype.kind in "iub" and array.shape[1] > 1):
        return array.astype("float32" if dtype == "FP32" else "float64")
    return array.astype("int64") if array.dtype.kind in "iub" else array


def _by_column(estimator: Any, given: Any, columns: Arrays) -> Any:
    """The estimator behind what puts a frame's columns of numbers together, as scikit-learn does by itself and
    skl2onnx does not."""
    first = estimator
    while hasattr(first, "steps"):
        first = first.steps[0][1]
    compose = need("sklearn.compose", install="scikit-learn", why="the estimator is its")
    words = any(array.dtype.kind == "O" for array in columns.values())
    if len(columns) < 2 or words or isinstance(first, compose.ColumnTransformer):
        return estimator
    pipeline = need("sklearn.pipeline", install="scikit-learn", why="the estimator is its")
    together = compose.ColumnTransformer([("columns", "passthrough", list(given.columns))]).fit(given)
    return pipeline.Pipeline([("columns", together), ("estimator", estimator)])


def _convert(estimator: Any, columns: Arrays, sklearn: Any, converter: Any) -> Any:
    types = converter.common.data_types
    kinds = {
        "FP32": types.FloatTensorType,
        "FP64": types.DoubleTensorType,
        "INT64": types.Int64TensorType,
        "BYTES": types.StringTensorType,
    }
    initial = [(name, kinds[datatype_of(array, name)]([None, array.shape[1]])) for name, array in columns.items()]
    try:
        return converter.convert_sklearn(
            estimator, name=_GRAPH, initial_types=initial, options=_options(estimator, sklearn)
        )
    except Exception as error:  # noqa: BLE001  each converter raises what it likes
        words = textwrap.shorten(str(error), 400, placeholder=" …")
        raise BundleError(
            f"{type(estimator).__name__}: skl2onnx cannot export it: {words}; replace that step, or "
            "serve it from Python (slipway.bundle.pack.python)"
        ) from None


def _named_as_given(model: Any, columns: Arrays) -> None:
    """skl2onnx makes identifiers of names: clients of a column "fee (EUR)" would have to say another one."""
    exported = [tensor.name for tensor in model.graph.input]
    graph.rename(model, dict(zip(exported, columns, strict=True)), "the export")


def _in_order(model: Any) -> None:
    """skl2onnx lists its operator sets in an order of each run's own, and the bundle would have another digest."""
    sets = sorted((opset.domain, opset.version) for opset in model.opset_import)
    for opset, (domain, version) in zip(model.opset_import, sets, strict=True):
        opset.domain, opset.version = domain, version


def _options(estimator: Any, sklearn: Any) -> dict[int, dict[str, Any]]:
    """Tensors and no maps; and words without the locale en_US, which a server's image does not have."""
    text = need("sklearn.feature_extraction.text", install="scikit-learn", why="the estimator is its")
    parts = [estimator, *(estimator.get_params(deep=True).values() if hasattr(estimator, "get_params") else ())]
    options: dict[int, dict[str, Any]] = {
        id(part): {"locale": "C"} for part in parts if isinstance(part, text.CountVectorizer)
    }
    if sklearn.base.is_classifier(estimator) and hasattr(estimator, "predict_proba"):
        options[id(estimator)] = {"zipmap": False}
    return options


def _methods(estimator: Any, sklearn: Any) -> list[str]:
    """The methods whose answers are the graph's first outputs, in its order."""
    if not (hasattr(estimator, "fit") and hasattr(estimator, "get_params")):
        raise BundleError(f"{type(estimator).__name__}: is no estimator of scikit-learn's; give a fitted one")
    if sklearn.base.is_classifier(estimator):
        return ["predict", "predict_proba"] if hasattr(estimator, "predict_proba") else ["predict"]
    if hasattr(estimator, "predict"):
        return ["predict"]
    if hasattr(estimator, "transform"):
        return ["transform"]
    raise BundleError(f"{type(estimator).__name__}: neither predicts nor transforms; give a fitted estimator")


def _check_takes(estimator: Any, methods: list[str], rows: Any) -> None:
    """Ask the estimator before it is exported: what is wrong with it or the rows, it knows better than skl2onnx."""
    exceptions: Any = need("sklearn.exceptions", install="scikit-learn", why="the estimator is its")
    with asking(type(estimator).__name__):
        try:
            getattr(estimator, methods[0])(rows)
        except exceptions.NotFittedError:
            raise BundleError(f"{type(estimator).__name__}: has learned nothing yet; fit it, then pack it") from None


def _as_given(asked: Arrays, given: Any) -> Any:
    """The rows in the form that the estimator was fitted with; numbers rounded as the exported model gets them."""
    if hasattr(given, "columns"):
        return type(given)({name: _double(asked[str(name)][:, 0]) for name in given.columns})
    array = asked[_INPUT]
    return array[:, 0] if array.shape[1] == 1 and array.dtype.kind == "O" else _double(array)


def _double(array: Array) -> Array:
    """scikit-learn computes in double, and some of it in nothing else."""
    return array.astype("float64") if array.dtype.kind == "f" else array


def _answers(estimator: Any, asked: Any, methods: list[str], signature: Signature) -> dict[str, Array]:
    answers: dict[str, Array] = {}
    for method, output in zip(methods, signature.outputs, strict=True):
        with asking(type(estimator).__name__):
            answer = getattr(estimator, method)(asked)
        array = to_array(answer.toarray() if hasattr(answer, "toarray") else answer, output.name)
        answers[output.name] = array.reshape(-1, 1) if array.ndim == 1 and len(output.dims or ()) == 2 else array
    return by_name(answers, signature.outputs, "scikit-learn's answers")
