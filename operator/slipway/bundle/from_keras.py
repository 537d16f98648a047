"""A Keras 3 model, through its own export to ONNX."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from slipway.bundle import graph
from slipway.bundle.assemble import MODEL, Options, Packed, pack_graph, quiet, renamed, scratch
from slipway.bundle.batches import Reference
from slipway.bundle.errors import BundleError, asking, need
from slipway.bundle.tensors import Array, Arrays, Signature, by_name, check_rows, take, to_array


def pack(model: Any, inputs: object, options: Options, *, outputs: Sequence[str] = ()) -> Packed:
    """See `slipway.bundle.pack.keras`."""
    keras = need("keras", install="keras", why="the model is its")
    say = options.get("say", quiet)
    inputs, called = _of_one(model, inputs)
    rows = _rows(inputs)
    check_rows(rows)
    _asked(model, _shaped(inputs, take(rows, 2)))  # a model that was never called has no shapes to export
    with scratch() as folder, scratch() as other:
        say(f"exporting {model.name} with Keras {keras.__version__} on {keras.backend.backend()}")
        file = _exported(keras, model, inputs, rows, Path(folder), batched=options.get("batch", True))
        exported = graph.signature(graph.load(file), file.name)
        if not outputs:
            listed = ", ".join(tensor.name for tensor in exported.outputs)
            say(f"clients get {listed}, as Keras' exporter names it; outputs (--output-name) gives another name")
        names = _output_names(exported, outputs) | ({exported.inputs[0].name: called} if called else {})
        file = renamed(file, names, Path(other)) if names else file
        signature = graph.signature(graph.load(file), file.name)
        places = dict(zip([tensor.name for tensor in signature.inputs], rows, strict=True))
        if rows.keys() == set(places):
            places = {name: name for name in rows}
        reference = Reference(
            name=f"Keras {keras.__version__}",
            answer=lambda feed: by_name(
                _asked(model, _shaped(inputs, {key: feed[name] for name, key in places.items()})),
                signature.outputs,
                "Keras' answers",
            ),
        )
        feed = by_name({name: rows[key] for name, key in places.items()}, signature.inputs)
        facts = [f"{model.name} of Keras {keras.__version__} on {keras.backend.backend()}, by its own export."]
        return pack_graph(file, feed, reference, options, library="keras", facts=facts)


def _of_one(model: Any, inputs: object) -> tuple[object, str | None]:
    """The array of a mapping with one name, and that name: the client's, where the model itself takes no mapping."""
    try:
        by_key = isinstance(model.input, Mapping)
    except (AttributeError, ValueError):  # a model that was never called
        by_key = False
    if not isinstance(inputs, Mapping) or len(inputs) != 1 or by_key:
        return inputs, None
    ((name, array),) = inputs.items()
    return array, str(name)


def _rows(inputs: object) -> dict[str, Array]:
    if isinstance(inputs, Mapping):
        return {str(name): to_array(value, str(name)) for name, value in inputs.items()}
    values = inputs if isinstance(inputs, tuple | list) else [inputs]
    return {f"inputs[{index}]": to_array(value, f"inputs[{index}]") for index, value in enumerate(values)}


def _shaped(inputs: object, rows: Mapping[str, Any]) -> Any:
    """The rows in the form that the person gave theirs: a mapping, a list, or one array."""
    if isinstance(inputs, Mapping):
        return dict(rows)
    values = list(rows.values())
    return values if isinstance(inputs, tuple | list) else values[0]


def _asked(model: Any, rows: Any) -> tuple[Array, ...]:
    """The model's answers, in the order of its outputs."""
    with asking(model.name, f"give rows as it was trained with{_inputs_of(model)}"):
        answer = model.predict_on_batch(rows)
    values = answer.values() if isinstance(answer, Mapping) else answer
    listed = values if isinstance(answer, Mapping | tuple | list) else [answer]
    return tuple(to_array(value, f"output {index}") for index, value in enumerate(listed))


def _inputs_of(model: Any) -> str:
    """What several inputs are called."""
    names = [str(tensor.name) for tensor in getattr(model, "inputs", None) or ()]
    return f", by name: {', '.join(names)}" if len(names) > 1 else ""


def _exported(keras: Any, model: Any, inputs: object, rows: Arrays, folder: Path, *, batched: bool) -> Path:
    def spec(name: str, array: Array) -> Any:
        shape = (None, *array.shape[1:]) if batched else array.shape
        plain = name if isinstance(inputs, Mapping) else None
        return keras.InputSpec(shape=shape, dtype=array.dtype.name, name=plain)

    specs = {name: spec(name, array) for name, array in rows.items()}
    file = folder / MODEL
    try:
        model.export(str(file), format="onnx", verbose=False, input_signature=[_shaped(inputs, specs)])
    except ImportError as error:
        raise BundleError(f"{model.name}: Keras cannot export it: {error}; install what it names") from None
    except Exception as error:  # noqa: BLE001  what the backend raises
        words = " ".join(str(error).split())[:600]
        raise BundleError(
            f"{model.name}: Keras cannot export it: {words}; try another backend (KERAS_BACKEND)"
        ) from None
    return file


def _output_names(signature: Signature, outputs: Sequence[str]) -> dict[str, str]:
    names = [tensor.name for tensor in signature.outputs]
    if not outputs:
        return {}
    if len(outputs) != len(names):
        raise BundleError(f"outputs: {len(outputs)} names, and the model gives {', '.join(names)}; name each")
    return dict(zip(names, outputs, strict=True))
